//! All runs, and how a change acts on them. Pure: the same changes in the same order make the
//! same state, which is what a restart relies on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{Job, Run, RunId, Status, Step, StepEnd, StepRef};

/// Everything that can happen to the runs, as the journal writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    Created {
        run: Box<Run>,
    },
    /// The run is to be worked on once more, under the same id.
    Requeued {
        run: RunId,
        from: Restart,
    },
    /// One more attempt waits behind the running one.
    Backlogged {
        run: RunId,
    },
    Began {
        run: RunId,
    },
    StepBegan {
        run: RunId,
        step: StepRef,
    },
    /// The step's effect and its completion, in one record: neither is ever without the other.
    StepEnded {
        run: RunId,
        step: StepRef,
        end: StepEnd,
    },
    Cancelled {
        run: RunId,
    },
    Deleted {
        run: RunId,
    },
}

/// What a new attempt does again. What it does not name stays memoized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    Everything,
    UnfinishedJobs,
    UnfinishedSteps,
    Job(usize),
}

/// A change that does not fit the state: the journal was edited, or there is a bug here.
#[derive(Debug, thiserror::Error)]
#[error("a change names the run {0} or a step of it that is not there")]
pub struct Inapplicable(RunId);

/// The runs by id, and the order in which they came.
#[derive(Debug, Default)]
pub struct State {
    runs: BTreeMap<RunId, (u64, Run)>,
    order: BTreeMap<u64, RunId>,
    arrivals: u64,
    last_number: u64,
}

impl State {
    pub fn run(&self, id: &RunId) -> Option<&Run> {
        self.runs.get(id).map(|(_, run)| run)
    }

    pub fn count(&self) -> usize {
        self.runs.len()
    }

    /// In the order of their arrival.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.order.values().filter_map(|id| self.run(id))
    }

    /// The number that the next CI run gets.
    pub const fn next_number(&self) -> u64 {
        self.last_number + 1
    }

    pub fn apply(&mut self, at: i64, change: &Change) -> Result<(), Inapplicable> {
        match change {
            Change::Created { run } => {
                self.insert(run);
                Ok(())
            }
            Change::Deleted { run } => self.remove(run),
            Change::Requeued { run, from } => self.edit(at, run, |run| requeue(run, *from)),
            Change::Backlogged { run } => self.edit(at, run, |run| run.backlog += 1),
            Change::Began { run } => self.edit(at, run, |run| run.status = Status::Running),
            Change::Cancelled { run } => self.edit(at, run, cancel),
            Change::StepBegan { run, step } => self.edit_step(at, run, *step, |step| {
                step.status = Status::Running;
                step.starts += 1;
            }),
            Change::StepEnded { run, step, end } => {
                self.edit_step(at, run, *step, |step| end_step(step, end))?;
                self.edit(at, run, |run| settle(run, end))
            }
        }
    }

    fn insert(&mut self, run: &Run) {
        self.arrivals += 1;
        self.last_number = self.last_number.max(run.id.as_number().unwrap_or_default());
        self.order.insert(self.arrivals, run.id.clone());
        let known = self
            .runs
            .insert(run.id.clone(), (self.arrivals, run.clone()));
        if let Some((place, _)) = known {
            self.order.remove(&place);
        }
    }

    fn remove(&mut self, id: &RunId) -> Result<(), Inapplicable> {
        let (place, _) = self
            .runs
            .remove(id)
            .ok_or_else(|| Inapplicable(id.clone()))?;
        self.order.remove(&place);
        Ok(())
    }

    fn edit(
        &mut self,
        at: i64,
        id: &RunId,
        how: impl FnOnce(&mut Run),
    ) -> Result<(), Inapplicable> {
        let (_, run) = self
            .runs
            .get_mut(id)
            .ok_or_else(|| Inapplicable(id.clone()))?;
        run.updated_at = at;
        how(run);
        Ok(())
    }

    fn edit_step(
        &mut self,
        at: i64,
        id: &RunId,
        step: StepRef,
        how: impl FnOnce(&mut Step),
    ) -> Result<(), Inapplicable> {
        let mut found = false;
        self.edit(at, id, |run| {
            if let Some(step) = run.step_mut(step) {
                found = true;
                how(step);
            }
        })?;
        found.then_some(()).ok_or_else(|| Inapplicable(id.clone()))
    }
}

fn end_step(step: &mut Step, end: &StepEnd) {
    step.executions += 1;
    match end {
        StepEnd::Completed { output } => {
            step.status = Status::Completed;
            step.output = Some(output.clone());
        }
        StepEnd::Halted { rest_as } => {
            step.status = *rest_as;
            if let Some(obstacle) = &mut step.obstacle {
                obstacle.times = obstacle.times.saturating_sub(1);
            }
        }
    }
}

/// What the end of a step means for its run.
fn settle(run: &mut Run, end: &StepEnd) {
    match end {
        StepEnd::Halted { rest_as } => run.status = *rest_as,
        StepEnd::Completed { .. } if run.next_step().is_none() => run.status = Status::Completed,
        StepEnd::Completed { .. } => {}
    }
    if !run.status.is_active() && run.backlog > 0 {
        run.backlog -= 1;
        requeue(run, Restart::Everything);
    }
}

fn requeue(run: &mut Run, from: Restart) {
    run.status = Status::Queued;
    run.attempt += 1;
    for (index, job) in run.jobs.iter_mut().enumerate() {
        let whole_job = match from {
            Restart::Everything => true,
            Restart::UnfinishedJobs => !job.is_completed(),
            Restart::UnfinishedSteps => false,
            // What comes after the job builds on it.
            Restart::Job(first) => index >= first,
        };
        reset(job, whole_job);
    }
}

/// INVARIANT: a completed step leaves that status only here, when its whole job is asked for anew.
fn reset(job: &mut Job, whole: bool) {
    for step in &mut job.steps {
        if whole || step.status != Status::Completed {
            step.status = Status::Queued;
            step.output = None;
        }
    }
}

fn cancel(run: &mut Run) {
    run.status = Status::Cancelled;
    run.backlog = 0;
    for job in &mut run.jobs {
        reset(job, false);
    }
}
