//! One stdio server: which of its processes serves which request.
//!
//! | request | process |
//! |---|---|
//! | `initialize` | one of its own, which is the session from then on |
//! | with a session | the session's |
//! | legacy, without a session | the house's: the gate shook hands with it, for nobody |
//! | modern | one for all |
//!
//! A process is started when it is needed and ended when its session is, when nobody used it for
//! long, or when its server is configured anew and its last call is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::super::{
    EventSource, Incoming, IncomingBody, Outgoing, UpstreamError, UpstreamSession, Verb,
};
use super::answers::{Answers, Beginning};
use super::backoff::Backoff;
use super::child::{Child, Start};
use super::children::Children;
use super::kept::{Form, Kept};
use super::launch::Launch;
use super::mux::Serves;
use crate::mcp::header;
use crate::mcp::lines::one_line;
use crate::mcp::method::{Topic, topic};
use crate::mcp::parts::{self, Kind, Parts};
use crate::mcp::revision::{self, Era};
use crate::name::Name;

/// A server that died is waited for so long; what takes longer is told at once.
const SHORT_WAIT: Duration = Duration::from_secs(2);
/// How long the house's process stays after its last use. The gate itself uses it every five minutes
/// to look at the tools, while somebody uses the server: that alone must not keep it.
const HOUSE_IDLE: Duration = Duration::from_mins(4);

/// One stdio server. Its processes end with the last clone.
#[derive(Clone, Debug)]
pub struct StdioServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: Name,
    launch: Launch,
    children: Children,
    timeout: Duration,
    backoff: Arc<Backoff>,
    places: Arc<Semaphore>,
    sessions: Mutex<HashMap<String, Arc<Child>>>,
    house: tokio::sync::Mutex<Option<Arc<Child>>>,
    modern: tokio::sync::Mutex<Option<Arc<Child>>>,
    kept: Kept,
    /// Set when the server does not shake hands: it is of the modern era alone, most likely.
    no_handshake: OnceLock<String>,
}

/// Keeps a session's process. Dropping it ends the process.
#[derive(Debug)]
pub(in super::super) struct Lease {
    server: Weak<Inner>,
    key: String,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(server) = self.server.upgrade() {
            server.forget(&self.key);
        }
    }
}

/// Why a request is not served.
enum NotServed {
    NoSession,
    Failed(UpstreamError),
}

impl From<UpstreamError> for NotServed {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(error)
    }
}

impl StdioServer {
    pub fn new(name: Name, launch: Launch, children: Children, timeout: Duration) -> Self {
        let places = Arc::new(Semaphore::new(children.settings().max_per_server));
        Self(Arc::new(Inner {
            name,
            launch,
            children,
            timeout,
            backoff: Arc::default(),
            places,
            sessions: Mutex::default(),
            house: tokio::sync::Mutex::default(),
            modern: tokio::sync::Mutex::default(),
            kept: Kept::default(),
            no_handshake: OnceLock::new(),
        }))
    }

    /// Whether a server with this configuration would be the same.
    pub fn is_like(&self, launch: &Launch, timeout: Duration) -> bool {
        self.0.launch == *launch && self.0.timeout == timeout
    }

    /// Whether none of its processes runs.
    pub fn is_at_rest(&self) -> bool {
        self.0.places.available_permits() == self.0.children.settings().max_per_server
    }

    pub(in super::super) async fn send(
        &self,
        outgoing: Outgoing,
    ) -> Result<Incoming, UpstreamError> {
        let Outgoing { verb, headers, .. } = outgoing;
        let served = match verb {
            Verb::Post(message) => self.post(one_line(message), &headers).await,
            Verb::Get => self.listen(&headers).await,
            Verb::Delete => self.end(&headers),
        };
        match served {
            Ok(incoming) => Ok(incoming),
            Err(NotServed::NoSession) => Ok(bare(StatusCode::NOT_FOUND)),
            Err(NotServed::Failed(error)) => Err(error),
        }
    }

