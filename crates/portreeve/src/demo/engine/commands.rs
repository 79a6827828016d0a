//! What may be asked of a run: each command reads the state and answers with the changes it
//! means, or with the reason why not. Nothing happens here.

use super::model::{Job, Obstacle, Run, RunId, Service, Status, Step};
use super::state::{Change, Restart, State};

/// More runs than this are not kept; the oldest finished one makes room.
pub const MAX_RUNS: usize = 10_000;
/// More re-runs than this do not wait behind a running attempt; further ones join the last.
pub const MAX_BACKLOG: u32 = 100;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no {what} with the id {id:?}")]
    NotFound { what: &'static str, id: String },
    #[error("{what} {id} is {status}: {why}", status = status.word())]
    NotNow {
        what: &'static str,
        id: RunId,
        status: Status,
        why: &'static str,
    },
    #[error("run {id} has no failed jobs")]
    NothingFailed { id: RunId },
    #[error("run {id} has no job {job:?}")]
    NoSuchJob { id: RunId, job: String },
    #[error("{MAX_RUNS} runs are kept and none of them is finished; cancel or delete some first")]
    Full,
    #[error("the system has no random numbers to make an id of")]
    NoRandomness,
    #[error(transparent)]
    Storage(#[from] super::journal::JournalError),
    #[error("the engine is stopping")]
    Stopping,
}

pub type Decision<T> = Result<(Vec<Change>, T), Refusal>;

const fn noun(service: Service) -> &'static str {
    match service {
        Service::Workflows => "workflow",
        Service::Agents => "agent run",
        Service::Actions | Service::Flowforge => "run",
    }
}

/// A run of one service only: an id of another service is unknown to it.
pub fn find<'a>(state: &'a State, service: Service, id: &RunId) -> Result<&'a Run, Refusal> {
    let run = state.run(id).filter(|run| run.service == service);
    run.ok_or_else(|| Refusal::NotFound {
        what: noun(service),
        id: id.to_string(),
    })
}

pub fn find_any<'a>(state: &'a State, id: &RunId) -> Result<&'a Run, Refusal> {
    state.run(id).ok_or_else(|| Refusal::NotFound {
        what: "run",
        id: id.to_string(),
    })
}

fn not_now(run: &Run, why: &'static str) -> Refusal {
    Refusal::NotNow {
        what: noun(run.service),
        id: run.id.clone(),
        status: run.status,
        why,
    }
}

/// Which part of a CI run is to run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Failed,
    Job(String),
}

/// Re-runs a CI run; answers with the number of the new attempt.
pub fn rerun(state: &State, id: &RunId, part: &Part) -> Decision<u32> {
    let run = find(state, Service::Actions, id)?;
    let from = match part {
        Part::Whole => Restart::Everything,
        Part::Failed if run.next_step().is_none() => {
            return Err(Refusal::NothingFailed { id: id.clone() });
        }
        Part::Failed => Restart::UnfinishedJobs,
        Part::Job(wanted) => Restart::Job(job_index(run, wanted)?),
    };
    if !run.status.is_active() {
        let run = id.clone();
        let attempt = find(state, Service::Actions, id)?.attempt + 1;
        return Ok((vec![Change::Requeued { run, from }], attempt));
    }
    if !run.overlaps {
        return Err(not_now(run, "it can be re-run once it has finished"));
    }
    let last = run.attempt + run.backlog;
    if run.backlog >= MAX_BACKLOG {
        return Ok((Vec::new(), last));
    }
    Ok((vec![Change::Backlogged { run: id.clone() }], last + 1))
}

fn job_index(run: &Run, wanted: &str) -> Result<usize, Refusal> {
    let number = wanted.parse::<u64>().ok();
    let is_it = |(index, job): (usize, &Job)| {
        (job.name == wanted || number == Some(run.job_number(index))).then_some(index)
    };
    let found = run.jobs.iter().enumerate().find_map(is_it);
    found.ok_or_else(|| Refusal::NoSuchJob {
        id: run.id.clone(),
        job: wanted.to_owned(),
    })
}

/// Enqueues an agent run again, by force if it runs; answers with where it stood.
pub fn rerun_agent(state: &State, id: &RunId) -> Decision<Status> {
    let run = find(state, Service::Agents, id)?;
    let again = Change::Requeued {
        run: id.clone(),
        from: Restart::Everything,
    };
    let cancelled = Change::Cancelled { run: id.clone() };
    match run.status {
        Status::Failed | Status::Waiting | Status::Stuck => Ok((vec![again], run.status)),
        Status::Running => Ok((vec![cancelled, again], run.status)),
        Status::Queued => Err(not_now(run, "it is enqueued already")),
        Status::Completed | Status::Cancelled | Status::Paused => Err(not_now(
            run,
            "only failed, waiting, stuck and running runs can be rerun",
        )),
    }
}

