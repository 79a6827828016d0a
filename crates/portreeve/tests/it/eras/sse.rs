//! Servers that speak the oldest transport: a stream, and a second URL that it names.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use portreeve::store::model::{NewTools, Secret, Target};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Stream, open_policy, request};
use crate::support::server::Seen;
use crate::support::{Script, TestGate, TestServer};

/// Such a server. Its streams are told apart by the URLs that they name.
#[derive(Clone, Default)]
struct Ancient {
    streams: Arc<Mutex<HashMap<String, mpsc::Sender<Bytes>>>>,
    /// What it names instead of its own URL.
    elsewhere: Option<&'static str>,
    /// Whether it opens no more streams.
    hangs: Arc<AtomicBool>,
}

/// Far more of a call's progress than fits on the way to a client that does not read.
fn tell_much(stream: mpsc::Sender<Bytes>, token: &Value) {
    let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
        "params": { "progressToken": token, "progress": 1, "message": "x".repeat(100_000) } });
    let progress = event(&progress);
    tokio::spawn(async move {
        for _ in 0..600 {
            if stream.send(progress.clone()).await.is_err() {
                return;
            }
        }
    });
}

fn event(message: &Value) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

impl Ancient {
    async fn start(self) -> TestServer {
        TestServer::start(move |seen| self.answer(seen)).await
    }

    fn answer(&self, seen: &Seen) -> Script {
        if seen.method == Method::GET && self.hangs.load(Ordering::Relaxed) {
            return Script::Silence;
        }
        if seen.method == Method::GET {
            let (sender, receiver) = mpsc::channel(32);
            let mut streams = self.streams.lock().unwrap();
            let path = format!("/messages?s={}", streams.len());
            let named = self.elsewhere.unwrap_or(&path);
            let first = format!("event: endpoint\ndata: {named}\n\n");
            sender.try_send(Bytes::from(first)).unwrap();
            streams.insert(path, sender);
            return Script::Stream(Vec::new(), receiver);
        }
        let streams = self.streams.lock().unwrap();
        let Some(stream) = streams.get(&seen.path) else {
            return Script::Status(StatusCode::METHOD_NOT_ALLOWED);
        };
        let body = seen.json();
        let answer = |result: Value| {
            let answer = json!({ "jsonrpc": "2.0", "id": body["id"], "result": result });
            let stream = stream.clone();
            // A client that is gone hears nothing.
            tokio::spawn(async move { stream.send(event(&answer)).await.ok() });
        };
        match seen.rpc_method().as_str() {
            "initialize" => answer(json!({ "protocolVersion": "2024-11-05",
                "capabilities": { "tools": {} }, "serverInfo": { "name": "ancient", "version": "0" } })),
            "tools/list" => answer(json!({ "tools": [
                { "name": "t", "inputSchema": { "type": "object" } },
                { "name": "ask", "inputSchema": { "type": "object" } },
                { "name": "slow", "inputSchema": { "type": "object" } },
                { "name": "secret", "inputSchema": { "type": "object" } } ] })),
            "tools/call" if body["params"]["name"] == "ask" => {
                let asked = json!({ "jsonrpc": "2.0", "id": "q", "method": "roots/list" });
                stream.try_send(event(&asked)).unwrap();
            }
            "tools/call" if body["params"]["name"] == "slow" => {
                tell_much(stream.clone(), &body["params"]["_meta"]["progressToken"]);
            }
            "tools/call" => answer(json!({ "content": [{ "type": "text", "text": seen.path }] })),
            "" => {
                let answer = json!({ "jsonrpc": "2.0", "id": 5,
                    "result": { "content": [], "structuredContent": body["result"] } });
                stream.try_send(event(&answer)).unwrap();
            }
            _ => {}
        }
        Script::Status(StatusCode::ACCEPTED)
    }
}

pub(super) const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"roots":{}},"clientInfo":{"name":"t","version":"1"}}}"#;

pub(super) fn call(id: u64, tool: &str) -> Value {
    request(id, "tools/call", &json!({ "name": tool }))
}

#[tokio::test]
async fn it_is_recognised_and_each_session_has_a_stream_of_its_own() {
    let server = Ancient::default().start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    assert_eq!(
        gate.listed().await,
        ["t", "ask", "slow"],
        "the tools were read, and are filtered"
    );
    let mut places = Vec::new();
    for _ in 0..2 {
        let opened = gate.post(HELLO).await;
        assert_eq!(
            opened.json()["result"]["protocolVersion"],
            "2024-11-05",
            "{}",
            opened.text()
        );
        let session = opened.session();
        let headers = [("mcp-session-id", session.as_str())];
        let first = gate
            .post_with(&headers, call(1, "t").to_string())
            .await
            .json();
        // A change of something else leaves its connections alone.
        gate.node.gate.reload().await.unwrap();
        let second = gate
            .post_with(&headers, call(2, "t").to_string())
            .await
            .json();
        assert_eq!(second["id"], 2);
        assert_eq!(first["result"]["content"], second["result"]["content"]);
        places.push(first["result"]["content"][0]["text"].clone());
        let denied = gate
            .post_with(&headers, call(3, "secret").to_string())
            .await;
        assert!(denied.text().contains("[POLICY DENIED]"));
        let ended = gate.send(Method::DELETE, "/mcp/s", &headers, "").await;
        assert_eq!(ended.status, StatusCode::OK);
    }
    assert_ne!(places[0], places[1]);
    // The header that names our session is not the server's to see.
    assert!(
        server
            .seen("tools/call")
            .iter()
            .all(|seen| seen.header("mcp-session-id").is_none())
    );
    assert!(
        server
            .seen("tools/call")
            .iter()
            .all(|seen| !seen.json()["params"]["name"].eq("secret"))
    );
}

