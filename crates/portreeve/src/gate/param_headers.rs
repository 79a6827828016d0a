//! `Mcp-Param-*`: headers that mirror single arguments, as the tool's schema says.
//!
//! Something between the gate and the server may route by them, so what they say must be what was
//! judged. Headers that the pinned schema does not know are nobody's mirror and pass.

use http::{HeaderMap, HeaderName};
use portreeve_policy::decimal::Decimal;
use portreeve_policy::json::{Kind, Rules, Value, parse};

use crate::mcp::header::{self, Mismatch, PARAM_PREFIX};
use crate::mcp::revision::Era;

/// The member of a schema that names the header.
const ANNOTATION: &str = "x-mcp-header";
/// How deep annotated arguments may lie; deeper ones are not looked for.
const MAX_DEPTH: usize = 16;

/// Checks the mirrors of a call's arguments against the definition the tool is pinned with.
pub(super) fn agree(
    headers: &HeaderMap,
    definition: &str,
    arguments: Option<&Value<'_>>,
    era: Era,
) -> Result<(), Mismatch> {
    // Nearly no definition has any, and reading one is not free.
    if !definition.contains(ANNOTATION) {
        return Ok(());
    }
    let Ok(definition) = parse(definition.as_bytes(), Rules::MESSAGE) else {
        return Ok(());
    };
    let Some(schema) = definition.get("inputSchema") else {
        return Ok(());
    };
    each(schema, arguments, MAX_DEPTH, &mut |name, argument| {
        mirror(headers, name, argument, era)
    })
}

type Look<'a> = dyn FnMut(&str, Option<&Value<'_>>) -> Result<(), Mismatch> + 'a;

/// Visits every annotated property that a chain of `properties` leads to, with its argument.
fn each(
    schema: &Value<'_>,
    arguments: Option<&Value<'_>>,
    depth_left: usize,
    look: &mut Look<'_>,
) -> Result<(), Mismatch> {
    let properties = schema
        .get("properties")
        .and_then(Value::members)
        .unwrap_or_default();
    let Some(depth_left) = depth_left.checked_sub(1) else {
        return Ok(());
    };
    for property in properties {
        let argument = arguments.and_then(|object| object.get(&property.key));
        if let Some(name) = property.value.get(ANNOTATION).and_then(Value::as_str) {
            look(name, argument)?;
        }
        each(&property.value, argument, depth_left, look)?;
    }
    Ok(())
}

fn mirror(
    headers: &HeaderMap,
    name: &str,
    argument: Option<&Value<'_>>,
    era: Era,
) -> Result<(), Mismatch> {
    let written = format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase());
    // A name that is no header's name cannot have been sent either.
    let Ok(name) = HeaderName::try_from(&written) else {
        return Ok(());
    };
    let argument = argument.filter(|value| !value.is_null());
    match (header::single(headers, &name)?, argument) {
        (None, None) => Ok(()),
        (None, Some(_)) if era == Era::Legacy => Ok(()),
        (None, Some(_)) => Err(Mismatch(format!(
            "{name} is missing, but the body has its value"
        ))),
        (Some(_), None) => Err(Mismatch(format!(
            "{name} is given, but the body has no such value"
        ))),
        (Some(text), Some(value)) if says(text, value) => Ok(()),
        (Some(_), Some(_)) => Err(Mismatch(format!("{name} is not what the body says"))),
    }
}

/// Whether a header's text is this value.
fn says(text: &str, value: &Value<'_>) -> bool {
    let Some(text) = header::decode(text) else {
        return false;
    };
    match &value.kind {
        Kind::String(expected) => text == *expected,
        Kind::Bool(expected) => text == expected.to_string(),
        Kind::Number(expected) => match (Decimal::parse(&text), Decimal::parse(expected)) {
            (Ok(text), Ok(expected)) => text == expected,
            _ => false,
        },
        Kind::Null | Kind::Array(_) | Kind::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const DEFINITION: &str = r#"{"name":"t","inputSchema":{"type":"object","properties":{
        "region":{"type":"string","x-mcp-header":"Region"},
        "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
        "free":{"type":"string"}}}}"#;

    fn check(headers: &[(&'static str, &str)], arguments: &str, era: Era) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let arguments = parse(arguments.as_bytes(), Rules::MESSAGE).unwrap();
        agree(&map, DEFINITION, Some(&arguments), era).is_ok()
    }

    #[test]
    fn mirrors_say_what_the_body_says() {
        let region = ("mcp-param-region", "eu");
        for (headers, arguments, agrees) in [
            (&[region][..], r#"{"region":"eu"}"#, true),
            (&[region], r#"{"region":"us"}"#, false),
            (&[region], "{}", false),
            (&[region], r#"{"region":null}"#, false),
            (&[region, region], r#"{"region":"eu"}"#, false),
            (
                &[("mcp-param-region", "=?base64?R3LDvMOfZQ==?=")],
                r#"{"region":"Grüße"}"#,
                true,
            ),
            (&[("mcp-param-n", "42.0")], r#"{"deep":{"n":42}}"#, true),
            (&[("mcp-param-n", "43")], r#"{"deep":{"n":42}}"#, false),
            (&[("mcp-param-unknown", "x")], "{}", true),
            (&[], "{}", true),
        ] {
            for era in [Era::Modern, Era::Legacy] {
                assert_eq!(
                    check(headers, arguments, era),
                    agrees,
                    "{headers:?} {arguments}"
                );
            }
        }
        assert!(!check(&[], r#"{"region":"eu"}"#, Era::Modern));
        assert!(check(&[], r#"{"region":"eu"}"#, Era::Legacy));
    }
}
