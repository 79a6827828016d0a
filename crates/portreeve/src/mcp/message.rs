//! One JSON-RPC message, or a batch of them, read strictly and left as it is.

use portreeve_policy::json::{
    JsonError, Kind, Member, Rules, Trouble, Value, canonical, outline, parse,
};

use super::code;
use super::keys;

/// A request's id as it is written: a string or an integer of at most 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    /// The id as JSON text.
    pub const fn as_json(&self) -> &'a str {
        self.0
    }
}

/// One text for all the ways to write an id: who answers may spell a string with other escapes.
pub fn canonical_id(json: &str) -> String {
    match parse(json.as_bytes(), Rules::MESSAGE) {
        Ok(id) => canonical(&id),
        Err(_) => json.to_owned(),
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    Request { id: Id<'a>, method: &'a str },
    Notification { method: &'a str },
    Response { id: Id<'a>, is_error: bool },
}

/// A message and the bytes it was read from.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub shape: Shape<'a>,
    /// `params`, if there are any: always an object.
    pub params: Option<&'a Value<'a>>,
    /// The whole message as it came, and as it leaves.
    pub raw: &'a [u8],
}

impl<'a> Message<'a> {
    pub const fn id(&self) -> Option<Id<'a>> {
        match self.shape {
            Shape::Request { id, .. } | Shape::Response { id, .. } => Some(id),
            Shape::Notification { .. } => None,
        }
    }

    pub const fn method(&self) -> Option<&'a str> {
        match self.shape {
            Shape::Request { method, .. } | Shape::Notification { method } => Some(method),
            Shape::Response { .. } => None,
        }
    }

    /// A member of `params`.
    pub fn param(&self, name: &str) -> Option<&'a Value<'a>> {
        self.params?.get(name)
    }

    /// A member of `params._meta`.
    pub fn meta(&self, name: &str) -> Option<&'a Value<'a>> {
        self.param("_meta")?.get(name)
    }
}

/// Why a body is no message: the JSON-RPC code, words for whoever sent it, and the id and method
/// if they could still be made out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    pub code: i64,
    pub reason: String,
    pub id: Option<String>,
    pub method: Option<String>,
}

impl Malformed {
    fn invalid(reason: impl Into<String>) -> Self {
        Self {
            code: code::INVALID_REQUEST,
            reason: reason.into(),
            id: None,
            method: None,
        }
    }

    fn with_id_of(mut self, value: &Value<'_>, text: &[u8]) -> Self {
        self.id = value
            .get("id")
            .and_then(|id| read_id(id, text).ok())
            .map(|id| id.as_json().to_owned());
        self.method = value
            .get("method")
            .and_then(Value::as_str)
            .map(str::to_owned);
        self
    }
}

/// Reads the tree of a body. An error still tells the id and method where the outermost object
/// shows them beyond doubt, so that the caller can be answered in kind.
pub fn read_tree(body: &[u8]) -> Result<Value<'_>, Malformed> {
    parse(body, Rules::MESSAGE).map_err(|error| not_json(body, &error))
}

fn not_json(body: &[u8], error: &JsonError) -> Malformed {
    let well_formed_but_doubtful = matches!(
        error.trouble,
        Trouble::DuplicateKey(_) | Trouble::NulInKey | Trouble::TooMany(_) | Trouble::TooDeep(_)
    );
    let code = if well_formed_but_doubtful {
        code::INVALID_REQUEST
    } else {
        code::PARSE_ERROR
    };
    let mut malformed = Malformed {
        code,
        reason: error.to_string(),
        id: None,
        method: None,
    };
    let Ok(members) = outline(body, Rules::MESSAGE) else {
        return malformed;
    };
    for member in members {
        let Ok(value) = parse(member.value.as_bytes(), Rules::MESSAGE) else {
            continue;
        };
        match member.key.as_ref() {
            "id" => {
                let id = read_id(&value, member.value.as_bytes());
                malformed.id = id.ok().map(|id| id.as_json().to_owned());
            }
            "method" => malformed.method = value.as_str().map(str::to_owned),
            _ => {}
        }
    }
    malformed
}

