//! What the gate's answers are, as far as carrying them goes: JSON-RPC or not, an error or not, and under
//! which id a client on lines gets them.

use bytes::Bytes;
use http::StatusCode;
use portreeve_policy::json::{Rules, Span, outline};

use crate::mcp::splice::{Patch, apply};
use crate::mcp::{code, header, parts};

pub(super) fn is_mirror_trouble(status: StatusCode, message: &[u8]) -> bool {
    status == StatusCode::BAD_REQUEST
        && parts::read(message).is_ok_and(|parts| parts.error_code == Some(code::HEADER_MISMATCH))
        && memchr::memmem::find(message, header::PARAM_PREFIX.as_bytes()).is_some()
}

pub(super) fn error_code(message: &[u8]) -> Option<i64> {
    parts::read(message).ok()?.error_code
}

pub(super) fn words_of(message: &[u8]) -> String {
    let read: serde_json::Value = serde_json::from_slice(message).unwrap_or_default();
    let words = read
        .pointer("/error/message")
        .and_then(|words| words.as_str());
    words.unwrap_or("no reason is given").to_owned()
}

/// Whether a body is a message of JSON-RPC, which every answer of a gate is.
pub(super) fn is_rpc(message: &[u8]) -> bool {
    let Ok(members) = outline(message, Rules::MESSAGE) else {
        return false;
    };
    let has = |key: &str| members.iter().any(|member| member.key == key);
    let version = members.iter().find(|member| member.key == "jsonrpc");
    version.is_some_and(|version| version.value == "\"2.0\"")
        && (has("result") || has("error") || has("method"))
}

/// The message with the request's id, where an HTTP answer had none: a client on lines knows its
/// answers by nothing else.
pub(super) fn with_id(message: Bytes, id: &str) -> Bytes {
    let Ok(members) = outline(&message, Rules::MESSAGE) else {
        return message;
    };
    if members.iter().any(|member| member.key == "method") {
        return message;
    }
    let nameless = members.iter().find(|member| member.key == "id");
    let span = match nameless {
        Some(member) if member.value == "null" => Some((member.at, member.at + 4, String::new())),
        Some(_) => None,
        None => Some((1, 1, "\"id\":".to_owned())),
    };
    let Some((start, end, before)) = span else {
        return message;
    };
    let after = if before.is_empty() { "" } else { "," };
    let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
    let patch = Patch {
        span: Span {
            start: narrow(start),
            end: narrow(end),
        },
        with: format!("{before}{id}{after}").into_bytes(),
    };
    Bytes::from(apply(&message, vec![patch]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_json_rpc_is_known() {
        for (message, is) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, true),
            (r#"{"error":{"code":1},"jsonrpc":"2.0"}"#, true),
            (r#"{"detail":"Not Found"}"#, false),
            (r#"{"jsonrpc":"2.0","id":1}"#, false),
            (r#"{"id":1,"result":{}}"#, false),
            (r#"{"jsonrpc":"1.0","result":{}}"#, false),
            (r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#, false),
            ("{", false),
        ] {
            assert_eq!(is_rpc(message.as_bytes()), is, "{message}");
        }
    }

    #[test]
    fn an_answer_without_an_id_gets_the_one_it_answers() {
        let told = |message: &'static str| {
            String::from_utf8(with_id(Bytes::from_static(message.as_bytes()), "7").to_vec())
        };
        for (message, with) in [
            (r#"{"id": null,"error":{}}"#, r#"{"id": 7,"error":{}}"#),
            (r#"{"error":{}}"#, r#"{"id":7,"error":{}}"#),
            (r#"{"id":"x","result":{}}"#, r#"{"id":"x","result":{}}"#),
            (r#"{"method":"n"}"#, r#"{"method":"n"}"#),
            ("[1]", "[1]"),
        ] {
            assert_eq!(told(message).as_deref(), Ok(with));
        }
    }
}