#[tokio::test]
async fn a_server_asks_within_a_call() {
    let server = Ancient::default().start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let session = gate.post(HELLO).await.session();
    let headers = [("mcp-session-id", session.as_str())];
    let mut stream = Stream::open(&gate, Method::POST, &headers, &call(5, "ask")).await;
    let asked = stream.next().await.unwrap();
    assert_eq!(asked["method"], "roots/list");
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": [] } });
    let taken = gate.post_with(&headers, answer.to_string()).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED);
    let last = stream.next().await.unwrap();
    assert_eq!(last["result"]["structuredContent"], json!({ "roots": [] }));
}

#[tokio::test]
async fn a_stream_that_breaks_ends_its_session_and_another_is_opened() {
    let ancient = Ancient::default();
    let server = ancient.clone().start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let session = gate.post(HELLO).await.session();
    let headers = [("mcp-session-id", session.as_str())];
    let mut stream = Stream::open(&gate, Method::POST, &headers, &call(5, "ask")).await;
    assert_eq!(stream.next().await.unwrap()["method"], "roots/list");
    ancient.streams.lock().unwrap().clear();
    let broken = stream.next().await.unwrap();
    assert_eq!(broken["error"]["code"], 50200, "{broken}");
    let gone = gate.post_with(&headers, call(6, "t").to_string()).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "{}", gone.text());
    let again = gate.post(HELLO).await.session();
    let headers = [("mcp-session-id", again.as_str())];
    let answer = gate.post_with(&headers, call(7, "t").to_string()).await;
    assert_eq!(answer.json()["id"], 7);
    // Requests without a session go on as well.
    assert_eq!(gate.call("t", json!({})).await.json()["id"], 1);
}

#[tokio::test]
async fn an_endpoint_elsewhere_is_refused() {
    let decoy = TestServer::with_tools(json!([])).await;
    let named: &'static str =
        Box::leak(format!("http://{}/messages", decoy.address).into_boxed_str());
    let server = Ancient {
        elsewhere: Some(named),
        ..Ancient::default()
    };
    let server = server.start().await;
    let gate = TestGate::empty().await;
    let target = Target::Http {
        url: server.url(),
        headers: vec![("x-key".to_owned(), Secret::literal("k3y"))],
    };
    gate.add_target("s", target, NewTools::Quarantine).await;
    gate.put_policy("p", &open_policy(&json!({}))).await;
    gate.add_grant("tester", crate::support::gate::TOKEN, &[("s", Some("p"))])
        .await;
    let refused = gate.post(HELLO).await;
    assert!(
        refused.text().contains("another origin"),
        "{}",
        refused.text()
    );
    assert!(decoy.seen("").is_empty());
    assert_eq!(server.seen("initialize")[0].header("x-key"), Some("k3y"));
}

#[tokio::test]
async fn who_does_not_read_keeps_nobody_else_waiting() {
    let server = Ancient::default().start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    assert_eq!(gate.call("t", json!({})).await.json()["id"], 1);
    let mut slow = call(1, "slow");
    slow["params"]["_meta"]["progressToken"] = json!("p");
    let unread = Stream::open(&gate, Method::POST, &[], &slow).await;
    // What comes after as much as fits is for somebody else.
    for id in 2..30 {
        let answer = gate.post(call(id, "t").to_string()).await;
        assert!(answer.json()["result"].is_object(), "{}", answer.text());
    }
    drop(unread);
}

#[tokio::test]
async fn a_server_that_opens_no_stream_is_waited_for_once() {
    let ancient = Ancient::default();
    let server = ancient.clone().start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    assert_eq!(gate.call("t", json!({})).await.json()["id"], 1);
    ancient.hangs.store(true, Ordering::Relaxed);
    ancient.streams.lock().unwrap().clear();
    let began = Instant::now();
    let calls = (0..12).map(|_| gate.call("t", json!({})));
    let answers = futures_util::future::join_all(calls).await;
    // One attempt takes two seconds.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    for answer in answers {
        let error = &answer.json()["error"];
        assert_eq!(error["data"]["may_have_run"], false, "{error}");
    }
}

#[tokio::test]
async fn a_grant_has_a_share_of_a_servers_connections() {
    let ancient = Ancient::default();
    let server = ancient.clone().start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let first = gate.post(HELLO).await.session();
    let mut last = first.clone();
    for _ in 0..100 {
        gate.clock.advance(Duration::from_millis(1));
        last = gate.post(HELLO).await.session();
    }
    for (session, status) in [(&first, StatusCode::NOT_FOUND), (&last, StatusCode::OK)] {
        let headers = [("mcp-session-id", session.as_str())];
        let answer = gate.post_with(&headers, call(1, "t").to_string()).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let open = || {
        let streams = ancient.streams.lock().unwrap();
        streams
            .values()
            .filter(|stream| !stream.is_closed())
            .count()
    };
    for _ in 0..500 {
        // Those of the sessions, and the gate's own.
        if open() <= 101 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} connections are open", open());
}
