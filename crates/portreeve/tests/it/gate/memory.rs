//! What servers send and clients do not take, bounded together.

use std::time::Duration;

use bytes::Bytes;
use portreeve::gate::{Payload, Reply};
use portreeve::upstream::Network;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::tools;
use crate::support::beside::{Beside, read_to_its_end};
use crate::support::server::{Seen, plain};
use crate::support::{Script, TestGate, TestServer};

const KIB: usize = 1024;
/// What large answers may take together here.
const ALL: usize = 4_000 * KIB;
/// Nothing here takes as long, unless something waits without end.
const AT_MOST: Duration = Duration::from_secs(20);

/// A server whose answer to a call is as large as the call says, in one of two forms.
async fn generous() -> TestServer {
    TestServer::start(|seen| {
        let arguments = seen.json()["params"]["arguments"].clone();
        let size = arguments["size"].as_u64().unwrap_or_default();
        let filler = "x".repeat(usize::try_from(size).unwrap());
        match (seen.rpc_method().as_str(), arguments["form"].as_str()) {
            ("tools/call", Some("whole")) => Script::result(seen, &json!({ "x": filler })),
            ("tools/call", Some("stream")) => stream(seen, &filler),
            ("prompts/list", _) => {
                let prompt = |name: &str, size: usize| {
                    json!({ "name": name, "description": "x".repeat(size) })
                };
                let all = [prompt("hidden", 500 * KIB), prompt("shown", 1_000 * KIB)];
                let all = json!({ "prompts": all });
                Script::result(seen, &all)
            }
            _ => plain(seen, &tools(&["t"])),
        }
    })
    .await
}

/// Events of this size without end.
fn stream(seen: &Seen, filler: &str) -> Script {
    let news =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "x": filler } });
    // Two lines, which a reader joins.
    let text = news.to_string().replacen(',', ",\ndata: ", 1);
    let event = Bytes::from(format!("data: {text}\n\n"));
    let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": {} });
    let count = seen.json()["params"]["arguments"]["events"].as_u64();
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for _ in 0..count.unwrap_or_default() {
            if sender.send(event.clone()).await.is_err() {
                return;
            }
        }
        let answer = Bytes::from(format!("data: {answer}\n\n"));
        sender.send(answer).await.ok();
    });
    Script::Stream(Vec::new(), receiver)
}

async fn frugal(server: &TestServer) -> (TestGate, Beside) {
    let policy = r#"{"version":"1","default":"deny","tools":{"t":{}},"prompts":{"shown":{}}}"#;
    let whole = TestGate::start(&server.url(), policy).await;
    let gate = whole
        .beside(|footing| {
            footing.surroundings.network = Network::new(16 * 1024 * KIB, ALL).unwrap();
        })
        .await;
    (whole, gate)
}

async fn called(gate: &Beside, arguments: Value) -> Reply {
    let params = json!({ "name": "t", "arguments": arguments });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    gate.post(&[], call.to_string()).await
}

async fn whole(gate: &Beside, size: usize) -> Bytes {
    let reply = called(gate, json!({ "form": "whole", "size": size })).await;
    let Payload::Message(message) = reply.payload else {
        panic!("no message: {reply:?}")
    };
    message
}

/// Whether an answer of this size gets through.
async fn passes(gate: &Beside, size: usize) -> bool {
    let message: Value = serde_json::from_slice(&whole(gate, size).await).unwrap();
    if message["result"]["x"].is_string() {
        return true;
    }
    let words = message["error"]["message"].as_str().unwrap();
    assert!(words.contains("too much"), "{words}");
    assert_eq!(message["error"]["code"], 50200);
    assert_eq!(message["error"]["data"]["may_have_run"], true);
    false
}

