//! The spine: one call's way through the gate, one file per step.
//!
//! ```text
//! authenticate   who calls                      token → Caller
//! resolve        what is asked                  Message → Call
//! decide         what the rules say             Call → Verdict
//! ask            put before people              Asking → Allowed, or the caller waits (hold)
//! admit          charges taken, call booked     Verdict → Permit
//! forward        the judged bytes go out        Permit → the server's answer
//! inspect        what comes back, looked at     (list: filtered; relay: streams; release:
//!                                               redacted, withheld; brings: noted)
//! record         what the ledger is told        the end of the call
//! ```
//!
//! `post` (with `batch`, `rounds` and `envelope`) and `stream` walk a request along it; `registry` is what they decide by.
//! The gate knows the protocol's messages (`mcp`) but not HTTP's side of them: listening, Host and
//! Origin, and status codes belong to `front`.

mod about;
mod admit;
mod answered;
mod ask;
mod authenticate;
mod batch;
mod brings;
mod call_id;
mod client;
mod decide;
mod envelope;
mod event_ids;
mod farewell;
mod forward;
mod hold;
mod inspect;
mod judging;
mod list;
mod looked;
mod matter;
mod modern;
mod param_headers;
mod party;
mod pins;
mod post;
mod questions;
mod record;
mod refuse;
mod registry;
mod relay;
mod release;
mod reloads;
mod resolve;
mod rounds;
mod seen;
mod sessions;
mod shadow;
mod spent;
mod stream;
mod task_ids;
mod tasks;
mod turn;
mod upkeep;
mod values;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{RwLock, mpsc, watch};

pub use admit::Unavailable;
pub use ask::Pending;
pub use authenticate::{Caller, Stranger};
pub(crate) use batch::{gather, no_hello, trouble as trouble_with_batch};
pub use decide::{How, Refused};
pub(crate) use modern::look as fits_its_era;
pub use party::{Party, Stray};
pub use pins::FirstList;
pub(crate) use post::{mismatched, no_session};
pub use record::Keeping;
pub use registry::{BuiltIn, GrantEntry, Registry, Ruling, ServerEntry, Surroundings, Trial};
pub(crate) use relay::IN_FLIGHT;
pub use rounds::{Rounds, matter};
pub use sessions::{SessionError, SessionId};
pub use upkeep::UpkeepError;

use crate::clock::{Clock, Stopwatch};
use crate::config::Environment;
use crate::counters::Counters;
use crate::keys::Keys;
use crate::ledger::Ledger;
use crate::store::Store;

/// How long a server may be silent in the middle of a stream.
const STREAM_SILENCE: Duration = Duration::from_mins(10);
/// How long a stream may last, however much comes. A client opens another.
const STREAM_LIFE: Duration = Duration::from_hours(12);
/// How long a client may take none of a stream's events.
const STREAM_STALL: Duration = Duration::from_mins(2);
/// How long a server may take to end a stream after its answer.
const STREAM_REST: Duration = Duration::from_secs(1);

/// The rooms the gate stands on.
#[derive(Clone, Debug)]
pub struct Footing {
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub counters: Arc<dyn Counters>,
    pub keys: Arc<Keys>,
    pub clock: Clock,
    pub keeping: Keeping,
    pub surroundings: Surroundings,
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    registry: ArcSwap<Registry>,
    store: Arc<dyn Store>,
    ledger: Arc<dyn Ledger>,
    counters: Arc<dyn Counters>,
    keys: Arc<Keys>,
    clock: Clock,
    keeping: Keeping,
    surroundings: Surroundings,
    sessions: sessions::Sessions,
    farewells: farewell::Farewells,
    seen: seen::Seen,
    call_ids: call_id::CallIds,
    /// Read while charges and records are made to agree; written to see them agreeing.
    passage: RwLock<()>,
    /// Turns true when the gate stops: streams that would go on without end are ended then.
    closing: watch::Sender<bool>,
    reloads: reloads::Reloads,
    asked: upkeep::Asked,
    noted: upkeep::Noted,
    rechecked: upkeep::Noted,
    decisions: hold::Decisions,
    tasks: tasks::Begun,
    envelopes: envelope::Envelopes,
}

/// One caller at one server, under the policy in force when the request arrived.
#[derive(Clone, Debug)]
pub struct Visit {
    pub caller: Caller,
    pub server: Arc<ServerEntry>,
    pub ruling: Ruling,
    /// The registry that all of it is from.
    registry: u64,
}

impl Visit {
    /// The policy that is tried on this caller's calls here, if one is.
    fn trial(&self) -> Option<&Trial> {
        self.caller.grant.trials.get(&self.server.name)
    }
}

/// Why a caller cannot visit a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoVisit {
    #[error(transparent)]
    Stranger(#[from] Stranger),
    /// The grant does not reach it; whether it exists is not told.
    #[error("this grant may not use a server named {0:?}")]
    Foreign(String),
}

/// What the gate answers to a request.
#[derive(Debug)]
pub struct Reply {
    pub status: Status,
    /// Set when a session was opened.
    pub session: Option<SessionId>,
    pub payload: Payload,
}

/// The outcome of a request as far as its transport has to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Fine,
    /// Taken, with nothing to say.
    Accepted,
    /// The request is malformed.
    Malformed,
    /// A message that cannot be answered was refused.
    Forbidden,
    NoSession,
    /// The server does not offer this.
    NotOffered,
    /// What a modern server answers to a method it does not know.
    NotFound,
    Unavailable,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Payload {
    Nothing,
    Message(Bytes),
    /// Events, as they come.
    Events(mpsc::Receiver<Bytes>),
}

