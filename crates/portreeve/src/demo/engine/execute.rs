//! The tasks that do the work: one for each active run.
//!
//! A task holds nothing that a crash could lose: before each step it asks the state what is next.

use std::time::Duration;

use super::model::{RunId, Status, StepRef};
use super::state::{Change, State};
use super::{Engine, locked};

/// Finished tasks are forgotten when the map has grown to this.
const TASKS_TO_SWEEP: usize = 1_024;

/// A step that was begun.
#[derive(Clone, Debug)]
struct Work {
    run: RunId,
    attempt: u32,
    step: StepRef,
    /// Which beginning of the step this is; an older one's end counts for nothing.
    start: u32,
    takes: Duration,
}

impl Engine {
    pub(super) fn resume_unfinished(&self) {
        let active: Vec<RunId> = self.read(|state| {
            let active = state.runs().filter(|run| run.status.is_active());
            active.map(|run| run.id.clone()).collect()
        });
        for id in active {
            self.work_on(id);
        }
    }

    /// Starts and ends tasks after a commit.
    pub(super) fn follow(&self, touched: Vec<(RunId, bool)>) {
        for (id, active) in touched {
            if active {
                self.work_on(id);
            } else if let Some(task) = locked(&self.0.tasks).remove(&id) {
                task.abort();
            }
        }
    }

    fn work_on(&self, id: RunId) {
        let task = tokio::spawn(self.clone().drive(id.clone())).abort_handle();
        let mut tasks = locked(&self.0.tasks);
        if tasks.len() >= TASKS_TO_SWEEP {
            tasks.retain(|_, task| !task.is_finished());
        }
        if let Some(former) = tasks.insert(id, task) {
            former.abort();
        }
    }

    async fn drive(self, id: RunId) {
        let Ok(_place) = self.0.workers.acquire().await else {
            return;
        };
        loop {
            let run = id.clone();
            let Ok(Some(work)) = self.commit(move |state| Ok(begin(state, run))).await else {
                return;
            };
            if work.takes.is_zero() {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(work.takes).await;
            }
            if self
                .commit(move |state| Ok((end(state, &work), ())))
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

/// Begins the first step that is not memoized.
fn begin(state: &State, id: RunId) -> (Vec<Change>, Option<Work>) {
    let open = state.run(&id).filter(|run| run.status.is_active());
    let Some((run, at)) = open.and_then(|run| Some((run, run.next_step()?))) else {
        return (Vec::new(), None);
    };
    let Some(step) = run.step(at) else {
        return (Vec::new(), None);
    };
    let work = Work {
        run: id.clone(),
        attempt: run.attempt,
        step: at,
        start: step.starts + 1,
        takes: Duration::from_millis(u64::from(step.work_ms)),
    };
    let mut changes = Vec::new();
    if run.status == Status::Queued {
        changes.push(Change::Began { run: id.clone() });
    }
    changes.push(Change::StepBegan { run: id, step: at });
    (changes, Some(work))
}

/// Commits the effect of a step.
///
/// INVARIANT: only the latest beginning of a step that still runs may end it, so two tasks that
/// overlap for a moment (a forced re-run, a late abort) cannot execute it twice.
fn end(state: &State, work: &Work) -> Vec<Change> {
    let run = state.run(&work.run);
    let current = run.filter(|run| run.status == Status::Running && run.attempt == work.attempt);
    let step = current.and_then(|run| run.step(work.step));
    let mine = step.filter(|step| step.status == Status::Running && step.starts == work.start);
    let Some(step) = mine else {
        return Vec::new();
    };
    let end = step.next_end();
    let (run, step) = (work.run.clone(), work.step);
    vec![Change::StepEnded { run, step, end }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::engine::seed;

    #[test]
    fn the_end_of_an_overtaken_beginning_counts_for_nothing() {
        let mut state = State::default();
        for run in seed::runs(0) {
            let run = Box::new(run);
            state.apply(0, &Change::Created { run }).unwrap();
        }
        let id = RunId::new(seed::ACTIONS_RUNNING);
        let mut begin_again = || {
            let (changes, work) = begin(&state, id.clone());
            for change in changes {
                state.apply(0, &change).unwrap();
            }
            work.unwrap()
        };
        let (overtaken, latest) = (begin_again(), begin_again());
        assert!(end(&state, &overtaken).is_empty());
        let changes = end(&state, &latest);
        assert_eq!(changes.len(), 1);
        state.apply(0, &changes[0]).unwrap();
        assert!(end(&state, &latest).is_empty(), "one beginning, one end");
    }
}