/// Waits until everything is given back, to the last.
async fn all_is_free(gate: &Beside) {
    for _ in 0..500 {
        if passes(gate, ALL - KIB).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("something is still held");
}

#[tokio::test]
async fn large_answers_have_a_budget_together_and_leave_room_for_ordinary_ones() {
    let server = generous().await;
    let (book, gate) = frugal(&server).await;
    let held = whole(&gate, 2_400 * KIB).await;
    assert!(!passes(&gate, 2_400 * KIB).await);
    let end = book.booked().pop().unwrap().end;
    assert_eq!(end.outcome, "failed");
    assert!(end.reason.unwrap().contains("too much"));
    for _ in 0..20 {
        assert!(passes(&gate, 60 * KIB).await, "ordinary ones pass");
    }
    assert!(passes(&gate, 1_200 * KIB).await, "there is still room");
    drop(held);
    all_is_free(&gate).await;
}

fn streaming(size: usize, events: usize) -> Value {
    json!({ "form": "stream", "size": size, "events": events })
}

/// How many events a stream brings, and the last of them.
async fn all_of(reply: Reply) -> (usize, String) {
    let text = tokio::time::timeout(AT_MOST, read_to_its_end(reply)).await;
    let text = text.expect("the stream ends");
    let events: Vec<&str> = text.split_terminator("\n\n").collect();
    (events.len(), (*events.last().unwrap()).to_owned())
}

#[tokio::test]
async fn events_that_wait_for_a_client_count_as_answers_do() {
    let server = generous().await;
    let (_book, gate) = frugal(&server).await;
    let slow = called(&gate, streaming(1_200 * KIB, 5)).await;
    // One waits for the client, and one to wait.
    let mut room = true;
    for _ in 0..500 {
        room = passes(&gate, 2_000 * KIB).await;
        if !room {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!room);
    assert!(passes(&gate, 300 * KIB).await);
    let (count, last) = all_of(slow).await;
    assert_eq!(count, 6);
    assert!(last.ends_with("\"result\":{}}"), "{last}");
    all_is_free(&gate).await;
}

#[tokio::test]
async fn one_stream_does_not_take_all_there_is() {
    let server = generous().await;
    let (_book, gate) = frugal(&server).await;
    let slow = called(&gate, streaming(90 * KIB, 100)).await;
    let Payload::Events(events) = slow.payload else {
        panic!()
    };
    // Eleven wait for the client: a twelfth would be more than a megabyte.
    while events.len() < 11 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        assert!(passes(&gate, 2_500 * KIB).await);
        assert_eq!(events.len(), 11);
    }
    drop(events);
    all_is_free(&gate).await;
}

#[tokio::test]
async fn a_stream_for_which_there_is_no_room_ends_with_the_reason() {
    let server = generous().await;
    let (book, gate) = frugal(&server).await;
    let held = whole(&gate, 3_500 * KIB).await;
    let (count, last) = all_of(called(&gate, streaming(1_200 * KIB, 5)).await).await;
    assert_eq!(count, 1);
    assert!(
        last.contains("\"code\":50200") && last.contains("too much"),
        "{last}"
    );
    let end = book.booked().pop().unwrap().end;
    assert_eq!(end.outcome, "failed");
    assert!(end.reason.unwrap().contains("too much"));
    drop(held);
    all_is_free(&gate).await;
    let (count, _) = all_of(called(&gate, streaming(1_200 * KIB, 5)).await).await;
    assert_eq!(count, 6);
    all_is_free(&gate).await;
}

#[tokio::test]
async fn what_is_written_anew_counts_as_well() {
    let server = generous().await;
    let (_book, gate) = frugal(&server).await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"prompts/list"}"#;
    let mut held = Vec::new();
    for _ in 0..2 {
        let Payload::Message(message) = gate.post(&[], list).await.payload else {
            panic!()
        };
        assert!((1_000 * KIB..1_001 * KIB).contains(&message.len()));
        held.push(message);
    }
    // A thousand of each list is left: what they were made of is gone.
    assert!(!passes(&gate, 2_100 * KIB).await);
    assert!(passes(&gate, 1_900 * KIB).await);
    drop(held);
    all_is_free(&gate).await;
}
