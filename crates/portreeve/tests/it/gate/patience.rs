//! How long the gate waits for either side of a stream.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use portreeve::gate::{Payload, Reply};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{allowing, tools};
use crate::support::beside::{Beside, read_to_its_end};
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
const NEWS: &str =
    "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n";
/// Nothing here takes as long, unless something waits without end.
const AT_MOST: Duration = Duration::from_secs(20);

/// A gate, and the server's end of the one stream that it will be given.
async fn with_a_stream() -> (TestGate, Beside, mpsc::Sender<Bytes>) {
    let (pump, stream) = mpsc::channel(1);
    let stream = Mutex::new(Some(stream));
    let server = TestServer::start(move |seen| {
        if seen.method == Method::GET || seen.rpc_method() == "tools/call" {
            Script::Stream(Vec::new(), stream.lock().unwrap().take().unwrap())
        } else {
            plain(seen, &tools(&["t"]))
        }
    })
    .await;
    let whole = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let gate = whole.beside(|_| {}).await;
    (whole, gate, pump)
}

fn events(reply: Reply) -> mpsc::Receiver<Bytes> {
    let Payload::Events(events) = reply.payload else {
        panic!("no stream: {reply:?}")
    };
    events
}

/// How the newest call ended, once it has.
async fn end_of_the_last(gate: &TestGate) -> (String, String) {
    for _ in 0..500 {
        let end = gate.booked().pop().unwrap().end;
        if end.outcome != "unknown" {
            return (end.outcome, end.reason.unwrap_or_default());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not end: {:?}", gate.booked().pop());
}

#[tokio::test]
async fn a_stream_ends_when_it_is_old_however_much_comes() {
    for is_free in [true, false] {
        let (whole, gate, pump) = with_a_stream().await;
        let reply = if is_free {
            gate.listen(&[]).await
        } else {
            gate.post(&[], CALL).await
        };
        let mut stream = events(reply);
        // Each hour brings something, and what comes has passed before the next hour begins.
        for _ in 0..11 {
            pump.send(Bytes::from(NEWS)).await.unwrap();
            assert_eq!(stream.recv().await.unwrap(), NEWS);
            whole.clock.advance(Duration::from_hours(1));
        }
        whole.clock.advance(Duration::from_mins(59));
        pump.send(Bytes::from(NEWS)).await.unwrap();
        assert_eq!(stream.recv().await.unwrap(), NEWS);
        assert_eq!(whole.booked().pop().unwrap().end.outcome, "unknown");
        whole.clock.advance(Duration::from_mins(1));
        let rest = tokio::time::timeout(AT_MOST, stream.recv()).await;
        let last = rest.expect("the stream must end");
        let (outcome, reason) = end_of_the_last(&whole).await;
        if is_free {
            assert_eq!(last, None);
            assert_eq!(outcome, "allow");
        } else {
            let last = String::from_utf8(last.unwrap().to_vec()).unwrap();
            let told: Value = serde_json::from_str(last.split("data: ").nth(1).unwrap()).unwrap();
            assert_eq!(told["error"]["code"], 50400, "{told}");
            assert_eq!(outcome, "failed");
            assert!(reason.contains("43200 s"), "{reason}");
            assert_eq!(stream.recv().await, None);
        }
        tokio::time::timeout(AT_MOST, pump.closed())
            .await
            .expect("the server's end is closed, too");
    }
}

#[tokio::test]
async fn a_stream_whose_events_nobody_takes_is_given_up() {
    let (whole, gate, pump) = with_a_stream().await;
    let stream = events(gate.post(&[], CALL).await);
    // One more than may wait: the relay stands before a client that takes nothing.
    let pumping = tokio::spawn(async move { while pump.send(Bytes::from(NEWS)).await.is_ok() {} });
    while stream.len() < stream.max_capacity() {
        tokio::task::yield_now().await;
    }
    assert!(!pumping.is_finished());
    // The relay may begin to wait only after the clock was moved.
    for _ in 0..30 {
        whole.clock.advance(Duration::from_mins(2));
        if pumping.is_finished() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::timeout(AT_MOST, pumping)
        .await
        .expect("the server's stream must be closed")
        .unwrap();
    let (outcome, reason) = end_of_the_last(&whole).await;
    assert_eq!(outcome, "cancelled", "{reason}");
    drop(stream);
}

#[tokio::test]
async fn a_client_that_comes_back_in_time_loses_nothing() {
    let (whole, gate, pump) = with_a_stream().await;
    let reply = gate.post(&[], CALL).await;
    for _ in 0..20 {
        pump.send(Bytes::from(NEWS)).await.unwrap();
    }
    whole.clock.advance(Duration::from_secs(119));
    let answer = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n";
    let answering = tokio::spawn(async move { pump.send(Bytes::from(answer)).await });
    let told = read_to_its_end(reply).await;
    answering.await.unwrap().unwrap();
    assert_eq!(told, NEWS.repeat(20) + answer);
    assert_eq!(end_of_the_last(&whole).await.0, "allow");
}
