//! Tasks: whose they are, and by which rules what comes of them is shown.

use http::StatusCode;
use serde_json::{Value, json};

use super::tools;
use crate::support::gate::TOKEN;
use crate::support::server::{Script, Seen, plain};
use crate::support::{TestGate, TestServer};

const OTHER: &str = "other-token-0123456789-abcdefghijklmnop";
const POLICY: &str = r#"{ "version": "1", "default": "allow", "tools": {
  "a": { "redact": [{ "detect": { "regex": "tiger-[0-9]+" }, "replace": "cat" }] },
  "b": { "max_result_bytes": 60 } } }"#;
const ALLOWED: &str = r#"{ "version": "1", "default": "allow" }"#;
const META: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const RELATED: &str = "io.modelcontextprotocol/related-task";

/// A server whose tools begin the task `t.1`, in the form of the era they are called in, and which
/// answers whatever else it is asked.
async fn with_tasks(
    policy: &str,
    answer: impl Fn(&Seen) -> Value + Send + Sync + 'static,
) -> (TestServer, TestGate) {
    let server = TestServer::start(move |seen| {
        let modern = seen.json()["params"]["_meta"].is_object();
        match seen.rpc_method().as_str() {
            "tools/call" if modern => Script::result(
                seen,
                &json!({ "resultType": "task", "taskId": "t.1", "status": "working" }),
            ),
            "tools/call" => Script::result(
                seen,
                &json!({ "task": { "taskId": "t.1", "status": "working" } }),
            ),
            method if method.starts_with("tasks/") => Script::result(seen, &answer(seen)),
            _ => plain(seen, &tools(&["a", "b"])),
        }
    })
    .await;
    let gate = TestGate::start(&server.url(), policy).await;
    (server, gate)
}

fn same_task(seen: &Seen) -> Value {
    json!({ "taskId": seen.json()["params"]["taskId"], "status": "working" })
}

struct Asked {
    status: StatusCode,
    body: Value,
}

impl Asked {
    fn result(&self) -> &Value {
        assert!(self.body["result"].is_object(), "{}", self.body);
        &self.body["result"]
    }

    fn code(&self) -> i64 {
        self.body["error"]["code"].as_i64().unwrap_or_default()
    }
}

/// A modern request of whoever has the token.
async fn modern(gate: &TestGate, token: &str, method: &str, mut params: Value) -> Asked {
    let capabilities = params.as_object_mut().unwrap().remove("capabilities");
    let capabilities = capabilities.unwrap_or_else(|| json!({ "extensions": { EXTENSION: {} } }));
    let name = params["name"].as_str().or(params["taskId"].as_str());
    let name = name.unwrap_or_default().to_owned();
    params["_meta"] = json!({ META: "2026-07-28", CAPABILITIES: capabilities });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
        ("mcp-name", &name),
    ];
    let answer = gate.post_with(&headers, body.to_string()).await;
    Asked {
        status: answer.status,
        body: answer.json(),
    }
}

/// A legacy request.
async fn legacy(gate: &TestGate, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    gate.post(body.to_string()).await.json()
}

async fn begun(gate: &TestGate, tool: &str) -> String {
    let begun = modern(gate, TOKEN, "tools/call", json!({ "name": tool })).await;
    begun.result()["taskId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_task_opens_for_its_own_grant_only() {
    let (server, gate) = with_tasks(ALLOWED, same_task).await;
    gate.add_grant("other", OTHER, &[("s", Some("p"))]).await;
    let task = begun(&gate, "a").await;
    assert_ne!(task, "t.1");
    let got = modern(&gate, TOKEN, "tasks/get", json!({ "taskId": task })).await;
    assert_eq!(got.result()["taskId"], task, "the client knows one id");
    let seen = server.seen("tasks/get").remove(0);
    assert_eq!(seen.json()["params"]["taskId"], "t.1");
    assert_eq!(seen.header("mcp-name"), Some("t.1"));
    let (head, tail) = task.split_at(31);
    let other_seal = format!(
        "{head}{}{}",
        if tail.starts_with('0') { 'f' } else { '0' },
        &tail[1..]
    );
    let other_tool = task.replace(".YQ==.", ".Yg==.");
    let unpadded = task.replace(".YQ==.", ".YQ.");
    let before = gate.head_seq();
    for (token, id) in [
        (OTHER, task.as_str()),
        (TOKEN, "t.1"),
        (TOKEN, &other_seal),
        (TOKEN, &other_tool),
        (TOKEN, &unpadded),
    ] {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let refused = modern(&gate, token, method, json!({ "taskId": id })).await;
            assert_eq!(refused.code(), -32602, "{method} {id}: {}", refused.body);
            let params = json!({ "taskId": id, "capabilities": {} });
            let refused = modern(&gate, token, method, params).await;
            assert_eq!(
                (refused.code(), refused.status),
                (-32021, StatusCode::BAD_REQUEST)
            );
        }
    }
    assert_eq!(server.seen("tasks/get").len(), 1);
    assert!(server.seen("tasks/update").is_empty() && server.seen("tasks/cancel").is_empty());
    assert_eq!(gate.head_seq() - before, 30, "each of them is booked");
    // A restart takes nobody's task away.
    let gate = gate.restart().await;
    let got = modern(&gate, TOKEN, "tasks/get", json!({ "taskId": task })).await;
    assert_eq!(got.result()["taskId"], task);
}