impl Reply {
    pub const fn new(status: Status, payload: Payload) -> Self {
        Self {
            status,
            session: None,
            payload,
        }
    }

    pub fn message(status: Status, message: impl Into<Bytes>) -> Self {
        Self::new(status, Payload::Message(message.into()))
    }
}

impl Gate {
    /// A gate with an empty registry: it lets nothing through until [`Gate::reload`].
    pub fn new(footing: Footing) -> Result<Arc<Self>, UpkeepError> {
        let call_ids = call_id::CallIds::new().map_err(|_| UpkeepError::NoRandomness)?;
        Ok(Arc::new(Self {
            registry: ArcSwap::default(),
            store: footing.store,
            ledger: footing.ledger,
            counters: footing.counters,
            keys: footing.keys,
            clock: footing.clock,
            keeping: footing.keeping,
            surroundings: footing.surroundings,
            sessions: sessions::Sessions::default(),
            farewells: farewell::Farewells::default(),
            seen: seen::Seen::default(),
            call_ids,
            passage: RwLock::new(()),
            closing: watch::Sender::new(false),
            reloads: reloads::Reloads::default(),
            asked: upkeep::Asked::default(),
            noted: upkeep::Noted::default(),
            rechecked: upkeep::Noted::default(),
            decisions: hold::Decisions::default(),
            tasks: tasks::Begun::default(),
            envelopes: envelope::Envelopes::default(),
        }))
    }

    pub const fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is in force now.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    /// Finds who calls, and whether they may use the server.
    pub fn admit_visitor(&self, headers: &http::HeaderMap, server: &str) -> Result<Visit, NoVisit> {
        let party = self.admit_party(headers)?;
        let visit = party.visit(server);
        visit.ok_or_else(|| NoVisit::Foreign(server.to_owned()))
    }

    /// The same visit as it would be made now: the caller may have taken time to say what for.
    ///
    /// INVARIANT: a call is judged by what is in force when it has arrived whole
    /// (`a_call_that_dawdles_is_judged_by_what_is_in_force_when_it_is_there`).
    pub fn renewed(&self, visit: Visit) -> Result<Visit, NoVisit> {
        if self.is_current(&visit) {
            return Ok(visit);
        }
        let registry = self.registry.load();
        let known = registry.same_grant(&visit.caller.grant);
        let grant = known.ok_or(Stranger::Unknown)?;
        if grant.is_over(self.clock.now()) {
            return Err(Stranger::Expired.into());
        }
        let name = visit.server.name.as_str();
        let foreign = || NoVisit::Foreign(name.to_owned());
        let ruling = grant.routes.get(name).ok_or_else(foreign)?;
        let server = registry.server(name).ok_or_else(foreign)?;
        Ok(Visit {
            server: Arc::clone(server),
            ruling: ruling.clone(),
            registry: registry.number(),
            caller: Caller {
                grant: Arc::clone(grant),
            },
        })
    }

    fn is_current(&self, visit: &Visit) -> bool {
        let grant = &visit.caller.grant;
        self.registry.load().number() == visit.registry && !grant.is_over(self.clock.now())
    }

    /// The same, or a visit to which everything is denied.
    fn renewed_or_denied(&self, visit: Visit) -> Visit {
        if self.is_current(&visit) {
            return visit;
        }
        self.renewed(visit.clone()).unwrap_or_else(|gone| Visit {
            ruling: Ruling::Nothing(gone.to_string()),
            ..visit
        })
    }

    /// Books that a grant asked for a server it does not have.
    pub async fn book_foreign(
        &self,
        headers: &http::HeaderMap,
        server: &str,
    ) -> Result<(), Unavailable> {
        let caller = authenticate::authenticate(&self.registry(), headers, self.clock.now());
        let Ok(caller) = caller else { return Ok(()) };
        Ok(record::foreign(self, &caller, server).await?)
    }

    /// Whether a visit could still be made: its grant may have ended since.
    fn still_admits(&self, visit: &Visit) -> bool {
        let (grant, server) = (&visit.caller.grant, &visit.server.name);
        self.is_current(visit) || {
            let registry = self.registry.load();
            registry.still_grants(grant, server, self.clock.now())
        }
    }

    /// Ends every stream that answers no call, so that stopping need not wait for them.
    pub fn close_free_streams(&self) {
        self.closing.send_replace(true);
    }

    /// Waits until streams that answer no call are to end.
    pub async fn stopping(&self) {
        let mut closing = self.closing.subscribe();
        // The gate itself holds the other end.
        closing.wait_for(|closing| *closing).await.ok();
    }

    /// Where credentials that are named are looked up, and what stdio servers get a part of.
    pub const fn environment(&self) -> &Environment {
        &self.surroundings.environment
    }

    /// Whether calls can be let through at all; if not, why, for a person.
    pub fn ready(&self) -> Result<(), String> {
        self.ledger.healthy()
    }

    /// Looks at charges and records while they agree: no call is between being charged and booked.
    pub async fn at_rest<T>(&self, look: impl FnOnce() -> T) -> T {
        let _nobody_passes = self.passage.write().await;
        look()
    }

    /// Turns true when the gate stops.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Names a call and reads the time for it.
    fn moment(&self) -> resolve::Moment {
        let (id, at) = (self.call_ids.next(), self.clock.now());
        resolve::Moment {
            id,
            at,
            watch: Stopwatch::start(),
        }
    }
}
