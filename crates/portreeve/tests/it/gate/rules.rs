//! Calls pass, are refused and are booked as the policy says.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;

use super::{allowing, tools};
use crate::support::gate::TOKEN;
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

fn pasted(tool: &str) -> String {
    format!(
        r#"{{"version":"1","default":"deny","tools":{{"{tool}":{{"limits":[{{"counter":"{tool}_rate","window":"minute","max":10,"scope":"grant"}}]}}}}}}"#
    )
}

#[tokio::test]
async fn ten_calls_a_minute_pass_and_the_eleventh_is_refused() {
    for tool in [
        "run-rerun",
        "rerun_agent_run",
        "rerun_workflow",
        "flowforge_retry_run",
    ] {
        let server = TestServer::with_tools(tools(&[tool])).await;
        let gate = TestGate::start(&server.url(), &pasted(tool)).await;
        for _ in 0..10 {
            let answer = gate.call(tool, json!({})).await;
            assert_eq!(answer.json()["result"]["content"][0]["text"], "ok");
            gate.clock.advance(Duration::from_secs(1));
        }
        let refused = gate.call(tool, json!({})).await;
        assert_eq!(refused.status, StatusCode::OK);
        let text = refused.json()["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(text.starts_with("[POLICY DENIED] "), "{text}");
        let decision = refused.decision();
        assert_eq!(decision["outcome"], "deny");
        assert_eq!(decision["rule"], format!("/tools/{tool}/limits/0"));
        // The first charge was made ten seconds ago and leaves the window in fifty.
        assert_eq!(decision["retry_after_ms"], 50_000);
        gate.clock.advance(Duration::from_millis(49_999));
        assert!(gate.call(tool, json!({})).await.decision().is_object());
        gate.clock.advance(Duration::from_millis(1));
        assert!(gate.call(tool, json!({})).await.decision().is_null());
        assert_eq!(server.seen("tools/call").len(), 11);
    }
}

#[tokio::test]
async fn every_decision_is_booked_with_its_rule_and_policy() {
    let server = TestServer::with_tools(tools(&["a", "b", "h"])).await;
    let policy = r#"{"version":"1","default":"deny","hide":["h"],
        "tools":{"a":{},"b":{"action":"deny","reason":"not today"}}}"#;
    let gate = TestGate::start(&server.url(), policy).await;
    gate.call("a", json!({ "secret": "hunter2", "n": 1.0 }))
        .await;
    let denied = gate.call("b", json!({})).await;
    assert_eq!(
        denied.json()["result"]["content"][0]["text"],
        "[POLICY DENIED] not today"
    );
    assert_eq!(denied.decision()["rule"], "/tools/b/action");
    let hidden = gate.call("h", json!({})).await.json();
    assert_eq!(
        hidden["error"],
        json!({ "code": -32602, "message": "Unknown tool: h" })
    );
    let unknown = gate.call("nobody", json!({})).await;
    assert_eq!(unknown.decision()["rule"], "(not pinned)");

    let booked: Vec<_> = gate
        .booked()
        .into_iter()
        .map(|c| (c.tool.unwrap(), c.end.outcome, c.rule, c.policy.unwrap()))
        .collect();
    let row = |tool: &str, outcome: &str, rule: &str| {
        (
            tool.to_owned(),
            outcome.to_owned(),
            rule.to_owned(),
            "p@1".to_owned(),
        )
    };
    assert_eq!(
        booked,
        [
            row("a", "allow", "/tools/a"),
            row("b", "deny", "/tools/b/action"),
            row("h", "hide", "(hidden)"),
            row("nobody", "deny", "(not pinned)"),
        ]
    );
    let ledger = std::fs::read_dir(gate.ledger_dir()).unwrap();
    for file in ledger {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(
            !text.contains("hunter2"),
            "INVARIANT 8: no argument values unless asked for"
        );
        assert!(!text.contains(TOKEN));
    }
}

