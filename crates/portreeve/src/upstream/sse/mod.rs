//! Servers that speak the oldest transport (2024-11-05): one stream for everything that comes, and a
//! second URL, which the stream names, for everything that goes.
//!
//! | request | connection |
//! |---|---|
//! | `initialize` | one of its own, which is the session from then on |
//! | with a session | the session's |
//! | without a session | the house's: the gate shook hands on it, for nobody |
//!
//! Whose answer is whose is settled as for a process (`stdio::mux`): a connection is one, but for the
//! pipe.

mod endpoint;
mod wire;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use memchr::memmem::Finder;
use tokio::time::timeout;

use super::http::HttpServer;
use super::stdio::{Beginning, Serves};
use super::{EventSource, Incoming, IncomingBody, Outgoing, UpstreamError, UpstreamSession, Verb};
use crate::clock::Stopwatch;
use crate::mcp::header;
use crate::mcp::method::{Topic, topic};
use crate::mcp::parts::{self, Kind, Parts};
use crate::mcp::revision::{self, Era};
use wire::Wire;

/// How many sessions one server may have.
const MAX_SESSIONS: usize = 1_000;
/// What is longer introduces nobody.
const LONGEST_HELLO: usize = 64 * 1024;
/// How long a server whose connection could not be opened for the house is left alone.
const FAILED: Duration = Duration::from_secs(2);
/// How long the house's connection stays after its last use.
const HOUSE_IDLE: Duration = Duration::from_mins(4);

/// The connections to one server, as far as it speaks this transport.
#[derive(Debug, Default)]
pub(super) struct Sse {
    /// Whether it does, as far as is known.
    is_spoken: AtomicBool,
    sessions: Mutex<HashMap<String, Arc<Wire>>>,
    house: tokio::sync::Mutex<House>,
    numbers: AtomicU64,
}

/// The connection for requests without a session.
#[derive(Debug, Default)]
struct House {
    wire: Option<Arc<Wire>>,
    /// When and why it could not be opened last.
    failed: Option<(Stopwatch, String)>,
}

/// Keeps a session's connection. Dropping it ends the connection.
#[derive(Debug)]
pub(super) struct Lease {
    sse: Weak<Sse>,
    key: String,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(sse) = self.sse.upgrade() {
            sse.sessions().remove(&self.key);
        }
    }
}

impl Sse {
    pub(super) fn is_spoken(&self) -> bool {
        self.is_spoken.load(Ordering::Relaxed)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Wire>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a server that refuses its first message this way may speak the oldest transport.
    pub(super) fn may_be_spoken(status: StatusCode) -> bool {
        status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 407 | 408 | 413 | 429)
    }

