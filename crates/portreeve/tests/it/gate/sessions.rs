//! What belongs to a session: its questions, its events, its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use portreeve::gate::{Payload, Status};
use portreeve::ledger::Ledger;
use portreeve::store::model::NewTools;
use serde_json::json;
use tokio::sync::mpsc;

use super::{allowing, tools};
use crate::support::beside::{Beside, read_to_its_end};
use crate::support::gate::TOKEN;
use crate::support::ledger::Brittle;
use crate::support::server::{Seen, plain};
use crate::support::{Script, TestGate, TestServer};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;

/// The answer to `initialize` that opens a session.
fn opened(seen: &Seen, session: &str) -> Script {
    let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {} });
    let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
    let session = vec![("mcp-session-id", session.to_owned())];
    Script::Json(StatusCode::OK, session, answer.to_string().into_bytes())
}

/// A server that asks for the client's roots in the middle of every call.
async fn curious() -> TestServer {
    TestServer::start(|seen| match seen.rpc_method().as_str() {
        "initialize" => opened(seen, "theirs-0001"),
        "tools/call" => Script::events(&[
            "data: {\"jsonrpc\":\"2.0\",\"id\":\"q1\",\"method\":\"roots/list\"}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n",
        ]),
        _ => plain(seen, &tools(&["t"])),
    })
    .await
}

async fn session_with(gate: &Beside) -> String {
    let reply = gate.post(&[], HELLO).await;
    reply.session.expect("a session").as_str().to_owned()
}

#[tokio::test]
async fn an_answer_that_never_left_may_be_given_again() {
    let server = curious().await;
    let whole = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let brittle = Brittle::over(&whole);
    let ledger = Arc::clone(&brittle) as Arc<dyn Ledger>;
    let gate = whole.beside(|footing| footing.ledger = ledger).await;
    let session = session_with(&gate).await;
    let headers = [("mcp-session-id", session.as_str())];
    let events = read_to_its_end(gate.post(&headers, CALL).await).await;
    assert!(events.contains("roots/list"), "{events}");
    let answer = r#"{"jsonrpc":"2.0","id":"q1","result":{"roots":[]}}"#;

    brittle.break_down(true);
    let unbooked = gate.post(&headers, answer).await;
    assert_eq!(unbooked.status, Status::Unavailable);
    brittle.break_down(false);
    server.forget();
    assert_eq!(gate.post(&headers, answer).await.status, Status::Accepted);
    assert_eq!(server.seen("")[0].body, answer);
    // Now it has left.
    assert_eq!(gate.post(&headers, answer).await.status, Status::Forbidden);

    read_to_its_end(gate.post(&headers, CALL).await).await;
    server.vanish().await;
    for _ in 0..2 {
        let unreached = gate.post(&headers, answer).await;
        assert_eq!(unreached.status, Status::Unavailable);
        assert_eq!(whole.booked().pop().unwrap().end.outcome, "not_sent");
    }
}

/// An ordinary server that counts its sessions.
async fn counting() -> TestServer {
    let count = AtomicUsize::new(0);
    TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let number = count.fetch_add(1, Ordering::Relaxed);
            opened(seen, &format!("theirs-{number}"))
        }
        _ if seen.method == Method::DELETE => Script::Status(StatusCode::OK),
        _ if seen.method == Method::GET => unending(": open\n\n"),
        _ => plain(seen, &tools(&["t"])),
    })
    .await
}