/// Runs a workflow again under a new id, from the start or from the failed job.
pub fn rerun_workflow(
    state: &State,
    id: &RunId,
    from_failed: Option<bool>,
    new_id: RunId,
) -> Decision<RunId> {
    let old = find(state, Service::Workflows, id)?;
    let failed = old.status == Status::Failed;
    if from_failed == Some(true) && !failed {
        return Err(not_now(
            old,
            "it has not failed, so it cannot be rerun from failed",
        ));
    }
    let mut new = repeat(old, new_id.clone());
    if from_failed.unwrap_or(failed) {
        for (job, done) in new.jobs.iter_mut().zip(&old.jobs) {
            take_over(job, done);
        }
    }
    Ok((room_for(state, new)?, new_id))
}

/// A completed job counts in the new workflow without being executed there.
fn take_over(job: &mut Job, done: &Job) {
    if done.is_completed() {
        for (step, done) in job.steps.iter_mut().zip(&done.steps) {
            step.status = Status::Completed;
            step.output.clone_from(&done.output);
        }
    }
}

/// Resumes a Flowforge run at its failed step; answers with that step's name.
pub fn retry(state: &State, id: &RunId) -> Decision<String> {
    let run = find(state, Service::Flowforge, id)?;
    match run.status {
        Status::Failed | Status::Stuck | Status::Waiting => {}
        Status::Queued | Status::Running => return Err(not_now(run, "it is still going")),
        Status::Completed | Status::Cancelled | Status::Paused => {
            return Err(not_now(run, "only a failed run can be retried"));
        }
    }
    let step = run.next_step().and_then(|at| run.step(at));
    let name = step.map(|step| step.name.clone()).unwrap_or_default();
    let again = Change::Requeued {
        run: id.clone(),
        from: Restart::UnfinishedSteps,
    };
    Ok((vec![again], name))
}

/// Starts a Flowforge run anew under a new id, whatever became of the old one.
pub fn replay(state: &State, id: &RunId, new_id: RunId) -> Decision<RunId> {
    let old = find(state, Service::Flowforge, id)?;
    let new = repeat(old, new_id.clone());
    Ok((room_for(state, new)?, new_id))
}

fn repeat(old: &Run, id: RunId) -> Run {
    let afresh = |job: &Job| Job {
        name: job.name.clone(),
        steps: job.steps.iter().map(Step::afresh).collect(),
    };
    Run {
        id,
        status: Status::Queued,
        attempt: 1,
        backlog: 0,
        origin: Some(old.id.clone()),
        seeded: false,
        jobs: old.jobs.iter().map(afresh).collect(),
        ..old.clone()
    }
}

/// What a caller asks of a new run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub service: Service,
    pub workflow: String,
    pub steps: u32,
    pub step_ms: u32,
    /// The step, from 1, that does not succeed at once.
    pub fail_at: Option<u32>,
    pub obstacle: Obstacle,
}

impl Plan {
    fn jobs(&self) -> Vec<Job> {
        let step = |number: u32| {
            let step = Step::new(format!("step-{number}"), self.step_ms);
            if self.fail_at == Some(number) {
                return step.stopped_by(self.obstacle);
            }
            step
        };
        vec![Job {
            name: "main".to_owned(),
            steps: (1..=self.steps).map(step).collect(),
        }]
    }
}

/// Starts a run; `new_id` is used where the service names runs by UUID.
pub fn start(state: &State, plan: &Plan, new_id: RunId) -> Decision<RunId> {
    let actions = plan.service == Service::Actions;
    let id = if actions {
        RunId::number(state.next_number())
    } else {
        new_id
    };
    let run = Run {
        id: id.clone(),
        service: plan.service,
        workflow: plan.workflow.clone(),
        repo: actions.then(|| super::seed::REPOSITORY.to_owned()),
        status: Status::Queued,
        attempt: 1,
        overlaps: false,
        backlog: 0,
        origin: None,
        seeded: false,
        created_at: 0,
        updated_at: 0,
        jobs: plan.jobs(),
    };
    Ok((room_for(state, run)?, id))
}

fn room_for(state: &State, run: Run) -> Result<Vec<Change>, Refusal> {
    let created = Change::Created { run: Box::new(run) };
    if state.count() < MAX_RUNS {
        return Ok(vec![created]);
    }
    let is_over = |run: &&Run| !run.seeded && !run.status.is_active();
    let oldest = state.runs().find(is_over).ok_or(Refusal::Full)?;
    let run = oldest.id.clone();
    Ok(vec![Change::Deleted { run }, created])
}

/// Stops a run; answers with where it stood.
pub fn cancel(state: &State, id: &RunId) -> Decision<Status> {
    let run = find_any(state, id)?;
    if matches!(run.status, Status::Completed | Status::Cancelled) {
        return Err(not_now(run, "there is nothing left to cancel"));
    }
    Ok((vec![Change::Cancelled { run: id.clone() }], run.status))
}

/// Deletes a run with all that is known of it.
pub fn delete(state: &State, id: &RunId) -> Decision<Status> {
    let run = find_any(state, id)?;
    Ok((vec![Change::Deleted { run: id.clone() }], run.status))
}
