//! `flowforge_retry_run` and `flowforge_replay_run`, as Flowforge offers them, with its documented
//! weakness: the id is spliced into a path, so `<uuid>/replay#` turns a retry into a replay. It
//! sets no annotations.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use crate::demo::engine::Engine;
use crate::demo::engine::commands;
use crate::demo::engine::endpoint::{self, Endpoint};
use crate::demo::engine::model::RunId;

pub(super) fn retry_definition() -> Value {
    definition(
        "flowforge_retry_run",
        "Retries a failed run. It resumes at the failed step under the same id; completed steps \
         are memoized and not executed again.",
    )
}

pub(super) fn replay_definition() -> Value {
    definition(
        "flowforge_replay_run",
        "Replays a run, whatever became of it: a new run that executes every step from the start.",
    )
}

fn definition(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": {
            "type": "object",
            "properties": {
                "run_id": { "type": "string", "description": "Id of the run" }
            },
            "required": ["run_id"]
        }
    })
}

#[derive(Debug, Deserialize)]
struct Arguments {
    run_id: String,
}

/// Posts to `/v1/runs/<run_id>/<action>`.
pub(super) async fn call(
    engine: &Engine,
    given: &Map<String, Value>,
    action: &str,
) -> Result<Answer, Answer> {
    let Arguments { run_id } = answer::arguments(given)?;
    let path = format!("/v1/runs/{run_id}/{action}");
    match endpoint::resolve(&path) {
        Some(Endpoint::RetryRun(id)) => retry(engine, id).await,
        Some(Endpoint::ReplayRun(id)) => replay(engine, id).await,
        Some(Endpoint::CancelRun(id)) => cancel(engine, id).await,
        _ => Err(Answer::error(format!("404 Not Found: POST {path}"))),
    }
}

async fn retry(engine: &Engine, id: RunId) -> Result<Answer, Answer> {
    let run = id.clone();
    let step = engine
        .commit(move |state| commands::retry(state, &run))
        .await?;
    Ok(Answer::text(
        json!({ "run_id": id, "action": "retry", "resumed_at": step }).to_string(),
    ))
}

async fn replay(engine: &Engine, id: RunId) -> Result<Answer, Answer> {
    let (run, new_id) = (id.clone(), super::new_uuid()?);
    let new = engine
        .commit(move |state| commands::replay(state, &run, new_id))
        .await?;
    Ok(Answer::text(
        json!({ "run_id": new, "action": "replay", "replay_of": id }).to_string(),
    ))
}

async fn cancel(engine: &Engine, id: RunId) -> Result<Answer, Answer> {
    let run = id.clone();
    engine
        .commit(move |state| {
            let service = crate::demo::engine::model::Service::Flowforge;
            commands::find(state, service, &run)?;
            commands::cancel(state, &run)
        })
        .await?;
    Ok(Answer::text(
        json!({ "run_id": id, "action": "cancel" }).to_string(),
    ))
}
