//! Attacks by whoever may speak to the gate: an agent with a grant, a server behind it, a page in
//! a browser, a stranger with a socket.

use portreeve::clock::Stopwatch;
use serde_json::json;

use super::{allowing, tools};
use crate::support::{TestGate, TestServer};

/// What takes the gate longer is a way to stop it.
const PROMPTLY: std::time::Duration = std::time::Duration::from_secs(10);

#[tokio::test]
async fn many_members_cost_no_more_than_their_number() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let params: serde_json::Map<String, serde_json::Value> =
        (0..30_000).map(|i| (format!("ü{i}"), json!(0))).collect();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": params });
    let watch = Stopwatch::start();
    let answer = gate.post(body.to_string()).await;
    assert!(watch.elapsed() < PROMPTLY, "{:?}", watch.elapsed());
    assert_eq!(answer.json()["result"], json!({}));
}
