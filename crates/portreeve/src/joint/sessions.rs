//! The sessions of the one URL: ours towards the client, each with one of the gate's for every
//! server behind it.
//!
//! A client sees our id only: 128 random bits, bound to its grant. The gate's ids for the servers
//! stay here, and an inner session that ends is opened anew without the client noticing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use portreeve_policy::time::Timestamp;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::asked::Asked;
use super::heard::Heard;
use super::lent::Lent;
use super::runs::Runs;
use super::watched::Watched;
use crate::gate::{Party, SessionError, SessionId};
use crate::name::{Label, Name};

/// How many sessions may live at once, in all and for one grant. A grant that opens more loses its
/// longest idle one.
const MAX_SESSIONS: usize = 10_000;
const MAX_PER_GRANT: usize = 200;
/// How long a session may lie idle: as long as the gate's own.
const IDLE: Duration = Duration::from_hours(12);

/// One conversation of one caller with all servers of its grant.
#[derive(Debug)]
pub(super) struct Session {
    pub id: SessionId,
    grant: Label,
    /// The client's `initialize`, with which inner sessions are opened.
    pub hello: Bytes,
    /// The revision that the client was told.
    pub version: OnceLock<String>,
    /// Whether the client has said that it is ready.
    pub ready: AtomicBool,
    /// The level that the client set last, for servers that come later.
    pub level: Mutex<Option<&'static str>>,
    pub asked: Asked,
    pub runs: Arc<Runs>,
    pub heard: Heard,
    pub watched: Watched,
    pub lent: Lent,
    places: Mutex<HashMap<Name, Arc<Place>>>,
    /// The stream on which the servers speak unasked: the newest takes the place of the one before.
    free: Mutex<Option<AbortHandle>>,
    ended: watch::Sender<bool>,
    last_used: AtomicI64,
}

/// Where the inner session with one server is, or was tried in vain. The lock lets one request at a
/// time open it.
pub(super) type Place = tokio::sync::Mutex<State>;

#[derive(Debug, Default)]
pub(super) enum State {
    #[default]
    Closed,
    Open(Arc<Inner>),
    /// The server did not answer then; in words, why.
    Failed(Timestamp, String),
}

/// The inner session with one server.
#[derive(Debug)]
pub(super) struct Inner {
    /// The gate's id of it; a server may have no sessions.
    pub id: Option<HeaderValue>,
    /// The revision that this server speaks.
    pub version: HeaderValue,
    /// Those of its capabilities that it matters to have.
    pub offers: Vec<&'static str>,
    /// Whether it knows that the client is ready.
    pub told: AtomicBool,
}

impl Session {
    pub(super) fn new(party: &Party, hello: Bytes, now: Timestamp) -> Result<Self, SessionError> {
        Ok(Self {
            id: SessionId::random()?,
            grant: party.caller.grant.label.clone(),
            hello,
            version: OnceLock::new(),
            ready: AtomicBool::new(false),
            level: Mutex::default(),
            asked: Asked::default(),
            runs: Arc::default(),
            heard: Heard::default(),
            watched: Watched::default(),
            lent: Lent::default(),
            places: Mutex::default(),
            free: Mutex::default(),
            ended: watch::Sender::new(false),
            last_used: AtomicI64::new(now.0),
        })
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Name, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn place(&self, server: &Name) -> Arc<Place> {
        Arc::clone(self.places().entry(server.clone()).or_default())
    }

    /// The servers whose inner sessions were opened, or tried to be.
    pub(super) fn visited(&self) -> Vec<(Name, Arc<Place>)> {
        let places = self.places();
        let all = places.iter();
        all.map(|(name, place)| (name.clone(), Arc::clone(place)))
            .collect()
    }

    /// Forgets servers that the grant does not reach any more.
    pub(super) fn keep_to(&self, party: &Party) {
        let routes = &party.caller.grant.routes;
        self.places().retain(|name, _| routes.contains_key(name));
    }

    /// An inner session is over: the next request opens another.
    pub(super) async fn lost(&self, server: &Name, inner: &Arc<Inner>) {
        let place = self.place(server);
        let mut state = place.lock().await;
        if matches!(&*state, State::Open(open) if Arc::ptr_eq(open, inner)) {
            *state = State::Closed;
            self.asked.forget(server);
        }
    }

    /// Ends the free stream before this one.
    pub(super) fn take_free_stream(&self, by: Option<AbortHandle>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = std::mem::replace(&mut *free, by) {
            before.abort();
        }
    }

    /// Turns true when the session ends.
    pub(super) fn ending(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    fn end(&self) {
        self.ended.send_replace(true);
        self.take_free_stream(None);
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        let idle = i64::try_from(IDLE.as_millis()).unwrap_or(i64::MAX);
        now.0.saturating_sub(self.last_used.load(Ordering::Relaxed)) > idle
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    live: Mutex<HashMap<SessionId, Arc<Session>>>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a session known.
    pub(super) fn open(&self, session: &Arc<Session>, now: Timestamp) -> Result<(), SessionError> {
        let mut live = self.lock();
        live.retain(|_, session| !ends_idle(session, now));
        let own = || live.values().filter(|s| s.grant == session.grant);
        if own().count() >= MAX_PER_GRANT {
            let in_use = |s: &Arc<Session>| Arc::strong_count(s) > 1;
            let oldest = own().min_by_key(|s| (in_use(s), s.last_used.load(Ordering::Relaxed)));
            let oldest = oldest.map(|s| s.id.clone());
            if let Some(session) = oldest.and_then(|id| live.remove(&id)) {
                session.end();
            }
        }
        if live.len() >= MAX_SESSIONS {
            return Err(SessionError::Full);
        }
        live.insert(session.id.clone(), Arc::clone(session));
        Ok(())
    }

    /// The session with this id, if it is of this caller's grant.
    pub(super) fn find(
        &self,
        id: &str,
        party: &Party,
        now: Timestamp,
    ) -> Result<Arc<Session>, SessionError> {
        let live = self.lock();
        let mut known = live.get(&SessionId::named(id)).into_iter();
        let session = known.find(|s| s.grant == party.caller.grant.label);
        let session = session.ok_or(SessionError::Unknown)?;
        session.last_used.store(now.0, Ordering::Relaxed);
        Ok(Arc::clone(session))
    }

    pub(super) fn close(&self, id: &SessionId) {
        let ended = self.lock().remove(id);
        if let Some(session) = ended {
            session.end();
        }
    }
}

/// Whether a session lay idle for too long; if so, it ends.
fn ends_idle(session: &Arc<Session>, now: Timestamp) -> bool {
    let ends = session.is_idle(now) && Arc::strong_count(session) == 1;
    if ends {
        session.end();
    }
    ends
}
