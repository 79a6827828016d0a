//! The messages the gate writes itself, in JSON-RPC's own form.

use serde::Serialize;

/// A JSON-RPC error. `id` is JSON text, or `None` where it could not be read.
pub fn error(id: Option<&str>, code: i64, message: &str, data: Option<&impl Serialize>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Error<'a, D> {
        code: i64,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a D>,
    }
    framed(
        id,
        "error",
        &Error {
            code,
            message,
            data,
        },
    )
}

/// A JSON-RPC error without data.
pub fn plain_error(id: Option<&str>, code: i64, message: &str) -> Vec<u8> {
    error(id, code, message, None::<&()>)
}

/// A successful response.
pub fn result(id: &str, result: &impl Serialize) -> Vec<u8> {
    framed(Some(id), "result", result)
}

fn framed(id: Option<&str>, member: &str, value: &impl Serialize) -> Vec<u8> {
    let id = id.unwrap_or("null");
    let mut out = format!(r#"{{"jsonrpc":"2.0","id":{id},"{member}":"#).into_bytes();
    // Writing our own plain types into memory has no way to fail; null is the honest rest.
    if serde_json::to_writer(&mut out, value).is_err() {
        out.extend_from_slice(b"null");
    }
    out.push(b'}');
    out
}
