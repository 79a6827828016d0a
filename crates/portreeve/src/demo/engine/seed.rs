//! The runs that are there from the start. Their ids are fixed, so that documentation and scripts
//! can name them.

use super::model::{Job, Obstacle, Run, RunId, Service, Status, Step};

/// The repository of the CI runs.
pub const REPOSITORY: &str = "acme/shop";
/// A repository that may be read and no more.
pub const ARCHIVED_REPOSITORY: &str = "acme/legacy";
/// The run whose log carries an injected instruction.
pub const POISONED_RUN: &str = "2";

/// A CI run that completed and takes milliseconds to run again, as often as one likes.
pub const ACTIONS_COMPLETED: &str = "1";
pub const ACTIONS_FAILED: &str = "2";
pub const ACTIONS_RUNNING: &str = "3";
/// Fails at every attempt.
pub const ACTIONS_ALWAYS_FAILS: &str = "4";
/// Belongs to the archived repository.
pub const ACTIONS_ARCHIVED: &str = "5";
pub const ACTIONS_CANCELLED: &str = "6";

pub const AGENT_FAILED: &str = "a0000000-0000-4000-8000-000000000001";
pub const AGENT_WAITING: &str = "a0000000-0000-4000-8000-000000000002";
pub const AGENT_STUCK: &str = "a0000000-0000-4000-8000-000000000003";
pub const AGENT_RUNNING: &str = "a0000000-0000-4000-8000-000000000004";
pub const AGENT_COMPLETED: &str = "a0000000-0000-4000-8000-000000000005";

pub const WORKFLOW_FAILED: &str = "b0000000-0000-4000-8000-000000000001";
pub const WORKFLOW_COMPLETED: &str = "b0000000-0000-4000-8000-000000000002";
pub const WORKFLOW_RUNNING: &str = "b0000000-0000-4000-8000-000000000003";

/// Fails at its third of four steps, once: a retry completes it.
pub const FLOW_FAILED: &str = "f0000000-0000-4000-8000-000000000001";
pub const FLOW_COMPLETED: &str = "f0000000-0000-4000-8000-000000000002";
pub const FLOW_CANCELLED: &str = "f0000000-0000-4000-8000-000000000003";
pub const FLOW_PAUSED: &str = "f0000000-0000-4000-8000-000000000004";
pub const FLOW_ALWAYS_FAILS: &str = "f0000000-0000-4000-8000-000000000005";

const QUICK_MS: u32 = 2;
const HOUR_MS: u32 = 3_600_000;
const FOREVER: u32 = u32::MAX;

/// One line of the tables below: id, name, where it stands, how many steps are done, and how
/// often the step after those still stops it.
struct Row(&'static str, &'static str, Status, usize, u32);

/// All of them, in the order of a list.
pub fn runs(at: i64) -> Vec<Run> {
    let mut runs = Vec::new();
    runs.extend(actions().iter().map(|row| run(row, Service::Actions, at)));
    runs.extend(agents().iter().map(|row| run(row, Service::Agents, at)));
    runs.extend(
        workflows()
            .iter()
            .map(|row| run(row, Service::Workflows, at)),
    );
    runs.extend(flows().iter().map(|row| run(row, Service::Flowforge, at)));
    runs
}

const fn actions() -> [Row; 6] {
    [
        Row(ACTIONS_COMPLETED, "ci", Status::Completed, 4, 0),
        Row(ACTIONS_FAILED, "ci", Status::Failed, 2, 0),
        Row(ACTIONS_RUNNING, "nightly", Status::Running, 1, 0),
        Row(ACTIONS_ALWAYS_FAILS, "release", Status::Failed, 3, FOREVER),
        Row(ACTIONS_ARCHIVED, "ci", Status::Failed, 1, 0),
        Row(ACTIONS_CANCELLED, "deploy", Status::Cancelled, 1, 0),
    ]
}

const fn agents() -> [Row; 5] {
    [
        Row(AGENT_FAILED, "triage-issues", Status::Failed, 1, 0),
        Row(AGENT_WAITING, "draft-release-notes", Status::Waiting, 2, 0),
        Row(AGENT_STUCK, "update-dependencies", Status::Stuck, 1, 0),
        Row(AGENT_RUNNING, "watch-errors", Status::Running, 0, 0),
        Row(AGENT_COMPLETED, "triage-issues", Status::Completed, 4, 0),
    ]
}

const fn workflows() -> [Row; 3] {
    [
        Row(WORKFLOW_FAILED, "build-and-test", Status::Failed, 2, 0),
        Row(
            WORKFLOW_COMPLETED,
            "build-and-test",
            Status::Completed,
            4,
            0,
        ),
        Row(WORKFLOW_RUNNING, "deploy", Status::Running, 1, 0),
    ]
}

const fn flows() -> [Row; 5] {
    [
        Row(FLOW_FAILED, "charge-orders", Status::Failed, 2, 0),
        Row(FLOW_COMPLETED, "charge-orders", Status::Completed, 4, 0),
        Row(FLOW_CANCELLED, "send-invoices", Status::Cancelled, 1, 0),
        Row(FLOW_PAUSED, "send-invoices", Status::Paused, 2, 0),
        Row(FLOW_ALWAYS_FAILS, "sync-stock", Status::Failed, 1, FOREVER),
    ]
}

fn run(row: &Row, service: Service, at: i64) -> Run {
    let Row(id, workflow, status, ..) = *row;
    let repo = (service == Service::Actions).then(|| {
        let archived = id == ACTIONS_ARCHIVED;
        let name = if archived {
            ARCHIVED_REPOSITORY
        } else {
            REPOSITORY
        };
        name.to_owned()
    });
    Run {
        id: RunId::new(id),
        service,
        workflow: workflow.to_owned(),
        repo,
        status,
        attempt: 1,
        overlaps: id == ACTIONS_COMPLETED,
        backlog: 0,
        origin: None,
        seeded: true,
        created_at: at,
        updated_at: at,
        jobs: jobs(row, service),
    }
}

fn jobs(row: &Row, service: Service) -> Vec<Job> {
    let names: &[(&str, &[&str])] = match service {
        Service::Actions | Service::Workflows => &[
            ("build", &["checkout", "compile"]),
            ("test", &["unit-tests", "upload-report"]),
        ],
        Service::Agents => &[("agent", &["plan", "act", "check", "report"])],
        Service::Flowforge => &[("flow", &["load", "validate", "charge", "notify"])],
    };
    let mut place = 0;
    let mut jobs = Vec::new();
    for (name, steps) in names {
        let mut job = Job {
            name: (*name).to_owned(),
            steps: Vec::new(),
        };
        for name in *steps {
            job.steps.push(step(row, name, place));
            place += 1;
        }
        jobs.push(job);
    }
    jobs
}

fn step(row: &Row, name: &str, place: usize) -> Step {
    let Row(_, _, status, done, still_fails) = *row;
    let mut step = Step::new(name, QUICK_MS);
    if place < done {
        step.status = Status::Completed;
        step.output = Some(format!("{name}: ok"));
        (step.starts, step.executions) = (1, 1);
    }
    if place == done {
        stand(&mut step, status, still_fails);
    }
    step
}

/// The step at which the run stands.
fn stand(step: &mut Step, status: Status, still_fails: u32) {
    match status {
        Status::Running => step.work_ms = HOUR_MS,
        Status::Failed | Status::Waiting | Status::Stuck => {
            step.status = status;
            (step.starts, step.executions) = (1, 1);
            step.obstacle = Some(Obstacle {
                times: still_fails,
                rest_as: status,
            });
        }
        _ => {}
    }
}
