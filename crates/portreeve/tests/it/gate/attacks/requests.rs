//! What an agent with a grant can send.

use std::time::Duration;

use http::StatusCode;
use portreeve::clock::Stopwatch;
use serde_json::{Map, Value, json};

use super::super::{allowing, tools};
use crate::support::{TestGate, TestServer};

/// What takes the gate longer is a way to stop it.
const PROMPTLY: Duration = Duration::from_secs(10);

#[tokio::test]
async fn many_members_cost_no_more_than_their_number() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let params: Map<String, Value> = (0..30_000).map(|i| (format!("ü{i}"), json!(0))).collect();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": params });
    let watch = Stopwatch::start();
    let answer = gate.post(body.to_string()).await;
    assert!(watch.elapsed() < PROMPTLY, "{:?}", watch.elapsed());
    assert_eq!(answer.json()["result"], json!({}));
}

#[tokio::test]
async fn headers_of_a_batch_hold_for_each_of_its_messages() {
    let server = TestServer::with_tools(tools(&["a", "b"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    server.forget();
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}]"#;
    for lie in [("mcp-name", "b"), ("mcp-method", "tools/list")] {
        let headers = [("mcp-protocol-version", "2025-03-26"), lie];
        let answer = gate.post_with(&headers, batch).await.json();
        assert_eq!(answer[0]["error"]["code"], -32020, "{lie:?}: {answer}");
    }
    assert!(server.seen("").is_empty(), "a header that nobody judged");
}

#[tokio::test]
async fn what_a_batch_may_not_hold_is_booked() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    server.forget();
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}]"#;
    let headers = [("mcp-protocol-version", "2025-03-26")];
    let answer = gate.post_with(&headers, batch).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()[0]["error"]["code"], -32600);
    assert!(server.seen("").is_empty());
    let booked = gate.booked().pop().unwrap();
    assert_eq!(
        (booked.method.as_str(), booked.end.outcome.as_str()),
        ("initialize", "deny")
    );
}
