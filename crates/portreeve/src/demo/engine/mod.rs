//! The run engine: runs really execute in the background, one step after the other, and what is
//! completed stays completed.
//!
//! What "executed" means: a step's work is simulated; its *execution* is the commit of its effect
//! and its completion in one journal record, synced before the next step starts and before anybody
//! can read of it. So an execution happens wholly or not at all, and a memoized step never happens
//! again, whenever the process dies. The simulated work itself may be begun again after a crash
//! (`starts` counts that); a real engine whose effects lie outside of its own journal needs
//! idempotency keys for the same promise. In memory, without a state file, a restart forgets all.
//!
//! This module owns the one lock around state and journal, and the tasks that execute. The rules
//! are in `commands`; the protocol is not known here.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

use crate::clock::Clock;

pub mod commands;
pub mod endpoint;
mod execute;
pub mod journal;
pub mod model;
pub mod seed;
pub mod state;
#[cfg(test)]
mod tests;

use commands::{Decision, Refusal};
use journal::{Commit, Journal, JournalError};
use model::{Run, RunId};
use state::{Change, State};

/// Runs that execute at the same time; others are queued.
const WORKERS: usize = 64;

/// A handle to the engine; cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    core: Mutex<Core>,
    durable: bool,
    clock: Clock,
    workers: Semaphore,
    tasks: Mutex<HashMap<RunId, AbortHandle>>,
    /// Bumped after every commit, for those who wait for a run.
    commits: watch::Sender<u64>,
}

struct Core {
    state: State,
    journal: Option<Journal>,
    stopped: bool,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("durable", &self.0.durable)
            .finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves the data whole: every edit under these locks is a plain assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Opens the state file, or begins in memory, with `seeds` if there is nothing yet; unfinished
    /// runs go on at their first unfinished step.
    pub fn open(
        path: Option<&Path>,
        clock: Clock,
        seeds: impl FnOnce(i64) -> Vec<Run>,
    ) -> Result<Self, JournalError> {
        let mut state = State::default();
        let mut journal = None;
        let mut is_new = true;
        if let Some(path) = path {
            let (opened, commits) = Journal::open(path)?;
            is_new = commits.is_empty();
            replay(&mut state, &opened, &commits)?;
            journal = Some(opened);
        }
        let engine = Self(Arc::new(Inner {
            durable: journal.is_some(),
            core: Mutex::new(Core {
                state,
                journal,
                stopped: false,
            }),
            workers: Semaphore::new(WORKERS),
            tasks: Mutex::default(),
            commits: watch::Sender::default(),
            clock,
        }));
        if is_new {
            engine.plant(seeds)?;
        }
        engine.resume_unfinished();
        Ok(engine)
    }

    fn plant(&self, seeds: impl FnOnce(i64) -> Vec<Run>) -> Result<(), JournalError> {
        let at = self.0.clock.now().0;
        let created = |run| Change::Created { run: Box::new(run) };
        let changes: Vec<_> = seeds(at).into_iter().map(created).collect();
        self.locked_core().commit(&Commit { at, changes })
    }

    fn locked_core(&self) -> MutexGuard<'_, Core> {
        locked(&self.0.core)
    }

    /// Looks at the runs as they are now.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.locked_core().state)
    }

    /// Decides on the state as it is, and makes the decision durable before anybody sees it.
    pub async fn commit<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&State) -> Decision<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        if !self.0.durable {
            return self.commit_now(decide);
        }
        // A sync takes milliseconds: not on a thread that serves others.
        let engine = self.clone();
        let task = tokio::task::spawn_blocking(move || engine.commit_now(decide));
        task.await.unwrap_or(Err(Refusal::Stopping))
    }

    fn commit_now<T>(&self, decide: impl FnOnce(&State) -> Decision<T>) -> Result<T, Refusal> {
        let mut core = self.locked_core();
        if core.stopped {
            return Err(Refusal::Stopping);
        }
        let (mut changes, answer) = decide(&core.state)?;
        if changes.is_empty() {
            return Ok(answer);
        }
        let at = self.0.clock.now().0;
        stamp(&mut changes, at);
        let touched = lives(&changes);
        core.commit(&Commit { at, changes })?;
        drop(core);
        self.0.commits.send_modify(|count| *count += 1);
        self.follow(touched);
        Ok(answer)
    }

    /// The run now, after each change, and at last at rest: neither queued nor running.
    pub fn watch(&self, id: RunId) -> Watch {
        Watch {
            commits: self.0.commits.subscribe(),
            engine: self.clone(),
            id,
            shown: None,
        }
    }

    /// Ends all background work and lets go of the state file. What is unfinished is resumed when
    /// the file is opened again.
    pub fn stop(&self) {
        let mut core = self.locked_core();
        core.stopped = true;
        core.journal = None;
        drop(core);
        self.0.workers.close();
        for (_, task) in locked(&self.0.tasks).drain() {
            task.abort();
        }
    }
}

/// What [`Engine::watch`] gives.
#[derive(Debug)]
pub struct Watch {
    engine: Engine,
    id: RunId,
    commits: watch::Receiver<u64>,
    shown: Option<Run>,
}

impl Watch {
    /// Waits for the next change; nothing if the run was shown at rest, or is gone.
    pub async fn next(&mut self) -> Option<&Run> {
        if let Some(shown) = self.shown.take() {
            if !shown.status.is_active() {
                return None;
            }
            self.commits.changed().await.ok()?;
        }
        self.shown = self.engine.read(|state| state.run(&self.id).cloned());
        self.shown.as_ref()
    }
}

impl Core {
    fn commit(&mut self, commit: &Commit) -> Result<(), JournalError> {
        if let Some(journal) = &mut self.journal {
            // That work began need not outlive a power cut: it only means to begin again.
            let begins =
                |change: &Change| matches!(change, Change::Began { .. } | Change::StepBegan { .. });
            let durable = !commit.changes.iter().all(begins);
            journal.append(commit, durable)?;
        }
        for change in &commit.changes {
            // Commands only make changes that fit; `Inapplicable` is for journals from elsewhere.
            let _ = self.state.apply(commit.at, change);
        }
        Ok(())
    }
}

fn replay(state: &mut State, journal: &Journal, commits: &[Commit]) -> Result<(), JournalError> {
    for (index, commit) in commits.iter().enumerate() {
        for change in &commit.changes {
            let applied = state.apply(commit.at, change);
            applied.map_err(|error| journal.corrupt(index, &error.to_string()))?;
        }
    }
    Ok(())
}

/// A created run bears the time of its commit.
fn stamp(changes: &mut [Change], at: i64) {
    for change in changes {
        if let Change::Created { run } = change {
            (run.created_at, run.updated_at) = (at, at);
        }
    }
}

/// What changes mean for the tasks: a run to work on, or one to leave alone.
fn lives(changes: &[Change]) -> Vec<(RunId, bool)> {
    let life = |change: &Change| match change {
        Change::Created { run } => Some((run.id.clone(), run.status.is_active())),
        Change::Requeued { run, .. } => Some((run.clone(), true)),
        Change::Cancelled { run } | Change::Deleted { run } => Some((run.clone(), false)),
        _ => None,
    };
    changes.iter().filter_map(life).collect()
}
