//! Sessions that end here end at their servers, too: what a server keeps for one would otherwise
//! stay for as long as the server likes.
//!
//! Best effort, and told in the log only: nobody asked for it and nobody waits for it, and what a
//! session did is in the book already.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::sessions::Session;
use super::{Gate, forward};
use crate::name::Name;

/// How many rounds of farewells may be under way, and how many one round says at a time.
const MAX_ROUNDS: usize = 16;
const AT_A_TIME: usize = 8;
/// How long one may take, and a round.
const WITHIN: Duration = Duration::from_secs(5);
const ROUND_WITHIN: Duration = Duration::from_mins(1);

/// The rounds that are under way.
#[derive(Debug)]
pub(super) struct Farewells {
    places: Arc<Semaphore>,
}

impl Default for Farewells {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_ROUNDS)),
        }
    }
}

impl Gate {
    /// Ends at their servers the sessions that ended here, in the background.
    pub(super) fn say_farewells(self: &Arc<Self>) {
        let parted = self.sessions.take_parted();
        if parted.is_empty() {
            return;
        }
        let count = parted.len();
        let Ok(place) = Arc::clone(&self.farewells.places).try_acquire_owned() else {
            tracing::debug!(count, "sessions ended here only: too many are being ended");
            return;
        };
        let gate = Arc::clone(self);
        tokio::spawn(async move {
            if timeout(ROUND_WITHIN, gate.round(parted)).await.is_err() {
                tracing::debug!(
                    count,
                    "some sessions ended here only: their servers are slow"
                );
            }
            drop(place);
        });
    }

    /// Ends every session at its server, as far as the servers hear it in the time that is left to a
    /// gate that stops.
    pub async fn part_from_servers(&self, within: Duration) {
        self.sessions.end_all();
        let parted = self.sessions.take_parted();
        let count = parted.len();
        if count > 0 && timeout(within, self.round(parted)).await.is_err() {
            tracing::info!(
                count,
                "not every session was ended at its server: it took too long"
            );
        }
    }

    async fn round(&self, parted: Vec<Arc<Session>>) {
        let deaf: Mutex<HashSet<Name>> = Mutex::default();
        stream::iter(parted)
            .for_each_concurrent(AT_A_TIME, |session| self.farewell(session, &deaf))
            .await;
    }

    /// Ends one session at its server, unless that did not hear the last such word either.
    async fn farewell(&self, session: Arc<Session>, deaf: &Mutex<HashSet<Name>>) {
        let lock = || deaf.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(server) = session.server_in(&self.registry()) else {
            return;
        };
        if lock().contains(&server.name) {
            return;
        }
        let why = match timeout(WITHIN, forward::farewell(&server, &session)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", WITHIN.as_secs()),
        };
        tracing::debug!(server = %server.name, %why, "a session ended here only");
        lock().insert(server.name.clone());
    }
}
