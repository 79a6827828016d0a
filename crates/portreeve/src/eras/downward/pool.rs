//! Legacy sessions that are kept for modern callers.
//!
//! A session is one grant's at one server, for a client that says the same of itself, and serves one
//! call at a time. The last one used is used first, so that a client that calls one thing after the
//! other stays in one session. What lies idle is ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use portreeve_policy::json::{Rules, parse};
use portreeve_policy::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Declared;
use crate::eras::draft::{Draft, json};
use crate::eras::events::{self, Carried, answer_in};
use crate::eras::{Eras, answers};
use crate::gate::{Payload, Reply, SessionId, Status, Visit};
use crate::mcp::kept::{MAX_INTRODUCTION, MAX_VERSION};
use crate::mcp::revision::{Era, NEWEST_LEGACY};
use crate::mcp::{answer, code, header};
use crate::name::{Label, Name};

/// How many sessions one grant may have at one server, parked calls included.
const MAX_SESSIONS: usize = 64;
/// How long a call waits for one of them.
const PATIENCE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_mins(5);
const LONGEST_ACCEPT: usize = 1_024;

/// Whose session it is, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    grant: Label,
    server: Name,
    configuration: (i64, u64),
    declared: Declared,
}

impl Key {
    fn of(visit: &Visit, declared: &Declared) -> Self {
        let (created, revision) = visit.server.configuration();
        Self {
            grant: visit.caller.grant.label.clone(),
            server: visit.server.name.clone(),
            configuration: (created.0, revision),
            declared: declared.clone(),
        }
    }
}

/// A legacy session.
#[derive(Debug)]
pub(super) struct Inner {
    key: Key,
    id: Option<SessionId>,
    version: String,
    /// What the server said of itself; nothing if that is too long to be kept.
    pub hello: Option<Bytes>,
    /// What the server says unasked, where it does.
    pub free: Option<mpsc::Receiver<Bytes>>,
    visit: Visit,
    /// For what is said in no call's course.
    headers: HeaderMap,
    used: Timestamp,
    _place: OwnedSemaphorePermit,
}

impl Inner {
    /// The headers of a message in this session. Those that repeat arguments go with the call alone.
    pub(super) fn headers(&self, from: &HeaderMap, is_call: bool) -> HeaderMap {
        let mut headers = plain(from, is_call);
        if let Ok(version) = HeaderValue::from_str(&self.version) {
            headers.insert(header::PROTOCOL_VERSION, version);
        }
        let id = self
            .id
            .as_ref()
            .map(|id| HeaderValue::from_str(id.as_str()));
        if let Some(Ok(id)) = id {
            headers.insert(header::SESSION_ID, id);
        }
        headers
    }

    /// Drops what was said while nobody listened.
    fn forget_the_past(&mut self) {
        use mpsc::error::TryRecvError::{Disconnected, Empty};
        while let Some(free) = &mut self.free {
            match free.try_recv() {
                Ok(_) => {}
                Err(Empty) => return,
                Err(Disconnected) => self.free = None,
            }
        }
    }
}

