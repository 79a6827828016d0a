//! Requests that share a process: without a session, and of the modern era.

use http::Method;
use portreeve::store::model::NewTools;
use serde_json::{Value, json};

use super::{ALLOWED, Open, Scripted, act, demo, eventually, text_of};
use crate::support::TestGate;
use crate::support::gate::{Answer, TOKEN};

/// The demo server as `s`.
async fn with_demo() -> TestGate {
    let gate = TestGate::empty().await;
    gate.add_target("s", demo(), NewTools::Quarantine).await;
    gate.put_policy("p", ALLOWED).await;
    gate.add_grant("tester", TOKEN, &[("s", Some("p"))]).await;
    gate.node.gate.take_first_lists().await;
    gate
}

fn modern(id: &Value, method: &str, mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({ "name": "t", "version": "0" });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

async fn ask_modern(gate: &TestGate, message: &Value) -> Answer {
    let method = message["method"].as_str().unwrap();
    let name = message["params"]["name"].as_str().unwrap_or_default();
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
        ("mcp-name", name),
    ];
    gate.post_with(&headers, message.to_string()).await
}

#[tokio::test]
async fn callers_with_the_same_ids_get_their_own_answers() {
    let s = Scripted::start().await;
    let calls = (0..20).map(|n| {
        let s = &s;
        async move {
            let mut call = act(1, "progress");
            call["params"]["_meta"] = json!({ "progressToken": format!("t{n}") });
            let stream = s.gate.post(call.to_string()).await;
            let events = stream.events();
            assert_eq!(events[0]["params"]["progressToken"], format!("t{n}"));
            assert_eq!(events[1]["id"], 1);
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(s.sent("\"initialize\""), 1, "one process, one handshake");
    assert_eq!(s.pids().len(), 1);
    let hello: Value = serde_json::from_str(&s.log()[1]).unwrap();
    assert_eq!(
        hello["params"]["capabilities"],
        json!({}),
        "nobody could be asked"
    );
}

#[tokio::test]
async fn a_server_that_asks_where_nobody_can_be_asked_is_told_so() {
    let s = Scripted::start().await;
    let answer = s.gate.post(act(1, "ask").to_string()).await;
    // The script goes on at any answer.
    assert_eq!(text_of(&answer.json()), "heard");
    let told = s
        .log()
        .into_iter()
        .find(|line| line.contains("\"q1\""))
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&told).unwrap()["error"]["code"],
        -32601
    );
}

#[tokio::test]
async fn the_conversation_of_a_shared_process_is_nobodys() {
    let s = Scripted::start().await;
    for method in [
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
    ] {
        let note = json!({ "jsonrpc": "2.0", "method": method, "params": { "requestId": 1 } });
        assert_eq!(s.gate.post(note.to_string()).await.status, 202);
    }
    assert_eq!(
        text_of(&s.gate.post(act(1, "x").to_string()).await.json()),
        "fine"
    );
    assert_eq!(s.sent("notifications/initialized"), 1, "the gate's own");
    assert_eq!(
        s.sent("notifications/cancelled") + s.sent("notifications/progress"),
        0
    );
    let listening = s.gate.send(Method::GET, "/mcp/s", &[], "").await;
    assert_eq!(listening.status, 405);
}

#[tokio::test]
async fn modern_requests_pass_in_one_process() {
    let gate = with_demo().await;
    let discovered = ask_modern(&gate, &modern(&json!("d"), "server/discover", json!({}))).await;
    assert_eq!(discovered.json()["id"], "d", "{}", discovered.text());
    let calls = (0..10).map(|n| {
        let gate = &gate;
        async move {
            let params = json!({ "name": "list_runs", "arguments": {},
                                 "_meta": { "progressToken": n } });
            let answer = ask_modern(gate, &modern(&json!(1), "tools/call", params)).await;
            let answer = answer.json();
            assert_eq!(answer["id"], 1);
            assert!(answer["result"]["content"].is_array(), "{answer}");
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(
        gate.node.children().count(),
        2,
        "the house's and the modern one"
    );
    let unknown = ask_modern(&gate, &modern(&json!(2), "tasks/list", json!({}))).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    assert_eq!(unknown.json()["error"]["code"], -32601);
}

#[tokio::test]
async fn a_subscription_is_known_by_its_callers_id() {
    let gate = with_demo().await;
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let listen = modern(&json!("mine"), "subscriptions/listen", params);
    let client: hyper_util::client::legacy::Client<_, http_body_util::Full<bytes::Bytes>> =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
            .build_http();
    let request = http::Request::post(format!("http://{}/mcp/s", gate.node.address()))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "subscriptions/listen")
        .body(http_body_util::Full::new(listen.to_string().into()))
        .unwrap();
    let response = client.request(request).await.unwrap();
    let mut stream = Open {
        body: response.into_body(),
        pending: String::new(),
    };
    let acknowledged = stream.next().await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    let meta = &acknowledged["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/subscriptionId"], "mine");
    drop(stream);
    // The stream is cancelled, so that its process can be idle.
    eventually("the subscription ends", || gate.node.children().all_idle()).await;
}

#[tokio::test]
async fn a_revision_that_nobody_knows_is_refused_as_http_refuses_it() {
    let gate = with_demo().await;
    let mut message = modern(&json!(7), "server/discover", json!({}));
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("v999.0.0");
    let headers = [
        ("mcp-protocol-version", "v999.0.0"),
        ("mcp-method", "server/discover"),
    ];
    let answer = gate.post_with(&headers, message.to_string()).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], -32022);
    assert_eq!(answer.json()["id"], 7);
}

#[tokio::test]
async fn who_would_rather_have_a_stream_has_one() {
    let s = Scripted::start().await;
    let stream_first = ("accept", "text/event-stream, application/json");
    let call = act(5, "anything").to_string();
    let answer = s.gate.post_with(&[stream_first], call.clone()).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let events = answer.events();
    assert_eq!(events.len(), 1, "{}", answer.text());
    assert_eq!(text_of(&events[0]), "fine");
    let answer = s.gate.post(call).await;
    assert_eq!(answer.headers["content-type"], "application/json");
}