#[tokio::test]
async fn what_comes_of_a_task_is_held_to_the_rules_of_its_tool() {
    let (_server, gate) = with_tasks(POLICY, |seen| {
        let result = json!({ "content": [{ "type": "text", "text": "tiger-7" }] });
        match seen.rpc_method().as_str() {
            "tasks/result" => {
                json!({ "content": result["content"], "_meta": { RELATED: { "taskId": "t.1" } } })
            }
            _ => json!({ "taskId": "t.1", "status": "completed", "result": result }),
        }
    })
    .await;
    let task = begun(&gate, "a").await;
    let got = modern(&gate, TOKEN, "tasks/get", json!({ "taskId": task })).await;
    assert_eq!(got.result()["result"]["content"][0]["text"], "cat");
    let old = legacy(&gate, "tasks/result", json!({ "taskId": task })).await;
    assert_eq!(old["result"]["content"][0]["text"], "cat");
    assert_eq!(old["result"]["_meta"][RELATED]["taskId"], task);
    // The other tool's rules are another's: its results are bounded, and not searched.
    let task = begun(&gate, "b").await;
    let got = modern(&gate, TOKEN, "tasks/get", json!({ "taskId": task })).await;
    assert_eq!(
        got.body["error"]["data"]["outcome"], "withheld",
        "{}",
        got.body
    );
    assert_eq!(
        got.body["error"]["data"]["rule"],
        "/tools/b/max_result_bytes"
    );
}

#[tokio::test]
async fn an_answer_about_another_task_is_no_answer() {
    let (_server, gate) = with_tasks(
        ALLOWED,
        |_| json!({ "taskId": "t.2", "status": "completed" }),
    )
    .await;
    let task = begun(&gate, "a").await;
    let got = modern(&gate, TOKEN, "tasks/get", json!({ "taskId": task })).await;
    assert_eq!(got.code(), 50200, "{}", got.body);
}

#[tokio::test]
async fn a_list_of_tasks_holds_the_callers_own() {
    let (server, gate) = with_tasks(ALLOWED, |seen| match seen.rpc_method().as_str() {
        "tasks/list" => json!({ "tasks": [
                { "taskId": "t.0", "status": "working" }, { "taskId": "t.1", "status": "working" },
                { "taskId": 7 }, "t.1" ], "nextCursor": "more" }),
        _ => same_task(seen),
    })
    .await;
    assert_eq!(
        legacy(&gate, "tasks/list", json!({})).await["result"]["tasks"],
        json!([])
    );
    let begun = legacy(&gate, "tools/call", json!({ "name": "a", "task": {} })).await;
    let task = begun["result"]["task"]["taskId"].as_str().unwrap();
    let listed = legacy(&gate, "tasks/list", json!({})).await;
    let own = json!([{ "taskId": task, "status": "working" }]);
    assert_eq!(
        listed["result"],
        json!({ "tasks": own, "nextCursor": "more" })
    );
    let got = legacy(&gate, "tasks/get", json!({ "taskId": task })).await;
    assert_eq!(got["result"]["taskId"], task);
    assert_eq!(
        server.seen("tasks/get")[0].json()["params"]["taskId"],
        "t.1"
    );
    let foreign = legacy(&gate, "tasks/cancel", json!({ "taskId": "t.0" })).await;
    assert_eq!(foreign["error"]["code"], -32602);
    assert!(server.seen("tasks/cancel").is_empty());
}

