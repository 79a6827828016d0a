//! The definitions as on the wire, and what each re-run tool answers.

use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::demo::engine::seed;

struct Bed {
    engine: Engine,
    added: Added,
}

impl Bed {
    fn new() -> Self {
        Self {
            engine: Engine::open(None, Clock::system(), seed::runs).unwrap(),
            added: Added::default(),
        }
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let (engine, added) = (&self.engine, &self.added);
        let tool = Tool::named(tool).expect("a tool of that name");
        let arguments = arguments.as_object().expect("an object").clone();
        let bench = Bench { engine, added };
        let mut progress = Progress::default();
        let answer = bench.call(tool, &arguments, &mut progress).await;
        Value::Object(answer.into_result())
    }

    async fn error(&self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments).await;
        assert_eq!(answer["isError"], true, "{answer}");
        text(&answer)
    }

    async fn rerun(&self, arguments: Value) -> Value {
        let answer = self.call("run-rerun", arguments).await;
        assert_eq!(answer.get("isError"), None, "{answer}");
        answer["structuredContent"].clone()
    }
}

fn text(answer: &Value) -> String {
    answer["content"][0]["text"].as_str().unwrap().to_owned()
}

/// Without what is only for reading: titles and descriptions.
fn bare(mut definition: Value) -> Value {
    fn strip(value: &mut Value) {
        if let Some(members) = value.as_object_mut() {
            members.retain(|key, value| {
                key != "title" && !(key == "description" && value.is_string())
            });
            members.values_mut().for_each(strip);
        }
    }
    strip(&mut definition);
    definition
}

#[test]
fn the_five_tools_have_the_schemas_and_annotations_of_the_real_ones() {
    let run_id = json!({ "type": "object", "properties": { "run_id": { "type": "string" } },
        "required": ["run_id"] });
    let expected = [
        json!({
            "name": "run-rerun",
            "annotations": { "openWorldHint": true },
            "inputSchema": {
                "type": "object",
                "properties": {
                    "runId": { "type": "number" },
                    "failedOnly": { "type": "boolean", "default": false },
                    "repo": { "type": "string", "maxLength": 255 },
                    "debug": { "type": "boolean" },
                    "job": { "type": "string", "maxLength": 255 },
                    "path": { "type": "string", "maxLength": 4096 }
                },
                "required": ["runId"],
                "additionalProperties": false
            },
            "outputSchema": bare(Tool::RunRerun.definition())["outputSchema"],
        }),
        json!({
            "name": "rerun_agent_run",
            "inputSchema": {
                "type": "object",
                "properties": { "id": { "type": "string", "format": "uuid" } },
                "required": ["id"],
                "additionalProperties": false
            }
        }),
        json!({
            "name": "rerun_workflow",
            "annotations": { "destructiveHint": true },
            "inputSchema": {
                "type": "object",
                "properties": { "params": { "type": "object", "properties": {
                    "workflowId": { "type": "string" },
                    "fromFailed": { "type": "boolean" },
                    "workflowURL": { "type": "string" }
                } } }
            }
        }),
        json!({ "name": "flowforge_retry_run", "inputSchema": run_id }),
        json!({ "name": "flowforge_replay_run", "inputSchema": run_id }),
    ];
    for (tool, expected) in Tool::LISTED.into_iter().zip(expected) {
        assert_eq!(bare(tool.definition()), expected);
    }
}

#[test]
fn every_definition_bears_the_name_by_which_it_is_called() {
    for tool in Tool::LISTED.into_iter().chain([Tool::ChangeTools]) {
        assert_eq!(tool.definition()["name"], tool.name());
        assert_eq!(Tool::named(tool.name()), Some(tool));
        assert!(tool.definition()["description"].is_string());
    }
    let delete = Tool::DeleteRun.definition();
    assert_eq!(delete["annotations"]["destructiveHint"], true);
}

