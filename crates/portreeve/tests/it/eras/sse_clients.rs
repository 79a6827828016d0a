//! Clients of the oldest transport, before ordinary servers.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::sse::{HELLO, call};
use super::{Stream, open_policy};
use crate::support::{TestGate, TestServer};

/// A gate that answers such clients, before an ordinary server.
async fn with_a_face(server: &TestServer) -> TestGate {
    let gate = TestGate::planned(|plan| plan.front.sse = true).await;
    gate.furnished(&server.url(), &open_policy(&json!({})))
        .await
}

#[tokio::test]
async fn a_client_of_the_oldest_transport_is_answered_on_its_stream() {
    let tools = json!([{ "name": "t", "inputSchema": { "type": "object" } },
        { "name": "secret", "inputSchema": { "type": "object" } }]);
    let server = TestServer::with_tools(tools).await;
    let gate = with_a_face(&server).await;
    let mut stream = Stream::at(&gate, (Method::GET, "/sse/s"), &[], &Value::Null).await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    let (kind, endpoint) = stream.event().await.unwrap();
    assert_eq!(kind, "endpoint");
    assert!(endpoint.starts_with("/sse/s?session="), "{endpoint}");
    let post = |body: String| gate.send(Method::POST, &endpoint, &[], body);
    assert_eq!(post(HELLO.to_owned()).await.status, StatusCode::ACCEPTED);
    assert_eq!(
        stream.next().await.unwrap()["result"]["serverInfo"]["name"],
        "test"
    );
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(ready.to_string()).await.status, StatusCode::ACCEPTED);
    post(call(1, "t").to_string()).await;
    assert_eq!(
        stream.next().await.unwrap()["result"]["content"][0]["text"],
        "ok"
    );
    post(call(2, "secret").to_string()).await;
    let denied = stream.next().await.unwrap();
    assert!(denied.to_string().contains("[POLICY DENIED]"), "{denied}");
    assert_eq!(server.seen("tools/call").len(), 1);
}

#[tokio::test]
async fn a_stream_is_its_grants_alone() {
    let server = TestServer::with_tools(json!([])).await;
    let gate = with_a_face(&server).await;
    let other = "other-token-0123456789-abcdefghijklmno";
    gate.add_grant("other", other, &[("s", Some("p"))]).await;
    let mut stream = Stream::at(&gate, (Method::GET, "/sse/s"), &[], &Value::Null).await;
    let (_, endpoint) = stream.event().await.unwrap();
    let bearer = format!("Bearer {other}");
    let headers = [("authorization", bearer.as_str())];
    let stolen = gate.send(Method::POST, &endpoint, &headers, HELLO).await;
    assert_eq!(stolen.status, StatusCode::NOT_FOUND);
    let nobody = gate
        .send(Method::POST, &endpoint, &[("authorization", "")], HELLO)
        .await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert!(
        server.seen("initialize").len() <= 1,
        "only the gate itself has spoken to it"
    );
    // A gate that stops ends the stream.
    gate.node.gate.close_free_streams();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn the_oldest_transport_is_off_unless_it_is_switched_on() {
    let server = TestServer::with_tools(json!([])).await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let answer = gate.send(Method::GET, "/sse/s", &[], "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
