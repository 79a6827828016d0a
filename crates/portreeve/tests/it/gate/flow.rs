//! Flow rules: what may not follow what a caller has seen.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use portreeve::grants::token;
use portreeve::name::{Label, Name};
use portreeve::node::Node;
use portreeve::store::model::{NewGrant, NewTools, SeenLabel};
use portreeve_policy::{Bit, Class};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::natures::nature;
use super::tools;
use crate::support::gate::{START, TOKEN, plan};
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

/// Whoever has seen what `read` brings may not call `send` for half an hour.
const FLOW: &str = r#"{"version":"1","default":"deny",
    "tools":{"read":{},"other":{},"send":{},"guarded":{"deny_if":[{"conditions":[]}]}},
    "resources":{"file:///**":{"action":"allow"}},
    "flow":[{"name":"no sending what was read","after":["read","guarded"],"then":["send"],
             "action":"deny","for":"30m"}]}"#;

const NAMES: &[&str] = &["read", "other", "send", "guarded"];
const HALF_AN_HOUR: Duration = Duration::from_mins(30);
const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

async fn usual() -> (TestServer, TestGate) {
    let server = TestServer::with_tools(tools(NAMES)).await;
    let gate = TestGate::start(&server.url(), FLOW).await;
    (server, gate)
}

/// The rule that refuses `send`, if one does.
async fn refusing(gate: &TestGate) -> Option<String> {
    let answer = gate.call("send", json!({})).await;
    let rule = answer.decision()["rule"].as_str().map(str::to_owned);
    assert_eq!(rule.is_some(), answer.text().contains("[POLICY DENIED]"));
    rule
}

async fn may_send(gate: &TestGate) -> bool {
    let rule = refusing(gate).await;
    assert!(
        matches!(rule.as_deref(), None | Some("/flow/0")),
        "{rule:?}"
    );
    rule.is_none()
}

impl TestGate {
    async fn labels(&self) -> Vec<SeenLabel> {
        self.node.house.store.labels().await.unwrap()
    }
}

#[tokio::test]
async fn what_was_seen_forbids_what_may_not_follow() {
    let (_server, gate) = usual().await;
    assert!(may_send(&gate).await);
    gate.call("other", json!({})).await;
    assert!(may_send(&gate).await, "nobody watches it");
    assert!(gate.labels().await.is_empty());

    assert_eq!(gate.call("read", json!({})).await.status, StatusCode::OK);
    let refused = gate.call("send", json!({})).await;
    let decision = refused.decision();
    assert_eq!(decision["rule"], "/flow/0", "{}", refused.text());
    assert_eq!(decision["retry_after_ms"], 1_800_000);
    assert!(decision["reason"].as_str().unwrap().contains("tool:read"));
    assert_eq!(gate.booked().pop().unwrap().rule, "/flow/0");
    assert_eq!(gate.listed().await, NAMES, "a list does not depend on it");
}

#[tokio::test]
async fn a_label_ends_with_its_rules_span_after_the_latest_release() {
    let (_server, gate) = usual().await;
    gate.call("read", json!({})).await;
    let stored = gate.labels().await;
    assert!(START.since(stored[0].at) <= 0 && stored[0].at.since(START) <= 60_000);
    gate.clock.advance(Duration::from_secs(20));
    gate.call("read", json!({})).await;
    assert_eq!(gate.labels().await, stored, "one write covers a minute");

    gate.clock
        .advance(Duration::from_millis(30 * 60 * 1_000 - 1));
    assert!(!may_send(&gate).await);
    gate.node.gate.forget_seen().await;
    assert!(!may_send(&gate).await, "what still counts is not forgotten");
    gate.clock.advance(Duration::from_millis(1));
    assert!(may_send(&gate).await, "exactly then");

    gate.clock.advance(Duration::from_mins(1));
    gate.node.gate.forget_seen().await;
    assert!(gate.labels().await.is_empty());
}

