//! The revisions with a handshake, over HTTP.

use http::{Method, StatusCode};
use portreeve::demo::{Options, tool_definitions};
use serde_json::{Value, json};

use super::wire::{Events, Got, Wire};

fn request(method: &str, params: impl Into<Value>) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params.into() })
}

fn call(tool: &str, arguments: impl Into<Value>) -> Value {
    request(
        "tools/call",
        json!({ "name": tool, "arguments": arguments.into() }),
    )
}

async fn initialize(wire: &Wire, version: &str) -> Got {
    let client = json!({ "name": "test", "version": "0" });
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client });
    let got = wire.post(&[], &request("initialize", params)).await;
    assert_eq!(got.status, StatusCode::OK);
    got
}

fn growing() -> Options {
    Options {
        allow_tool_changes: true,
        ..Options::default()
    }
}

#[tokio::test]
async fn every_known_version_is_accepted_and_others_are_answered_with_the_newest() {
    let wire = Wire::start(&Options::default()).await;
    for (asked, given) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let got = initialize(&wire, asked).await;
        let result = &got.json()["result"];
        assert_eq!(result["protocolVersion"], given, "{asked}");
        assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
        assert_eq!(result.get("resultType"), None);
        assert!(got.header("mcp-session-id").is_some());
    }
}

#[tokio::test]
async fn a_call_without_any_handshake_is_answered_with_json() {
    let wire = Wire::start(&Options::default()).await;
    for attempt in 2..=11 {
        let got = wire
            .post(&[], &call("run-rerun", json!({ "runId": 1 })))
            .await;
        assert_eq!(got.header("content-type"), Some("application/json"));
        let content = &got.json()["result"]["structuredContent"];
        assert_eq!(content["status"], "requested-full");
        assert_eq!(content["attempt"], attempt);
    }
}

