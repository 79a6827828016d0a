//! A legacy client before a server that is modern only.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{MODERN, Stream, open_policy, request};
use crate::support::server::Seen;
use crate::support::{Script, TestGate, TestServer};

fn failing(status: StatusCode, seen: &Seen, error: &Value) -> Script {
    let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "error": error });
    Script::Json(status, Vec::new(), answer.to_string().into_bytes())
}

fn definitions() -> Value {
    json!([
        { "name": "t", "inputSchema": { "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" } } } },
        { "name": "ask", "inputSchema": { "type": "object" } },
        { "name": "slow", "inputSchema": { "type": "object" } },
        { "name": "secret", "inputSchema": { "type": "object" } },
    ])
}

/// A server of the modern era, and of no other.
fn modern(seen: &Seen) -> Script {
    let body = seen.json();
    let meta = &body["params"]["_meta"];
    if seen.method != Method::POST {
        return Script::Status(StatusCode::METHOD_NOT_ALLOWED);
    }
    if seen.header("mcp-protocol-version") != Some(MODERN)
        || meta["io.modelcontextprotocol/protocolVersion"] != MODERN
        || !meta["io.modelcontextprotocol/clientCapabilities"].is_object()
        || seen.header("mcp-method") != body["method"].as_str()
    {
        let error = json!({ "code": -32022, "message": "no", "data": { "supported": [MODERN] } });
        return failing(StatusCode::BAD_REQUEST, seen, &error);
    }
    let complete = |mut result: Value| {
        result["resultType"] = json!("complete");
        Script::result(seen, &result)
    };
    match seen.rpc_method().as_str() {
        "server/discover" => complete(json!({
            "supportedVersions": [MODERN], "instructions": "be kind",
            "capabilities": { "tools": {}, "resources": { "subscribe": true }, "logging": {} },
            "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "new", "version": "3" } },
        })),
        "tools/list" => {
            complete(json!({ "tools": definitions(), "ttlMs": 5, "cacheScope": "public" }))
        }
        "tools/call" => match body["params"]["name"].as_str().unwrap() {
            "ask" if body["params"]["inputResponses"].is_null() => Script::result(
                seen,
                &json!({ "resultType": "input_required", "requestState": "st\u{e4}te",
                    "inputRequests": body["params"]["arguments"]["ask"] }),
            ),
            "ask" => complete(json!({ "content": [], "structuredContent": {
                "heard": body["params"]["inputResponses"], "state": body["params"]["requestState"] } })),
            _ => complete(json!({ "content": [{ "type": "text", "text": "ok" }] })),
        },
        _ => failing(
            StatusCode::NOT_FOUND,
            seen,
            &json!({ "code": -32601, "message": "unknown" }),
        ),
    }
}

fn hello(capabilities: &Value) -> Value {
    request(
        0,
        "initialize",
        &json!({ "protocolVersion": "2025-06-18", "capabilities": capabilities,
            "clientInfo": { "name": "old", "version": "1" } }),
    )
}

async fn session(gate: &TestGate, capabilities: &Value) -> String {
    let opened = gate.post(hello(capabilities).to_string()).await;
    assert_eq!(opened.status, StatusCode::OK, "{}", opened.text());
    opened.session()
}