#[tokio::test]
async fn what_never_reached_the_caller_leaves_nothing() {
    let (server, gate) = usual().await;
    let refused = gate.call("guarded", json!({})).await;
    assert!(refused.text().contains("[POLICY DENIED]"));
    assert!(may_send(&gate).await);
    gate.listed().await;
    gate.post(HELLO).await;
    gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
        .await;
    assert!(may_send(&gate).await);
    server.vanish().await;
    let failed = gate.call("read", json!({})).await;
    assert!(failed.text().contains("50200"), "{}", failed.text());
    assert!(gate.labels().await.is_empty());
}

#[tokio::test]
async fn errors_tell_as_much_as_results() {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "tools/call" if seen.json()["params"]["name"] == "read" => {
            let error = json!({ "code": -1, "message": "the secret is 1234" });
            Script::json(json!({ "jsonrpc": "2.0", "id": 1, "error": error }).to_string())
        }
        _ => plain(seen, &tools(NAMES)),
    })
    .await;
    let gate = TestGate::start(&server.url(), FLOW).await;
    assert!(gate.call("read", json!({})).await.text().contains("1234"));
    assert!(!may_send(&gate).await);
}

/// Begins a call of `tool` whose answer is read piece by piece.
async fn begin(gate: &TestGate, tool: &str) -> tokio::net::TcpStream {
    let address = gate.node.address();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let body =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } });
    let body = body.to_string();
    let length = body.len();
    let request = format!(
        "POST /mcp/s HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn read_until(stream: &mut tokio::net::TcpStream, words: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(words) {
        let mut chunk = [0; 1024];
        let reading = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut chunk));
        let read = reading.await.expect("it comes").unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..read]);
    }
}

#[tokio::test]
async fn progress_before_the_result_counts() {
    for event in [
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n",
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n",
        ": a comment\n\n",
    ] {
        let (sender, receiver) = mpsc::channel::<Bytes>(4);
        let receiver = std::sync::Mutex::new(Some(receiver));
        let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
            "tools/call" if seen.json()["params"]["name"] == "read" => {
                Script::Stream(Vec::new(), receiver.lock().unwrap().take().unwrap())
            }
            _ => plain(seen, &tools(NAMES)),
        })
        .await;
        let gate = TestGate::start(&server.url(), FLOW).await;
        let mut stream = begin(&gate, "read").await;
        assert!(may_send(&gate).await, "nothing has come yet");
        sender.send(Bytes::from(event)).await.unwrap();
        read_until(&mut stream, event.trim()).await;
        assert!(!may_send(&gate).await, "{event}");
        let last = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n";
        gate.clock.advance(HALF_AN_HOUR);
        assert!(may_send(&gate).await);
        sender.send(Bytes::from(last)).await.unwrap();
        read_until(&mut stream, "result").await;
        assert!(!may_send(&gate).await, "the result counts again");
    }
}

/// A server with a session, whose `read` is answered by one script and whose free stream by another.
async fn with_session(
    read: impl Fn() -> Script + Send + Sync + 'static,
    stream: impl Fn() -> Script + Send + Sync + 'static,
) -> TestServer {
    TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let result = json!({ "protocolVersion": "2025-11-25" });
            let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
            let session = vec![("mcp-session-id", "theirs-0001".to_owned())];
            Script::Json(StatusCode::OK, session, answer.to_string().into_bytes())
        }
        "tools/call" if seen.json()["params"]["name"] == "read" => read(),
        _ if seen.method == Method::GET => stream(),
        _ => plain(seen, &tools(NAMES)),
    })
    .await
}

const CALL_READ: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"}}"#;

#[tokio::test]
async fn an_answer_on_a_resumed_stream_is_its_calls() {
    let server = with_session(
        || Script::events(&["id: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n"]),
        || Script::events(&["id: 2\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"]),
    )
    .await;
    let gate = TestGate::start(&server.url(), FLOW).await;
    let session = gate.post(HELLO).await.session();
    let headers = [("mcp-session-id", session.as_str())];
    let seen = gate.post_with(&headers, CALL_READ).await.event_ids();
    while gate.booked().pop().unwrap().end.outcome == "unknown" {
        tokio::task::yield_now().await;
    }
    gate.clock.advance(HALF_AN_HOUR);
    assert!(may_send(&gate).await, "the first piece has grown old");
    let resume = [headers[0], ("last-event-id", seen[0].as_str())];
    let resumed = gate.send(Method::GET, "/mcp/s", &resume, "").await;
    assert_eq!(resumed.events()[0]["id"], 1);
    assert!(!may_send(&gate).await);
}

