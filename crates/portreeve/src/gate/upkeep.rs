//! Keeping the registry true: after a change, when a server's tools are first seen, and when they
//! are not what they were.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use portreeve_policy::time::Timestamp;
use tokio::time::timeout;

use super::pins::FirstList;
use super::registry::{self, Registry, ServerEntry};
use super::{Gate, Visit};
use crate::ledger::{AdminAct, LedgerError};
use crate::mcp::revision::Era;
use crate::name::Name;
use crate::store::StoreError;
use crate::store::model::{Definition, Drift, DriftKind, Judged, Server};
use crate::upstream::{UpstreamError, discover, speaks};

/// How long a server that did not show its tools is left alone before it is asked again.
const ASK_AGAIN_MS: i64 = 2_000;

/// How often news of one server is noted that takes nothing back. Each note is written to the
/// store and the ledger, and the server decides how often it has news.
const NOTE_AGAIN_MS: i64 = 10_000;

/// How long a call waits while its server is looked at again.
const LOOKING_AGAIN: Duration = Duration::from_secs(2);

/// How many servers are asked for their first lists at a time: one that does not answer keeps few
/// others waiting, and many cost few registries.
const ASKED_AT_ONCE: usize = 16;

/// How many tools of one note are booked by name.
const BOOKED_BY_NAME: usize = 20;

/// What can go wrong with keeping up.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// What came of asking each server for its tools; the lock lets one caller ask at a time.
#[derive(Debug, Default)]
pub(super) struct Asked {
    asked: Mutex<HashMap<Name, Arc<Attempt>>>,
}

/// When a server was last asked in vain, and what it said.
type Attempt = tokio::sync::Mutex<Option<(Timestamp, UpstreamError)>>;

impl Asked {
    fn of(&self, server: &Name) -> Arc<Attempt> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(asked.entry(server.clone()).or_default())
    }
}

/// When news of each server was last noted.
#[derive(Debug, Default)]
pub(super) struct Noted {
    last: Mutex<HashMap<Name, Timestamp>>,
}

impl Noted {
    /// Whether news may be noted again; if so, it counts as noted now.
    fn is_due(&self, server: &Name, now: Timestamp) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.get(server);
        let due = before.is_none_or(|at| !(0..NOTE_AGAIN_MS).contains(&now.since(*at)));
        if due {
            last.insert(server.clone(), now);
        }
        due
    }
}

/// Reads a server's tools, and notes which era it was spoken to in.
async fn read_tools(server: &ServerEntry) -> Result<Vec<Definition>, UpstreamError> {
    let found = discover(&server.connector).await?;
    let shakes_hands = found.era == Era::Legacy;
    server.spoken.note(Era::Legacy, shakes_hands);
    if !shakes_hands {
        server.spoken.note(Era::Modern, true);
    }
    Ok(found.tools)
}

impl Gate {
    /// Builds the registry anew from the store and puts it in force for the next call.
    pub async fn reload(&self) -> Result<(), UpkeepError> {
        let building = async {
            self.load_seen().await?;
            let mut snapshot = self.store.load_all().await?;
            self.judge_anew(&mut snapshot).await;
            let registry = Registry::build(snapshot, &self.surroundings, &self.registry());
            self.registry.store(Arc::new(registry));
            Ok(())
        };
        self.reloads.share(building).await
    }

    /// Reads a server's tools, whether it is in the registry yet or not.
    pub async fn discover(&self, server: &Server) -> Result<Vec<Judged>, UpstreamError> {
        let before = self.registry();
        let connector = registry::connector(server, &self.surroundings, &before)?;
        let found = discover(&connector).await?;
        self.judged(&server.name, found.tools).await
    }

    /// Asks every server whose first list was not yet seen. One that cannot be asked now is asked
    /// again when it is first called.
    pub async fn take_first_lists(&self) {
        let waiting: Vec<Arc<ServerEntry>> = self
            .registry()
            .servers()
            .filter(|s| s.pins.first_list() == FirstList::ToBeTaken)
            .cloned()
            .collect();
        let taking = stream::iter(waiting).for_each_concurrent(ASKED_AT_ONCE, |server| async move {
            if let Err(error) = self.look_at_tools(&server.name).await {
                tracing::warn!(server = %server.name, %error, "its tools could not be read yet");
            }
        });
        taking.await;
    }