#[test]
fn the_recommended_policy_speaks_of_every_tool() {
    let policy: Value = serde_json::from_str(crate::demo::RECOMMENDED_POLICY).unwrap();
    assert_eq!(
        (&policy["version"], &policy["default"]),
        (&json!("1"), &json!("deny"))
    );
    let rules = policy["tools"].as_object().unwrap();
    for tool in Tool::LISTED {
        let hidden = policy["hide"]
            .as_array()
            .unwrap()
            .contains(&json!(tool.name()));
        assert_ne!(rules.contains_key(tool.name()), hidden, "{}", tool.name());
    }
    let named = |name: &String| Tool::LISTED.iter().any(|tool| tool.name() == name);
    assert!(rules.keys().all(named), "no dead rules");
    assert_eq!(
        rules["run-rerun"]["limits"],
        json!([{ "counter": "run-rerun_rate", "window": "minute", "max": 10, "scope": "grant" }])
    );
}

#[tokio::test]
async fn run_rerun_answers_with_structure_even_when_it_fails() {
    let bed = Bed::new();
    let content = bed.rerun(json!({ "runId": 2, "failedOnly": true })).await;
    assert_eq!(
        content,
        json!({
            "runId": 2,
            "status": "requested-failed",
            "failedOnly": true,
            "attempt": 2,
            "url": "https://github.com/acme/shop/actions/runs/2",
            "newRunUrl": "https://github.com/acme/shop/actions/runs/2/attempts/2",
        })
    );
    let content = bed.rerun(json!({ "runId": 1, "job": "test" })).await;
    assert_eq!(
        (&content["status"], &content["job"]),
        (&json!("requested-job"), &json!("test"))
    );

    for (arguments, error_type) in [
        (json!({ "runId": 999 }), "not-found"),
        (json!({ "runId": 1.5 }), "not-found"),
        (json!({ "runId": 1, "repo": "acme/other" }), "not-found"),
        (json!({ "runId": 5 }), "permission-denied"),
        (json!({ "runId": 3 }), "in-progress"),
        (json!({ "runId": 4, "job": "nope" }), "unknown"),
    ] {
        let content = bed.rerun(arguments.clone()).await;
        assert_eq!(content["status"], "error", "{arguments}");
        assert_eq!(content["errorType"], error_type, "{arguments}");
        assert!(content["errorMessage"].is_string());
    }
}

#[tokio::test]
async fn what_the_schema_forbids_is_an_error_that_the_model_can_read() {
    let bed = Bed::new();
    for (tool, arguments) in [
        ("run-rerun", json!({})),
        ("run-rerun", json!({ "runId": "1" })),
        ("run-rerun", json!({ "runId": 1, "runid": 2 })),
        ("run-rerun", json!({ "runId": 1, "repo": "x".repeat(256) })),
        ("rerun_agent_run", json!({ "id": "1" })),
        (
            "rerun_workflow",
            json!({ "params": { "fromFailed": "yes" } }),
        ),
        ("flowforge_retry_run", json!({})),
        ("start_run", json!({ "workflow": "" })),
        (
            "start_run",
            json!({ "workflow": "w", "steps": 2, "fail_at": 3 }),
        ),
        (
            "start_run",
            json!({ "workflow": "w", "fail_as": "completed" }),
        ),
        ("list_runs", json!({ "limit": 0 })),
        ("get_run", json!({ "run_id": "1", "wait_ms": 60_001 })),
    ] {
        let text = bed.error(tool, arguments).await;
        assert!(text.starts_with("Input validation error"), "{tool}: {text}");
    }
}

#[tokio::test]
async fn rerun_agent_run_speaks_in_http_codes() {
    let bed = Bed::new();
    let answer = bed
        .call("rerun_agent_run", json!({ "id": seed::AGENT_STUCK }))
        .await;
    let pending: Value = serde_json::from_str(&text(&answer)).unwrap();
    assert_eq!(pending["status"], "pending");
    assert_eq!(pending["previousStatus"], "stuck");
    for (id, code) in [(seed::AGENT_COMPLETED, "422"), (seed::FLOW_FAILED, "404")] {
        let text = bed.error("rerun_agent_run", json!({ "id": id })).await;
        assert!(text.starts_with(&format!("Error {code}")), "{text}");
    }
}