#[tokio::test]
async fn what_comes_unasked_can_be_of_a_call_that_waits() {
    let server = with_session(
        || Script::events(&["id: 1\n\n"]),
        || Script::events(&["data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n"]),
    )
    .await;
    let gate = TestGate::start(&server.url(), FLOW).await;
    let session = gate.post(HELLO).await.session();
    let headers = [("mcp-session-id", session.as_str())];
    gate.send(Method::GET, "/mcp/s", &headers, "").await;
    assert!(may_send(&gate).await, "no call waits");
    gate.post_with(&headers, CALL_READ).await;
    while gate.booked().pop().unwrap().end.outcome == "unknown" {
        tokio::task::yield_now().await;
    }
    gate.clock.advance(HALF_AN_HOUR);
    assert!(may_send(&gate).await);
    gate.send(Method::GET, "/mcp/s", &headers, "").await;
    assert!(!may_send(&gate).await);
}

#[tokio::test]
async fn what_comes_unasked_can_be_anything() {
    const UNTRUSTED: &str = r#"{"version":"1","default":"deny",
        "tools":{"read":{},"other":{},"send":{}},
        "flow":[{"name":"f","after":["@reads-untrusted"],"then":["send"],"action":"deny","for":"30m"}]}"#;
    let note = |method: &str| {
        format!("data: {{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{{}}}}\n\n")
    };
    for (method, counts) in [
        ("notifications/message", true),
        ("notifications/resources/updated", true),
        ("notifications/tools/list_changed", false),
        ("notifications/resources/list_changed", false),
        ("notifications/cancelled", false),
    ] {
        let event = note(method);
        let server = with_session(
            || Script::Status(StatusCode::ACCEPTED),
            move || Script::events(&[": hello\n\n", &event]),
        )
        .await;
        let gate = TestGate::start(&server.url(), UNTRUSTED).await;
        gate.judge("s", "other", nature(Class::Read, &[])).await;
        gate.judge("s", "send", nature(Class::Write, &[Bit::Egress]))
            .await;
        gate.call("other", json!({})).await;
        let session = gate.post(HELLO).await.session();
        assert!(may_send(&gate).await);
        let headers = [("mcp-session-id", session.as_str())];
        let stream = gate.send(Method::GET, "/mcp/s", &headers, "").await;
        assert_eq!(stream.events()[0]["method"], method);
        assert_eq!(may_send(&gate).await, !counts, "{method}");
    }
}

#[tokio::test]
async fn natures_and_resources_leave_labels() {
    const PRIVATE: &str = r#"{"version":"1","default":"deny",
        "tools":{"read":{},"other":{},"send":{}},"resources":{"file:///**":{"action":"allow"}},
        "flow":[{"name":"f","after":["@reads-private"],"then":["@egress"],"action":"deny","for":"30m"}]}"#;
    let read_file =
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#;
    for what in ["a judged tool", "a tool nothing is known of", "a resource"] {
        let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
            "resources/read" => Script::result(seen, &json!({ "contents": [] })),
            _ => plain(seen, &tools(NAMES)),
        })
        .await;
        let gate = TestGate::start(&server.url(), PRIVATE).await;
        gate.judge("s", "send", nature(Class::Write, &[Bit::Egress]))
            .await;
        gate.judge("s", "other", nature(Class::Read, &[Bit::Local]))
            .await;
        gate.call("other", json!({})).await;
        assert!(may_send(&gate).await, "{what}");
        match what {
            "a judged tool" => {
                let known = nature(Class::Read, &[Bit::ReadsPrivate]);
                gate.judge("s", "read", known).await;
                gate.call("read", json!({})).await;
            }
            "a resource" => drop(gate.post(read_file).await),
            _ => {
                gate.judge("s", "read", None).await;
                gate.call("read", json!({})).await;
            }
        }
        assert!(!may_send(&gate).await, "{what}");
    }
}