#[tokio::test]
async fn the_tools_come_in_pages_that_make_up_the_list() {
    let wire = Wire::start(&Options {
        page_size: 5.try_into().ok(),
        ..Options::default()
    })
    .await;
    let mut tools = Vec::new();
    let mut params = json!({});
    let mut pages = 0;
    loop {
        let got = wire.post(&[], &request("tools/list", params)).await;
        let result = got.json()["result"].clone();
        tools.extend(result["tools"].as_array().unwrap().clone());
        pages += 1;
        match result.get("nextCursor") {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => break,
        }
    }
    assert_eq!((pages, &tools), (3, &tool_definitions()));
    for cursor in [
        json!(""),
        json!("after-0"),
        json!("after-13"),
        json!(5),
        json!(null),
    ] {
        let got = wire
            .post(&[], &request("tools/list", json!({ "cursor": cursor })))
            .await;
        assert_eq!(got.error_code(), -32602, "{cursor}");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_has_its_code() {
    let wire = Wire::start(&Options::default()).await;
    for (message, code) in [
        (call("nope", json!({})), -32602),
        (call("demo_add_tool", json!({})), -32602),
        (
            request("tools/call", json!({ "name": "get_run", "arguments": [] })),
            -32602,
        ),
        (request("nope", json!({})), -32601),
        (request("server/discover", json!({})), -32602),
        (
            request("logging/setLevel", json!({ "level": "loud" })),
            -32602,
        ),
        (json!({ "jsonrpc": "2.0", "id": 1 }), -32600),
    ] {
        let got = wire.post(&[], &message).await;
        assert_eq!(got.error_code(), code, "{message}");
    }
    let json = [("content-type", "application/json")];
    let got = wire.send(Method::POST, &json, "{".into()).await;
    assert_eq!(
        (got.status, got.error_code()),
        (StatusCode::BAD_REQUEST, -32700)
    );
    let ok = wire.post(&[], &request("ping", json!({}))).await;
    assert_eq!(ok.json()["result"], json!({}));
    let ok = wire
        .post(
            &[],
            &request("logging/setLevel", json!({ "level": "info" })),
        )
        .await;
    assert_eq!(ok.json()["result"], json!({}));
}

#[tokio::test]
async fn http_says_what_it_does_not_take() {
    let wire = Wire::start(&Options::default()).await;
    let ping = request("ping", json!({}));
    let status = async |headers: &[(&str, &str)], body: String| {
        wire.send(Method::POST, headers, body).await.status
    };
    let text = [("content-type", "text/plain")];
    assert_eq!(
        status(&text, ping.to_string()).await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let html = [
        ("content-type", "application/json"),
        ("accept", "text/html"),
    ];
    assert_eq!(
        status(&html, ping.to_string()).await,
        StatusCode::NOT_ACCEPTABLE
    );
    let json = [("content-type", "application/json")];
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    assert_eq!(status(&json, large).await, StatusCode::PAYLOAD_TOO_LARGE);

    for (name, value, expected) in [
        ("mcp-protocol-version", "2025-06-18", StatusCode::OK),
        (
            "mcp-protocol-version",
            "1999-01-01",
            StatusCode::BAD_REQUEST,
        ),
        ("host", "evil.example", StatusCode::FORBIDDEN),
        ("origin", "https://evil.example", StatusCode::FORBIDDEN),
        ("origin", "http://localhost:5173", StatusCode::OK),
        ("mcp-session-id", "nobody", StatusCode::NOT_FOUND),
    ] {
        let got = wire.post(&[(name, value)], &ping).await;
        assert_eq!(got.status, expected, "{name}: {value}");
    }
    let put = wire.send(Method::PUT, &[], String::new()).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_session_lives_from_initialize_to_delete() {
    let wire = Wire::start(&Options::default()).await;
    let got = initialize(&wire, "2025-11-25").await;
    let session = [("mcp-session-id", got.header("mcp-session-id").unwrap())];
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(
        wire.post(&session, &note).await.status,
        StatusCode::ACCEPTED
    );
    let ping = request("ping", json!({}));
    assert_eq!(wire.post(&session, &ping).await.status, StatusCode::OK);

    let mut stream = Events::of(wire.open(Method::GET, &session, String::new()).await);
    let second = wire.send(Method::GET, &session, String::new()).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    let ended = wire.send(Method::DELETE, &session, String::new()).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert_eq!(
        stream.next().await,
        None,
        "the stream ends with the session"
    );
    assert_eq!(
        wire.post(&session, &ping).await.status,
        StatusCode::NOT_FOUND
    );
    let again = wire.send(Method::DELETE, &session, String::new()).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let nameless = wire.send(Method::DELETE, &[], String::new()).await;
    assert_eq!(nameless.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_token_brings_progress_before_the_answer() {
    let wire = Wire::start(&Options::default()).await;
    let plan = json!({ "workflow": "w", "steps": 3, "step_ms": 5 });
    let started = wire.post(&[], &call("start_run", plan)).await.json();
    let id = &started["result"]["structuredContent"]["id"];
    let mut wait = call("get_run", json!({ "run_id": id, "wait_ms": 60_000 }));
    wait["params"]["_meta"] = json!({ "progressToken": "tok" });
    let mut messages = wire.stream(&[], &wait).await.all().await;
    let answer = messages.pop().unwrap();
    assert_eq!(answer["result"]["structuredContent"]["status"], "completed");
    let done: Vec<_> = messages
        .iter()
        .map(|note| {
            assert_eq!(note["method"], "notifications/progress");
            assert_eq!(note["params"]["progressToken"], "tok");
            note["params"]["progress"].as_u64().unwrap()
        })
        .collect();
    assert!(done.is_sorted_by(|a, b| a < b), "{done:?}");
    assert_eq!(done.last(), Some(&3));
}

#[tokio::test]
async fn a_client_that_reads_only_json_or_only_events_gets_that() {
    let wire = Wire::start(&Options::default()).await;
    let mut ping = request("ping", json!({}));
    let events = wire.stream(&[("accept", "text/event-stream")], &ping).await;
    assert_eq!(events.all().await.len(), 1);
    ping["params"]["_meta"] = json!({ "progressToken": 1 });
    let got = wire.post(&[("accept", "application/json")], &ping).await;
    assert_eq!(got.json()["result"], json!({}));
}

#[tokio::test]
async fn a_cancelled_request_ends_without_an_answer() {
    let wire = Wire::start(&Options::default()).await;
    let got = initialize(&wire, "2025-11-25").await;
    let session = [("mcp-session-id", got.header("mcp-session-id").unwrap())];
    // Run 3 takes an hour.
    let mut wait = call("get_run", json!({ "run_id": "3", "wait_ms": 60_000 }));
    wait["params"]["_meta"] = json!({ "progressToken": 1 });
    let mut events = wire.stream(&session, &wait).await;
    assert_eq!(
        events.next().await.unwrap()["method"],
        "notifications/progress"
    );
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": 7 } });
    assert_eq!(
        wire.post(&session, &cancel).await.status,
        StatusCode::ACCEPTED
    );
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_batch_is_answered_in_the_revision_that_has_them() {
    let wire = Wire::start(&Options::default()).await;
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let batch = json!([
        request("ping", json!({})),
        note,
        request("nope", json!({})),
        1
    ]);
    let version = [("mcp-protocol-version", "2025-03-26")];
    let answers = wire.post(&version, &batch).await.json();
    assert_eq!(answers.as_array().unwrap().len(), 3);
    assert_eq!(answers[1]["error"]["code"], -32601);
    assert_eq!(
        wire.post(&[], &json!([note])).await.status,
        StatusCode::ACCEPTED
    );
    let version = [("mcp-protocol-version", "2025-06-18")];
    assert_eq!(wire.post(&version, &batch).await.error_code(), -32600);
}

#[tokio::test]
async fn a_tool_that_comes_at_run_time_is_announced_listed_and_callable() {
    let wire = Wire::start(&growing()).await;
    let mut stream = Events::of(wire.open(Method::GET, &[], String::new()).await);
    let add = json!({ "name": "sudo", "description": "New here." });
    let added = wire.post(&[], &call("demo_add_tool", add)).await.json();
    assert_eq!(added["result"].get("isError"), None);
    let note = stream.next().await.unwrap();
    assert_eq!(
        note,
        json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" })
    );
    let list = wire
        .post(&[], &request("tools/list", json!({})))
        .await
        .json();
    let newest = list["result"]["tools"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(newest["description"], "New here.");
    let called = wire
        .post(&[], &call("sudo", json!({ "a": 1 })))
        .await
        .json();
    assert!(
        called["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("{\"a\":1}")
    );
}

#[tokio::test]
async fn a_stopped_server_ends_its_streams_and_takes_nobody_more() {
    let wire = Wire::start(&Options::default()).await;
    let mut stream = Events::of(wire.open(Method::GET, &[], String::new()).await);
    let Wire { handle, .. } = wire;
    let address = handle.address();
    handle.stop().await;
    assert_eq!(stream.next().await, None);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_server_with_a_key_answers_to_nobody_else() {
    let key = portreeve::demo::Key::new("open-sesame-0123456789").unwrap();
    let wire = Wire::start(&Options {
        key: Some(key),
        ..Options::default()
    })
    .await;
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": { "name": "t", "version": "1" } } });
    let common = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    let ask = async |authorization: &str| {
        let headers = [&common[..], &[("authorization", authorization)]].concat();
        wire.send(Method::POST, &headers, hello.to_string())
            .await
            .status
    };
    assert_eq!(ask("Bearer open-sesame-0123456789").await, StatusCode::OK);
    assert_eq!(ask("Bearer open-sesame").await, StatusCode::UNAUTHORIZED);
    let without = wire.send(Method::POST, &common, hello.to_string()).await;
    assert_eq!(without.status, StatusCode::UNAUTHORIZED);
}
