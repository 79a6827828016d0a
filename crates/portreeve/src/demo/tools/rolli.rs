//! `rerun_agent_run`, as Rolli offers it. It sets no annotations.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use crate::demo::engine::Engine;
use crate::demo::engine::commands::{self, Refusal};
use crate::demo::engine::model::{RunId, Status};

pub(super) fn definition() -> Value {
    json!({
        "name": "rerun_agent_run",
        "description": "Reruns an agent run. A failed, waiting or stuck run goes back to pending \
            and is enqueued; a running one is cancelled by force first.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "id": { "type": "string", "format": "uuid", "description": "Id of the agent run" }
            },
            "required": ["id"],
            "additionalProperties": false
        }
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    id: String,
}

pub(super) async fn call(engine: &Engine, given: &Map<String, Value>) -> Result<Answer, Answer> {
    let Arguments { id } = answer::arguments(given)?;
    if !answer::is_uuid(&id) {
        return Err(answer::invalid("`id` is not a UUID"));
    }
    let run = RunId::new(id.to_ascii_lowercase());
    let decide = move |state: &_| commands::rerun_agent(state, &run);
    match engine.commit(decide).await {
        Ok(before) => {
            let pending = json!({
                "id": id,
                "status": "pending",
                "previousStatus": before,
                "cancelledByForce": before == Status::Running,
            });
            Ok(Answer::text(pending.to_string()))
        }
        Err(refusal) => Err(failed(&refusal)),
    }
}

fn failed(refusal: &Refusal) -> Answer {
    let code = match refusal {
        Refusal::NotFound { .. } => 404,
        Refusal::NotNow { .. } => 422,
        _ => 500,
    };
    Answer::error(format!("Error {code}: {refusal}"))
}