#[tokio::test]
async fn news_of_a_task_goes_to_whose_it_is() {
    let status = |id: &str| {
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/tasks/status",
            "params": { "taskId": id, "status": "working" } });
        format!("data: {note}\n\n")
    };
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "tools/call" if seen.json()["params"]["name"] == "a" => {
            Script::result(seen, &json!({ "task": { "taskId": "t.1" } }))
        }
        "tools/call" => {
            let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [] } });
            let answer = format!("data: {answer}\n\n");
            Script::events(&[&status("t.0"), &status("t.1"), &answer])
        }
        _ => plain(seen, &tools(&["a", "b"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), ALLOWED).await;
    let begun = legacy(&gate, "tools/call", json!({ "name": "a", "task": {} })).await;
    let task = &begun["result"]["task"]["taskId"];
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "b" } });
    let events = gate.post(call.to_string()).await.events();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(&events[0]["params"]["taskId"], task);
    assert_eq!(events[1]["id"], 1);
}

#[tokio::test]
async fn no_spelling_carries_a_strange_id_to_the_server() {
    let (server, gate) = with_tasks(ALLOWED, same_task).await;
    server.forget();
    let raw = json!({ "taskId": "t.1" });
    for method in [
        "tasks/update",
        "tasks/wait",
        "tasks/get ",
        "Tasks/Result",
        "tasks/cancel/",
        "/TASKS/peek",
    ] {
        let refused = legacy(&gate, method, raw.clone()).await;
        assert!(
            !refused["error"].is_null() || refused["result"]["isError"] == true,
            "{refused}"
        );
        assert!(server.seen(method).is_empty(), "{method}");
    }
    for method in ["tasks/RESULT", "tasks/result", "tasks/wait"] {
        let refused = modern(&gate, TOKEN, method, raw.clone()).await;
        assert_ne!(refused.code(), 0, "{method}: {}", refused.body);
        assert!(server.seen(method).is_empty(), "{method}");
    }
}

#[tokio::test]
async fn what_a_call_belongs_to_is_a_task_of_the_callers() {
    let (server, gate) = with_tasks(ALLOWED, same_task).await;
    gate.add_grant("other", OTHER, &[("s", Some("p"))]).await;
    let task = begun(&gate, "a").await;
    server.forget();
    let call = |id: &str| json!({ "name": "a", "_meta": { RELATED: { "taskId": id } } });
    for strange in ["t.1", "nobody's"] {
        let refused = legacy(&gate, "tools/call", call(strange)).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
    assert!(server.seen("tools/call").is_empty());
    legacy(&gate, "tools/call", call(&task)).await;
    let seen = server.seen("tools/call").remove(0).json();
    assert_eq!(seen["params"]["_meta"][RELATED]["taskId"], "t.1");
}

#[tokio::test]
async fn a_long_id_of_a_task_is_not_kept_in_mind() {
    let server = TestServer::start(|seen| {
        let length = seen.json()["params"]["arguments"]["length"].as_u64();
        match (seen.rpc_method().as_str(), length) {
            ("tools/call", Some(length)) => {
                let id = "x".repeat(usize::try_from(length).unwrap());
                let task = json!({ "resultType": "task", "taskId": id, "status": "working" });
                Script::result(seen, &task)
            }
            ("tasks/get", _) => Script::result(seen, &same_task(seen)),
            _ => plain(seen, &tools(&["a"])),
        }
    })
    .await;
    let gate = TestGate::start(&server.url(), ALLOWED).await;
    for (length, known) in [(1_024, true), (1_025, false)] {
        let params = json!({ "name": "a", "arguments": { "length": length } });
        let begun = modern(&gate, TOKEN, "tools/call", params).await;
        let task = begun.result()["taskId"].clone();
        let got = modern(&gate, TOKEN, "tasks/get", json!({ "taskId": task })).await;
        assert_eq!(
            got.body["result"].is_object(),
            known,
            "{length}: {}",
            got.body
        );
    }
}