/// The client's headers without those of the protocol.
fn plain(from: &HeaderMap, is_call: bool) -> HeaderMap {
    let ours = [
        header::PROTOCOL_VERSION,
        header::SESSION_ID,
        header::LAST_EVENT_ID,
        header::METHOD,
        header::NAME,
    ];
    let kept = from
        .iter()
        .filter(|(name, _)| !ours.contains(name) && (is_call || !header::is_mirror(name)));
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What is kept of the client's headers.
fn standing(from: &HeaderMap) -> HeaderMap {
    let accept = from
        .get(&ACCEPT)
        .filter(|value| value.len() <= LONGEST_ACCEPT);
    accept
        .map(|value| (ACCEPT, value.clone()))
        .into_iter()
        .collect()
}

fn is_short(hello: &Bytes) -> bool {
    hello.len() <= MAX_INTRODUCTION
}

/// The sessions, and how many more there may be.
#[derive(Debug, Default)]
pub(in crate::eras) struct Pool {
    idle: Mutex<Vec<Inner>>,
    places: Mutex<HashMap<(Label, Name), Arc<Semaphore>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    fn take(&self, key: &Key) -> Option<Inner> {
        let mut idle = lock(&self.idle);
        let at = idle.iter().rposition(|inner| inner.key == *key)?;
        Some(idle.remove(at))
    }

    /// A session of the same caller at the same server that somebody else could have.
    fn take_other(&self, key: &Key) -> Option<Inner> {
        let mut idle = lock(&self.idle);
        let same = |inner: &Inner| inner.key.grant == key.grant && inner.key.server == key.server;
        let at = idle.iter().position(same)?;
        Some(idle.remove(at))
    }

    fn places(&self, key: &Key) -> Arc<Semaphore> {
        let mut places = lock(&self.places);
        let place = (key.grant.clone(), key.server.clone());
        let fresh = || Arc::new(Semaphore::new(MAX_SESSIONS));
        Arc::clone(places.entry(place).or_insert_with(fresh))
    }

    fn take_unused(&self, now: Timestamp) -> Vec<Inner> {
        let idle = i64::try_from(IDLE.as_millis()).unwrap_or(i64::MAX);
        let taken = lock(&self.idle)
            .extract_if(.., |inner| now.since(inner.used) > idle)
            .collect();
        // What nobody holds is at its full number when it is made again.
        lock(&self.places).retain(|_, places| {
            Arc::strong_count(places) > 1 || places.available_permits() < MAX_SESSIONS
        });
        taken
    }
}

/// A session in use. Dropped, it is kept for the next call.
#[derive(Debug)]
pub(super) struct Lease {
    eras: Arc<Eras>,
    inner: Option<Inner>,
}

impl Lease {
    pub(super) const fn inner(&mut self) -> Option<&mut Inner> {
        self.inner.as_mut()
    }

    pub(super) const fn peek(&self) -> Option<&Inner> {
        self.inner.as_ref()
    }

    /// Ends the session instead of keeping it.
    pub(super) fn end(mut self) {
        if let Some(inner) = self.inner.take() {
            end(&self.eras, inner);
        }
    }

    /// The server does not know the session any more.
    pub(super) fn lose(mut self) {
        self.inner.take();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut inner) = self.inner.take() {
            inner.used = self.eras.gate.clock().now();
            lock(&self.eras.pool.idle).push(inner);
        }
    }
}

/// Ends a session at its server, in the background.
fn end(eras: &Arc<Eras>, inner: Inner) {
    let eras = Arc::clone(eras);
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    if inner.id.is_some() {
        runtime.spawn(async move {
            let headers = inner.headers(&inner.headers, false);
            eras.gate.end_session(inner.visit.clone(), &headers).await;
        });
    }
}

impl Eras {
    /// Ends the sessions that nobody used for some time.
    pub(in crate::eras) fn sweep_pool(self: &Arc<Self>) {
        for inner in self.pool.take_unused(self.gate.clock().now()) {
            end(self, inner);
        }
    }

    /// A session for one call; the reply says why there is none.
    pub(super) async fn lease(
        self: &Arc<Self>,
        (visit, headers): (&Visit, &HeaderMap),
        declared: &Declared,
        id: &str,
    ) -> Result<Lease, Reply> {
        let key = Key::of(visit, declared);
        if let Some(mut inner) = self.pool.take(&key) {
            inner.forget_the_past();
            return Ok(self.leased(inner));
        }
        self.lease_fresh((visit, headers), declared, id).await
    }

    /// A session that nobody has used.
    pub(super) async fn lease_fresh(
        self: &Arc<Self>,
        (visit, headers): (&Visit, &HeaderMap),
        declared: &Declared,
        id: &str,
    ) -> Result<Lease, Reply> {
        let key = Key::of(visit, declared);
        let places = self.pool.places(&key);
        if places.available_permits() == 0
            && let Some(other) = self.pool.take_other(&key)
        {
            end(self, other);
        }
        let waited = tokio::time::timeout(PATIENCE, places.acquire_owned()).await;
        let Ok(Ok(place)) = waited else {
            let words = format!(
                "this grant has {MAX_SESSIONS} calls under way at this server, which speaks \
                 revisions up to {NEWEST_LEGACY} only: each needs a session of its own"
            );
            let words = answer::plain_error(Some(id), code::UNAVAILABLE, &words);
            return Err(Reply::message(Status::Unavailable, words));
        };
        let inner = self.open(key, (visit, headers), id, place).await?;
        Ok(self.leased(inner))
    }

