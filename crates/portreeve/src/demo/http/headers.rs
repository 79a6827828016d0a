//! The headers in which the modern era repeats parts of the body: a server that reads the body
//! refuses a request where the two disagree.

use http::header::HeaderMap;
use serde_json::Value;

use crate::demo::modern;
use crate::demo::rpc::{HEADER_MISMATCH, Request, RpcError};

/// What the header says the version is: nothing, one text, or something unreadable.
pub(super) fn version(headers: &HeaderMap) -> Result<Option<&str>, RpcError> {
    one(headers, "mcp-protocol-version")
}

/// Checks the headers of a modern request against its body. `definitions` are the tools.
pub(super) fn check(
    headers: &HeaderMap,
    request: &Request,
    definitions: &[Value],
) -> Result<(), RpcError> {
    let claimed = modern::claimed_version(&request.params);
    let claimed = claimed.and_then(Value::as_str);
    if let Some(claimed) = claimed {
        same("MCP-Protocol-Version", version(headers)?, claimed)?;
    }
    modern::check_meta(&request.params)?;
    same("Mcp-Method", one(headers, "mcp-method")?, &request.method)?;
    let named_by = match request.method.as_str() {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    if let Some(name) = request.params.get(named_by).and_then(Value::as_str) {
        let given = decoded(headers, "mcp-name")?;
        same("Mcp-Name", given.as_deref(), name)?;
        check_parameters(headers, request, name, definitions)?;
    }
    Ok(())
}

/// Checks `Mcp-Param-*` for the parameters that a tool's schema marks with `x-mcp-header`.
fn check_parameters(
    headers: &HeaderMap,
    request: &Request,
    tool: &str,
    definitions: &[Value],
) -> Result<(), RpcError> {
    let definition = definitions.iter().find(|known| known["name"] == *tool);
    let properties =
        definition.and_then(|known| known.pointer("/inputSchema/properties")?.as_object());
    for (property, schema) in properties.into_iter().flatten() {
        let Some(suffix) = schema.get("x-mcp-header").and_then(Value::as_str) else {
            continue;
        };
        let header = format!("mcp-param-{}", suffix.to_ascii_lowercase());
        let given = decoded(headers, &header)?;
        let arguments = request.params.get("arguments");
        match arguments.and_then(|arguments| arguments.get(property)) {
            None | Some(Value::Null) if given.is_none() => {}
            None | Some(Value::Null) => {
                return Err(mismatch(
                    &header,
                    "is not expected: the body has no such value",
                ));
            }
            Some(Value::String(text)) => same(&header, given.as_deref(), text)?,
            Some(other) => same(&header, given.as_deref(), &other.to_string())?,
        }
    }
    Ok(())
}

fn same(header: &str, given: Option<&str>, expected: &str) -> Result<(), RpcError> {
    match given {
        Some(given) if given == expected => Ok(()),
        Some(_) => Err(mismatch(header, "does not match the body")),
        None => Err(mismatch(header, "is missing")),
    }
}

fn mismatch(header: &str, why: &str) -> RpcError {
    RpcError::new(HEADER_MISMATCH, format!("Header mismatch: {header} {why}"))
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, RpcError> {
    let mut all = headers.get_all(name).iter();
    let Some(first) = all.next() else {
        return Ok(None);
    };
    match (first.to_str(), all.next()) {
        (Ok(text), None) => Ok(Some(text)),
        (Ok(_), Some(_)) => Err(mismatch(name, "is given more than once")),
        (Err(_), _) => Err(mismatch(
            name,
            "contains characters that no header may have",
        )),
    }
}

/// The value of a header that may be written as `=?base64?…?=`.
fn decoded(headers: &HeaderMap, name: &str) -> Result<Option<String>, RpcError> {
    let Some(text) = one(headers, name)? else {
        return Ok(None);
    };
    let inner = text
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    let Some(inner) = inner else {
        return Ok(Some(text.to_owned()));
    };
    let bytes = base64(inner).and_then(|bytes| String::from_utf8(bytes).ok());
    bytes
        .map(Some)
        .ok_or_else(|| mismatch(name, "is not valid base64 of a text"))
}

/// Standard base64 with padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        bits = (bits << 6) | u32::from(sextet(digit)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

const fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_reads_what_the_specification_writes() {
        for (encoded, text) in [
            ("SGVsbG8sIOS4lueVjA==", "Hello, 世界"),
            ("IHBhZGRlZCA=", " padded "),
            ("bGluZTEKbGluZTI=", "line1\nline2"),
            ("PT9iYXNlNjQ/bGl0ZXJhbD89", "=?base64?literal?="),
            ("", ""),
        ] {
            assert_eq!(base64(encoded).unwrap(), text.as_bytes(), "{encoded}");
        }
        for bad in ["A", "AB", "ABC", "AB=C", "A===", "A-B_"] {
            assert_eq!(base64(bad), None, "{bad}");
        }
    }
}