/// What the server calls the sessions that were ended there, once there are so many.
async fn ended_at(server: &TestServer, count: usize) -> Vec<String> {
    let ended = || -> Vec<String> {
        let seen = server.seen("");
        let ends = seen.iter().filter(|seen| seen.method == Method::DELETE);
        ends.map(|seen| {
            assert_eq!(seen.header("mcp-protocol-version"), Some("2025-11-25"));
            seen.header("mcp-session-id").unwrap().to_owned()
        })
        .collect()
    };
    for _ in 0..500 {
        if ended().len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ended()
}

#[tokio::test]
async fn a_gate_that_stops_ends_its_sessions_at_their_servers() {
    let server = counting().await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    for _ in 0..3 {
        gate.post(HELLO).await;
    }
    server.forget();
    gate.node.stop().await.unwrap();
    let mut ended = ended_at(&server, 3).await;
    ended.sort_unstable();
    // Finding out the tools took a session of its own, if any.
    assert_eq!(ended.len(), 3, "{ended:?}");
}

#[tokio::test]
async fn a_server_that_hears_no_farewell_does_not_keep_the_gate_from_stopping() {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "initialize" => opened(seen, "theirs"),
        _ if seen.method == Method::DELETE => unending(": not yet\n\n"),
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    gate.post(HELLO).await;
    let stopping = tokio::time::timeout(Duration::from_secs(8), gate.node.stop());
    stopping.await.expect("it stops").unwrap();
}

#[tokio::test]
async fn a_session_that_expires_ends_at_the_server_too() {
    let server = counting().await;
    let whole = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let gate = whole.beside(|_| {}).await;
    let idle = session_with(&gate).await;
    let busy = session_with(&gate).await;
    let listening = gate.listen(&[("mcp-session-id", busy.as_str())]).await;
    server.forget();
    whole.clock.advance(Duration::from_hours(11));
    let used = session_with(&gate).await;
    whole.clock.advance(Duration::from_hours(1));
    assert_eq!(gate.gate.sweep_sessions(), 0, "after twelve hours, not at");
    whole.clock.advance(Duration::from_millis(1));
    assert_eq!(gate.gate.sweep_sessions(), 1);
    // The one with a stream is in use, however long ago its last request was.
    let names = ended_at(&server, 1).await;
    assert_eq!(names.len(), 1, "{names:?}");
    for (session, lives) in [(&idle, false), (&busy, true), (&used, true)] {
        let reply = gate.post(&[("mcp-session-id", session)], CALL).await;
        assert_eq!(reply.status == Status::Fine, lives, "{reply:?}");
    }
    drop(listening);
}

#[tokio::test]
async fn a_session_that_makes_room_ends_at_the_server_too() {
    let server = counting().await;
    let whole = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let gate = whole.beside(|_| {}).await;
    server.forget();
    let first = session_with(&gate).await;
    whole.clock.advance(Duration::from_secs(1));
    for _ in 0..1_000 {
        session_with(&gate).await;
    }
    let names = ended_at(&server, 1).await;
    // The gate's own conversation had a session before.
    assert_eq!(names.len(), 1, "{names:?}");
    let gone = gate.post(&[("mcp-session-id", first.as_str())], CALL).await;
    assert_eq!(gone.status, Status::NoSession);
}

#[tokio::test]
async fn a_session_whose_end_cannot_be_booked_goes_on() {
    let server = counting().await;
    let whole = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let brittle = Brittle::over(&whole);
    let ledger = Arc::clone(&brittle) as Arc<dyn Ledger>;
    let gate = whole.beside(|footing| footing.ledger = ledger).await;
    let session = session_with(&gate).await;
    let headers = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    // So that the gate has no conversation of its own with the server later.
    assert_eq!(gate.post(&headers, CALL).await.status, Status::Fine);
    ended_at(&server, 1).await;
    server.forget();
    brittle.break_down(true);
    let unbooked = gate.end_session(&headers).await;
    assert_eq!(unbooked.status, Status::Unavailable);
    brittle.break_down(false);
    assert_eq!(gate.post(&headers, CALL).await.status, Status::Fine);
    assert_eq!(gate.end_session(&headers).await.status, Status::Fine);
    assert_eq!(gate.post(&headers, CALL).await.status, Status::NoSession);
    let names = ended_at(&server, 1).await;
    assert_eq!(names.len(), 1, "{names:?}");
}

/// A server whose streams carry ids, and that takes any of them up again in any session.
async fn resumable() -> TestServer {
    let count = AtomicUsize::new(0);
    TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let number = count.fetch_add(1, Ordering::Relaxed);
            opened(seen, &format!("theirs-{number}"))
        }
        "tools/call" => Script::events(&[STARTED, ANSWERED]),
        _ if seen.method == Method::GET => Script::events(&[STARTED]),
        _ => plain(seen, &tools(&["t"])),
    })
    .await
}

const STARTED: &str = ": x\r\nid:grüße 7\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\r\ndata: \"params\":{}}\r\n\r\n";
const ANSWERED: &str =
    "event: message\nid: 8\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"x\":1.0}}\n\n";

/// The ids of a stream's events, as its client sees them.
fn ids(stream: &str) -> Vec<String> {
    let lines = stream.lines();
    let ids = lines.filter_map(|line| line.strip_prefix("id:"));
    ids.map(|id| id.trim_start().to_owned()).collect()
}