/// The elements of a batch, or `None` if the body is a single message.
pub fn batch<'a>(tree: &'a Value<'a>) -> Option<&'a [Value<'a>]> {
    tree.elements()
}

/// Reads one message from its tree. `text` is the body the tree was read from.
pub fn read<'a>(tree: &'a Value<'a>, text: &'a [u8]) -> Result<Message<'a>, Malformed> {
    let Some(members) = tree.members() else {
        let what = format!("a message must be an object, not {}", tree.type_name());
        return Err(Malformed::invalid(what));
    };
    read_members(tree, members, text).map_err(|malformed| malformed.with_id_of(tree, text))
}

fn read_members<'a>(
    tree: &'a Value<'a>,
    members: &'a [Member<'a>],
    text: &'a [u8],
) -> Result<Message<'a>, Malformed> {
    refuse_variants(members, "the message")?;
    if tree.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(Malformed::invalid("`jsonrpc` must be \"2.0\""));
    }
    let id = tree.get("id").map(|id| read_id(id, text)).transpose()?;
    let params = read_params(tree)?;
    let shape = match (tree.get("method"), id) {
        (Some(method), id) => {
            let method = read_method(tree, method)?;
            id.map_or(Shape::Notification { method }, |id| Shape::Request {
                id,
                method,
            })
        }
        (None, Some(id)) => Shape::Response {
            id,
            is_error: response_is_error(tree)?,
        },
        (None, None) => {
            return Err(Malformed::invalid(
                "a message needs a `method`, or an `id` it answers",
            ));
        }
    };
    Ok(Message {
        shape,
        params,
        raw: tree.span.of(text),
    })
}

fn refuse_variants(members: &[Member<'_>], whose: &str) -> Result<(), Malformed> {
    match keys::variant(members) {
        None => Ok(()),
        Some(key) => Err(Malformed::invalid(format!(
            "the key {key:?} of {whose} differs from another name only in case or form"
        ))),
    }
}

fn read_method<'a>(tree: &Value<'_>, method: &'a Value<'_>) -> Result<&'a str, Malformed> {
    if tree.get("result").is_some() || tree.get("error").is_some() {
        return Err(Malformed::invalid(
            "a message with a `method` has no `result` or `error`",
        ));
    }
    method
        .as_str()
        .filter(|m| !m.is_empty() && m.len() <= MAX_METHOD && !m.contains(char::is_control))
        .ok_or_else(|| Malformed::invalid("`method` must be a short, plain string"))
}

/// Method names end up in headers, logs and the ledger.
const MAX_METHOD: usize = 128;

fn read_params<'a>(tree: &'a Value<'a>) -> Result<Option<&'a Value<'a>>, Malformed> {
    let Some(params) = tree.get("params") else {
        return Ok(None);
    };
    let Some(members) = params.members() else {
        let what = format!("`params` must be an object, not {}", params.type_name());
        return Err(Malformed {
            code: code::INVALID_PARAMS,
            ..Malformed::invalid(what)
        });
    };
    refuse_variants(members, "`params`")?;
    match params.get("_meta").map(|meta| &meta.kind) {
        None => {}
        Some(Kind::Object(meta)) => {
            refuse_variants(meta, "`_meta`")?;
            refuse_long_token(meta)?;
        }
        Some(_) => return Err(Malformed::invalid("`_meta` must be an object")),
    }
    Ok(Some(params))
}

