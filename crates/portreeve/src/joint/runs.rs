//! The client's requests that a session waits for, and which server each is at: so that a
//! cancellation reaches it, and what is said of its progress comes from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::mcp::message;
use crate::name::Name;

/// How many requests of one session may run. Those that were left unanswered are forgotten first.
const MAX_RUNS: usize = 1_000;

/// Where a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    One(Name),
    /// It was put to every server.
    Many,
}

#[derive(Debug)]
struct Run {
    at: At,
    token: Option<String>,
    /// Whether its own stream still runs; if not, its answer may come on another.
    live: bool,
    begun: u64,
}

/// The requests by their ids.
#[derive(Debug, Default)]
pub(super) struct Runs {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    count: u64,
    runs: HashMap<String, Run>,
}

/// Why a request cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RunTrouble {
    #[error("its id is that of another request that was not answered yet; use a fresh one")]
    InUse,
    #[error("more than {MAX_RUNS} requests of this session wait for an answer; try again later")]
    TooMany,
}

impl Runs {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a request begins to run. Ids and tokens are JSON text.
    pub(super) fn begin(
        self: &Arc<Self>,
        id: &str,
        at: At,
        token: Option<&str>,
    ) -> Result<Running, RunTrouble> {
        let id = message::canonical_id(id);
        let token = token.map(message::canonical_id);
        let mut table = self.lock();
        if table.runs.get(&id).is_some_and(|run| run.live) {
            return Err(RunTrouble::InUse);
        }
        table.make_room()?;
        table.count += 1;
        let begun = table.count;
        let run = Run {
            at,
            token,
            live: true,
            begun,
        };
        table.runs.insert(id.clone(), run);
        Ok(Running {
            runs: Arc::clone(self),
            id,
            begun,
            left: false,
        })
    }

    /// Where the request with this id is.
    pub(super) fn at(&self, id: &str) -> Option<At> {
        let table = self.lock();
        let run = table.runs.get(&message::canonical_id(id))?;
        Some(run.at.clone())
    }

    /// Whether a request at this server is told of under the token.
    pub(super) fn is_told_of(&self, server: &Name, token: &str) -> bool {
        let token = message::canonical_id(token);
        let table = self.lock();
        let is_at = |run: &Run| matches!(&run.at, At::One(at) if at == server);
        let mut runs = table.runs.values();
        runs.any(|run| run.token.as_ref() == Some(&token) && is_at(run))
    }

    /// Forgets a request that was answered on another stream than its own.
    pub(super) fn answered(&self, id: &str) {
        let id = message::canonical_id(id);
        let mut table = self.lock();
        if table.runs.get(&id).is_some_and(|run| !run.live) {
            table.runs.remove(&id);
        }
    }
}

impl Table {
    fn make_room(&mut self) -> Result<(), RunTrouble> {
        if self.runs.len() < MAX_RUNS {
            return Ok(());
        }
        let left = self.runs.iter().filter(|(_, run)| !run.live);
        let oldest = left.min_by_key(|(_, run)| run.begun);
        let oldest = oldest
            .map(|(id, _)| id.clone())
            .ok_or(RunTrouble::TooMany)?;
        self.runs.remove(&oldest);
        Ok(())
    }
}

/// A request that runs, until this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    runs: Arc<Runs>,
    id: String,
    begun: u64,
    left: bool,
}

impl Running {
    /// Its stream ends without the answer, which may come on another.
    pub(super) const fn leave(&mut self) {
        self.left = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut table = self.runs.lock();
        let Some(run) = table.runs.get_mut(&self.id) else {
            return;
        };
        if run.begun != self.begun {
            return;
        }
        if self.left {
            run.live = false;
        } else {
            table.runs.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(server: &str) -> At {
        At::One(Name::new(server).expect("a name"))
    }

    #[test]
    fn a_request_is_found_where_it_runs() {
        let runs = Arc::new(Runs::default());
        let server = Name::new("a").expect("a name");
        let running = runs.begin("\"x\"", at("a"), Some("7")).expect("room");
        assert_eq!(runs.at(r#""\u0078""#), Some(at("a")));
        assert_eq!(
            runs.begin("\"x\"", at("b"), None).map(drop),
            Err(RunTrouble::InUse)
        );
        assert!(runs.is_told_of(&server, "7"));
        assert!(!runs.is_told_of(&Name::new("b").expect("a name"), "7"));
        drop(running);
        assert_eq!(runs.at("\"x\""), None);
        assert!(!runs.is_told_of(&server, "7"));
    }

    #[test]
    fn what_was_left_is_known_until_it_is_answered_or_there_is_no_room() {
        let runs = Arc::new(Runs::default());
        let mut running = runs.begin("1", at("a"), Some("7")).expect("room");
        running.leave();
        drop(running);
        assert_eq!(runs.at("1"), Some(at("a")));
        runs.answered("1");
        assert_eq!(runs.at("1"), None);
        let mut left = runs.begin("0", at("a"), None).expect("room");
        left.leave();
        drop(left);
        let ids = (1..=MAX_RUNS).map(|id| id.to_string());
        let all: Vec<_> = ids.map(|id| runs.begin(&id, at("a"), None)).collect();
        assert!(
            all.iter().all(Result::is_ok),
            "the one that was left makes room"
        );
        assert_eq!(runs.at("0"), None);
        assert_eq!(
            runs.begin("x", at("a"), None).map(drop),
            Err(RunTrouble::TooMany)
        );
    }
}
