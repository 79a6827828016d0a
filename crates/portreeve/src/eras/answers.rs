//! Answers on their way to the other era: what they are, and small changes that leave the rest of
//! their bytes as they came.

use bytes::Bytes;
use portreeve_policy::json::{Rules, Span, Value, parse};

use super::draft::{json, object};
use crate::budget::in_place_of;
use crate::gate::{Reply, Status};
use crate::mcp::splice::{self, Patch};
use crate::mcp::{answer, code, message, revision};

/// A response as far as its translation needs it.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub error: Option<i64>,
    pub needs_input: Option<Needed>,
}

/// What a server wants to know before it goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Needed {
    /// By the server's name for it: the method, and the params as they are written.
    pub requests: Vec<Question>,
    /// As JSON text.
    pub state: Option<Vec<u8>>,
}

/// One thing that a server wants to know.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub key: String,
    pub method: String,
    /// As JSON text.
    pub params: Option<Vec<u8>>,
    /// Whether it sends the user to a page instead of asking itself.
    pub is_url: bool,
}

impl Question {
    pub(super) fn read(key: &str, request: &Value<'_>, text: &[u8]) -> Option<Self> {
        let params = request.get("params");
        let mode = params.and_then(|params| params.get("mode")?.as_str());
        Some(Self {
            key: key.to_owned(),
            method: request.get("method")?.as_str()?.to_owned(),
            params: params.map(|params| params.span.of(text).to_vec()),
            is_url: mode == Some("url"),
        })
    }
}

/// Reads a response.
pub(super) fn outline(response: &[u8]) -> Outline {
    let Ok(tree) = parse(response, Rules::MESSAGE) else {
        return Outline::default();
    };
    if let Some(error) = tree.get("error") {
        return Outline {
            error: error.get("code").and_then(number),
            needs_input: None,
        };
    }
    let result = tree.get("result");
    let kind = result.and_then(|result| result.get("resultType")?.as_str());
    Outline {
        needs_input: (kind == Some("input_required")).then(|| needed(result, response)),
        ..Outline::default()
    }
}

fn number(value: &Value<'_>) -> Option<i64> {
    value.as_number()?.parse().ok()
}

fn needed(result: Option<&Value<'_>>, text: &[u8]) -> Needed {
    let member = |name: &str| result.and_then(|result| result.get(name));
    let requests = member("inputRequests").and_then(Value::members);
    let requests = requests.unwrap_or_default().iter();
    Needed {
        requests: requests
            .filter_map(|member| Question::read(&member.key, &member.value, text))
            .collect(),
        state: member("requestState").map(|state| state.span.of(text).to_vec()),
    }
}

/// The response under another id.
pub(super) fn with_id(response: Bytes, id: &str) -> Bytes {
    let Ok(tree) = parse(&response, Rules::MESSAGE) else {
        return response;
    };
    match tree.get("id") {
        Some(known) if known.span.of(&response) != id.as_bytes() => {
            let patch = Patch {
                span: known.span,
                with: id.as_bytes().to_vec(),
            };
            patched(&response, vec![patch])
        }
        _ => response.clone(),
    }
}

/// The response with these members in its result, where it has none of the name.
pub(super) fn with_members(response: Bytes, members: &[(&str, &[u8])]) -> Bytes {
    let Ok(tree) = parse(&response, Rules::MESSAGE) else {
        return response;
    };
    let Some(result) = tree.get("result").filter(|r| r.members().is_some()) else {
        return response.clone();
    };
    let missing: Vec<_> = members
        .iter()
        .filter(|(name, _)| result.get(name).is_none())
        .collect();
    if missing.is_empty() {
        return response.clone();
    }
    let missing: Vec<_> = missing
        .iter()
        .map(|(name, value)| (*name, *value))
        .collect();
    let mut with = object(&missing);
    // What is between its braces goes behind those of the result.
    with.pop();
    with.remove(0);
    if result.members().is_some_and(|members| !members.is_empty()) {
        with.push(b',');
    }
    let at = result.span.start.saturating_add(1);
    let span = Span { start: at, end: at };
    patched(&response, vec![Patch { span, with }])
}

