//! The parts of a message that routing depends on: its id, its method, and the tokens that tie a
//! notification to a request.
//!
//! For whoever carries messages without judging them: strict reading is [`message`]'s.

use bytes::Bytes;
use portreeve_policy::json::{JsonError, RawMember, Rules, Span, Value, canonical, outline, parse};

use super::message;
use super::splice::{Patch, apply};
use crate::budget::in_place_of;

/// In a modern server's notifications: the id of the `subscriptions/listen` they belong to.
const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// A value that names something, and where it stands in its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// One text for all the ways to write it.
    pub(crate) value: String,
    /// As it is written.
    pub(crate) written: String,
    span: (usize, usize),
}

impl Mark {
    fn new(written: &str, at: usize) -> Self {
        Self {
            value: message::canonical_id(written),
            written: written.to_owned(),
            span: (at, at + written.len()),
        }
    }

    /// The patch that puts another value in its place.
    pub(crate) fn replaced(&self, with: &str) -> Patch {
        let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Patch {
            span: Span {
                start: narrow(self.span.0),
                end: narrow(self.span.1),
            },
            with: with.as_bytes().to_vec(),
        }
    }
}

/// A line's parts.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) method: Option<String>,
    pub(crate) id: Option<Mark>,
    /// Of a progress notification, or the one a request asks to be told under.
    pub(crate) progress: Option<Mark>,
    pub(crate) subscription: Option<Mark>,
    /// The request that a cancellation is about.
    pub(crate) cancels: Option<Mark>,
    pub(crate) is_error: bool,
    pub(crate) error_code: Option<i64>,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Notification,
    Response,
}

impl Parts {
    pub(crate) const fn kind(&self) -> Option<Kind> {
        match (&self.method, &self.id) {
            (Some(_), Some(_)) => Some(Kind::Request),
            (Some(_), None) => Some(Kind::Notification),
            (None, Some(_)) => Some(Kind::Response),
            (None, None) => None,
        }
    }

    pub(crate) fn method(&self) -> &str {
        self.method.as_deref().unwrap_or_default()
    }
}

/// Reads the parts of a message.
pub(crate) fn read(line: &[u8]) -> Result<Parts, JsonError> {
    let members = outline(line, Rules::MESSAGE)?;
    let mut parts = Parts::default();
    for member in &members {
        match member.key.as_ref() {
            "id" if member.value != "null" => parts.id = Some(mark(member, 0)),
            "method" => parts.method = text(member.value),
            "params" => read_params(&mut parts, member),
            // Results are large, and nearly none of them is a subscription's end.
            "result" if member.value.contains(META_SUBSCRIPTION) => {
                let meta = inner(member, 0, "_meta");
                parts.subscription = meta.and_then(|(meta, at)| find(meta, at, META_SUBSCRIPTION));
            }
            "error" => {
                parts.is_error = true;
                parts.error_code = inner(member, 0, "code").and_then(|(code, _)| code.parse().ok());
            }
            _ => {}
        }
    }
    Ok(parts)
}

fn read_params(parts: &mut Parts, params: &RawMember<'_>) {
    // A list instead of an object ties nothing to anything.
    let Ok(members) = outline(params.value.as_bytes(), Rules::MESSAGE) else {
        return;
    };
    for member in &members {
        match member.key.as_ref() {
            "progressToken" => parts.progress = Some(mark(member, params.at)),
            "requestId" => parts.cancels = Some(mark(member, params.at)),
            "_meta" => {
                let at = params.at + member.at;
                let own = find(member.value, at, "progressToken");
                parts.progress = own.or(parts.progress.take());
                parts.subscription = find(member.value, at, META_SUBSCRIPTION);
            }
            _ => {}
        }
    }
}

fn mark(member: &RawMember<'_>, outer: usize) -> Mark {
    Mark::new(member.value, outer + member.at)
}

fn text(written: &str) -> Option<String> {
    let value = parse(written.as_bytes(), Rules::MESSAGE).ok()?;
    value.as_str().map(str::to_owned)
}

/// A member of the object that a member holds, and where its value begins.
fn inner<'a>(member: &RawMember<'a>, outer: usize, name: &str) -> Option<(&'a str, usize)> {
    let members = outline(member.value.as_bytes(), Rules::MESSAGE).ok()?;
    let found = members.iter().find(|inner| inner.key == name)?;
    Some((found.value, outer + member.at + found.at))
}

