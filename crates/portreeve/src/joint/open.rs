//! Inner sessions: opened with the client's own introduction, and again when they end.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use portreeve_policy::json::Value;
use tokio::time::timeout;

use super::exchange::{Absent, Exchange, PATIENCE, answer, brief, result_of};
use super::outward::quoted;
use super::peer::Peer;
use super::sessions::{Inner, Session, State};
use crate::gate::Visit;
use crate::mcp::kept::MAX_VERSION;
use crate::mcp::{message, revision};

/// How long a server that could not be reached is left alone.
const ASK_AGAIN_MS: i64 = 5_000;

/// The capabilities that it matters to have.
const OFFERS: [&str; 5] = ["tools", "prompts", "resources", "tasks", "logging"];

const READY: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

impl Exchange {
    /// The inner session with a server, opened if it is not open.
    pub(super) async fn opened(
        &self,
        session: &Session,
        visit: &Visit,
    ) -> Result<Arc<Inner>, Absent> {
        let place = session.place(&visit.server.name);
        let mut state = place.lock().await;
        let now = self.joint.gate.clock().now();
        match &*state {
            State::Open(inner) => return Ok(Arc::clone(inner)),
            // A clock that was set back must not keep the server away.
            State::Failed(at, why) if (0..ASK_AGAIN_MS).contains(&now.since(*at)) => {
                return Err(Absent::because(why.as_str()));
            }
            State::Failed(..) | State::Closed => {}
        }
        match self.introduce(session, visit).await {
            Ok((inner, _)) => {
                let inner = Arc::new(inner);
                *state = State::Open(Arc::clone(&inner));
                self.catch_up(session, visit, &inner).await;
                Ok(inner)
            }
            Err(absent) => {
                *state = State::Failed(self.joint.gate.clock().now(), brief(&absent.0).to_owned());
                Err(absent)
            }
        }
    }

    /// The same for a session that is being opened: with the server's whole answer.
    pub(super) async fn first_opened(
        &self,
        session: &Session,
        visit: &Visit,
    ) -> Result<Bytes, Absent> {
        let place = session.place(&visit.server.name);
        let mut state = place.lock().await;
        match self.introduce(session, visit).await {
            Ok((inner, answer)) => {
                *state = State::Open(Arc::new(inner));
                Ok(answer)
            }
            Err(absent) => {
                *state = State::Failed(self.joint.gate.clock().now(), brief(&absent.0).to_owned());
                Err(absent)
            }
        }
    }

    /// Shakes hands with a server.
    async fn introduce(&self, session: &Session, visit: &Visit) -> Result<(Inner, Bytes), Absent> {
        let peer = self.peer(visit.clone(), None, None);
        let asking = async {
            let reply = peer.say(session.hello.clone()).await;
            let id = reply.session.clone();
            (id, answer(reply, &peer).await)
        };
        let late = |_| Absent(format!("it did not answer within {} s", PATIENCE.as_secs()));
        let (id, answer) = timeout(PATIENCE, asking).await.map_err(late)?;
        let answer = answer?;
        let id = id.and_then(|id| HeaderValue::from_str(id.as_str()).ok());
        let tree = message::read_tree(&answer).map_err(|e| Absent(e.reason))?;
        let result = result_of(&tree)?;
        let result = result.ok_or_else(|| Absent::because("it does not know `initialize`"))?;
        let version = result.get("protocolVersion").and_then(Value::as_str);
        let version = version.unwrap_or(revision::WITH_BATCHES);
        if version.len() > MAX_VERSION {
            return Err(Absent::because("its protocolVersion is no revision"));
        }
        let capabilities = result.get("capabilities");
        let has = |name: &&str| capabilities.is_some_and(|c| c.get(name).is_some());
        let inner = Inner {
            id,
            version: HeaderValue::from_str(version)
                .map_err(|_| Absent::because("its protocolVersion is no revision"))?,
            offers: OFFERS.into_iter().filter(has).collect(),
            told: false.into(),
        };
        Ok((inner, answer.clone()))
    }

    /// Tells a server that came late what the others know.
    async fn catch_up(&self, session: &Session, visit: &Visit, inner: &Inner) {
        if !session.ready.load(Ordering::Acquire) {
            return;
        }
        let peer = self.peer(visit.clone(), Some(inner), None);
        self.say_ready(inner, &peer).await;
        let level = *session.level.lock().unwrap_or_else(PoisonError::into_inner);
        let level = level.filter(|_| inner.offers("logging")).map(leveling);
        let watched = session.watched.at(&visit.server.name);
        let renewals = watched.iter().enumerate().map(|(i, uri)| renewal(i, uri));
        let late = async {
            for message in level.into_iter().chain(renewals) {
                drop(answer(peer.say(message).await, &peer).await);
            }
        };
        if timeout(PATIENCE, late).await.is_err() {
            tracing::warn!(server = %visit.server.name, "it did not hear all that the others know");
        }
    }

    /// Tells a server, once, that the client is ready.
    pub(super) async fn say_ready(&self, inner: &Inner, peer: &Peer) {
        if inner.told.swap(true, Ordering::AcqRel) {
            return;
        }
        let telling = peer.say(Bytes::from_static(READY));
        if timeout(PATIENCE, telling).await.is_err() {
            tracing::warn!(server = %peer.server(), "it does not take the client's greeting");
        }
    }
}

impl Inner {
    pub(super) fn offers(&self, capability: &str) -> bool {
        self.offers.contains(&capability)
    }
}

/// The level of the servers that came before, under an id that no client uses.
fn leveling(level: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":"portreeve-level","method":"logging/setLevel","params":{{"level":"{level}"}}}}"#
    ))
}

/// A subscription of a session before, under an id that no client uses.
fn renewal(number: usize, uri: &str) -> Bytes {
    let uri = String::from_utf8(quoted(uri)).unwrap_or_default();
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":"portreeve-renewal-{number}","method":"resources/subscribe","params":{{"uri":{uri}}}}}"#
    ))
}