/// The error response under another code.
pub(super) fn with_code(response: Bytes, from: i64, to: i64) -> Bytes {
    let Ok(tree) = parse(&response, Rules::MESSAGE) else {
        return response;
    };
    let known = tree.get("error").and_then(|error| error.get("code"));
    match known {
        Some(known) if number(known) == Some(from) => {
            let patch = Patch {
                span: known.span,
                with: to.to_string().into_bytes(),
            };
            patched(&response, vec![patch])
        }
        _ => response.clone(),
    }
}

/// The message with a member in `params._meta`.
pub(super) fn with_meta(message: &Bytes, key: &str, value: &[u8]) -> Bytes {
    let Ok(tree) = message::read_tree(message) else {
        return message.clone();
    };
    match message::read(&tree, message) {
        Ok(read) => {
            let mut draft = super::draft::Draft::of(&read, &tree, message);
            draft.set_meta(key, value);
            in_place_of(draft.write(), vec![message.clone()])
        }
        Err(_) => message.clone(),
    }
}

fn patched(response: &Bytes, patches: Vec<Patch>) -> Bytes {
    let anew = Bytes::from(splice::apply(response, patches));
    in_place_of(anew, vec![response.clone()])
}

/// What an error says in words.
pub(super) fn words_of(response: &[u8]) -> Option<String> {
    let tree = parse(response, Rules::MESSAGE).ok()?;
    let words = tree.get("error")?.get("message")?.as_str()?;
    Some(words.to_owned())
}

/// What has no form in the other era: which it is, and why.
pub(super) fn untranslatable(id: Option<&str>, words: &str) -> Reply {
    let status = if id.is_some() {
        Status::Fine
    } else {
        Status::Malformed
    };
    Reply::message(status, answer::plain_error(id, code::NOT_TRANSLATED, words))
}

/// A method that the era has not.
pub(super) fn unknown_method(id: &str, method: &str) -> Reply {
    let words = format!("{method:?} is no method of revision {}", revision::MODERN);
    let words = answer::plain_error(Some(id), code::METHOD_NOT_FOUND, &words);
    Reply::message(Status::NotFound, words)
}

/// A text member as JSON, for results that are written here.
pub(super) fn text(words: &str) -> Vec<u8> {
    json(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_changed_changes() {
        let of = |text: &'static str| Bytes::from_static(text.as_bytes());
        let answer = of(r#"{"jsonrpc":"2.0","id":"x-1","result":{ "n":1.0}}"#);
        let answer = with_id(answer, "7");
        let members: [(&str, &[u8]); 2] = [("resultType", br#""complete""#), ("n", b"2")];
        let answer = with_members(answer, &members);
        let expected = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete", "n":1.0}}"#;
        assert_eq!(String::from_utf8_lossy(&answer), expected);
        let empty = with_members(of(r#"{"id":1,"result":{}}"#), &members[..1]);
        assert_eq!(empty, r#"{"id":1,"result":{"resultType":"complete"}}"#);
        let error = of(r#"{"id":1,"error":{"code":-32002,"message":"m"}}"#);
        let error = with_code(error, -32002, -32602);
        assert_eq!(error, r#"{"id":1,"error":{"code":-32602,"message":"m"}}"#);
        let untouched = of(r#"{"id":1,"error":{"code":-1,"message":"m"}}"#);
        assert_eq!(
            with_code(untouched.clone(), -32002, 0).as_ptr(),
            untouched.as_ptr()
        );
    }

    #[test]
    fn a_server_that_needs_input_is_understood() {
        let needed = outline(
            br#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"s",
                "inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"url","n":1.0}}}}}"#,
        );
        let needed = needed.needs_input.unwrap();
        assert_eq!(needed.state.as_deref(), Some(&br#""s""#[..]));
        let asked = &needed.requests[0];
        assert_eq!((asked.key.as_str(), asked.is_url), ("a", true));
        assert_eq!(
            asked.params.as_deref(),
            Some(&br#"{"mode":"url","n":1.0}"#[..])
        );
        assert!(outline(br#"{"id":1,"result":{}}"#).needs_input.is_none());
        assert_eq!(
            outline(br#"{"id":1,"error":{"code":-32022}}"#).error,
            Some(-32022)
        );
    }
}