    /// The same visit with pins that were held against what the server offers. An error says why it
    /// could not be asked.
    pub async fn with_known_tools(&self, visit: &Visit) -> Result<Visit, UpstreamError> {
        match self.look_at_tools(&visit.server.name).await {
            Ok(()) => {}
            Err(UpkeepError::Upstream(error)) => return Err(error),
            Err(error) => {
                tracing::error!(server = %visit.server.name, %error, "its tools were not noted");
                let why = "what it shows cannot be noted just now";
                return Err(UpstreamError::Unusable(why.to_owned()));
            }
        }
        // That took time, in which the grant may have ended or got another policy.
        Ok(self.renewed_or_denied(visit.clone()))
    }

    /// Asks a server for its tools unless that was done: takes the first list, or holds the
    /// definitions against the pins.
    async fn look_at_tools(&self, name: &Name) -> Result<(), UpkeepError> {
        let asked = self.asked.of(name);
        let mut last = asked.lock().await;
        let entry = self.registry().server(name.as_str()).cloned();
        let is_first = |s: &ServerEntry| s.pins.first_list() == FirstList::ToBeTaken;
        let Some(entry) = entry.filter(|s| is_first(s) || !s.looked.has_been()) else {
            return Ok(());
        };
        let now = self.clock.now();
        // A clock that was set back must not keep the server waiting.
        if let Some((at, error)) = &*last
            && (0..ASK_AGAIN_MS).contains(&now.since(*at))
        {
            return Err(error.clone().into());
        }
        let found = read_tools(&entry).await;
        // Whoever waited meanwhile must not wait for another attempt.
        *last = found
            .as_ref()
            .err()
            .map(|error| (self.clock.now(), error.clone()));
        let tools = found?;
        if !is_first(&entry) {
            // INVARIANT: a server whose news could not be noted was not looked at
            // (`what_cannot_be_noted_of_a_server_is_not_called`).
            Box::pin(self.observe(&entry, tools.iter())).await?;
            entry.looked.note(self.clock.now());
            return Ok(());
        }
        let tools = self.judged(name, tools).await?;
        let count = tools.len();
        let held = tools.iter().filter(|tool| tool.opinion.held.is_some());
        let held = held.count();
        if self.store.accept_first(name, tools, now).await? {
            tracing::info!(server = %name, tools = count, held, "accepted its first tool list");
            let detail = format!("{{\"tools\":{count},\"held\":{held}}}");
            self.book("server.accept_first", name.as_str(), Some(detail))
                .await?;
        }
        // In this order: whoever sees the second sees the first.
        self.reload().await?;
        entry.looked.note(self.clock.now());
        Ok(())
    }

    /// Reads the tools of every server again and takes note of what changed, so that a change is
    /// seen also when no client lists.
    pub async fn recheck_all(&self) {
        let servers: Vec<Arc<ServerEntry>> = self.registry().servers().cloned().collect();
        // A stdio server without a process has nothing that could have changed under a caller.
        for server in servers.iter().filter(|s| !s.connector.is_at_rest()) {
            self.recheck(server).await;
        }
    }

    /// Finds out whether a server speaks an era, unless it was asked a moment ago in vain.
    pub async fn learn_era(&self, server: &ServerEntry, era: Era) -> Option<bool> {
        let mut asked = server.spoken.asked.lock().await;
        if let Some(known) = server.spoken.knows(era) {
            return Some(known);
        }
        let now = self.clock.now();
        if asked.is_some_and(|at| (0..ASK_AGAIN_MS).contains(&now.since(at))) {
            return None;
        }
        match speaks(&server.connector, era).await {
            Ok(does) => {
                server.spoken.note(era, does);
                tracing::debug!(server = %server.name, ?era, does, "asked which era it speaks");
                Some(does)
            }
            Err(error) => {
                tracing::debug!(server = %server.name, ?era, %error, "not asked which era it speaks");
                *asked = Some(self.clock.now());
                None
            }
        }
    }

    /// Whether a server that says its tools changed is looked at now: it says so as it likes.
    pub(super) fn may_recheck(&self, server: &ServerEntry) -> bool {
        self.rechecked.is_due(&server.name, self.clock.now())
    }

