//! Legacy sessions that the gate keeps for a server that has none.
//!
//! As with the server's own sessions, the name is 128 random bits, and good for the grant and the
//! server that it was given for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use portreeve_policy::json::{Value, canonical};
use portreeve_policy::time::Timestamp;
use tokio::sync::{Notify, oneshot};

use super::listen::Feed;
use crate::gate::{SessionError, SessionId, Visit};
use crate::mcp::message;
use crate::name::{Label, Name};

/// How many may live at once, in all and for one grant, whose longest idle one makes room.
const MAX_SESSIONS: usize = 50_000;
const MAX_PER_GRANT: usize = 1_000;
const IDLE: Duration = Duration::from_hours(12);
/// How many questions may wait for a client's answer, and how many of its requests for theirs.
const MAX_OPEN: usize = 1_000;

/// One conversation of a legacy client.
#[derive(Debug)]
pub(super) struct Session {
    pub id: SessionId,
    /// Who the client says it is, and what it can do: JSON texts, together at most `MAX_HELLO` long.
    pub client_info: Option<Vec<u8>>,
    pub capabilities: Vec<u8>,
    pub feed: Feed,
    owner: Owner,
    level: Mutex<Option<&'static str>>,
    last_used: AtomicI64,
    /// What the client was asked and has not answered yet.
    asked: Mutex<HashMap<String, oneshot::Sender<Bytes>>>,
    questions: AtomicU64,
    /// The client's requests that run, by their ids.
    running: Mutex<HashMap<String, Arc<Notify>>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Owner {
    grant: Label,
    server: Name,
    configuration: (Timestamp, u64),
}

impl Owner {
    fn of(visit: &Visit) -> Self {
        Self {
            grant: visit.caller.grant.label.clone(),
            server: visit.server.name.clone(),
            configuration: visit.server.configuration(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(super) fn level(&self) -> Option<&'static str> {
        *lock(&self.level)
    }

    pub(super) fn set_level(&self, level: &'static str) {
        *lock(&self.level) = Some(level);
    }

    /// A question that the client can answer once. `None` if too many wait.
    pub(super) fn ask(self: &Arc<Self>) -> Option<Asked> {
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        let id = format!("\"portreeve-{number}\"");
        let (to, answer) = oneshot::channel();
        let mut asked = lock(&self.asked);
        if asked.len() >= MAX_OPEN {
            return None;
        }
        asked.insert(message::canonical_id(&id), to);
        Some(Asked {
            session: Arc::clone(self),
            id,
            answer,
        })
    }

    /// Takes a client's answer; false if it answers nothing.
    pub(super) fn take_answer(&self, id: &str, answer: Bytes) -> bool {
        let waiting = lock(&self.asked).remove(&message::canonical_id(id));
        waiting.is_some_and(|waiting| waiting.send(answer).is_ok())
    }

    /// Notes that a request runs, until it is dropped.
    pub(super) fn run(self: &Arc<Self>, id: &str) -> Running {
        let id = message::canonical_id(id);
        let cancelled = Arc::new(Notify::new());
        let mut running = lock(&self.running);
        if running.len() < MAX_OPEN {
            running.insert(id.clone(), Arc::clone(&cancelled));
        }
        drop(running);
        Running {
            session: Some((Arc::clone(self), id)),
            cancelled,
        }
    }

    /// The client gives up a request.
    pub(super) fn cancel(&self, id: &Value<'_>) {
        if let Some(cancelled) = lock(&self.running).get(&canonical(id)) {
            cancelled.notify_one();
        }
    }
}

/// A question on its way to the client.
#[derive(Debug)]
pub(super) struct Asked {
    session: Arc<Session>,
    /// As JSON text.
    pub id: String,
    pub answer: oneshot::Receiver<Bytes>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        lock(&self.session.asked).remove(&message::canonical_id(&self.id));
    }
}

/// A request that runs.
#[derive(Debug, Default)]
pub(super) struct Running {
    session: Option<(Arc<Session>, String)>,
    pub cancelled: Arc<Notify>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some((session, id)) = &self.session else {
            return;
        };
        let mut running = lock(&session.running);
        let own = running.get(id);
        if own.is_some_and(|own| Arc::ptr_eq(own, &self.cancelled)) {
            running.remove(id);
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::eras) struct Sessions {
    live: Mutex<HashMap<SessionId, Arc<Session>>>,
}

impl Sessions {
    pub(super) fn open(
        &self,
        visit: &Visit,
        (client_info, capabilities): (Option<Vec<u8>>, Vec<u8>),
        now: Timestamp,
    ) -> Result<Arc<Session>, SessionError> {
        let session = Arc::new(Session {
            id: SessionId::random()?,
            client_info,
            capabilities,
            feed: Feed::default(),
            owner: Owner::of(visit),
            level: Mutex::default(),
            last_used: AtomicI64::new(now.0),
            asked: Mutex::default(),
            questions: AtomicU64::new(0),
            running: Mutex::default(),
        });
        let mut live = lock(&self.live);
        make_room(&mut live, &session.owner.grant)?;
        live.insert(session.id.clone(), Arc::clone(&session));
        Ok(session)
    }

    pub(super) fn find(&self, id: &str, visit: &Visit, now: Timestamp) -> Option<Arc<Session>> {
        let live = lock(&self.live);
        let found = live.get(&SessionId::named(id))?;
        if found.owner != Owner::of(visit) {
            return None;
        }
        found.last_used.store(now.0, Ordering::Relaxed);
        Some(Arc::clone(found))
    }

    pub(super) fn close(&self, id: &SessionId) {
        let ended = lock(&self.live).remove(id);
        close(ended);
    }

    /// Forgets what lay idle for too long.
    pub(in crate::eras) fn sweep(&self, now: Timestamp) {
        let idle = i64::try_from(IDLE.as_millis()).unwrap_or(i64::MAX);
        lock(&self.live).retain(|_, session| {
            let unused = now
                .0
                .saturating_sub(session.last_used.load(Ordering::Relaxed));
            unused <= idle || Arc::strong_count(session) > 1 || session.feed.is_heard()
        });
    }
}

fn close(ended: Option<Arc<Session>>) {
    if let Some(session) = ended {
        session.feed.close();
    }
}

fn make_room(
    live: &mut HashMap<SessionId, Arc<Session>>,
    grant: &Label,
) -> Result<(), SessionError> {
    // Counting is left out while it cannot matter.
    if live.len() >= MAX_PER_GRANT {
        let own = live
            .values()
            .filter(|session| session.owner.grant == *grant);
        if own.clone().count() >= MAX_PER_GRANT {
            let oldest = own.min_by_key(|session| session.last_used.load(Ordering::Relaxed));
            if let Some(oldest) = oldest.map(|session| session.id.clone()) {
                close(live.remove(&oldest));
            }
        }
    }
    if live.len() >= MAX_SESSIONS {
        return Err(SessionError::Full);
    }
    Ok(())
}
