//! `rerun_workflow`, as the server of `CircleCI` offers it, with its two documented weaknesses:
//! `workflowURL` overrides `workflowId`, and the id is spliced into a path. A policy should forbid
//! the one and pin the other to a UUID.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use crate::demo::engine::Engine;
use crate::demo::engine::commands;
use crate::demo::engine::endpoint::{self, Endpoint};
use crate::demo::engine::model::RunId;

pub(super) fn definition() -> Value {
    json!({
        "name": "rerun_workflow",
        "description": "Reruns a workflow, from its start or from the failed job. Give the \
            workflow's id or its URL.",
        "annotations": { "destructiveHint": true },
        "inputSchema": {
            "type": "object",
            "properties": {
                "params": {
                    "type": "object",
                    "properties": {
                        "workflowId": {
                            "type": "string",
                            "description": "Id of the workflow, as in its URL"
                        },
                        "fromFailed": {
                            "type": "boolean",
                            "description": "Rerun from the failed job; for a failed workflow \
                                that is the default"
                        },
                        "workflowURL": {
                            "type": "string",
                            "description": "URL of the workflow or of a job of it"
                        }
                    }
                }
            }
        }
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Params {
    workflow_id: Option<String>,
    from_failed: Option<bool>,
    #[serde(rename = "workflowURL")]
    workflow_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Arguments {
    #[serde(default)]
    params: Params,
}

pub(super) async fn call(engine: &Engine, given: &Map<String, Value>) -> Result<Answer, Answer> {
    let Arguments { params } = answer::arguments(given)?;
    let spliced = match &params.workflow_url {
        Some(url) => workflow_in(url).map(str::to_owned),
        None => params.workflow_id,
    };
    let spliced = spliced.filter(|id| !id.is_empty()).ok_or_else(|| {
        Answer::error("workflowId is required, or a workflowURL that contains one")
    })?;
    // The real server first gets the workflow, and only then posts the rerun.
    look_up(engine, &format!("/api/v2/workflow/{spliced}"))?;
    let path = format!("/api/v2/workflow/{spliced}/rerun");
    let Some(Endpoint::RerunWorkflow(id)) = endpoint::resolve(&path) else {
        return Err(Answer::error(format!("404 Not Found: POST {path}")));
    };
    let new_id = super::new_uuid()?;
    let decide = move |state: &_| commands::rerun_workflow(state, &id, params.from_failed, new_id);
    let new = engine.commit(decide).await?;
    Ok(Answer::text(format!(
        "New workflowId is {new}: https://app.circleci.com/pipelines/workflows/{new}"
    )))
}

/// The part of a URL after `/workflows/`.
fn workflow_in(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("/workflows/")?;
    rest.split(['/', '?', '#']).next()
}

/// Gets what the path leads to. What is no workflow is quoted in the error: that is the leak.
fn look_up(engine: &Engine, path: &str) -> Result<(), Answer> {
    let id = match endpoint::resolve(path) {
        Some(Endpoint::Workflow(id)) => id,
        Some(Endpoint::Project(slug)) => {
            let body = project(&slug);
            return Err(Answer::error(format!(
                "Unexpected answer to GET {path}: {body}"
            )));
        }
        _ => return Err(Answer::error(format!("404 Not Found: GET {path}"))),
    };
    let found = |id: &RunId| {
        engine.read(|state| {
            let service = crate::demo::engine::model::Service::Workflows;
            commands::find(state, service, id).map(|_| ())
        })
    };
    Ok(found(&id)?)
}

/// A project as the organisation's token sees it.
fn project(slug: &str) -> Value {
    let name = slug.rsplit('/').next();
    json!({
        "slug": slug,
        "name": name,
        "id": "d0000000-0000-4000-8000-000000000001",
        "organization_name": slug.split('/').nth(1),
        "vcs_info": { "provider": "GitHub", "default_branch": "main" },
    })
}
