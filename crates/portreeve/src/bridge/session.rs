//! What a legacy conversation remembers: the session's id, its revision, and how it began.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use portreeve_policy::json::Value;

use crate::mcp::{header, message};

#[derive(Debug, Default)]
pub(super) struct Session(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    id: Option<HeaderValue>,
    version: Option<String>,
    /// The client's own `initialize`, to shake hands again where the gate has forgotten.
    hello: Option<Bytes>,
}

impl Session {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn id(&self) -> Option<HeaderValue> {
        self.lock().id.clone()
    }

    pub(super) fn hello(&self) -> Option<Bytes> {
        self.lock().hello.clone()
    }

    pub(super) fn greets(&self, hello: &Bytes) {
        *self.lock() = State {
            hello: Some(hello.clone()),
            ..State::default()
        };
    }

    /// The server's side of the handshake.
    pub(super) fn is_open(&self, id: Option<HeaderValue>, answer: &[u8]) {
        let version = message::read_tree(answer).ok().and_then(|tree| {
            let version = tree.get("result")?.get("protocolVersion");
            version.and_then(Value::as_str).map(str::to_owned)
        });
        let mut state = self.lock();
        state.id = id;
        state.version = version;
    }

    pub(super) fn ends(&self) {
        self.lock().id = None;
    }

    /// The headers of everything within the session.
    pub(super) fn headers(&self) -> HeaderMap {
        let state = self.lock();
        let mut headers = HeaderMap::new();
        if let Some(id) = &state.id {
            headers.insert(header::SESSION_ID, id.clone());
        }
        let version = state.version.as_deref();
        if let Some(Ok(version)) = version.map(HeaderValue::from_str) {
            headers.insert(header::PROTOCOL_VERSION, version);
        }
        headers
    }
}