    /// Shakes hands for the gate itself, so that requests without a session can be made. False if
    /// the server does not shake hands.
    pub(in super::super) async fn greet(&self) -> Result<bool, UpstreamError> {
        match self.house().await {
            Ok(_) => Ok(true),
            Err(_) if self.0.no_handshake.get().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn post(&self, line: Bytes, headers: &HeaderMap) -> Result<Incoming, NotServed> {
        let parts = parts::read(&line).map_err(|e| UpstreamError::Unusable(e.to_string()))?;
        let version = headers.get(&header::PROTOCOL_VERSION);
        let version = version.and_then(|version| version.to_str().ok());
        let era = version.map_or(Era::Legacy, revision::era);
        let is_request = parts.kind() == Some(Kind::Request);
        match (era, session_of(headers)) {
            (Era::Legacy, Some(key)) => {
                let child = self.0.session(key).ok_or(NotServed::NoSession)?;
                if is_request {
                    let form = Form::of(headers, Some(key));
                    self.ask(&child, (&line, &parts), era, form).await
                } else if parts.cancels.is_some() && parts.method() == "notifications/cancelled" {
                    child.cancel(line, &parts).await?;
                    Ok(bare(StatusCode::ACCEPTED))
                } else {
                    child.tell(line).await?;
                    Ok(bare(StatusCode::ACCEPTED))
                }
            }
            (Era::Legacy, None) if parts.method() == "initialize" && is_request => {
                self.open(&line, &parts).await
            }
            (era, _) if is_request => {
                let child = self.shared(era).await?;
                let form = Form::of(headers, None);
                self.ask(&child, (&line, &parts), era, form).await
            }
            // The conversation of a shared process is the gate's own; no caller's words about it
            // reach the process.
            _ if topic(parts.method()) == Topic::Protocol => Ok(bare(StatusCode::ACCEPTED)),
            (era, _) => {
                self.shared(era).await?.tell(line).await?;
                Ok(bare(StatusCode::ACCEPTED))
            }
        }
    }

    async fn ask(
        &self,
        child: &Child,
        (line, parts): (&Bytes, &Parts),
        era: Era,
        form: Form<'_>,
    ) -> Result<Incoming, NotServed> {
        let answers = child.ask(line, parts).await?;
        if let Form::Kept(session) = form {
            let numbered = self.0.kept.begin(session, answers, self.0.timeout);
            return Ok(stream(EventSource::of_numbered(numbered)));
        }
        let begun = match (answers.begin(self.0.timeout).await?, form) {
            // An error stays as it is: a modern client goes by its status.
            (Beginning::Whole(answer, None), Form::Stream) => {
                Beginning::Several(Answers::whole(answer))
            }
            (begun, _) => begun,
        };
        Ok(incoming(begun, era))
    }

    /// A session with a process of its own.
    async fn open(&self, line: &Bytes, parts: &Parts) -> Result<Incoming, NotServed> {
        let child = Arc::new(self.0.start(Serves::Session, self.0.idle()).await?);
        let answers = child.ask(line, parts).await?;
        let begun = answers.begin(self.0.timeout).await?;
        let refused = matches!(begun, Beginning::Whole(_, Some(_)));
        let mut opened = incoming(begun, Era::Legacy);
        if refused {
            return Ok(opened);
        }
        let key = format!("{}", self.0.children.number());
        let id = HeaderValue::from_str(&key)
            .map_err(|error| UpstreamError::Unusable(error.to_string()))?;
        self.0.sessions().insert(key.clone(), child);
        let lease = Lease {
            server: Arc::downgrade(&self.0),
            key,
        };
        opened.session = Some(UpstreamSession::leased(id, lease));
        Ok(opened)
    }

    /// The session's free stream, or the rest of one that its client left.
    async fn listen(&self, headers: &HeaderMap) -> Result<Incoming, NotServed> {
        let Some(key) = session_of(headers) else {
            return Ok(bare(StatusCode::METHOD_NOT_ALLOWED));
        };
        let child = self.0.session(key).ok_or(NotServed::NoSession)?;
        let Some(event) = headers.get(&header::LAST_EVENT_ID) else {
            return Ok(stream(EventSource::of_answers(child.listen())));
        };
        let event = event.to_str().unwrap_or_default();
        Ok(match self.0.kept.resume(key, event).await {
            Some(rest) => stream(EventSource::of_numbered(rest)),
            None => bare(StatusCode::METHOD_NOT_ALLOWED),
        })
    }

    fn end(&self, headers: &HeaderMap) -> Result<Incoming, NotServed> {
        let Some(key) = session_of(headers) else {
            return Ok(bare(StatusCode::METHOD_NOT_ALLOWED));
        };
        if self.0.forget(key) {
            Ok(bare(StatusCode::OK))
        } else {
            Err(NotServed::NoSession)
        }
    }

    async fn shared(&self, era: Era) -> Result<Arc<Child>, UpstreamError> {
        match era {
            Era::Legacy => self.house().await,
            Era::Modern => {
                let mut slot = self.0.modern.lock().await;
                if let Some(child) = slot.as_ref().filter(|child| !child.is_gone()) {
                    return Ok(Arc::clone(child));
                }
                let child = self.0.start(Serves::Everybody, self.0.idle()).await?;
                let child = Arc::new(child);
                *slot = Some(Arc::clone(&child));
                Ok(child)
            }
        }
    }

    async fn house(&self) -> Result<Arc<Child>, UpstreamError> {
        let mut slot = self.0.house.lock().await;
        if let Some(child) = slot.as_ref().filter(|child| !child.is_gone()) {
            return Ok(Arc::clone(child));
        }
        if let Some(words) = self.0.no_handshake.get() {
            return Err(UpstreamError::Unusable(words.clone()));
        }
        let idle = self.0.idle().min(HOUSE_IDLE);
        let child = Arc::new(self.0.start(Serves::Everybody, idle).await?);
        self.shake_hands(&child).await.map_err(before_the_call)?;
        *slot = Some(Arc::clone(&child));
        Ok(child)
    }

    async fn shake_hands(&self, child: &Child) -> Result<(), UpstreamError> {
        let hello = Bytes::from(format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"portreeve","version":"{}"}}}}}}"#,
            revision::NEWEST_LEGACY,
            env!("CARGO_PKG_VERSION"),
        ));
        let parts = parts::read(&hello).map_err(|e| UpstreamError::Unusable(e.to_string()))?;
        let mut answers = child.ask(&hello, &parts).await?;
        let shaking = async {
            loop {
                match answers.begin(self.0.timeout).await? {
                    Beginning::Whole(_, code) => return Ok(code),
                    Beginning::Several(more) => answers = more.without_first(),
                }
            }
        };
        let code: Result<Option<i64>, UpstreamError> = timeout(self.0.timeout, shaking)
            .await
            .map_err(|_| UpstreamError::Timeout(self.0.timeout))?;
        if let Some(code) = code? {
            let words = format!(
                "it does not shake hands (error {code}), so it takes requests of revision {} only",
                revision::MODERN
            );
            self.0.no_handshake.set(words.clone()).ok();
            return Err(UpstreamError::Unusable(words));
        }
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        child.tell(Bytes::from_static(ready.as_bytes())).await
    }
}