#[tokio::test]
async fn a_handshake_is_answered_with_what_the_server_says_of_itself() {
    let server = TestServer::start(modern).await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let opened = gate.post(hello(&json!({ "roots": {} })).to_string()).await;
    let result = opened.json()["result"].clone();
    assert_eq!(result["protocolVersion"], "2025-06-18");
    assert_eq!(
        result["serverInfo"],
        json!({ "name": "new", "version": "3" })
    );
    assert_eq!(result["instructions"], "be kind");
    assert_eq!(result["capabilities"]["resources"]["subscribe"], true);
    let session = opened.session();
    let headers = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2025-06-18"),
    ];
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let answer = gate.post_with(&headers, ready.to_string()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    server.forget();
    let pong = gate
        .post_with(&headers, request("p", "ping", &json!({})).to_string())
        .await;
    assert_eq!(
        pong.json(),
        json!({ "jsonrpc": "2.0", "id": "p", "result": {} })
    );
    assert!(server.seen("").is_empty());

    let list = gate
        .post_with(&headers, request(1, "tools/list", &json!({})).to_string())
        .await;
    let names: Vec<_> = list.json()["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(names, ["t", "ask", "slow"], "the policy filters as ever");
    assert_eq!(list.json()["result"]["cacheScope"], "private");
}

#[tokio::test]
async fn requests_are_stamped_with_what_the_client_said_of_itself() {
    let server = TestServer::start(modern).await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let session = session(&gate, &json!({ "sampling": {}, "tasks": {} })).await;
    let headers = [("mcp-session-id", session.as_str())];
    let level = request(1, "logging/setLevel", &json!({ "level": "warning" }));
    assert_eq!(
        gate.post_with(&headers, level.to_string()).await.json()["result"],
        json!({})
    );
    let call = r#"{"jsonrpc":"2.0","id":"c\u0031","method":"tools/call","params":{"name":"t","arguments":{"region":"K\u00f6ln","n":1.0},"_meta":{"progressToken":9}}}"#;
    let answer = gate.post_with(&headers, call).await;
    assert_eq!(answer.json()["id"], "c1", "{}", answer.text());
    assert_eq!(answer.json()["result"]["content"][0]["text"], "ok");
    let seen = server.seen("tools/call").pop().unwrap();
    assert_eq!(seen.header("mcp-name"), Some("t"));
    assert_eq!(seen.header("mcp-param-region"), Some("=?base64?S8O2bG4=?="));
    assert_eq!(seen.header("mcp-session-id"), None);
    assert_eq!(
        seen.json()["params"]["_meta"],
        json!({ "progressToken": 9,
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": { "name": "old", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": { "sampling": {} },
            "io.modelcontextprotocol/logLevel": "warning" })
    );
    let text = String::from_utf8_lossy(&seen.body).into_owned();
    assert!(
        text.contains(r#""arguments":{"region":"K\u00f6ln","n":1.0}"#),
        "{text}"
    );
    // An error's status is for the other era; to this one, 404 would be the session's end.
    let unknown = gate
        .post_with(&headers, request(3, "prompts/list", &json!({})).to_string())
        .await;
    assert_eq!(unknown.status, StatusCode::OK, "{}", unknown.text());

    let denied = request(4, "tools/call", &json!({ "name": "secret" }));
    let denied = gate.post_with(&headers, denied.to_string()).await;
    assert!(
        denied.text().contains("[POLICY DENIED]"),
        "{}",
        denied.text()
    );
    assert_eq!(server.seen("tools/call").len(), 1);
}

#[tokio::test]
async fn what_a_server_wants_to_know_is_asked_in_the_stream_and_charged_once() {
    let server = TestServer::start(modern).await;
    let limited = json!({ "limits": [{ "counter": "calls", "max": 1, "window": "hour" }] });
    let gate = TestGate::start(&server.url(), &open_policy(&limited)).await;
    let session = session(&gate, &json!({ "sampling": {}, "elicitation": {} })).await;
    let headers = [("mcp-session-id", session.as_str())];
    let questions = json!({
        "who": { "method": "elicitation/create", "params": { "message": "who?", "requestedSchema": {} } },
        "what": { "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 5 } },
    });
    let call = request(
        7,
        "tools/call",
        &json!({ "name": "ask", "arguments": { "ask": questions } }),
    );
    let mut stream = Stream::open(&gate, Method::POST, &headers, &call).await;
    for _ in 0..2 {
        let asked = stream.next().await.unwrap();
        let result = match asked["method"].as_str().unwrap() {
            "elicitation/create" => json!({ "action": "accept", "content": { "n": 1 } }),
            method => {
                assert_eq!(method, "sampling/createMessage");
                assert_eq!(asked["params"], questions["what"]["params"]);
                json!({ "role": "assistant", "content": { "type": "text", "text": "hi" }, "model": "m" })
            }
        };
        let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
        let taken = gate.post_with(&headers, answer.to_string()).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED);
        let again = gate.post_with(&headers, answer.to_string()).await;
        assert_eq!(
            again.status,
            StatusCode::FORBIDDEN,
            "an answer is taken once"
        );
    }
    let answer = stream.next().await.unwrap();
    assert_eq!(answer["id"], 7, "{answer}");
    let content = &answer["result"]["structuredContent"];
    assert_eq!(content["heard"]["who"]["content"]["n"], 1);
    assert_eq!(content["heard"]["what"]["content"]["text"], "hi");
    assert_eq!(content["state"], "st\u{e4}te");
    assert!(stream.next().await.is_none());
    let seen = server.seen("tools/call");
    assert_eq!(seen.len(), 2);
    assert_ne!(seen[0].json()["id"], seen[1].json()["id"]);
    // The one call that the limit allows was both rounds; the next is one too many.
    let more = gate.post_with(&headers, call.to_string()).await;
    assert!(more.text().contains("[POLICY DENIED]"), "{}", more.text());
}

#[tokio::test]
async fn nobody_is_asked_what_they_did_not_declare_or_the_policy_refuses() {
    let server = TestServer::start(modern).await;
    let policy = json!({ "version": "1", "default": "deny", "tools": { "ask": {} },
        "server_requests": { "sampling": "deny", "elicitation": "allow", "roots": "allow" } });
    let gate = TestGate::start(&server.url(), &policy.to_string()).await;
    let session = session(&gate, &json!({ "elicitation": {}, "sampling": {} })).await;
    let headers = [("mcp-session-id", session.as_str())];
    for (method, words) in [
        ("roots/list", "did not declare"),
        ("sampling/createMessage", "[POLICY DENIED]"),
    ] {
        let ask = json!({ "a": { "method": method } });
        let call = request(
            1,
            "tools/call",
            &json!({ "name": "ask", "arguments": { "ask": ask } }),
        );
        let answer = gate.post_with(&headers, call.to_string()).await;
        assert!(answer.text().contains(words), "{}", answer.text());
        assert!(!answer.text().contains(r#""method""#), "{}", answer.text());
    }
    // A client that will not answer a form has cancelled it.
    let ask = json!({ "a": { "method": "elicitation/create", "params": {} } });
    let call = request(
        1,
        "tools/call",
        &json!({ "name": "ask", "arguments": { "ask": ask } }),
    );
    let mut stream = Stream::open(&gate, Method::POST, &headers, &call).await;
    let asked = stream.next().await.unwrap();
    let error =
        json!({ "jsonrpc": "2.0", "id": asked["id"], "error": { "code": -1, "message": "no" } });
    gate.post_with(&headers, error.to_string()).await;
    let answer = stream.next().await.unwrap();
    assert_eq!(
        answer["result"]["structuredContent"]["heard"]["a"],
        json!({ "action": "cancel" })
    );
}

#[tokio::test]
async fn a_session_is_its_grants_alone_and_ends() {
    let server = TestServer::start(modern).await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let other = "other-token-0123456789-abcdefghijklmno";
    gate.add_grant("other", other, &[("s", Some("p"))]).await;
    let session = session(&gate, &json!({})).await;
    let list = request(1, "tools/list", &json!({})).to_string();
    let bearer = format!("Bearer {other}");
    let stolen = [
        ("mcp-session-id", session.as_str()),
        ("authorization", bearer.as_str()),
    ];
    assert_eq!(
        gate.post_with(&stolen, list.clone()).await.status,
        StatusCode::NOT_FOUND
    );
    let own = [("mcp-session-id", session.as_str())];
    assert_eq!(
        gate.post_with(&own, list.clone()).await.status,
        StatusCode::OK
    );
    let ended = gate.send(Method::DELETE, "/mcp/s", &own, "").await;
    assert_eq!(ended.status, StatusCode::OK);
    assert_eq!(
        gate.post_with(&own, list).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_cancelled_request_ends_at_the_server() {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let receiver = Mutex::new(Some(receiver));
    let server = TestServer::start(move |seen| {
        if seen.json()["params"]["name"] == "slow" {
            Script::Stream(Vec::new(), receiver.lock().unwrap().take().unwrap())
        } else {
            modern(seen)
        }
    })
    .await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let session = session(&gate, &json!({})).await;
    let headers = [("mcp-session-id", session.as_str())];
    let call = request("x", "tools/call", &json!({ "name": "slow" }));
    let mut stream = Stream::open(&gate, Method::POST, &headers, &call).await;
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": {} });
    sender
        .send(Bytes::from(format!("data: {note}\n\n")))
        .await
        .unwrap();
    assert_eq!(
        stream.next().await.unwrap()["method"],
        "notifications/message"
    );
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "x" } });
    assert_eq!(
        gate.post_with(&headers, cancel.to_string()).await.status,
        StatusCode::ACCEPTED
    );
    assert!(
        stream.next().await.is_none(),
        "nothing answers what was cancelled"
    );
    sender.closed().await;
}

/// What a stream was opened for, and the way into it.
type Opened = (Value, mpsc::Sender<Bytes>);

#[tokio::test]
async fn resources_are_watched_and_lists_heard_of_on_the_clients_stream() {
    let open: Arc<Mutex<Vec<Opened>>> = Arc::default();
    let streams = Arc::clone(&open);
    let server = TestServer::start(move |seen| {
        if seen.rpc_method() != "subscriptions/listen" {
            return modern(seen);
        }
        let (sender, receiver) = mpsc::channel::<Bytes>(4);
        let ack = json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {} });
        sender.try_send(Bytes::from(format!("data: {ack}\n\n"))).unwrap();
        let wanted = seen.json()["params"]["notifications"].clone();
        streams.lock().unwrap().push((wanted, sender));
        Script::Stream(Vec::new(), receiver)
    })
    .await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let session = session(&gate, &json!({})).await;
    let headers = [("mcp-session-id", session.as_str())];
    let watch = |uri: &str| request(1, "resources/subscribe", &json!({ "uri": uri })).to_string();
    let refused = gate.post_with(&headers, watch("file:///elsewhere/a")).await;
    assert!(
        refused.text().contains("[POLICY DENIED]"),
        "{}",
        refused.text()
    );
    assert!(
        open.lock().unwrap().is_empty(),
        "what is refused is not asked for"
    );
    let watched = gate.post_with(&headers, watch("file:///allowed/a")).await;
    assert_eq!(watched.json()["result"], json!({}), "{}", watched.text());

    let mut stream = Stream::open(&gate, Method::GET, &headers, &Value::Null).await;
    assert_eq!(stream.status, StatusCode::OK);
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    let (resource, lists) = {
        let open = open.lock().unwrap();
        assert_eq!(
            open[0].0,
            json!({ "resourceSubscriptions": ["file:///allowed/a"] })
        );
        assert_eq!(open[1].0["toolsListChanged"], true);
        (open[0].1.clone(), open[1].1.clone())
    };
    for (to, method) in [
        (&resource, "notifications/resources/updated"),
        (&lists, "notifications/tools/list_changed"),
    ] {
        let note =
            json!({ "jsonrpc": "2.0", "method": method, "params": { "uri": "file:///allowed/a" } });
        to.send(Bytes::from(format!("data: {note}\n\n")))
            .await
            .unwrap();
        assert_eq!(stream.next().await.unwrap()["method"], method);
    }
    let end = request(
        2,
        "resources/unsubscribe",
        &json!({ "uri": "file:///allowed/a" }),
    );
    assert_eq!(
        gate.post_with(&headers, end.to_string()).await.json()["result"],
        json!({})
    );
    resource.closed().await;
    drop(stream);
    lists.closed().await;
}

#[tokio::test]
async fn a_server_that_becomes_modern_is_learnt_anew() {
    let turned = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = Arc::clone(&turned);
    let server = TestServer::start(move |seen| {
        if now.load(std::sync::atomic::Ordering::SeqCst) {
            modern(seen)
        } else {
            crate::support::server::plain(seen, &definitions())
        }
    })
    .await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let first = gate.post(hello(&json!({})).to_string()).await.json();
    assert_eq!(first["result"]["serverInfo"]["name"], "test", "straight");
    turned.store(true, std::sync::atomic::Ordering::SeqCst);
    let second = gate.post(hello(&json!({})).to_string()).await;
    assert_eq!(second.json()["result"]["serverInfo"]["name"], "new");
    turned.store(false, std::sync::atomic::Ordering::SeqCst);
    let headers = [("mcp-session-id", &*second.session())];
    // A legacy server that wants no session takes the call; one that does would end the session.
    let call = request(5, "tools/call", &json!({ "name": "t" })).to_string();
    assert_eq!(
        gate.post_with(&headers, call).await.json()["result"]["content"][0]["text"],
        "ok"
    );
}

#[tokio::test]
async fn what_cannot_be_translated_is_said() {
    let server = TestServer::start(modern).await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let session = session(&gate, &json!({})).await;
    let headers = [("mcp-session-id", session.as_str())];
    server.forget();
    let batch = json!([request(1, "ping", &json!({}))]);
    let tasks = request(2, "tasks/get", &json!({ "taskId": "x" }));
    let task = request(3, "tools/call", &json!({ "name": "t", "task": {} }));
    for message in [batch, tasks, task] {
        let answer = gate.post_with(&headers, message.to_string()).await.json();
        assert_eq!(answer["error"]["code"], 50100, "{answer}");
        assert!(
            answer["error"]["message"]
                .as_str()
                .unwrap()
                .contains(MODERN)
        );
    }
    assert!(server.seen("").is_empty());
}

#[tokio::test]
async fn what_a_session_keeps_of_its_client_is_bounded() {
    let server = TestServer::start(modern).await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    for member in ["clientInfo", "capabilities"] {
        let mut hello = hello(&json!({}));
        hello["params"][member]["x"] = json!("x".repeat(20_000));
        let refused = gate.post(hello.to_string()).await;
        assert_eq!(refused.json()["error"]["code"], -32602, "{member}");
        assert!(refused.text().contains("16384 bytes"), "{}", refused.text());
        assert!(!refused.headers.contains_key("mcp-session-id"));
        let booked = gate.booked().pop().unwrap();
        assert_eq!(
            (booked.method.as_str(), booked.rule.as_str()),
            ("initialize", "(malformed)")
        );
    }
    let session = session(&gate, &json!({})).await;
    let headers = [("mcp-session-id", session.as_str())];
    let uri = format!("file:///allowed/{}", "x".repeat(5_000));
    for (method, params) in [
        ("logging/setLevel", json!({ "level": "x".repeat(5_000) })),
        ("resources/subscribe", json!({ "uri": uri })),
    ] {
        let asked = request(1, method, &params);
        let refused = gate.post_with(&headers, asked.to_string()).await;
        assert_eq!(
            refused.json()["error"]["code"],
            -32602,
            "{method}: {}",
            refused.text()
        );
    }
}
