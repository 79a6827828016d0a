//! The protocol's HTTP headers: their names, their encoding, and whether they say what the body says.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::message::Message;
use super::method;
use super::revision::{self, Era};
use crate::base64;

pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Mirrors of single arguments: given once and in plain text, they are forwarded as they are.
pub const PARAM_PREFIX: &str = "mcp-param-";

/// A header and a body that do not say the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Header mismatch: {0}")]
pub struct Mismatch(pub String);

/// The one value of a header. Two values, or one that is not plain text, are a mismatch.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Mismatch> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Mismatch(format!("{name} is given more than once")));
    }
    let plain = |v: &HeaderValue| {
        v.as_bytes()
            .iter()
            .all(|b| matches!(b, b' '..=b'~' | b'\t'))
    };
    match first.to_str() {
        Ok(text) if plain(first) => Ok(Some(text)),
        _ => Err(Mismatch(format!(
            "{name} has characters outside visible ASCII"
        ))),
    }
}

/// The revision a request is under: what its body says, else its header, else the oldest that has
/// no header.
pub fn version<'a>(headers: &'a HeaderMap, body: Option<&'a str>) -> Result<&'a str, Mismatch> {
    let header = single(headers, &PROTOCOL_VERSION)?;
    match (header, body) {
        (Some(header), Some(body)) if header != body => Err(Mismatch(format!(
            "{PROTOCOL_VERSION} is not the revision that the body's _meta names"
        ))),
        (None, Some(body)) if revision::era(body) == Era::Modern => Err(Mismatch(format!(
            "{PROTOCOL_VERSION} is missing, though the body's _meta names a revision"
        ))),
        (header, body) => Ok(body.or(header).unwrap_or(revision::WITH_BATCHES)),
    }
}

/// Checks the mirrors of method and name. The modern era demands them; when a legacy client sends
/// them all the same, they must be true as well.
///
/// INVARIANT: a mismatch names headers, never what stands in them or in the body: that may be secret,
/// and the reason is booked (`a_mismatch_quotes_nothing`).
pub fn agree(headers: &HeaderMap, message: &Message<'_>, era: Era) -> Result<(), Mismatch> {
    let Some(method) = message.method() else {
        return Ok(());
    };
    let demanded = era == Era::Modern && message.id().is_some();
    match single(headers, &METHOD)? {
        Some(header) if header == method => {}
        Some(_) => return Err(Mismatch(format!("{METHOD} is not the body's method"))),
        None if demanded => return Err(Mismatch(format!("{METHOD} is missing"))),
        None => {}
    }
    for name in headers.keys().filter(|name| is_mirror(name)) {
        single(headers, name)?;
    }
    let member = method::name_member(method);
    let named = member
        .and_then(|m| message.param(m))
        .and_then(|v| v.as_str());
    match (single(headers, &NAME)?, named) {
        (None, Some(_)) if demanded => Err(Mismatch(format!("{NAME} is missing"))),
        (None, _) => Ok(()),
        (Some(header), Some(name)) if decode(header).as_deref() == Some(name) => Ok(()),
        (Some(_), None) if member.is_none() => Ok(()),
        (Some(_), named) => {
            let what = if named.is_some() {
                "is not what"
            } else {
                "is given, and nothing is what"
            };
            Err(Mismatch(format!("{NAME} {what} the body names")))
        }
    }
}

/// What a POST accepts: both forms of an answer, the one that is liked better first.
pub const EITHER: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
pub const STREAM_FIRST: HeaderValue =
    HeaderValue::from_static("text/event-stream, application/json");

/// Whether a client likes a stream better than one message: it names that first. Weights are not
/// looked at; either form is one that it takes.
pub fn prefers_stream(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter();
    let mut ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .map(str::trim);
    let known = |range: &&str| {
        range.eq_ignore_ascii_case("application/json")
            || range.eq_ignore_ascii_case("text/event-stream")
    };
    let first = ranges.find(known);
    first.is_some_and(|range| range.eq_ignore_ascii_case("text/event-stream"))
}

/// Whether the header mirrors a single argument.
pub fn is_mirror(name: &HeaderName) -> bool {
    name.as_str().starts_with(PARAM_PREFIX)
}

/// Undoes the `=?base64?…?=` form that carries what plain ASCII cannot.
pub fn decode(value: &str) -> Option<String> {
    let Some(inner) = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(value.to_owned());
    };
    String::from_utf8(decode_base64(inner)?).ok()
}

/// A value as a header: as it is if that is plain, else in the form that [`decode`] undoes.
pub fn encode(value: &str) -> String {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if plain && value.trim() == value && !value.starts_with("=?base64?") {
        return value.to_owned();
    }
    format!("=?base64?{}?=", base64::encode(value.as_bytes()))
}

