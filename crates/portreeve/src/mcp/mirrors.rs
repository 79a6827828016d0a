//! Headers that repeat single arguments, as a tool's schema wants it: which they are, and how they
//! are written. Whether those of a request are true is the gate's to say.

use http::{HeaderMap, HeaderName, HeaderValue};
use portreeve_policy::json::{Kind, Value};

use super::header::{self, PARAM_PREFIX};

const ANNOTATION: &str = "x-mcp-header";
/// How deep annotated arguments may lie, as for the gate.
const MAX_DEPTH: usize = 16;

/// A header, and the path of the argument it repeats.
pub type Mirror = (HeaderName, Vec<String>);

/// The mirrors that an input schema asks for.
pub fn of_schema(schema: &Value<'_>) -> Vec<Mirror> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found);
    found
}

/// Adds the headers of one call.
pub fn write(mirrors: &[Mirror], arguments: Option<&Value<'_>>, to: &mut HeaderMap) {
    for (name, path) in mirrors {
        let found = path
            .iter()
            .fold(arguments, |value, key| value.and_then(|v| v.get(key)));
        let text = found.and_then(text_of);
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            to.insert(name.clone(), value);
        }
    }
}

fn collect(schema: &Value<'_>, path: &mut Vec<String>, found: &mut Vec<Mirror>) {
    if path.len() >= MAX_DEPTH {
        return;
    }
    let properties = schema.get("properties").and_then(Value::members);
    for property in properties.unwrap_or_default() {
        path.push(property.key.clone().into_owned());
        let name = property.value.get(ANNOTATION).and_then(Value::as_str);
        let name = name.map(|name| format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase()));
        if let Some(Ok(name)) = name.map(|name| HeaderName::try_from(&name)) {
            found.push((name, path.clone()));
        }
        collect(&property.value, path, found);
        path.pop();
    }
}

fn text_of(value: &Value<'_>) -> Option<String> {
    match &value.kind {
        Kind::String(text) => Some(header::encode(text)),
        Kind::Bool(value) => Some(value.to_string()),
        Kind::Number(text) => Some(text.clone().into_owned()),
        Kind::Null | Kind::Array(_) | Kind::Object(_) => None,
    }
}
