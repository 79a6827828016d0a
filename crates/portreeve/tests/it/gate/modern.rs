//! Requests of the modern era: whole, or refused before anything judges what they ask.

use http::StatusCode;
use serde_json::{Value, json};

use super::tools;
use crate::support::{TestGate, TestServer};

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const ALLOWED: &str = r#"{ "version": "1", "default": "allow" }"#;

fn request(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({ VERSION: "2026-07-28", CAPABILITIES: {} });
    json!({ "jsonrpc": "2.0", "id": "mine", "method": method, "params": params })
}

async fn ask(gate: &TestGate, message: &Value, more: &[(&str, &str)]) -> (StatusCode, Value) {
    let method = message["method"].as_str().unwrap();
    let version = message["params"]["_meta"][VERSION].as_str();
    let version = version.unwrap_or("2026-07-28");
    let all = [
        &[("mcp-protocol-version", version), ("mcp-method", method)],
        more,
    ]
    .concat();
    let answer = gate.post_with(&all, message.to_string()).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_modern_request_is_whole_or_refused() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), ALLOWED).await;
    server.forget();
    let whole = request("tools/call", json!({ "name": "a" }));
    let without = |member: &str| {
        let mut message = whole.clone();
        message["params"]["_meta"]
            .as_object_mut()
            .unwrap()
            .remove(member);
        message
    };
    let mut odd = whole.clone();
    odd["params"]["_meta"][CAPABILITIES] = json!([]);
    let mut bare = whole.clone();
    bare["params"].as_object_mut().unwrap().remove("_meta");
    for message in [without(VERSION), without(CAPABILITIES), odd, bare] {
        let before = gate.head_seq();
        let (status, told) = ask(&gate, &message, &[("mcp-name", "a")]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{message}");
        assert_eq!(told["error"]["code"], -32602, "{message}");
        assert_eq!(told["id"], "mine");
        assert!(gate.head_seq() > before, "booked: {message}");
    }
    for gone in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
    ] {
        let (status, told) = ask(&gate, &request(gone, json!({ "uri": "x://y" })), &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{gone}");
        assert_eq!(told["error"]["code"], -32601, "{gone}");
    }
    assert!(
        server.seen("").is_empty(),
        "forwarded: {:?}",
        server.seen("")
    );
    let (status, told) = ask(&gate, &whole, &[("mcp-name", "a")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(told["result"]["content"][0]["text"], "ok");
}

#[tokio::test]
async fn the_header_of_a_task_names_the_task() {
    let server = TestServer::with_tools(json!([])).await;
    let gate = TestGate::start(&server.url(), ALLOWED).await;
    server.forget();
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let message = request(method, json!({ "taskId": "t-1" }));
        for lie in [&[("mcp-name", "t-2")][..], &[]] {
            let (status, told) = ask(&gate, &message, lie).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{method} {lie:?}");
            assert_eq!(told["error"]["code"], -32020, "{method} {lie:?}");
        }
        assert!(server.seen(method).is_empty());
        // Now it is about who asks, and no more about the header.
        let (_, told) = ask(&gate, &message, &[("mcp-name", "t-1")]).await;
        assert_eq!(told["error"]["code"], -32021, "{told}");
    }
}

#[tokio::test]
async fn a_client_that_would_rather_have_a_stream_is_heard_by_the_server() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), ALLOWED).await;
    for accept in [
        "application/json, text/event-stream",
        "text/event-stream, application/json",
    ] {
        server.forget();
        let named = [("mcp-name", "a"), ("accept", accept)];
        let (status, _) = ask(
            &gate,
            &request("tools/call", json!({ "name": "a" })),
            &named,
        )
        .await;
        assert_eq!(status, StatusCode::OK);
        let seen = server.seen("tools/call").remove(0);
        assert_eq!(seen.header("accept"), Some(accept));
    }
}