/// RFC 4648 base64 with padding, strictly: one text for one value.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(body.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in body.bytes() {
        bits = (bits << 6) | u32::from(sextet(letter)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xFF).ok()?);
        }
    }
    let leftover = bits & ((1 << held) - 1);
    (leftover == 0 && held < 6).then_some(bytes)
}

const fn sextet(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::message::{read, read_tree};
    use super::*;

    fn check(headers: &[(&'static str, &str)], body: &str, era: Era) -> Result<(), Mismatch> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let tree = read_tree(body.as_bytes()).unwrap();
        agree(&map, &read(&tree, body.as_bytes()).unwrap(), era)
    }

    const CALL: &str =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"Grüße"}}"#;

    #[test]
    fn mirrors_must_be_there_and_true_in_the_modern_era() {
        let name = "=?base64?R3LDvMOfZQ==?=";
        let good = [("mcp-method", "tools/call"), ("mcp-name", name)];
        assert_eq!(check(&good, CALL, Era::Modern), Ok(()));
        for bad in [
            &[("mcp-method", "tools/list"), ("mcp-name", name)][..],
            &[("mcp-method", "tools/call"), ("mcp-name", "other")],
            &[
                ("mcp-method", "tools/call"),
                ("mcp-name", "=?base64?R3LDvMOfZR==?="),
            ],
            &[
                ("mcp-method", "tools/call"),
                ("mcp-method", "tools/call"),
                ("mcp-name", name),
            ],
            &[("mcp-method", "tools/call")],
            &[("mcp-name", name)],
            &[],
        ] {
            assert!(check(bad, CALL, Era::Modern).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_mismatch_quotes_nothing() {
        let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"https://u:hush1@h/?k=hush2"}}"#;
        for headers in [
            &[("mcp-method", "hush"), ("mcp-name", "hush")][..],
            &[("mcp-method", "resources/read"), ("mcp-name", "hush")],
            &[("mcp-method", "resources/read")],
        ] {
            for era in [Era::Legacy, Era::Modern] {
                if let Err(mismatch) = check(headers, read, era) {
                    assert!(!mismatch.to_string().contains("hush"), "{mismatch}");
                }
            }
        }
        let headers = [(PROTOCOL_VERSION, HeaderValue::from_static("hush"))];
        let headers = headers.into_iter().collect();
        let mismatch = version(&headers, Some("hush too")).unwrap_err();
        assert!(!mismatch.to_string().contains("hush"), "{mismatch}");
    }

    #[test]
    fn a_legacy_client_may_leave_them_out_but_not_lie() {
        assert_eq!(check(&[], CALL, Era::Legacy), Ok(()));
        assert!(check(&[("mcp-method", "ping")], CALL, Era::Legacy).is_err());
        assert!(check(&[("mcp-name", "harmless")], CALL, Era::Legacy).is_err());
    }

    #[test]
    fn a_stream_is_preferred_where_it_is_named_first() {
        for (accept, prefers) in [
            (&["application/json, text/event-stream"][..], false),
            (&["text/event-stream, application/json"], true),
            (&["*/*;q=0.1, Text/Event-Stream;q=0.9"], true),
            (&["text/html", "text/event-stream"], true),
            (&["application/json", "text/event-stream"], false),
            (&["*/*"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(prefers_stream(&headers), prefers, "{accept:?}");
        }
        for (value, prefers) in [(EITHER, false), (STREAM_FIRST, true)] {
            let headers = HeaderMap::from_iter([(ACCEPT, value)]);
            assert_eq!(prefers_stream(&headers), prefers);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for value in [
            "plain",
            "",
            " padded",
            "Grüße 🚢",
            "=?base64?eA==?=",
            "a\nb",
            "tab\t",
        ] {
            let written = encode(value);
            assert!(HeaderValue::from_str(&written).is_ok(), "{written:?}");
            assert_eq!(decode(&written).as_deref(), Some(value));
        }
        assert_eq!(encode("plain"), "plain");
    }

    #[test]
    fn the_version_must_not_depend_on_who_reads_it() {
        let mut headers = HeaderMap::new();
        assert_eq!(version(&headers, None).unwrap(), "2025-03-26");
        assert!(version(&headers, Some("2026-07-28")).is_err());
        headers.insert(PROTOCOL_VERSION, HeaderValue::from_static("2026-07-28"));
        assert_eq!(version(&headers, Some("2026-07-28")).unwrap(), "2026-07-28");
        assert!(version(&headers, Some("2025-11-25")).is_err());
    }
}
