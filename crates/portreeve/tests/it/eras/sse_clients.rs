//! Clients of the oldest transport, before ordinary servers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::sse::{HELLO, call};
use super::{Stream, open_policy};
use crate::support::{Script, TestGate, TestServer};

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
async fn a_conversation_that_begins_anew_ends_the_one_before() {
    let free: Arc<Mutex<Vec<mpsc::Sender<Bytes>>>> = Arc::default();
    let (opened, count) = (free.clone(), Mutex::new(0));
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let mut count = count.lock().unwrap();
            *count += 1;
            let session = vec![("mcp-session-id", format!("theirs-{count}"))];
            let result = json!({ "protocolVersion": "2024-11-05", "capabilities": {},
                "serverInfo": { "name": "s", "version": "1" } });
            let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
            Script::Json(StatusCode::OK, session, answer.to_string().into_bytes())
        }
        "" if seen.method == Method::GET => {
            let (sender, receiver) = mpsc::channel(1);
            opened.lock().unwrap().push(sender);
            Script::Stream(Vec::new(), receiver)
        }
        _ => crate::support::server::plain(seen, &json!([])),
    })
    .await;
    let gate = with_a_face(&server).await;
    let mut stream = Stream::at(&gate, (Method::GET, "/sse/s"), &[], &Value::Null).await;
    let (_, endpoint) = stream.event().await.unwrap();
    for number in 1..=5 {
        gate.send(Method::POST, &endpoint, &[], HELLO).await;
        assert!(stream.next().await.unwrap()["result"].is_object());
        for _ in 0..500 {
            if free.lock().unwrap().len() == number {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let listens = || {
        let free = free.lock().unwrap();
        assert_eq!(free.len(), 5);
        free.iter().filter(|free| !free.is_closed()).count()
    };
    // The gate itself had the first, to ask for the tools.
    let ended = || {
        let all = server.seen("");
        let ends = all.iter().filter(|seen| seen.method == Method::DELETE);
        let ended = ends.filter_map(|seen| seen.header("mcp-session-id").map(str::to_owned));
        ended.collect::<std::collections::BTreeSet<_>>()
    };
    let all_but_the_last = (1..=5).map(|number| format!("theirs-{number}")).collect();
    for _ in 0..500 {
        if listens() == 1 && ended() == all_but_the_last {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} free streams, {:?} ended", listens(), ended());
}

#[tokio::test]
async fn a_stream_that_nobody_reads_does_not_hold_what_all_answers_may_take() {
    const SIZE: usize = 900_000;
    let server = TestServer::start(|seen| {
        if seen.rpc_method() == "tools/call" {
            let text = "x".repeat(SIZE);
            Script::result(
                seen,
                &json!({ "content": [{ "type": "text", "text": text }] }),
            )
        } else {
            let tools = json!([{ "name": "t", "inputSchema": { "type": "object" } }]);
            crate::support::server::plain(seen, &tools)
        }
    })
    .await;
    let gate = TestGate::planned(|plan| {
        plan.front.sse = true;
        plan.front.max_large_answers = 110 * SIZE;
    })
    .await;
    let gate = gate
        .furnished(&server.url(), &open_policy(&json!({})))
        .await;
    let mut stream = Stream::at(&gate, (Method::GET, "/sse/s"), &[], &Value::Null).await;
    let (_, endpoint) = stream.event().await.unwrap();
    let mut crowded = 0;
    for id in 0..140 {
        let posted = gate
            .send(Method::POST, &endpoint, &[], call(id, "t").to_string())
            .await;
        crowded += usize::from(posted.status == StatusCode::TOO_MANY_REQUESTS);
        // One after the other, so that the answers are there.
        for _ in 0..100 {
            if posted.status != StatusCode::ACCEPTED
                || server.seen("tools/call").len() + crowded > usize::try_from(id).unwrap()
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    assert!(crowded > 0, "a stream takes so many requests at a time");
    let other = gate.call("t", json!({})).await;
    assert!(other.json()["result"].is_object(), "{}", other.text());
    // Who reads gets what was answered.
    for _ in 0..140 - crowded {
        assert!(stream.next().await.unwrap()["result"].is_object());
    }
}

#[tokio::test]
async fn the_oldest_transport_is_off_unless_it_is_switched_on() {
    let server = TestServer::with_tools(json!([])).await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let answer = gate.send(Method::GET, "/sse/s", &[], "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
