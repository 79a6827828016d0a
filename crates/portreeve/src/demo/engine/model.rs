//! What a run is made of. Data and questions about it; who may change what is `commands`, how a
//! change acts is `state`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a run: a number for a CI run, a UUID for all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn number(number: u64) -> Self {
        Self(number.to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn as_number(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The vendor whose service a run stands for; each has its own tool and its own rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    Actions,
    Agents,
    Workflows,
    Flowforge,
}

/// Where a run, or one step of it, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Queued,
    Running,
    Waiting,
    Failed,
    Stuck,
    Completed,
    Cancelled,
    Paused,
}

impl Status {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Paused => "paused",
        }
    }

    /// Work goes on, or will without anybody's doing.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// A step that does not succeed at once: its next `times` executions leave the run `rest_as`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    pub times: u32,
    pub rest_as: Status,
}

/// One unit of work. A completed step is memoized: it is not executed again, whatever crashes,
/// unless somebody asks for the whole job or run anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub work_ms: u32,
    pub status: Status,
    /// How often the work was begun; a crash may cut one short.
    pub starts: u32,
    /// How often the work came to an end that was committed together with its effect.
    pub executions: u32,
    pub output: Option<String>,
    pub obstacle: Option<Obstacle>,
}

impl Step {
    pub fn new(name: impl Into<String>, work_ms: u32) -> Self {
        Self {
            name: name.into(),
            work_ms,
            status: Status::Queued,
            starts: 0,
            executions: 0,
            output: None,
            obstacle: None,
        }
    }

    pub fn stopped_by(mut self, obstacle: Obstacle) -> Self {
        self.obstacle = Some(obstacle);
        self
    }

    /// The same work, never done. Failures that are still owed stay owed.
    pub fn afresh(&self) -> Self {
        Self {
            obstacle: self.obstacle,
            ..Self::new(self.name.clone(), self.work_ms)
        }
    }

    /// How the next execution ends.
    pub fn next_end(&self) -> StepEnd {
        match self.obstacle {
            Some(Obstacle { times, rest_as }) if times > 0 => StepEnd::Halted { rest_as },
            _ => StepEnd::Completed {
                output: format!("{}: ok", self.name),
            },
        }
    }
}

/// Steps in order under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub name: String,
    pub steps: Vec<Step>,
}

impl Job {
    pub fn is_completed(&self) -> bool {
        self.steps
            .iter()
            .all(|step| step.status == Status::Completed)
    }

    /// Where the job stands, in a run that stands at `run`.
    pub fn status(&self, run: Status) -> Status {
        if self.is_completed() {
            return Status::Completed;
        }
        let at_rest = |step: &&Step| !matches!(step.status, Status::Completed | Status::Queued);
        match self.steps.iter().find(at_rest) {
            Some(step) => step.status,
            None if run == Status::Cancelled => run,
            None if self.steps.iter().any(|step| step.executions > 0) => run,
            None => Status::Queued,
        }
    }
}

/// A run with everything that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub service: Service,
    pub workflow: String,
    pub repo: Option<String>,
    pub status: Status,
    /// Counts from 1; every re-run, retry or resume under the same id adds one.
    pub attempt: u32,
    /// A re-run asked for while one runs waits its turn; otherwise it is refused.
    pub overlaps: bool,
    /// Re-runs that wait behind the running attempt.
    pub backlog: u32,
    /// The run that this one repeats.
    pub origin: Option<RunId>,
    /// Came with the demo: kept when old runs make room for new ones.
    pub seeded: bool,
    pub created_at: i64,
    pub updated_at: i64,
    pub jobs: Vec<Job>,
}

/// The place of a step in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRef {
    pub job: usize,
    pub step: usize,
}

/// How one execution of a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum StepEnd {
    Completed { output: String },
    Halted { rest_as: Status },
}

impl Run {
    pub fn step(&self, at: StepRef) -> Option<&Step> {
        self.jobs.get(at.job)?.steps.get(at.step)
    }

    pub fn step_mut(&mut self, at: StepRef) -> Option<&mut Step> {
        self.jobs.get_mut(at.job)?.steps.get_mut(at.step)
    }

    /// The first step that is not memoized.
    pub fn next_step(&self) -> Option<StepRef> {
        self.jobs.iter().enumerate().find_map(|(job, within)| {
            let open = |step: &Step| step.status != Status::Completed;
            let step = within.steps.iter().position(open)?;
            Some(StepRef { job, step })
        })
    }

    /// Completed steps and all steps.
    pub fn progress(&self) -> (usize, usize) {
        let steps = || self.jobs.iter().flat_map(|job| &job.steps);
        let done = steps().filter(|step| step.status == Status::Completed);
        (done.count(), steps().count())
    }

    /// The number by which GitHub would know a job of this run.
    pub fn job_number(&self, index: usize) -> u64 {
        let run = self.id.as_number().unwrap_or_default();
        run * 1_000 + u64::try_from(index).unwrap_or_default() + 1
    }
}