#[tokio::test]
async fn a_call_that_never_arrived_gives_its_charge_back() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let policy =
        r#"{"version":"1","default":"deny","tools":{"t":{"rate_limit":{"max":1,"window":60}}}}"#;
    let gate = TestGate::start(&server.url(), policy).await;
    server.vanish().await;
    for _ in 0..3 {
        let answer = gate.call("t", json!({})).await.json();
        assert_eq!(answer["error"]["code"], 50200, "{answer}");
        assert_eq!(answer["error"]["data"]["may_have_run"], false);
    }
    assert!(
        gate.booked()
            .iter()
            .all(|c| c.end.outcome == "not_sent" && c.end.refunded)
    );
}

#[tokio::test]
async fn a_policy_is_swapped_for_the_next_call() {
    let server = TestServer::with_tools(tools(&["a", "b"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    assert!(gate.call("b", json!({})).await.decision().is_object());
    gate.put_policy("p", &allowing(&["b"])).await;
    assert!(gate.call("b", json!({})).await.decision().is_null());
    assert!(gate.call("a", json!({})).await.decision().is_object());
    assert_eq!(gate.booked().last().unwrap().policy.as_deref(), Some("p@2"));
}

#[tokio::test]
async fn a_swap_does_not_reach_a_running_call() {
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let receive = std::sync::Mutex::new(Some(receive));
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "tools/list" if seen.json()["id"] == 77 => {
            Script::Stream(Vec::new(), receive.lock().unwrap().take().unwrap())
        }
        _ => plain(seen, &tools(&["a", "b"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    let running = gate.post(r#"{"jsonrpc":"2.0","id":77,"method":"tools/list"}"#);
    let swap = async {
        while server
            .seen("tools/list")
            .iter()
            .all(|seen| seen.json()["id"] != 77)
        {
            tokio::task::yield_now().await;
        }
        gate.put_policy("p", &allowing(&["b"])).await;
        let list = json!({ "jsonrpc": "2.0", "id": 77, "result": { "tools": tools(&["a", "b"]) } });
        send.send(format!("data: {list}\n\n").into()).await.unwrap();
        drop(send);
    };
    let (answer, ()) = tokio::join!(running, swap);
    assert_eq!(answer.events()[0]["result"]["tools"], tools(&["a"]));
    assert_eq!(gate.booked().pop().unwrap().policy.as_deref(), Some("p@1"));
    assert_eq!(
        gate.listed().await,
        ["b"],
        "the next one sees the new version"
    );
}

#[tokio::test]
async fn a_grant_without_a_policy_denies_everything() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    let other = "another-token-0123456789-abcdefghijkl";
    gate.add_grant("bare", other, &[("s", None)]).await;
    let auth = format!("Bearer {other}");
    server.forget();
    for method in ["tools/list", "tools/call", "initialize", "ping"] {
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "name": "a" } });
        let answer = gate
            .send(
                Method::POST,
                "/mcp/s",
                &[("authorization", &auth)],
                body.to_string(),
            )
            .await
            .json();
        assert!(
            answer.to_string().contains("(no policy)"),
            "{method}: {answer}"
        );
    }
    assert!(server.seen("").is_empty());
}

#[tokio::test]
async fn strangers_and_foreign_servers_are_turned_away() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    gate.add_server(
        "other",
        &server.url(),
        portreeve::store::model::NewTools::Quarantine,
    )
    .await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
    server.forget();
    for (auth, words) in [
        ("", "no token"),
        ("Basic abc", "Bearer"),
        (
            "Bearer nobody-knows-this-token-0123456789",
            "belongs to no grant",
        ),
    ] {
        let answer = gate.post_with(&[("authorization", auth)], body).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.headers.contains_key("www-authenticate"));
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    for path in ["/mcp/other", "/mcp/nowhere"] {
        let answer = gate.send(Method::POST, path, &[], body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(answer.json()["error"]["code"], 40301, "{path}");
    }
    for headers in [
        [("host", "evil.example")],
        [("origin", "https://evil.example")],
    ] {
        assert_eq!(
            gate.post_with(&headers, body).await.status,
            StatusCode::FORBIDDEN
        );
    }
    assert!(server.seen("").is_empty(), "nothing reached the server");
    assert_eq!(
        gate.send(Method::POST, "/mcp", &[], body).await.status,
        StatusCode::OK
    );
    assert_eq!(
        gate.send(Method::GET, "/healthz", &[], "").await.status,
        StatusCode::OK
    );
    assert_eq!(
        gate.send(Method::GET, "/readyz", &[], "").await.status,
        StatusCode::OK
    );
    assert_eq!(
        gate.send(Method::POST, "/other", &[], body).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn arguments_are_held_against_the_pinned_schema() {
    let schema = json!({"type": "object", "properties": {"runId": {"type": "integer"}}});
    let listed = json!([{"name": "look", "inputSchema": schema}]);
    let server = TestServer::with_tools(listed).await;
    let policy = r#"{"version":"1","default":"deny","tools":{"look":{"validate":true,
        "require":[{"conditions":[{"path":"args.runId","op":"gte","value":1}]}]}}}"#;
    let gate = TestGate::start(&server.url(), policy).await;
    for (arguments, rule) in [
        (json!({"runId": 0}), Some("/tools/look/require/0")),
        (json!({"runId": 1.5}), Some("/tools/look/validate")),
        (
            json!({"runId": 1, "force": true}),
            Some("/tools/look/validate"),
        ),
        (json!({"RUNID": 1}), Some("(malformed)")),
        (json!({"runId": 1}), None),
    ] {
        let answer = gate.call("look", arguments.clone()).await;
        match rule {
            Some(rule) => assert_eq!(answer.decision()["rule"], rule, "{arguments}"),
            None => assert_eq!(answer.json()["result"]["content"][0]["text"], "ok"),
        }
    }
}

#[tokio::test]
async fn conditions_are_held_against_the_arguments_of_tools_and_prompts() {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "prompts/get" => Script::result(seen, &json!({ "messages": [] })),
        _ => plain(seen, &tools(&["push"])),
    })
    .await;
    let rules = json!({
        "deny_if": [{ "conditions": [{ "path": "args.force", "op": "eq", "value": true }] }],
        "require": [{ "conditions": [{ "path": "args.url", "op": "host_in", "value": ["git.example"] }] }],
    });
    let policy = json!({ "version": "1", "default": "deny",
        "tools": { "push": rules }, "prompts": { "push": rules } });
    let gate = TestGate::start(&server.url(), &policy.to_string()).await;
    server.forget();
    for (arguments, rule) in [
        (json!({ "url": "https://git.example/x" }), None),
        (
            json!({ "url": "https://git.example/x", "force": true }),
            Some("deny_if/0"),
        ),
        (
            json!({ "url": "https://git.example/x", "force": "true" }),
            Some("deny_if/0"),
        ),
        (
            json!({ "url": "https://evil.example/?git.example" }),
            Some("require/0"),
        ),
        (
            json!({ "url": "https://git.example@evil.example/" }),
            Some("require/0"),
        ),
        (json!({}), Some("require/0")),
    ] {
        for (method, map) in [("tools/call", "tools"), ("prompts/get", "prompts")] {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method,
                "params": { "name": "push", "arguments": arguments } });
            let answer = gate.post(body.to_string()).await.json();
            let decided = match method {
                "tools/call" => answer["result"]["_meta"]["portreeve/decision"]["rule"].clone(),
                _ => answer["error"]["data"]["rule"].clone(),
            };
            let expected = rule.map(|rule| format!("/{map}/push/{rule}"));
            assert_eq!(
                decided.as_str(),
                expected.as_deref(),
                "{method} {arguments}: {answer}"
            );
        }
    }
    assert_eq!(server.seen("").len(), 2, "one call and one prompt passed");
}
