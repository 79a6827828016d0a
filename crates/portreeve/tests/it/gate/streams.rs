//! Event streams, sessions, and what a server asks of its client.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::{allowing, tools};
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

/// An ordinary server with sessions, whose answers to `tools/call` are given.
async fn with_sessions(call: impl Fn() -> Script + Send + Sync + 'static) -> TestServer {
    TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let result =
                json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {} });
            let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
            let session = vec![("mcp-session-id", "theirs-0001".to_owned())];
            Script::Json(StatusCode::OK, session, answer.to_string().into_bytes())
        }
        "tools/call" => call(),
        _ if seen.method == Method::GET => Script::events(&[
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n",
        ]),
        _ if seen.method == Method::DELETE => Script::Status(StatusCode::OK),
        _ => plain(seen, &tools(&["t"])),
    })
    .await
}

#[tokio::test]
async fn untouched_events_leave_as_they_came() {
    let chunks = [
        ": hello\n\n",
        "id: 1\nretry: 9\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1.0,\"progress\":1}}\n\n",
        "event: message\r\nid: 2\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"id\":1,\"result\":{\"content\":[],\"x\":1E5}}\r\n\r\n",
    ];
    let server = with_sessions(move || Script::events(&chunks)).await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let answer = gate.call("t", json!({})).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert_eq!(answer.text(), chunks.concat());
    assert_eq!(gate.booked().pop().unwrap().end.outcome, "allow");
}