    /// The same visit after looking again at the server's tools. One that cannot be asked just now is
    /// relied on for a while longer: it was looked at before.
    pub(super) async fn after_looking_again(&self, visit: &Visit) -> Visit {
        if !visit.server.connector.is_at_rest() {
            timeout(LOOKING_AGAIN, self.recheck(&visit.server))
                .await
                .ok();
        }
        self.renewed_or_denied(visit.clone())
    }

    /// Reads a server's tools again.
    pub(super) async fn recheck(&self, server: &ServerEntry) {
        match read_tools(server).await {
            Ok(tools) => match self.observe(server, tools.iter()).await {
                Ok(()) => server.looked.note(self.clock.now()),
                Err(error) => {
                    tracing::error!(server = %server.name, %error, "its tools were not noted");
                }
            },
            Err(error) => {
                tracing::debug!(server = %server.name, %error, "its tools were not read again");
            }
        }
    }

    /// Takes note of definitions that a server shows. What is new or changed waits for a person
    /// from now on. Unnoted news has no pin that fits, so it is not listed.
    pub(super) async fn observe(
        &self,
        server: &ServerEntry,
        seen: impl Iterator<Item = &Definition>,
    ) -> Result<(), UpkeepError> {
        let registry = self.registry();
        let Some(entry) = registry.server(server.name.as_str()) else {
            return Ok(());
        };
        let seen: Vec<&Definition> = seen.collect();
        let news: Vec<Definition> = seen
            .iter()
            .filter(|definition| entry.pins.is_news(definition))
            .map(|definition| (*definition).clone())
            .collect();
        let covered = entry.pins.is_covered_by(&seen);
        let urgent = news.iter().any(|seen| entry.pins.is_broken_by(seen));
        if covered && !urgent && entry.pins.first_list() != FirstList::ToBeTaken {
            entry.looked.note(self.clock.now());
        }
        if news.is_empty() || !(self.noted.is_due(&server.name, self.clock.now()) || urgent) {
            return Ok(());
        }
        match entry.pins.first_list() {
            // A list that came through a caller is not taken as the first one: the gate asks
            // itself, so that no caller chooses what is accepted.
            FirstList::ToBeTaken => self.look_at_tools(&server.name).await,
            FirstList::Accepted | FirstList::ForAPerson => self.note(&server.name, news).await,
        }
    }

    async fn note(&self, server: &Name, news: Vec<Definition>) -> Result<(), UpkeepError> {
        let news = self.judged(server, news).await?;
        let drifts = self.store.observe(server, news, self.clock.now()).await?;
        for Drift { tool, kind, hash } in drifts.iter().take(BOOKED_BY_NAME) {
            let act = match kind {
                DriftKind::Appeared => "tool.appeared",
                DriftKind::Changed => "tool.changed",
                DriftKind::Restored => "tool.restored",
            };
            tracing::warn!(%server, ?tool, act, "a definition is not the one that was accepted");
            let detail = serde_json::json!({ "tool": tool, "hash": hash }).to_string();
            self.book(act, server.as_str(), Some(detail)).await?;
        }
        if let Some(more @ 1..) = drifts.len().checked_sub(BOOKED_BY_NAME) {
            let detail = format!("{{\"more\":{more}}}");
            self.book("tool.drifted", server.as_str(), Some(detail))
                .await?;
        }
        self.reload().await
    }

    /// Books something the gate itself did or saw.
    pub async fn book(
        &self,
        act: &str,
        subject: &str,
        detail: Option<String>,
    ) -> Result<(), LedgerError> {
        let detail = detail.and_then(|d| serde_json::value::RawValue::from_string(d).ok());
        let act = AdminAct {
            at: self.clock.now(),
            actor: "gateway",
            act,
            subject,
            detail: detail.as_deref(),
        };
        self.ledger.admin(act).await.map(drop)
    }

    /// Ends sessions that lay idle for too long, here and at their servers.
    pub fn sweep_sessions(self: &Arc<Self>) -> usize {
        let ended = self.sessions.sweep(self.clock.now());
        self.say_farewells();
        ended
    }
}