async fn grant_of(gate: &TestGate, label: &str, token: &str, identity: Option<&str>) {
    let name = |text: &str| Name::new(text).unwrap();
    let servers = [("s", "p"), ("mail", "p")];
    let grant = NewGrant {
        label: Label::new(label).unwrap(),
        identity: identity.map(str::to_owned),
        token_sha256: token::sha256(token),
        servers: servers.map(|(s, p)| (name(s), Some(name(p)))).into(),
        shadows: BTreeMap::new(),
        expires_at: None,
    };
    let store = &gate.node.house.store;
    store.create_grant(grant, gate.clock.now()).await.unwrap();
    gate.node.gate.reload().await.unwrap();
}

#[tokio::test]
async fn labels_belong_to_an_identity_on_all_servers() {
    let (_server, gate) = usual().await;
    let mail = TestServer::with_tools(tools(NAMES)).await;
    gate.add_server("mail", &mail.url(), NewTools::Quarantine)
        .await;
    let tokens = ["laptop", "phone", "stranger"].map(|who| format!("{who:-<40}"));
    let [laptop, phone, stranger] = &tokens;
    grant_of(&gate, "laptop", laptop, Some("alice@example.com")).await;
    grant_of(&gate, "phone", phone, Some("alice@example.com")).await;
    grant_of(&gate, "stranger", stranger, None).await;
    gate.node.gate.take_first_lists().await;
    let call = async |token: &str, server: &str, tool: &str| {
        let auth = format!("Bearer {token}");
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } });
        let path = format!("/mcp/{server}");
        let headers = [("authorization", auth.as_str())];
        let answer = gate
            .send(Method::POST, &path, &headers, body.to_string())
            .await;
        answer.decision()["rule"].as_str().map(str::to_owned)
    };
    assert_eq!(call(laptop, "mail", "read").await, None);
    for (token, server) in [
        (laptop, "mail"),
        (laptop, "s"),
        (phone, "mail"),
        (phone, "s"),
    ] {
        assert_eq!(
            call(token, server, "send").await.as_deref(),
            Some("/flow/0")
        );
    }
    assert_eq!(call(stranger, "mail", "send").await, None);
    assert_eq!(call(stranger, "s", "send").await, None);
}

#[tokio::test]
async fn a_restart_forgets_no_label() {
    let (_server, mut gate) = usual().await;
    gate.call("read", json!({})).await;
    for _ in 0..3 {
        gate = gate.restart().await;
        assert!(!may_send(&gate).await);
        gate.clock.advance(Duration::from_mins(9));
    }
    gate = gate.restart().await;
    gate.clock.advance(Duration::from_mins(3));
    assert!(
        !may_send(&gate).await,
        "rounded towards refusing, by a minute"
    );
    gate.clock.advance(Duration::from_mins(1));
    assert!(may_send(&gate).await);
}

/// Everything that stands in a data directory at this moment, as a kill would leave it.
fn copied(from: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                std::fs::create_dir(&to).unwrap();
                copy(&entry.path(), &to);
            } else if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), &to).unwrap();
            }
        }
    }
    let to = TempDir::new().unwrap();
    copy(from, to.path());
    to
}

#[tokio::test]
async fn a_kill_forgets_no_label() {
    let (sender, receiver) = mpsc::channel::<Bytes>(4);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "tools/call" if seen.json()["params"]["name"] == "read" => {
            Script::Stream(Vec::new(), receiver.lock().unwrap().take().unwrap())
        }
        _ => plain(seen, &tools(NAMES)),
    })
    .await;
    let gate = TestGate::start(&server.url(), FLOW).await;
    let mut stream = begin(&gate, "read").await;
    let event =
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n";
    sender.send(Bytes::from(event)).await.unwrap();
    read_until(&mut stream, "notifications/progress").await;
    // The first byte is with the caller; the gate dies in the middle of the call.
    let dir = copied(gate.dir.path());
    let node = Node::start(plan(dir.path(), &gate.clock)).await.unwrap();
    let clock = gate.clock.clone();
    let after = TestGate { node, clock, dir };
    assert!(!may_send(&after).await);
}