/// A handshake of the gate's own went wrong: the request that waited for it was surely not sent.
///
/// INVARIANT: what it was charged, and its approval, are given back
/// (`an_approval_is_given_back_if_the_server_was_surely_not_reached`).
fn before_the_call(error: UpstreamError) -> UpstreamError {
    if error.surely_not_sent() {
        return error;
    }
    UpstreamError::Unreachable(format!("it does not shake hands: {error}"))
}

impl Inner {
    fn idle(&self) -> Duration {
        self.children.settings().idle
    }

    async fn start(&self, serves: Serves, idle: Duration) -> Result<Child, UpstreamError> {
        if let Some(wait) = self.backoff.wait() {
            if wait.left > SHORT_WAIT {
                return Err(UpstreamError::Unreachable(format!(
                    "{}; that was death {} in a row, so it is started again in {} s",
                    wait.last,
                    wait.deaths,
                    wait.left.as_secs()
                )));
            }
            sleep(wait.left).await;
        }
        Child::start(Start {
            server: &self.name,
            serves,
            launch: &self.launch,
            children: &self.children,
            places: &self.places,
            backoff: &self.backoff,
            idle,
        })
        .await
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Child>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self, key: &str) -> Option<Arc<Child>> {
        let child = Arc::clone(self.sessions().get(key)?);
        if child.is_gone() {
            self.forget(key);
            return None;
        }
        Some(child)
    }

    fn forget(&self, key: &str) -> bool {
        self.kept.forget_session(key);
        self.sessions().remove(key).is_some()
    }
}

fn session_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(&header::SESSION_ID)?.to_str().ok()
}

const fn bare(status: StatusCode) -> Incoming {
    Incoming {
        status,
        session: None,
        body: IncomingBody::Empty,
    }
}

const fn stream(events: EventSource) -> Incoming {
    Incoming {
        status: StatusCode::OK,
        session: None,
        body: IncomingBody::Events(events),
    }
}

fn incoming(begun: Beginning, era: Era) -> Incoming {
    let (status, body) = match begun {
        Beginning::Whole(answer, code) => (status(era, code), IncomingBody::Json(answer)),
        Beginning::Several(answers) => {
            let events = EventSource::of_answers(answers);
            (StatusCode::OK, IncomingBody::Events(events))
        }
    };
    Incoming {
        status,
        session: None,
        body,
    }
}

/// What a server that speaks HTTP itself would say beside an error: modern clients go by it.
const fn status(era: Era, code: Option<i64>) -> StatusCode {
    match (era, code) {
        (Era::Modern, Some(-32601)) => StatusCode::NOT_FOUND,
        (Era::Modern, Some(-32022..=-32020 | -32600 | -32700)) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}