#[tokio::test]
async fn a_stream_goes_on_from_an_event_of_its_own_session_only() {
    let server = resumable().await;
    let whole = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let gate = whole.beside(|_| {}).await;
    let (own, other) = (session_with(&gate).await, session_with(&gate).await);
    let seen = read_to_its_end(gate.post(&[("mcp-session-id", own.as_str())], CALL).await).await;
    let [first, last] = &ids(&seen)[..] else {
        panic!("{seen}")
    };
    // Only the ids are other ones.
    let as_it_came = seen.replace(&format!(" {first}"), "grüße 7");
    assert_eq!(as_it_came.replace(last, "8"), [STARTED, ANSWERED].concat());

    let resumed = async |session: &str, event: &str| {
        server.forget();
        let headers = [("mcp-session-id", session), ("last-event-id", event)];
        let reply = gate.listen(&headers).await;
        let asked: Vec<Seen> = server.seen("");
        (reply.status, asked)
    };
    for (event, theirs) in [(first, "grüße 7"), (last, "8")] {
        let (status, asked) = resumed(&own, event).await;
        assert_eq!(status, Status::Fine);
        assert_eq!(asked[0].headers["last-event-id"], theirs.as_bytes());
        assert_eq!(asked[0].header("mcp-session-id"), Some("theirs-1"));
    }
    let forged = format!("{}.8", "0".repeat(32));
    let another = last.replace(".8", ".9");
    for (session, event) in [
        (&other, last),
        (&own, &"8".to_owned()),
        (&own, &forged),
        (&own, &another),
        (&own, &format!("{last} ")),
        (&own, &String::new()),
    ] {
        let (status, asked) = resumed(session, event).await;
        assert_eq!(status, Status::Malformed, "{event:?}");
        assert!(asked.is_empty(), "{event:?}");
        let booked = whole.booked().pop().unwrap();
        assert_eq!(
            (booked.end.outcome.as_str(), booked.rule.as_str()),
            ("deny", "(malformed)")
        );
    }
    // A request is no stream.
    let in_a_post = [
        ("mcp-session-id", own.as_str()),
        ("last-event-id", last.as_str()),
    ];
    server.forget();
    let another_id = CALL.replace(r#""id":1"#, r#""id":2"#);
    read_to_its_end(gate.post(&in_a_post, another_id).await).await;
    assert_eq!(server.seen("")[0].header("last-event-id"), None);
}

#[tokio::test]
async fn the_ids_of_the_free_stream_are_its_sessions_too() {
    let server = resumable().await;
    let whole = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let gate = whole.beside(|_| {}).await;
    let session = session_with(&gate).await;
    let headers = [("mcp-session-id", session.as_str())];
    let first = ids(&read_to_its_end(gate.listen(&headers).await).await).remove(0);
    let again = [headers[0], ("last-event-id", first.as_str())];
    let resumed = read_to_its_end(gate.listen(&again).await).await;
    // One event has one name, on whatever stream it comes.
    assert_eq!(ids(&resumed), [first.as_str()]);
    // Without a session there is nothing to go on from, and ids are as they came.
    server.forget();
    let sessionless = gate.listen(&[("last-event-id", again[1].1)]).await;
    assert_eq!(read_to_its_end(sessionless).await, STARTED);
    assert_eq!(server.seen("")[0].header("last-event-id"), None);
}

#[tokio::test]
async fn a_client_that_lost_its_stream_comes_back_for_the_answer() {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "initialize" => opened(seen, "theirs-0001"),
        "tools/call" if seen.json()["params"]["arguments"]["slow"] == true => unending(STARTED),
        "tools/call" => Script::events(&[STARTED, ANSWERED]),
        // Whatever is asked for, the answer is still there.
        _ if seen.method == Method::GET => Script::events(&[ANSWERED, ANSWERED]),
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let whole = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let gate = whole.beside(|_| {}).await;
    for slow in [true, false] {
        let session = session_with(&gate).await;
        let headers = [("mcp-session-id", session.as_str())];
        let params = json!({ "name": "t", "arguments": { "slow": slow } });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let reply = gate.post(&headers, call.to_string()).await;
        let Payload::Events(mut stream) = reply.payload else {
            panic!("no stream")
        };
        let first = String::from_utf8(stream.recv().await.unwrap().to_vec()).unwrap();
        if slow {
            drop(stream);
            ended_as(&whole, "cancelled").await;
        } else {
            // An answer that was sent may be lost as well.
            ended_as(&whole, "allow").await;
            drop(stream);
        }
        let id = ids(&first).remove(0);
        let resume = [headers[0], ("last-event-id", id.as_str())];
        let resumed = read_to_its_end(gate.listen(&resume).await).await;
        assert_eq!(resumed.matches("result").count(), 1, "{resumed}");
    }
}

/// Waits until the newest call has ended like this.
async fn ended_as(gate: &TestGate, outcome: &str) {
    for _ in 0..500 {
        if gate.booked().pop().unwrap().end.outcome == outcome {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", gate.booked().pop());
}

/// A stream that begins like this and that nobody ends.
fn unending(first: &'static str) -> Script {
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(Bytes::from(first)).unwrap();
    tokio::spawn(async move { sender.closed().await });
    Script::Stream(Vec::new(), receiver)
}

#[tokio::test]
async fn names_that_a_session_keeps_are_short() {
    let length = Arc::new(AtomicUsize::new(9_000));
    let names = Arc::clone(&length);
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "initialize" => opened(seen, &"x".repeat(names.load(Ordering::Relaxed))),
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = TestGate::empty().await;
    gate.add_server("s", &server.url(), NewTools::Judge).await;
    let policy = r#"{"version":"1","default":"allow"}"#;
    gate.put_policy("p", policy).await;
    gate.add_grant("tester", TOKEN, &[("s", Some("p"))]).await;
    gate.node.gate.take_first_lists().await;
    let refused = gate.post(HELLO).await;
    assert!(refused.text().contains("8192 bytes"), "{}", refused.text());
    assert!(!refused.headers.contains_key("mcp-session-id"));
    length.store(8_000, Ordering::Relaxed);
    gate.post(HELLO).await.session();
    // No definition has so long a name, so that none will ever come for it.
    for (length, passes) in [(256, true), (257, false)] {
        let answer = gate.call(&"n".repeat(length), json!({})).await;
        let denied = answer.text().contains("[POLICY DENIED]");
        assert_eq!(!denied, passes, "{length}: {}", answer.text());
    }
}