/// Lets every write of labels fail from now on.
fn break_labels(gate: &TestGate) {
    let db = rusqlite::Connection::open(gate.dir.path().join("portreeve.db")).unwrap();
    db.execute_batch("DROP TABLE labels").unwrap();
}

fn assert_withheld(message: &Value, gate: &TestGate) {
    let text = message["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("[POLICY WITHHELD] the call was executed; "),
        "{text}"
    );
    assert_eq!(message["result"]["isError"], true);
    let decision = &message["result"]["_meta"]["portreeve/decision"];
    assert_eq!(decision["outcome"], "withheld");
    let booked = gate.booked().pop().unwrap();
    assert_eq!(booked.end.outcome, "failed");
    assert_eq!(booked.end.result.as_deref(), Some("withheld"));
    assert_eq!(decision["call_id"], booked.call_id.as_str());
}

#[tokio::test]
async fn what_cannot_be_noted_is_withheld() {
    let (_server, gate) = usual().await;
    break_labels(&gate);
    let answer = gate.call("read", json!({})).await;
    assert_withheld(&answer.json(), &gate);
    let other = gate.call("other", json!({})).await.json();
    assert_eq!(
        other["result"]["content"][0]["text"], "ok",
        "nobody asks for it"
    );
    assert!(may_send(&gate).await, "nothing was released");
}

#[tokio::test]
async fn a_stream_that_cannot_be_noted_ends_before_its_first_event() {
    let events = [
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"message\":\"secret\"}}\n\n",
        "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n\n",
    ];
    let server = with_session(
        move || Script::events(&events),
        || Script::events(&["data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":\"secret\"}}\n\n"]),
    )
    .await;
    let policy = FLOW.replace(r#""after":["#, r#""after":["@reads-private","#);
    let gate = TestGate::start(&server.url(), &policy).await;
    let session = gate.post(HELLO).await.session();
    break_labels(&gate);
    let answer = gate.call("read", json!({})).await;
    assert!(!answer.text().contains("secret"));
    let said = answer.events();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_withheld(&said[0], &gate);
    let headers = [("mcp-session-id", session.as_str())];
    let stream = gate.send(Method::GET, "/mcp/s", &headers, "").await;
    assert!(stream.events().is_empty(), "{}", stream.text());
}

#[tokio::test]
async fn a_rule_that_asks_puts_the_call_before_people() {
    let asking = FLOW.replace(
        r#""action":"deny","for""#,
        r#""action":"require_approval","for""#,
    );
    let server = TestServer::with_tools(tools(NAMES)).await;
    let gate = std::sync::Arc::new(TestGate::start(&server.url(), &asking).await);
    gate.call("read", json!({})).await;
    let sender = std::sync::Arc::clone(&gate);
    let call = tokio::spawn(async move { sender.call("send", json!({})).await });
    let store = &gate.node.house.store;
    let waiting = loop {
        if let Some(waiting) = store.approvals(true).await.unwrap().pop() {
            break waiting;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(waiting.asked.needs[0].rule, "/flow/0");
    assert_eq!(waiting.asked.subject, "send");
    call.abort();
    assert_eq!(server.seen("tools/call").len(), 1);
}

#[tokio::test]
async fn a_label_outlives_the_policy_that_was_in_force() {
    let (_server, gate) = usual().await;
    gate.call("read", json!({})).await;
    gate.put_policy("p", &super::allowing(NAMES)).await;
    assert!(may_send(&gate).await);
    gate.put_policy("p", FLOW).await;
    assert!(!may_send(&gate).await, "kept until it is swept");
}
