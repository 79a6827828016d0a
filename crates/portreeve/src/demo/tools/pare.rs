//! `run-rerun`, as Pare offers it over GitHub Actions: failures are structured content with
//! `status: "error"`, never `isError`.

use serde::Deserialize;
use serde_json::{Map, Number, Value, json};

use super::answer::{self, Answer};
use crate::demo::engine::Engine;
use crate::demo::engine::commands::{self, Part, Refusal};
use crate::demo::engine::model::{RunId, Service};
use crate::demo::engine::seed::{ARCHIVED_REPOSITORY, REPOSITORY};
use crate::demo::engine::state::State;

pub(super) fn definition() -> Value {
    json!({
        "name": "run-rerun",
        "title": "Re-run a workflow run",
        "description": "Re-runs a GitHub Actions workflow run: all of its jobs, only the failed \
            ones, or one job.",
        "annotations": { "openWorldHint": true },
        "inputSchema": {
            "type": "object",
            "properties": {
                "runId": { "type": "number", "description": "Number of the workflow run" },
                "failedOnly": {
                    "type": "boolean",
                    "default": false,
                    "description": "Re-run only the failed jobs"
                },
                "repo": {
                    "type": "string",
                    "maxLength": 255,
                    "description": "Repository as OWNER/REPO; by default that of the directory"
                },
                "debug": { "type": "boolean", "description": "Re-run with debug logging" },
                "job": {
                    "type": "string",
                    "maxLength": 255,
                    "description": "Re-run this job, and those that need it, by id or name"
                },
                "path": {
                    "type": "string",
                    "maxLength": 4096,
                    "description": "Directory of the repository"
                }
            },
            "required": ["runId"],
            "additionalProperties": false
        },
        "outputSchema": output_schema(),
    })
}

fn output_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "runId": { "type": "number" },
            "status": {
                "type": "string",
                "enum": ["requested-full", "requested-failed", "requested-job", "error"]
            },
            "failedOnly": { "type": "boolean" },
            "url": { "type": "string" },
            "job": { "type": "string" },
            "attempt": { "type": "number" },
            "newRunUrl": { "type": "string" },
            "errorType": {
                "type": "string",
                "enum": ["not-found", "permission-denied", "in-progress", "unknown"]
            },
            "errorMessage": { "type": "string" }
        },
        "required": ["runId", "status", "failedOnly", "url"],
        "additionalProperties": false
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    run_id: Number,
    #[serde(default)]
    failed_only: bool,
    repo: Option<String>,
    #[expect(
        dead_code,
        reason = "the simulated jobs log the same with and without debug"
    )]
    debug: Option<bool>,
    job: Option<String>,
    path: Option<String>,
}

impl Arguments {
    fn read(given: &Map<String, Value>) -> Result<Self, Answer> {
        let read: Self = answer::arguments(given)?;
        answer::within("repo", read.repo.as_deref(), 255)?;
        answer::within("job", read.job.as_deref(), 255)?;
        answer::within("path", read.path.as_deref(), 4096)?;
        Ok(read)
    }

    /// The run that the number names; `1.0` names the same as `1`, `1.5` names none.
    fn run(&self) -> RunId {
        let text = self.run_id.to_string();
        RunId::new(text.strip_suffix(".0").unwrap_or(&text))
    }

    fn part(&self) -> Part {
        match &self.job {
            Some(job) => Part::Job(job.clone()),
            None if self.failed_only => Part::Failed,
            None => Part::Whole,
        }
    }

    const fn requested(&self) -> &'static str {
        match (&self.job, self.failed_only) {
            (Some(_), _) => "requested-job",
            (None, true) => "requested-failed",
            (None, false) => "requested-full",
        }
    }
}

pub(super) async fn call(engine: &Engine, given: &Map<String, Value>) -> Result<Answer, Answer> {
    let arguments = Arguments::read(given)?;
    let (id, part, repo) = (arguments.run(), arguments.part(), arguments.repo.clone());
    let decide = move |state: &State| {
        if may_write(state, &id, repo.as_deref())? {
            let (changes, attempt) = commands::rerun(state, &id, &part)?;
            return Ok((changes, Some(attempt)));
        }
        Ok((Vec::new(), None))
    };
    Ok(match engine.commit(decide).await {
        Ok(Some(attempt)) => requested(&arguments, attempt),
        Ok(None) => failed(
            &arguments,
            "permission-denied",
            "HTTP 403: Repository was archived so is read-only.",
        ),
        Err(refusal) => failed(&arguments, error_type(&refusal), &refusal.to_string()),
    })
}

/// Whether the token that the server holds may write to the run's repository.
fn may_write(state: &State, id: &RunId, repo: Option<&str>) -> Result<bool, Refusal> {
    let run = commands::find(state, Service::Actions, id)?;
    let its_own = run.repo.as_deref().unwrap_or(REPOSITORY);
    if repo.is_some_and(|repo| repo != its_own) {
        let (what, id) = ("run in that repository", id.to_string());
        return Err(Refusal::NotFound { what, id });
    }
    Ok(its_own != ARCHIVED_REPOSITORY)
}

const fn error_type(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound { .. } => "not-found",
        Refusal::NotNow { .. } => "in-progress",
        _ => "unknown",
    }
}

fn url(arguments: &Arguments) -> String {
    let repo = arguments.repo.as_deref().unwrap_or(REPOSITORY);
    format!("https://github.com/{repo}/actions/runs/{}", arguments.run())
}

fn requested(arguments: &Arguments, attempt: u32) -> Answer {
    let url = url(arguments);
    let mut content = json!({
        "runId": arguments.run_id,
        "status": arguments.requested(),
        "failedOnly": arguments.failed_only,
        "attempt": attempt,
        "newRunUrl": format!("{url}/attempts/{attempt}"),
        "url": url,
    });
    if let (Some(job), Some(members)) = (&arguments.job, content.as_object_mut()) {
        members.insert("job".to_owned(), Value::String(job.clone()));
    }
    let text = format!(
        "Re-run of run {} requested, attempt {attempt}",
        arguments.run()
    );
    Answer::text(text).with(content)
}

fn failed(arguments: &Arguments, error_type: &str, message: &str) -> Answer {
    let content = json!({
        "runId": arguments.run_id,
        "status": "error",
        "failedOnly": arguments.failed_only,
        "url": url(arguments),
        "errorType": error_type,
        "errorMessage": message,
    });
    Answer::text(format!("Re-run failed ({error_type}): {message}")).with(content)
}