/// Tokens are kept for as long as their requests may be told of, as ids are.
fn refuse_long_token(meta: &[Member<'_>]) -> Result<(), Malformed> {
    let token = meta.iter().find(|member| member.key == "progressToken");
    let length = token.map_or(0, |token| token.value.span.end - token.value.span.start);
    if length as usize <= MAX_ID {
        return Ok(());
    }
    Err(Malformed::invalid(format!(
        "`progressToken` is longer than {MAX_ID} bytes"
    )))
}

fn response_is_error(tree: &Value<'_>) -> Result<bool, Malformed> {
    match (tree.get("result"), tree.get("error")) {
        (Some(_), None) => Ok(false),
        (None, Some(_)) => Ok(true),
        _ => Err(Malformed::invalid(
            "a response has either a `result` or an `error`",
        )),
    }
}

/// Longer strings are no ids but payload.
const MAX_ID: usize = 1_024;

fn read_id<'a>(id: &Value<'_>, text: &'a [u8]) -> Result<Id<'a>, Malformed> {
    let source = std::str::from_utf8(id.span.of(text)).unwrap_or_default();
    let sound = match &id.kind {
        Kind::String(_) => source.len() <= MAX_ID,
        // `1.0`, `1e2` and what exceeds 64 bits are read differently by different servers.
        Kind::Number(number) => *number != "-0" && number.parse::<i64>().is_ok(),
        _ => false,
    };
    if sound {
        return Ok(Id(source));
    }
    Err(Malformed::invalid(
        "`id` must be a string or an integer of at most 64 bits",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed(body: &str) -> Malformed {
        match read_tree(body.as_bytes()) {
            Err(malformed) => malformed,
            Ok(tree) => read(&tree, body.as_bytes()).expect_err(body),
        }
    }

    #[test]
    fn a_request_is_read_and_its_bytes_are_kept() {
        let body = br#" {"jsonrpc":"2.0","id":"a\u0062","method":"tools/call","params":{"name":"x"},"extra":1.0} "#;
        let tree = read_tree(body).unwrap();
        let message = read(&tree, body).unwrap();
        assert_eq!(message.method(), Some("tools/call"));
        assert_eq!(message.id().map(|id| id.as_json()), Some(r#""a\u0062""#));
        assert_eq!(message.raw, body.trim_ascii());
        assert_eq!(message.param("name").and_then(Value::as_str), Some("x"));
    }

    #[test]
    fn what_two_readers_could_take_differently_is_refused() {
        for (body, words) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}"#,
                "differs",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x","Name":"y"}}"#,
                "differs",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"a":1,"A":2}}}"#,
                "differs",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
                "twice",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":{"y":1,"\u0079":2}}}"#,
                "twice",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name\u0000":1}}"#,
                "NUL",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#,
                "an object, not an array",
            ),
            (r#"{"jsonrpc":"2.0","id":1.0,"method":"a"}"#, "`id`"),
            (
                r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"a"}"#,
                "`id`",
            ),
            (r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, "`id`"),
            (r#"{"jsonrpc":"2.0","id":{},"method":"a"}"#, "`id`"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, "jsonrpc"),
            (r#"{"id":1,"method":"a"}"#, "jsonrpc"),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "`method`"),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#,
                "`result`",
            ),
            (r#"{"jsonrpc":"2.0","id":1}"#, "either"),
            (r#"{"jsonrpc":"2.0"}"#, "needs a `method`"),
            ("7", "must be an object"),
            ("{", "ends in the middle"),
        ] {
            let found = malformed(body);
            assert!(found.reason.contains(words), "{body}: {}", found.reason);
        }
    }

    #[test]
    fn what_is_kept_of_a_request_is_short() {
        for (length, fits) in [(1_022, true), (1_023, false)] {
            let name = "x".repeat(length);
            for body in [
                format!(r#"{{"jsonrpc":"2.0","id":"{name}","method":"a"}}"#),
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"_meta":{{"progressToken":"{name}"}}}}}}"#
                ),
            ] {
                let tree = read_tree(body.as_bytes()).unwrap();
                assert_eq!(read(&tree, body.as_bytes()).is_ok(), fits, "{length}");
            }
        }
    }

    #[test]
    fn the_id_is_told_even_when_the_body_is_refused() {
        let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"arguments":{"a":1,"a":2}}}"#;
        let found = malformed(body);
        assert_eq!(found.id.as_deref(), Some("7"));
        assert_eq!(found.method.as_deref(), Some("tools/call"));
        assert_eq!(
            malformed(r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"a"}"#).id,
            None
        );
    }
}
