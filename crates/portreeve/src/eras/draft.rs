//! A message written anew for the other era: its members as they came, but for those that the other
//! era has elsewhere or not at all.

use bytes::Bytes;
use portreeve_policy::json::{Member, Value};

use crate::mcp::message::Message;

/// A member: its key as it is called, its value as it was written.
type Written = (String, Vec<u8>);

/// A request or notification on its way to the other era.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// As JSON text; `None` for a notification.
    id: Option<String>,
    method: String,
    /// Members of the envelope that the protocol does not know.
    beside: Vec<Written>,
    params: Vec<Written>,
    meta: Vec<Written>,
    has_params: bool,
    has_meta: bool,
}

impl Draft {
    /// `text` is what the message was read from.
    pub(super) fn of(message: &Message<'_>, tree: &Value<'_>, text: &[u8]) -> Self {
        let params = members(message.params);
        let meta = message.params.and_then(|params| params.get("_meta"));
        let known = |key: &str| matches!(key, "jsonrpc" | "id" | "method" | "params");
        Self {
            id: message.id().map(|id| id.as_json().to_owned()),
            method: message.method().unwrap_or_default().to_owned(),
            beside: written(members(Some(tree)), text, |key| !known(key)),
            params: written(params, text, |key| key != "_meta"),
            meta: written(members(meta), text, |_| true),
            has_params: message.params.is_some(),
            has_meta: meta.is_some(),
        }
    }

    /// A request of the gate's own.
    pub(super) fn new(id: String, method: &str) -> Self {
        Self {
            id: Some(id),
            method: method.to_owned(),
            beside: Vec::new(),
            params: Vec::new(),
            meta: Vec::new(),
            has_params: true,
            has_meta: false,
        }
    }

    pub(super) fn with_id(&self, id: String) -> Self {
        Self {
            id: Some(id),
            ..self.clone()
        }
    }

    /// Puts a member into `params`; one of that name goes.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Vec<u8>>) {
        put(&mut self.params, key, value.into());
    }

    pub(super) fn drop(&mut self, key: &str) {
        self.params.retain(|(known, _)| known != key);
    }

    /// Puts a member into `params._meta`; one of that name goes.
    pub(super) fn set_meta(&mut self, key: &str, value: impl Into<Vec<u8>>) {
        put(&mut self.meta, key, value.into());
    }

    pub(super) fn drop_meta(&mut self, key: &str) {
        let before = self.meta.len();
        self.meta.retain(|(known, _)| known != key);
        // What was there for this member alone goes with it.
        self.has_meta &= !(self.meta.is_empty() && before > 0);
    }

    pub(super) fn write(&self) -> Bytes {
        let mut out = br#"{"jsonrpc":"2.0""#.to_vec();
        let mut members = Vec::new();
        if let Some(id) = &self.id {
            members.push(("id", id.clone().into_bytes()));
        }
        members.push(("method", json(&self.method)));
        let mut params = self.params.clone();
        if !self.meta.is_empty() || self.has_meta {
            params.push(("_meta".to_owned(), object(&self.meta)));
        }
        if !params.is_empty() || self.has_params {
            members.push(("params", object(&params)));
        }
        let beside = self.beside.iter();
        members.extend(beside.map(|(key, value)| (key.as_str(), value.clone())));
        for (key, value) in members {
            out.push(b',');
            member(&mut out, key, &value);
        }
        out.push(b'}');
        Bytes::from(out)
    }
}

fn members<'t, 'a>(object: Option<&'t Value<'a>>) -> &'t [Member<'a>] {
    object.and_then(Value::members).unwrap_or_default()
}

fn written(members: &[Member<'_>], text: &[u8], keep: impl Fn(&str) -> bool) -> Vec<Written> {
    let kept = members.iter().filter(|member| keep(&member.key));
    kept.map(|member| {
        let value = member.value.span.of(text).to_vec();
        (member.key.clone().into_owned(), value)
    })
    .collect()
}

fn put(members: &mut Vec<Written>, key: &str, value: Vec<u8>) {
    match members.iter_mut().find(|(known, _)| known == key) {
        Some(known) => known.1 = value,
        None => members.push((key.to_owned(), value)),
    }
}

/// A text as JSON.
pub(super) fn json(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}

fn member(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    out.extend_from_slice(&json(key));
    out.push(b':');
    out.extend_from_slice(value);
}

/// The text of an object that holds these members.
pub(super) fn object(members: &[(impl AsRef<str>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (i, (key, value)) in members.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        member(&mut out, key.as_ref(), value.as_ref());
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::message::{read, read_tree};

    fn draft(text: &str) -> Draft {
        let tree = read_tree(text.as_bytes()).unwrap();
        Draft::of(
            &read(&tree, text.as_bytes()).unwrap(),
            &tree,
            text.as_bytes(),
        )
    }

    #[test]
    fn what_the_other_era_has_too_stays_as_it_was_written() {
        let mut draft = draft(
            r#"{"jsonrpc":"2.0","x":[1.0, 2],"id":"a\u0062","method":"m","params":{"n":1e2,"_meta":{"k":"v","p":7}}}"#,
        );
        draft.set_meta("new", "true");
        draft.drop_meta("k");
        draft.set("added", "{}");
        let written = draft.write();
        let expected = r#"{"jsonrpc":"2.0","id":"a\u0062","method":"m","params":{"n":1e2,"added":{},"_meta":{"p":7,"new":true}},"x":[1.0, 2]}"#;
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }

    #[test]
    fn what_was_not_there_is_not_made() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","method":"m","params":{}}"#,
            r#"{"jsonrpc":"2.0","method":"m","params":{"_meta":{}}}"#,
        ] {
            assert_eq!(draft(text).write(), text);
        }
        let mut only = draft(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"k":1}}}"#);
        only.drop_meta("k");
        assert_eq!(
            only.write(),
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{}}"#
        );
    }
}
