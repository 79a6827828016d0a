//! Legacy sessions: ours towards the client, and the server's behind it.
//!
//! A client only ever sees our session id: 128 random bits, bound to its grant and server. Whoever
//! else presents it is told that there is no such session. What the server calls the session never
//! leaves the gate, so a client cannot steer it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portreeve_policy::time::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};

use super::Visit;
use super::client::Introduction;
use super::registry::{Registry, ServerEntry};
use super::turn::Turns;
use crate::hex;
use crate::mcp::kept::MAX_SESSION_ID;
use crate::mcp::message;
use crate::name::{Label, Name};
use crate::upstream::UpstreamSession;

/// How many sessions may live at once, in all and for one grant. A grant that opens more loses its
/// longest idle one; a stranger's cannot be pushed out.
const MAX_SESSIONS: usize = 50_000;
const MAX_PER_GRANT: usize = 1_000;
/// How many sessions of one grant at one server may hold a connection each. The server has few, and
/// one grant must not have them all.
const MAX_CONNECTED: usize = 100;
/// How long a session may lie idle.
pub(super) const IDLE: Duration = Duration::from_hours(12);
/// How many requests one side may have open towards the other.
pub(super) const MAX_OPEN: usize = 1_000;

/// Our name for a session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// A name that nobody can guess.
    pub fn random() -> Result<Self, SessionError> {
        let mut bits = [0_u8; 16];
        SystemRandom::new()
            .fill(&mut bits)
            .map_err(|_| SessionError::NoRandomness)?;
        Ok(Self(hex::encode(&bits)))
    }

    /// The name that a client presents; it may be nobody's.
    pub fn named(presented: &str) -> Self {
        Self(presented.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// Why there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error("no such session: it has expired or is not yours; initialize again")]
    Unknown,
    #[error("too many sessions are open; try again later")]
    Full,
    #[error("the server's name of its session is longer than {MAX_SESSION_ID} bytes")]
    LongName,
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// One conversation of one caller with one server.
#[derive(Debug)]
pub(super) struct Session {
    pub id: SessionId,
    /// What the server calls it.
    pub upstream: UpstreamSession,
    /// The revision both sides agreed on.
    pub version: String,
    /// Who the client said it was.
    pub client: Option<Arc<Introduction>>,
    grant: Label,
    server: Name,
    /// The server's configuration when the session was opened. Another may be another server's,
    /// which must not learn what this one calls its sessions.
    configuration: (Timestamp, u64),
    last_used: AtomicI64,
    /// Requests of the server that were let through and wait for the client's answer.
    asked: Mutex<HashSet<String>>,
    /// Requests of the client that wait for the server's answer.
    pub turns: Turns,
}

impl Session {
    /// Notes a request of the server; false if too many wait already.
    pub(super) fn note_asked(&self, id: &str) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.len() < MAX_OPEN && asked.insert(message::canonical_id(id))
    }

    /// Takes the question that the client answers; it may do so once.
    pub(super) fn take_asked(self: &Arc<Self>, id: &str) -> Option<Inquiry> {
        let id = message::canonical_id(id);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.remove(&id).then(|| Inquiry {
            session: Arc::clone(self),
            id,
            answered: false,
        })
    }

    /// Its server, if that is still the one the session was opened with.
    pub(super) fn server_in(&self, registry: &Registry) -> Option<Arc<ServerEntry>> {
        let server = registry.server(self.server.as_str())?;
        (server.configuration() == self.configuration).then(|| Arc::clone(server))
    }

    fn belongs_to(&self, visit: &Visit) -> bool {
        self.grant == visit.caller.grant.label
            && self.server == visit.server.name
            && self.configuration == visit.server.configuration()
    }
}

/// A request of the server whose answer is on its way. Dropped before the answer has left, it is
/// asked again: the client may repeat an answer that the gate could not let through.
#[derive(Debug)]
pub(super) struct Inquiry {
    session: Arc<Session>,
    id: String,
    answered: bool,
}

impl Inquiry {
    /// From here on the server may have the answer.
    pub(super) const fn leaves(&mut self) {
        self.answered = true;
    }

    /// After all the server never heard it.
    pub(super) const fn never_left(&mut self) {
        self.answered = false;
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        if !self.answered {
            self.session.note_asked(&self.id);
        }
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    live: HashMap<SessionId, Arc<Session>>,
    /// Those that ended here and not yet at their server.
    parted: Vec<Arc<Session>>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens our side of a session that the server opened.
    pub(super) fn open(
        &self,
        visit: &Visit,
        upstream: UpstreamSession,
        (version, client): (String, Option<Arc<Introduction>>),
        now: Timestamp,
    ) -> Result<Arc<Session>, SessionError> {
        if upstream.id.len() > MAX_SESSION_ID {
            return Err(SessionError::LongName);
        }
        let session = Arc::new(Session {
            id: SessionId::random()?,
            upstream,
            version,
            client,
            grant: visit.caller.grant.label.clone(),
            server: visit.server.name.clone(),
            configuration: visit.server.configuration(),
            last_used: AtomicI64::new(now.0),
            asked: Mutex::default(),
            turns: Turns::default(),
        });
        let mut table = self.lock();
        if session.upstream.holds_connection() {
            table.make_connection(&session);
        }
        if let Err(full) = table.make_room(&session.grant) {
            table.parted.push(session);
            return Err(full);
        }
        table.live.insert(session.id.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// The session with this id, if it is the visitor's own.
    pub(super) fn find(
        &self,
        id: &str,
        visit: &Visit,
        now: Timestamp,
    ) -> Result<Arc<Session>, SessionError> {
        let table = self.lock();
        let session = table
            .live
            .get(&SessionId(id.to_owned()))
            .filter(|s| s.belongs_to(visit));
        let session = session.ok_or(SessionError::Unknown)?;
        session.last_used.store(now.0, Ordering::Relaxed);
        Ok(Arc::clone(session))
    }

    pub(super) fn close(&self, id: &SessionId) {
        self.lock().live.remove(id);
    }

    /// Forgets what lay idle for too long; returns how many.
    pub(super) fn sweep(&self, now: Timestamp) -> usize {
        let idle = i64::try_from(IDLE.as_millis()).unwrap_or(i64::MAX);
        let is_idle = |s: &Arc<Session>| {
            now.0.saturating_sub(s.last_used.load(Ordering::Relaxed)) > idle && !is_in_use(s)
        };
        let mut table = self.lock();
        let ended: Vec<Arc<Session>> = table
            .live
            .extract_if(|_, session| is_idle(session))
            .map(|(_, session)| session)
            .collect();
        let count = ended.len();
        table.parted.extend(ended);
        count
    }

    /// Ends all of them.
    pub(super) fn end_all(&self) {
        let mut table = self.lock();
        let ended: Vec<Arc<Session>> = table.live.drain().map(|(_, session)| session).collect();
        table.parted.extend(ended);
    }

    /// The sessions that ended here since this was last asked, and not yet at their server.
    pub(super) fn take_parted(&self) -> Vec<Arc<Session>> {
        std::mem::take(&mut self.lock().parted)
    }
}

/// Whether somebody else than the table holds it: a request or a stream that runs.
fn is_in_use(session: &Arc<Session>) -> bool {
    Arc::strong_count(session) > 1
}

impl Table {
    /// The longest idle one of these makes room, if there are as many as there may be.
    fn part_with_one_of(&mut self, most: usize, is_one: impl Fn(&Session) -> bool) {
        let these = || self.live.values().filter(|s| is_one(s));
        if these().count() < most {
            return;
        }
        let oldest = these()
            .min_by_key(|s| (is_in_use(s), s.last_used.load(Ordering::Relaxed)))
            .map(|s| s.id.clone());
        let oldest = oldest.and_then(|id| self.live.remove(&id));
        self.parted.extend(oldest);
    }

    /// Makes room for one more session of a grant that holds a connection to its server.
    fn make_connection(&mut self, new: &Session) {
        self.part_with_one_of(MAX_CONNECTED, |s| {
            s.upstream.holds_connection()
                && s.grant == new.grant
                && s.server == new.server
                && s.configuration == new.configuration
        });
    }

    /// Makes room for one more session of a grant, at that grant's own expense.
    fn make_room(&mut self, grant: &Label) -> Result<(), SessionError> {
        // Counting is left out while it cannot matter.
        if self.live.len() < MAX_PER_GRANT {
            return Ok(());
        }
        self.part_with_one_of(MAX_PER_GRANT, |s| s.grant == *grant);
        if self.live.len() >= MAX_SESSIONS {
            Err(SessionError::Full)
        } else {
            Ok(())
        }
    }
}