fn find(object: &str, at: usize, name: &str) -> Option<Mark> {
    let members = outline(object.as_bytes(), Rules::MESSAGE).ok()?;
    let found = members.iter().find(|member| member.key == name)?;
    Some(mark(found, at))
}

/// The line with other values in the places of these marks.
pub(crate) fn patched(line: &Bytes, patches: Vec<Patch>) -> Bytes {
    if patches.is_empty() {
        line.clone()
    } else {
        let anew = Bytes::from(apply(line, patches));
        in_place_of(anew, vec![line.clone()])
    }
}

/// The messages of a line: one, or those of a batch.
pub(crate) fn messages(line: Bytes) -> Vec<Bytes> {
    if line.first() != Some(&b'[') {
        return vec![line];
    }
    match parse(&line, Rules::MESSAGE) {
        Ok(tree) => {
            let elements = tree.elements().unwrap_or_default();
            let cut = |element: &Value<'_>| line.slice_ref(element.span.of(&line));
            elements.iter().map(cut).collect()
        }
        Err(_) => vec![line],
    }
}

/// The cancellation of a request, by its id as JSON text.
pub(crate) fn cancellation(id: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"the client is gone"}}}}"#
    ))
}

/// The canonical text of an id of our own.
pub(crate) fn own_id(number: u64) -> String {
    let written = number.to_string();
    parse(written.as_bytes(), Rules::MESSAGE).map_or(written.clone(), |id| canonical(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_and_replaced_where_they_stand() {
        let line = Bytes::from_static(
            br#"{"jsonrpc": "2.0", "id" : "a\u0062", "method":"tools/call","params":{"x":{"progressToken":0},"_meta": {"progressToken":7 , "k":1.0}}}"#,
        );
        let parts = read(&line).unwrap();
        assert_eq!(parts.kind(), Some(Kind::Request));
        let (id, token) = (parts.id.unwrap(), parts.progress.unwrap());
        assert_eq!(
            (id.written.as_str(), token.written.as_str()),
            (r#""a\u0062""#, "7")
        );
        assert_eq!(id.value, Mark::new(r#""ab""#, 0).value);
        let sent = patched(&line, vec![token.replaced("12"), id.replaced("12")]);
        assert_eq!(
            sent,
            r#"{"jsonrpc": "2.0", "id" : 12, "method":"tools/call","params":{"x":{"progressToken":0},"_meta": {"progressToken":12 , "k":1.0}}}"#
        );
    }

    #[test]
    fn what_ties_a_notification_to_a_request_is_read() {
        let read = |text: &str| read(text.as_bytes()).unwrap();
        let progress = read(
            r#"{"method":"notifications/progress","params":{"progressToken":"t","progress":1}}"#,
        );
        assert_eq!(progress.progress.unwrap().written, r#""t""#);
        let told = read(
            r#"{"method":"n","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":3}}}"#,
        );
        assert_eq!(told.subscription.unwrap().written, "3");
        let closed =
            read(r#"{"id":3,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":3}}}"#);
        assert_eq!(closed.subscription.unwrap().span, (68, 69));
        let cancelled = read(r#"{"method":"notifications/cancelled","params":{"requestId":9}}"#);
        assert_eq!(cancelled.cancels.unwrap().value, own_id(9));
        let error = read(r#"{"id":1,"error":{"code":-32601,"message":"no"}}"#);
        assert_eq!((error.is_error, error.error_code), (true, Some(-32601)));
    }

    #[test]
    fn a_batch_is_taken_apart() {
        let batch = Bytes::from_static(br#"[{"id":1}, {"id":2}]"#);
        assert_eq!(messages(batch), [r#"{"id":1}"#, r#"{"id":2}"#]);
        assert_eq!(messages(Bytes::from_static(b"{}")), ["{}"]);
    }

    #[test]
    fn our_own_words_are_messages() {
        let words = cancellation("\"x\"");
        let parts = read(&words).unwrap();
        assert_eq!(parts.kind(), Some(Kind::Notification));
        assert_eq!(parts.cancels.unwrap().written, "\"x\"");
    }
}