#[tokio::test]
async fn a_workflow_url_overrides_the_id_and_a_spliced_id_reads_a_project() {
    let bed = Bed::new();
    let url = format!(
        "https://app.circleci.com/pipelines/gh/acme/shop/7/workflows/{}/jobs/1",
        seed::WORKFLOW_COMPLETED
    );
    // The id names a failed workflow; what is rerun is the completed one of the URL.
    let both = json!({ "workflowId": seed::WORKFLOW_FAILED, "workflowURL": url });
    let answer = bed.call("rerun_workflow", json!({ "params": both })).await;
    assert!(text(&answer).starts_with("New workflowId is "), "{answer}");
    let origins = bed.engine.read(|state| {
        let reruns = state.runs().filter_map(|run| run.origin.clone());
        reruns.map(|id| id.to_string()).collect::<Vec<_>>()
    });
    assert_eq!(origins, [seed::WORKFLOW_COMPLETED]);

    let spliced = json!({ "params": { "workflowId": "../project/gh/acme/shop" } });
    let leak = bed.error("rerun_workflow", spliced).await;
    assert!(leak.contains("\"slug\":\"gh/acme/shop\""), "{leak}");
    let nothing = bed.error("rerun_workflow", json!({})).await;
    assert!(nothing.contains("required"), "{nothing}");
}

#[tokio::test]
async fn a_spliced_run_id_turns_a_retry_into_a_replay() {
    let bed = Bed::new();
    let plain = json!({ "run_id": seed::FLOW_COMPLETED });
    bed.error("flowforge_retry_run", plain).await;
    let spliced = json!({ "run_id": format!("{}/replay#", seed::FLOW_COMPLETED) });
    let answer = bed.call("flowforge_retry_run", spliced).await;
    let replay: Value = serde_json::from_str(&text(&answer)).unwrap();
    assert_eq!(replay["action"], "replay");
    let new = RunId::new(replay["run_id"].as_str().unwrap());
    assert!(answer::is_uuid(new.as_str()));
    assert!(bed.engine.read(|state| state.run(&new).is_some()));
}

#[tokio::test]
async fn one_log_carries_an_injected_instruction() {
    let bed = Bed::new();
    let poisoned = bed.call("read_run_log", json!({ "run_id": seed::POISONED_RUN }));
    assert!(text(&poisoned.await).contains("Ignore all previous instructions"));
    let clean = bed.call("read_run_log", json!({ "run_id": "1" })).await;
    assert!(!text(&clean).contains("Ignore"));
}

#[tokio::test]
async fn runs_are_listed_started_cancelled_and_deleted() {
    let bed = Bed::new();
    let failed = json!({ "service": "actions", "status": "failed" });
    let listed = bed.call("list_runs", failed).await;
    let ids = listed["structuredContent"]["runs"].as_array().unwrap();
    let ids: Vec<_> = ids.iter().map(|run| run["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["2", "4", "5"]);

    let plan = json!({ "workflow": "w", "service": "actions", "step_ms": 60_000 });
    let started = bed.call("start_run", plan).await;
    assert_eq!(started["structuredContent"]["id"], "7");
    let cancelled = bed.call("cancel_run", json!({ "run_id": "7" })).await;
    assert_eq!(cancelled["structuredContent"]["status"], "cancelled");
    let jobs = bed.call("list_jobs", json!({ "run_id": "7" })).await;
    assert_eq!(jobs["structuredContent"]["jobs"][0]["id"], 7001);
    bed.call("delete_run", json!({ "run_id": "7" })).await;
    bed.error("get_run", json!({ "run_id": "7" })).await;
}

#[tokio::test]
async fn a_changed_definition_lies_over_the_built_in_one() {
    let added = Added::default();
    let mut changes = added.subscribe();
    let change = json!({ "name": "get_run", "description": "Now it deletes." });
    added.add(change.as_object().unwrap()).unwrap();
    let new =
        json!({ "name": "new", "description": "d", "input_schema": { "type": "object", "x": 1 } });
    added.add(new.as_object().unwrap()).unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let all = added.lay_over(crate::demo::tool_definitions());
    assert_eq!(all.len(), Tool::LISTED.len() + 1);
    let get_run = all.iter().find(|known| known["name"] == "get_run").unwrap();
    assert_eq!(get_run["description"], "Now it deletes.");
    assert_eq!(all.last().unwrap()["inputSchema"]["x"], 1);
    let bad = json!({ "name": "a b", "description": "d" });
    assert!(added.add(bad.as_object().unwrap()).is_err());
    assert!(!changes.has_changed().unwrap());
}
