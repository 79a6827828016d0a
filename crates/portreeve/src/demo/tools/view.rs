//! Runs as the tools show them.

use serde_json::{Value, json};

use crate::clock::rfc3339;
use crate::demo::engine::model::{Run, Step};
use portreeve_policy::time::Timestamp;

pub(super) fn run(run: &Run) -> Value {
    let (done, all) = run.progress();
    let mut view = json!({
        "id": run.id,
        "service": run.service,
        "workflow": run.workflow,
        "status": run.status,
        "attempt": run.attempt,
        "stepsCompleted": done,
        "stepsTotal": all,
        "createdAt": rfc3339(Timestamp(run.created_at)),
        "updatedAt": rfc3339(Timestamp(run.updated_at)),
    });
    if let Some(members) = view.as_object_mut() {
        let mut add = |name: &str, text: Option<String>| {
            text.map(|text| members.insert(name.to_owned(), Value::String(text)))
        };
        add("repo", run.repo.clone());
        add("origin", run.origin.as_ref().map(ToString::to_string));
    }
    view
}

pub(super) fn steps(run: &Run) -> Value {
    let of_job = |job| move |step| self::step(job, step);
    let steps = run
        .jobs
        .iter()
        .flat_map(|job| job.steps.iter().map(of_job(job.name.as_str())));
    json!({ "runId": run.id, "status": run.status, "steps": steps.collect::<Vec<_>>() })
}

fn step(job: &str, step: &Step) -> Value {
    json!({
        "job": job,
        "name": step.name,
        "status": step.status,
        "starts": step.starts,
        "executions": step.executions,
        "output": step.output,
    })
}

pub(super) fn jobs(run: &Run) -> Value {
    let job = |(index, job): (usize, &crate::demo::engine::model::Job)| {
        json!({
            "id": run.job_number(index),
            "name": job.name,
            "status": job.status(run.status),
            "steps": job.steps.len(),
        })
    };
    let jobs: Vec<_> = run.jobs.iter().enumerate().map(job).collect();
    json!({ "runId": run.id, "status": run.status, "jobs": jobs })
}