    /// Whether a message begins a conversation.
    pub(super) fn is_hello(message: &[u8]) -> bool {
        static NAME: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("initialize\""));
        message.len() <= LONGEST_HELLO
            && NAME.find(message).is_some()
            && parts::read(message).is_ok_and(|parts| {
                parts.kind() == Some(Kind::Request) && parts.method() == "initialize"
            })
    }

    /// Sends one request. Nothing if the server does not speak this transport after all.
    pub(super) async fn send(
        self: &Arc<Self>,
        server: &HttpServer,
        outgoing: Outgoing,
    ) -> Result<Option<Incoming>, UpstreamError> {
        let Outgoing { verb, headers, .. } = outgoing;
        let version = headers.get(&header::PROTOCOL_VERSION);
        let version = version.and_then(|version| version.to_str().ok());
        if version.is_some_and(|version| revision::era(version) == Era::Modern) {
            return Ok(Some(bare(StatusCode::BAD_REQUEST)));
        }
        let key = headers.get(&header::SESSION_ID);
        let key = key.and_then(|key| key.to_str().ok()).map(str::to_owned);
        let wire = match &key {
            Some(key) => match self.session(key) {
                Some(wire) => Some(wire),
                None => return Ok(Some(bare(StatusCode::NOT_FOUND))),
            },
            None => None,
        };
        // What names our own session is nobody else's.
        let mut to = headers;
        to.remove(&header::SESSION_ID);
        match (verb, wire) {
            (Verb::Post(message), wire) => self.post(server, (message, to), wire).await,
            (Verb::Get, Some(wire)) => {
                let events = EventSource::of_answers(wire.listen());
                Ok(Some(Incoming {
                    body: IncomingBody::Events(events),
                    ..bare(StatusCode::OK)
                }))
            }
            (Verb::Delete, Some(_)) => {
                self.sessions().remove(&key.unwrap_or_default());
                Ok(Some(bare(StatusCode::OK)))
            }
            (Verb::Get | Verb::Delete, None) => Ok(Some(bare(StatusCode::METHOD_NOT_ALLOWED))),
        }
    }

    fn session(&self, key: &str) -> Option<Arc<Wire>> {
        let mut sessions = self.sessions();
        let wire = sessions.get(key)?;
        if wire.is_gone() {
            sessions.remove(key);
            return None;
        }
        Some(Arc::clone(wire))
    }

    async fn post(
        self: &Arc<Self>,
        server: &HttpServer,
        (message, headers): (Bytes, HeaderMap),
        wire: Option<Arc<Wire>>,
    ) -> Result<Option<Incoming>, UpstreamError> {
        let parts = parts::read(&message).map_err(|e| UpstreamError::Unusable(e.to_string()))?;
        let is_request = parts.kind() == Some(Kind::Request);
        let (method, patience) = (parts.method(), server.timeout());
        if wire.is_none() && is_request && method == "initialize" {
            return self.open(server, (&message, &parts), &headers).await;
        }
        if wire.is_none() && !is_request && topic(method) == Topic::Protocol {
            // The conversation on the house's connection is the gate's own.
            return Ok(Some(bare(StatusCode::ACCEPTED)));
        }
        let wire = match wire {
            Some(wire) => wire,
            None => match self.house(server).await? {
                Some(wire) => wire,
                None => return Ok(None),
            },
        };
        if is_request {
            let answers = wire.ask(&message, &parts, &headers).await?;
            return Ok(Some(incoming(answers.begin(patience).await?)));
        }
        if parts.cancels.is_some() && method == "notifications/cancelled" {
            wire.cancel(message, &parts, &headers).await?;
        } else {
            wire.tell(message, &headers).await?;
        }
        Ok(Some(bare(StatusCode::ACCEPTED)))
    }

    /// A session with a connection of its own.
    async fn open(
        self: &Arc<Self>,
        server: &HttpServer,
        (message, parts): (&Bytes, &Parts),
        headers: &HeaderMap,
    ) -> Result<Option<Incoming>, UpstreamError> {
        if self.sessions().len() >= MAX_SESSIONS {
            let why = format!("it has {MAX_SESSIONS} sessions already");
            return Err(UpstreamError::Unreachable(why));
        }
        let Some(wire) = Wire::open(server, Serves::Session).await? else {
            self.is_spoken.store(false, Ordering::Relaxed);
            return Ok(None);
        };
        self.is_spoken.store(true, Ordering::Relaxed);
        let answers = wire.ask(message, parts, headers).await?;
        let begun = answers.begin(server.timeout()).await?;
        let is_refused = matches!(begun, Beginning::Whole(_, Some(_)));
        let mut opened = incoming(begun);
        if is_refused {
            return Ok(Some(opened));
        }
        let key = self.numbers.fetch_add(1, Ordering::Relaxed).to_string();
        let id = HeaderValue::from_str(&key)
            .map_err(|error| UpstreamError::Unusable(error.to_string()))?;
        self.sessions().insert(key.clone(), Arc::new(wire));
        let sse = Arc::downgrade(self);
        opened.session = Some(UpstreamSession::streamed(id, Lease { sse, key }));
        Ok(Some(opened))
    }

    /// The connection for requests without a session.
    async fn house(&self, server: &HttpServer) -> Result<Option<Arc<Wire>>, UpstreamError> {
        let patience = server.timeout();
        let unreachable = |why: &str| Err(UpstreamError::Unreachable(why.to_owned()));
        let Ok(mut house) = timeout(patience, self.house.lock()).await else {
            return unreachable("its connection is still being opened, for others");
        };
        let is_fresh =
            |wire: &&Arc<Wire>| !wire.is_gone() && wire.idle().is_none_or(|idle| idle < HOUSE_IDLE);
        if let Some(wire) = house.wire.as_ref().filter(is_fresh) {
            return Ok(Some(Arc::clone(wire)));
        }
        house.wire = None;
        // Whoever waited meanwhile does not try the same once more, one after the other.
        if let Some((since, why)) = &house.failed
            && since.elapsed() < FAILED
        {
            return unreachable(why);
        }
        house.failed = None;
        let opening = async {
            let Some(wire) = Wire::open(server, Serves::Everybody).await? else {
                return Ok(None);
            };
            shake_hands(&wire, patience).await?;
            Ok(Some(Arc::new(wire)))
        };
        let opened = timeout(patience, opening).await;
        match opened.unwrap_or(Err(UpstreamError::Timeout(patience))) {
            Ok(Some(wire)) => {
                house.wire = Some(Arc::clone(&wire));
                Ok(Some(wire))
            }
            Ok(None) => {
                self.is_spoken.store(false, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => {
                // The request that waited for it was surely not sent.
                let why = match error {
                    UpstreamError::Unreachable(why) => why,
                    error => format!("its stream cannot be opened: {error}"),
                };
                house.failed = Some((Stopwatch::start(), why.clone()));
                unreachable(&why)
            }
        }
    }
}

async fn shake_hands(wire: &Wire, patience: Duration) -> Result<(), UpstreamError> {
    let unreachable = |error: UpstreamError| {
        UpstreamError::Unreachable(format!("it does not shake hands: {error}"))
    };
    let hello = Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"portreeve","version":"{}"}}}}}}"#,
        revision::NEWEST_LEGACY,
        env!("CARGO_PKG_VERSION"),
    ));
    let parts = parts::read(&hello).map_err(|e| UpstreamError::Unusable(e.to_string()))?;
    let plain = HeaderMap::new();
    let shaking = async {
        let mut answers = wire.ask(&hello, &parts, &plain).await?;
        loop {
            match answers.begin(patience).await? {
                Beginning::Whole(_, None) => return Ok(()),
                Beginning::Whole(_, Some(code)) => {
                    return Err(UpstreamError::Unusable(format!("error {code}")));
                }
                Beginning::Several(more) => answers = more.without_first(),
            }
        }
    };
    timeout(patience, shaking)
        .await
        .unwrap_or(Err(UpstreamError::Timeout(patience)))
        .map_err(unreachable)?;
    let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let told = wire
        .tell(Bytes::from_static(ready.as_bytes()), &plain)
        .await;
    told.map_err(unreachable)
}

const fn bare(status: StatusCode) -> Incoming {
    Incoming {
        status,
        session: None,
        body: IncomingBody::Empty,
    }
}

fn incoming(begun: Beginning) -> Incoming {
    let body = match begun {
        Beginning::Whole(answer, _) => IncomingBody::Json(answer),
        Beginning::Several(answers) => IncomingBody::Events(EventSource::of_answers(answers)),
    };
    Incoming {
        body,
        ..bare(StatusCode::OK)
    }
}
