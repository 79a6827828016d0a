//! The tools that change runs of any service: start, cancel, delete.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use super::view;
use crate::demo::engine::Engine;
use crate::demo::engine::commands::{self, Plan};
use crate::demo::engine::model::{Obstacle, RunId, Service, Status};

pub(super) fn start_definition() -> Value {
    json!({
        "name": "start_run",
        "description": "Starts a run of simulated work. A step can be made to fail, so that the \
            re-run tools have something to do.",
        "annotations": {
            "readOnlyHint": false, "destructiveHint": false, "openWorldHint": false
        },
        "inputSchema": {
            "type": "object",
            "properties": {
                "workflow": { "type": "string", "minLength": 1, "maxLength": 64 },
                "service": {
                    "type": "string",
                    "enum": ["actions", "agents", "workflows", "flowforge"],
                    "default": "flowforge"
                },
                "steps": { "type": "integer", "minimum": 1, "maximum": 50, "default": 4 },
                "step_ms": {
                    "type": "integer", "minimum": 0, "maximum": 60000, "default": 20,
                    "description": "How long each step takes"
                },
                "fail_at": {
                    "type": "integer", "minimum": 1, "maximum": 50,
                    "description": "The step, from 1, that does not succeed at once"
                },
                "fail_times": {
                    "type": "integer", "minimum": 1, "maximum": 1000, "default": 1,
                    "description": "How often that step is executed before it succeeds"
                },
                "fail_as": {
                    "type": "string",
                    "enum": ["failed", "waiting", "stuck", "paused"],
                    "default": "failed",
                    "description": "Where the run then stands"
                }
            },
            "required": ["workflow"],
            "additionalProperties": false
        }
    })
}

pub(super) fn cancel_definition() -> Value {
    definition(
        "cancel_run",
        "Cancels a run that has not completed. What its steps have done stays done.",
        &json!({ "readOnlyHint": false, "destructiveHint": true, "openWorldHint": false }),
    )
}

pub(super) fn delete_definition() -> Value {
    definition(
        "delete_run",
        "Deletes a run with its steps and log, for good. A running one is stopped.",
        &json!({
            "readOnlyHint": false, "destructiveHint": true, "idempotentHint": true,
            "openWorldHint": false
        }),
    )
}

fn definition(name: &str, description: &str, annotations: &Value) -> Value {
    json!({
        "name": name,
        "description": description,
        "annotations": annotations,
        "inputSchema": {
            "type": "object",
            "properties": { "run_id": { "type": "string", "description": "Id of the run" } },
            "required": ["run_id"],
            "additionalProperties": false
        }
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    workflow: String,
    #[serde(default = "flowforge")]
    service: Service,
    #[serde(default = "four")]
    steps: u32,
    #[serde(default = "twenty")]
    step_ms: u32,
    fail_at: Option<u32>,
    #[serde(default = "one")]
    fail_times: u32,
    #[serde(default = "failed")]
    fail_as: Status,
}

const fn flowforge() -> Service {
    Service::Flowforge
}
const fn four() -> u32 {
    4
}
const fn twenty() -> u32 {
    20
}
const fn one() -> u32 {
    1
}
const fn failed() -> Status {
    Status::Failed
}

impl Start {
    fn plan(self) -> Result<Plan, Answer> {
        use Status::{Failed, Paused, Stuck, Waiting};
        let last = self.fail_at.unwrap_or(1);
        let rules = [
            (
                (1..=64).contains(&self.workflow.chars().count()),
                "`workflow` has not 1 to 64 characters",
            ),
            (
                (1..=50).contains(&self.steps),
                "`steps` is not within 1 and 50",
            ),
            (
                self.step_ms <= 60_000,
                "`step_ms` is not within 0 and 60000",
            ),
            (
                (1..=self.steps).contains(&last),
                "`fail_at` is not within 1 and `steps`",
            ),
            (
                (1..=1000).contains(&self.fail_times),
                "`fail_times` is not within 1 and 1000",
            ),
            (
                matches!(self.fail_as, Failed | Waiting | Stuck | Paused),
                "`fail_as` is not failed, waiting, stuck or paused",
            ),
        ];
        if let Some((_, why)) = rules.iter().find(|(kept, _)| !kept) {
            return Err(answer::invalid(why));
        }
        Ok(Plan {
            service: self.service,
            workflow: self.workflow,
            steps: self.steps,
            step_ms: self.step_ms,
            fail_at: self.fail_at,
            obstacle: Obstacle {
                times: self.fail_times,
                rest_as: self.fail_as,
            },
        })
    }
}

pub(super) async fn start(engine: &Engine, given: &Map<String, Value>) -> Result<Answer, Answer> {
    let plan = answer::arguments::<Start>(given)?.plan()?;
    let new_id = super::new_uuid()?;
    let decide = move |state: &_| commands::start(state, &plan, new_id);
    let id = engine.commit(decide).await?;
    let run = engine.read(|state| commands::find_any(state, &id).map(view::run))?;
    Ok(Answer::structured(run))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneRun {
    run_id: String,
}

pub(super) async fn cancel(engine: &Engine, given: &Map<String, Value>) -> Result<Answer, Answer> {
    let OneRun { run_id } = answer::arguments(given)?;
    let id = RunId::new(run_id);
    let run = id.clone();
    let before = engine
        .commit(move |state| commands::cancel(state, &run))
        .await?;
    Ok(Answer::structured(
        json!({ "runId": id, "status": "cancelled", "previousStatus": before }),
    ))
}

pub(super) async fn delete(engine: &Engine, given: &Map<String, Value>) -> Result<Answer, Answer> {
    let OneRun { run_id } = answer::arguments(given)?;
    let id = RunId::new(run_id);
    let run = id.clone();
    let before = engine
        .commit(move |state| commands::delete(state, &run))
        .await?;
    Ok(Answer::structured(
        json!({ "runId": id, "deleted": true, "previousStatus": before }),
    ))
}