#[tokio::test]
async fn the_first_event_is_not_held_back() {
    let (sender, receiver) = mpsc::channel::<Bytes>(4);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let server =
        with_sessions(move || Script::Stream(Vec::new(), receiver.lock().unwrap().take().unwrap()))
            .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let mut stream = tokio::net::TcpStream::connect(gate.node.address())
        .await
        .unwrap();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    let request = format!(
        "POST /mcp/s HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        gate.node.address(),
        crate::support::gate::TOKEN,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let first =
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n";
    sender.send(Bytes::from(first)).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("notifications/message") {
        let mut chunk = [0; 1024];
        let read =
            tokio::time::timeout(std::time::Duration::from_secs(10), stream.read(&mut chunk));
        let n = read
            .await
            .expect("the first event arrives before the last")
            .unwrap();
        assert!(n > 0);
        seen.extend_from_slice(&chunk[..n]);
    }
    // The client goes away: the server's stream is closed, and the call is booked as cancelled.
    drop(stream);
    sender.closed().await;
    for _ in 0..500 {
        if gate.booked().pop().unwrap().end.outcome == "cancelled" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{:?}", gate.booked().pop());
}

#[tokio::test]
async fn sessions_are_ours_and_belong_to_one_grant() {
    let server = with_sessions(|| {
        Script::events(&["data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"])
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let other = "other-token-0123456789-abcdefghijklmno";
    gate.add_grant("other", other, &[("s", Some("p"))]).await;
    let opened = gate.post(HELLO).await;
    let session = opened.session();
    assert_ne!(session, "theirs-0001");
    assert_eq!(session.len(), 32);
    server.forget();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    gate.post_with(&[("mcp-session-id", &session)], call).await;
    assert_eq!(
        server.seen("tools/call")[0].header("mcp-session-id"),
        Some("theirs-0001")
    );

    let auth = format!("Bearer {other}");
    let stolen = [
        ("mcp-session-id", session.as_str()),
        ("authorization", auth.as_str()),
    ];
    server.forget();
    for (headers, why) in [
        (&stolen[..], "another grant's"),
        (
            &[("mcp-session-id", "theirs-0001")][..],
            "the server's own name",
        ),
        (
            &[("mcp-session-id", "00000000000000000000000000000000")][..],
            "made up",
        ),
    ] {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let answer = gate.send(method, "/mcp/s", headers, call).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{why}");
        }
    }
    assert!(server.seen("").is_empty());

    let stream = gate
        .send(Method::GET, "/mcp/s", &[("mcp-session-id", &session)], "")
        .await;
    assert_eq!(
        stream.events()[0]["method"],
        "notifications/tools/list_changed"
    );
    let ended = gate
        .send(
            Method::DELETE,
            "/mcp/s",
            &[("mcp-session-id", &session)],
            "",
        )
        .await;
    assert_eq!(ended.status, StatusCode::OK);
    let after = gate.post_with(&[("mcp-session-id", &session)], call).await;
    assert_eq!(after.status, StatusCode::NOT_FOUND);
}

/// A server that asks `request` of the client in the middle of a call.
async fn asking(request: Value) -> TestServer {
    let question = format!("data: {request}\n\n");
    with_sessions(move || {
        Script::events(&[
            &question,
            "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n",
        ])
    })
    .await
}

#[tokio::test]
async fn a_server_asks_only_what_the_policy_lets_it_ask() {
    let allowed = r#"{"version":"1","default":"deny","tools":{"t":{}},"server_requests":{"sampling":"allow","elicitation":"deny"}}"#;
    for (policy, method, params, passes) in [
        (allowing(&["t"]), "sampling/createMessage", json!({}), false),
        (
            allowing(&["t"]),
            "elicitation/create",
            json!({ "message": "?" }),
            true,
        ),
        (
            allowing(&["t"]),
            "elicitation/create",
            json!({ "mode": "url", "url": "x" }),
            false,
        ),
        (
            allowing(&["t"]),
            "elicitation/create",
            json!({ "mode": 7 }),
            false,
        ),
        (allowing(&["t"]), "roots/list", json!({}), true),
        (allowing(&["t"]), "x/unknown", json!({}), false),
        (allowing(&["t"]), "ping", json!({}), true),
        (
            allowed.to_owned(),
            "sampling/createMessage",
            json!({}),
            true,
        ),
        (
            allowed.to_owned(),
            "elicitation/create",
            json!({ "message": "?" }),
            false,
        ),
    ] {
        let request = json!({ "jsonrpc": "2.0", "id": "q1", "method": method, "params": params });
        let server = asking(request.clone()).await;
        let gate = TestGate::start(&server.url(), &policy).await;
        let session = gate.post(HELLO).await.session();
        let headers = [("mcp-session-id", session.as_str())];
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
        server.forget();
        let events = gate.post_with(&headers, call).await.events();
        assert_eq!(
            events.contains(&request),
            passes,
            "{method} {params}: {events:?}"
        );
        assert_eq!(events.last().unwrap()["id"], 1);
        let answer = r#"{"jsonrpc":"2.0","id":"q1","result":{"odd":1.0}}"#;
        let first = gate.post_with(&headers, answer).await;
        let second = gate.post_with(&headers, answer).await;
        let expected = if passes {
            StatusCode::ACCEPTED
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(first.status, expected, "{method}");
        assert_eq!(
            second.status,
            StatusCode::FORBIDDEN,
            "an answer passes once"
        );
        for _ in 0..500 {
            if server.seen("").len() >= 2 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let told: Vec<_> = server
            .seen("")
            .into_iter()
            .filter(|s| s.json()["id"] == "q1")
            .collect();
        assert_eq!(told.len(), 1, "the server hears exactly one answer");
        if passes {
            assert_eq!(told[0].body, answer);
        } else {
            assert_eq!(told[0].json()["error"]["code"], 40300);
            assert_eq!(told[0].header("mcp-session-id"), Some("theirs-0001"));
        }
    }
}

#[tokio::test]
async fn input_requests_of_the_modern_era_are_judged_too() {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "tools/call" => {
            let method = seen.json()["params"]["arguments"]["ask"].clone();
            Script::result(
                seen,
                &json!({ "resultType": "input_required", "requestState": "s",
                    "inputRequests": { "a": { "method": "roots/list" }, "b": { "method": method } } }),
            )
        }
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let denied = gate
        .call("t", json!({ "ask": "sampling/createMessage" }))
        .await
        .json();
    assert_eq!(denied["result"]["isError"], true, "{denied}");
    assert!(denied.to_string().contains("[POLICY DENIED]"));
    assert!(denied["result"].get("inputRequests").is_none());
    let passed = gate
        .call("t", json!({ "ask": "elicitation/create" }))
        .await
        .json();
    assert_eq!(
        passed["result"]["inputRequests"]["b"]["method"],
        "elicitation/create"
    );
}

#[tokio::test]
async fn a_list_in_a_stream_is_filtered_too() {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools(&["a", "b"]) } });
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "tools/list" if seen.json()["id"] == 1 => {
            Script::events(&[&format!("id: 4\ndata: {list}\n\n")])
        }
        _ => plain(seen, &tools(&["a", "b"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["b"])).await;
    let answer = gate
        .post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
        .await;
    assert_eq!(answer.events()[0]["result"]["tools"], tools(&["b"]));
    assert!(answer.text().starts_with("id: 4\n"));
}

#[tokio::test]
async fn a_list_that_comes_on_a_resumed_stream_is_filtered_too() {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools(&["t", "secret"]) } });
    let late = format!("id: 2\ndata: {list}\n\n");
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let result = json!({ "protocolVersion": "2025-11-25" });
            let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
            let session = vec![("mcp-session-id", "theirs-0001".to_owned())];
            Script::Json(StatusCode::OK, session, answer.to_string().into_bytes())
        }
        // The stream ends before the answer, which comes when the client resumes.
        "tools/list" if seen.json()["id"] == 1 => Script::events(&["id: 1\ndata: \n\n"]),
        _ if seen.method == Method::GET => Script::events(&[&late, &late]),
        _ => plain(seen, &tools(&["t", "secret"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let session = gate.post(HELLO).await.session();
    let headers = [("mcp-session-id", session.as_str())];
    let begun = gate
        .post_with(
            &headers,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        )
        .await;
    let id = begun.event_ids().remove(0);
    assert_eq!(begun.text(), format!("id: {id}\ndata: \n\n"));
    for _ in 0..500 {
        if gate.booked().pop().unwrap().end.outcome == "failed" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let resume = [headers[0], ("last-event-id", id.as_str())];
    let resumed = gate.send(Method::GET, "/mcp/s", &resume, "").await;
    assert_eq!(
        resumed.events().len(),
        1,
        "an answer passes once: {}",
        resumed.text()
    );
    assert_eq!(resumed.events()[0]["result"]["tools"], tools(&["t"]));
    assert_eq!(
        server.seen("").last().unwrap().header("last-event-id"),
        Some("1")
    );
}

#[tokio::test]
async fn a_gate_that_stops_does_not_wait_for_streams_that_answer_no_call() {
    let (open, never) = mpsc::channel::<Bytes>(1);
    open.send(Bytes::from(": open\n\n")).await.unwrap();
    let never = std::sync::Mutex::new(Some(never));
    let server = TestServer::start(move |seen| match seen.method {
        Method::GET => Script::Stream(Vec::new(), never.lock().unwrap().take().unwrap()),
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let mut stream = tokio::net::TcpStream::connect(gate.node.address())
        .await
        .unwrap();
    let request = format!(
        "GET /mcp/s HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
        gate.node.address(),
        crate::support::gate::TOKEN,
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    // What a comment says on such a stream stays behind.
    while !String::from_utf8_lossy(&seen).contains("\n:\n\n") {
        let mut chunk = [0; 1024];
        let n = stream.read(&mut chunk).await.unwrap();
        assert!(n > 0);
        seen.extend_from_slice(&chunk[..n]);
    }
    // The drain alone would take ten seconds.
    let stopping = tokio::time::timeout(std::time::Duration::from_secs(5), gate.node.stop());
    stopping.await.expect("it stops at once").unwrap();
    drop(open);
}