    fn leased(self: &Arc<Self>, inner: Inner) -> Lease {
        Lease {
            eras: Arc::clone(self),
            inner: Some(inner),
        }
    }

    async fn open(
        self: &Arc<Self>,
        key: Key,
        (visit, headers): (&Visit, &HeaderMap),
        id: &str,
        place: OwnedSemaphorePermit,
    ) -> Result<Inner, Reply> {
        let mut hello = Draft::new(self.own_id(), "initialize");
        hello.set("protocolVersion", json(NEWEST_LEGACY));
        hello.set("capabilities", key.declared.capabilities.clone());
        let unnamed = || r#"{"name":"portreeve","version":"0"}"#.to_owned();
        let info = key.declared.info.clone();
        hello.set("clientInfo", info.unwrap_or_else(unnamed));
        let opened = self
            .gate
            .post(visit.clone(), plain(headers, false), hello.write());
        let opened = opened.await;
        let said = answer_in(opened.payload).await;
        let Some(version) = said.as_ref().and_then(version_of) else {
            let now = self.gate.clock().now();
            return Err(not_opened((visit, now), opened.status, said, id));
        };
        let mut inner = Inner {
            key,
            id: opened.session,
            version,
            hello: said
                .filter(is_short)
                .map(|said| Bytes::copy_from_slice(&said)),
            free: None,
            visit: visit.clone(),
            headers: standing(headers),
            used: self.gate.clock().now(),
            _place: place,
        };
        self.begin(&mut inner).await;
        Ok(inner)
    }

    /// What a legacy client does when it has shaken hands.
    async fn begin(&self, inner: &mut Inner) {
        let headers = inner.headers(&inner.headers, false);
        let ready =
            Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        // A server that wants none of these says so to whoever calls.
        let visit = || inner.visit.clone();
        self.gate.post(visit(), headers.clone(), ready).await;
        if let Some(level) = inner.key.declared.level {
            let mut asking = Draft::new(self.own_id(), "logging/setLevel");
            asking.set("level", json(level));
            let posted = self.gate.post(visit(), headers.clone(), asking.write());
            answer_in(posted.await.payload).await;
        }
        if inner.id.is_some()
            && let Payload::Events(free) = self.gate.listen(visit(), &headers).await.payload
        {
            inner.free = Some(free);
        }
    }
}

/// Why there is no session.
fn not_opened(
    (visit, now): (&Visit, Timestamp),
    status: Status,
    said: Option<Bytes>,
    id: &str,
) -> Reply {
    let error = said.as_ref().and_then(|said| answers::outline(said).error);
    let (Some(said), Some(error)) = (said, error) else {
        let words = "the server does not shake hands";
        return answers::untranslatable(Some(id), words);
    };
    if error < 0 {
        for era in [Era::Legacy, Era::Modern] {
            visit.server.spoken.forget(era, now);
        }
    }
    let status = if status == Status::Unavailable {
        status
    } else {
        Status::Fine
    };
    Reply::message(status, answers::with_id(said, id))
}

fn version_of(hello: &Bytes) -> Option<String> {
    let tree = parse(hello, Rules::MESSAGE).ok()?;
    let version = tree.get("result")?.get("protocolVersion")?.as_str()?;
    (version.len() <= MAX_VERSION).then(|| version.to_owned())
}

/// What the free stream says next; nothing when it has ended.
pub(super) async fn unasked(free: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Carried> {
    let event = free.as_mut()?.recv().await;
    if event.is_none() {
        *free = None;
    }
    event.as_ref().map(events::read)
}
