//! A modern client before a server that is legacy only.
//!
//! Its requests are made in legacy sessions that are kept for it (`pool`), one call at a time in each,
//! so that what the server asks meanwhile is asked for that call. Then the call is parked (`parked`),
//! and the client told what is needed; its retry answers the server, and the call goes on (`going`).

mod call;
mod going;
mod introduce;
mod parked;
mod pool;
mod state;
mod subscribe;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use portreeve_policy::json::{Value, canonical};

pub(super) use parked::Parked;
pub(super) use pool::Pool;

use super::answers::{unknown_method, untranslatable};
use super::draft::Draft;
use super::way::is_true;
use super::{Eras, capabilities};
use crate::gate::{Payload, Reply, Status, Visit};
use crate::mcp::kept::{self, MAX_HELLO};
use crate::mcp::message::{self, Message, Shape};
use crate::mcp::method::{DISCOVER, SUBSCRIBE};
use crate::mcp::revision::{
    META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_PROTOCOL_VERSION, MODERN,
};
use crate::mcp::{answer, code};

/// What a client can do that a legacy server cannot be told of.
const NOT_TOLD: &[&str] = &["extensions", "tasks"];

/// Methods of the older era, which a modern client has no business with.
const OLD: &[&str] = &[
    "initialize",
    "logging/setLevel",
    "ping",
    "resources/subscribe",
    "resources/unsubscribe",
];

/// What a client says of itself beside a request: JSON texts, together at most `MAX_HELLO` long.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Declared {
    pub info: Option<String>,
    pub capabilities: String,
    /// From which level on it wants to be told what the server logs.
    pub level: Option<&'static str>,
}

impl Declared {
    /// Nothing if it does not say what it can do.
    fn of(message: &Message<'_>, text: &[u8]) -> Option<Self> {
        let capabilities = message.meta(META_CLIENT_CAPABILITIES)?;
        capabilities.members()?;
        let told = capabilities::without(Some(capabilities), text, NOT_TOLD);
        let level = message.meta(META_LOG_LEVEL).and_then(Value::as_str);
        Some(Self {
            info: message.meta(META_CLIENT_INFO).map(canonical),
            capabilities: String::from_utf8(told).ok()?,
            // What is no level asks for nothing.
            level: level.and_then(kept::level),
        })
    }

    fn length(&self) -> usize {
        self.info.as_ref().map_or(0, String::len) + self.capabilities.len()
    }
}

/// One request of a modern client, with everything that its way needs.
struct Errand<'a> {
    visit: Visit,
    headers: HeaderMap,
    declared: Declared,
    message: Message<'a>,
    /// What the message was read from.
    text: &'a [u8],
    /// As a legacy server takes it.
    draft: Draft,
    /// As JSON text.
    id: String,
}

impl Eras {
    pub(super) async fn downward(
        self: &Arc<Self>,
        visit: Visit,
        headers: HeaderMap,
        body: Bytes,
    ) -> Reply {
        // What is malformed is the gate's to refuse and to book.
        let read = message::read_tree(&body);
        let Ok(tree) = &read else {
            return self.gate.post(visit, headers, body.clone()).await;
        };
        let message = match message::read(tree, &body) {
            Ok(message) if is_true(&headers, &message) => message,
            _ => return self.gate.post(visit, headers, body.clone()).await,
        };
        let (id, method) = match message.shape {
            Shape::Request { id, method } => (id.as_json(), method),
            // The era's clients have nothing to say unasked but that they give up, and they say that
            // by closing the stream.
            Shape::Notification { .. } => return Reply::new(Status::Accepted, Payload::Nothing),
            Shape::Response { .. } => return self.gate.post(visit, headers, body.clone()).await,
        };
        if let Some(reply) = refused(&message, id, method) {
            return self.refused(&visit, (Some(id), method), reply).await;
        }
        let Some(declared) = Declared::of(&message, &body) else {
            let words = format!("`_meta` lacks {META_CLIENT_CAPABILITIES}");
            let said = (Status::Malformed, words.as_str());
            return self.refuse_params(&visit, (id, method), said).await;
        };
        if declared.length() > MAX_HELLO {
            let words = format!("`_meta` says more than {MAX_HELLO} bytes of the client");
            let said = (Status::Malformed, words.as_str());
            return self.refuse_params(&visit, (id, method), said).await;
        }
        let errand = Errand {
            visit,
            headers,
            declared,
            draft: legacy(Draft::of(&message, tree, &body)),
            message,
            text: &body,
            id: id.to_owned(),
        };
        match method {
            DISCOVER => self.introduce(errand).await,
            SUBSCRIBE => self.subscribe_downward(errand).await,
            _ if errand.message.param("requestState").is_some() => self.resume(errand).await,
            _ => self.call_downward(errand).await,
        }
    }
}

/// What is refused whatever the server may be.
fn refused(message: &Message<'_>, id: &str, method: &str) -> Option<Reply> {
    let stated = message.meta(META_PROTOCOL_VERSION).and_then(Value::as_str);
    match stated {
        Some(MODERN) => {}
        Some(other) => {
            let data = serde_json::json!({ "supported": [MODERN], "requested": other });
            let words = "Unsupported protocol version";
            let code = code::UNSUPPORTED_VERSION;
            let words = answer::error(Some(id), code, words, Some(&data));
            return Some(Reply::message(Status::Malformed, words));
        }
        None => {
            let words = format!("`_meta` lacks {META_PROTOCOL_VERSION}");
            let words = answer::plain_error(Some(id), code::INVALID_PARAMS, &words);
            return Some(Reply::message(Status::Malformed, words));
        }
    }
    if OLD.contains(&method) {
        return Some(unknown_method(id, method));
    }
    if method.starts_with("tasks/") {
        let words =
            "the server speaks revisions up to 2025-11-25, whose tasks are another protocol's";
        return Some(untranslatable(Some(id), words));
    }
    None
}

/// Without what only the modern era has.
fn legacy(mut draft: Draft) -> Draft {
    for key in [
        META_PROTOCOL_VERSION,
        META_CLIENT_INFO,
        META_CLIENT_CAPABILITIES,
        META_LOG_LEVEL,
    ] {
        draft.drop_meta(key);
    }
    draft.drop("inputResponses");
    draft.drop("requestState");
    draft
}
