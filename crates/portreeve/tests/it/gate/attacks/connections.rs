//! Clients that are slow, silent or many.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use portreeve::front::{FrontSettings, Patience};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::{allowing, tools};
use crate::support::gate::TOKEN;
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

/// Nothing here takes as long, unless the gate waits without end.
const AT_MOST: Duration = Duration::from_secs(20);

async fn impatient() -> TestGate {
    TestGate::planned(|plan| {
        plan.front = FrontSettings {
            patience: Patience {
                head: Duration::from_millis(200),
                idle: Duration::from_millis(200),
                stall: Duration::from_millis(200),
            },
            max_connections: 2,
            max_per_grant: 2,
            ..FrontSettings::default()
        };
    })
    .await
}

/// What a client that never says more is sent before its connection is closed.
async fn said_to(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let reading = timeout(AT_MOST, stream.read_to_end(&mut said)).await;
    // A connection that is reset is closed as well.
    reading.expect("the connection must be closed").ok();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed() {
    let gate = impatient().await;
    for begun in [
        &b""[..],
        b"PRI * HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        // The preface and empty settings: a whole HTTP/2 connection without a request.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"POST /mcp/s HTTP/1.1\r\nhost: x\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        // As many as there may be, so that the next only get in when these are gone.
        for _ in 0..2 {
            let mut stream = TcpStream::connect(gate.node.address()).await.unwrap();
            stream.write_all(begun).await.unwrap();
            let said = said_to(&mut stream).await;
            let answered = said.starts_with("HTTP/1.1 200");
            assert_eq!(answered, begun.starts_with(b"GET"), "{begun:?}: {said}");
        }
    }
}

#[tokio::test]
async fn every_head_has_as_long_as_the_first() {
    let gate = TestGate::planned(|plan| {
        plan.front.patience.head = Duration::from_millis(200);
    })
    .await;
    let mut stream = TcpStream::connect(gate.node.address()).await.unwrap();
    let begun = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\nhost";
    stream.write_all(begun).await.unwrap();
    let said = said_to(&mut stream).await;
    assert_eq!(said.matches("HTTP/1.1 200").count(), 1, "{said}");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_no_stream_open() {
    let (pump, stream) = mpsc::channel::<Bytes>(1);
    let stream = std::sync::Mutex::new(Some(stream));
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "tools/call" => Script::Stream(Vec::new(), stream.lock().unwrap().take().unwrap()),
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = impatient().await;
    let gate = gate.furnished(&server.url(), &allowing(&["t"])).await;
    let mut client = TcpStream::connect(gate.node.address()).await.unwrap();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    let head = format!(
        "POST /mcp/s HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        gate.node.address(),
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let filler = json!({ "jsonrpc": "2.0", "method": "notifications/message",
        "params": { "data": "x".repeat(100_000) } });
    let event = Bytes::from(format!("data: {filler}\n\n"));
    let pumping = async { while pump.send(event.clone()).await.is_ok() {} };
    timeout(AT_MOST, pumping)
        .await
        .expect("the server's stream must be closed");
    drop(client);
}

#[tokio::test]
async fn one_grant_does_not_take_every_place() {
    let (_stay, stream) = mpsc::channel::<Bytes>(1);
    let (_stay_too, stream_too) = mpsc::channel::<Bytes>(1);
    let streams = std::sync::Mutex::new(vec![stream, stream_too]);
    let server = TestServer::start(move |seen| match seen.method {
        Method::GET => Script::Stream(Vec::new(), streams.lock().unwrap().pop().unwrap()),
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = TestGate::planned(|plan| plan.front.max_per_grant = 2).await;
    let gate = gate.furnished(&server.url(), &allowing(&["t"])).await;
    let other = "other-token-0123456789-abcdefghijklmno";
    gate.add_grant("other", other, &[("s", Some("p"))]).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(gate.node.address()).await.unwrap();
        let address = gate.node.address();
        let heading = format!(
            "GET /mcp/s HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
        );
        stream.write_all(heading.as_bytes()).await.unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        open.push(stream);
    }
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let refused = gate.post(ping).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["retry-after"], "1");
    let auth = format!("Bearer {other}");
    let passes = gate
        .post_with(&[("authorization", auth.as_str())], ping)
        .await;
    assert_eq!(passes.json()["result"], json!({}));
}

#[tokio::test]
async fn large_bodies_have_a_budget_together_and_leave_room_for_ordinary_ones() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::planned(|plan| plan.front.max_large_bodies = 200 * 1024).await;
    let gate = gate.furnished(&server.url(), &allowing(&["t"])).await;
    let large = "x".repeat(150 * 1024);
    let address = gate.node.address();
    // Half of a large body is sent, and the rest is kept back.
    let mut held = TcpStream::connect(address).await.unwrap();
    let heading = format!(
        "POST /mcp/s HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: \
         application/json\r\ncontent-length: 400000\r\n\r\n{large}"
    );
    held.write_all(heading.as_bytes()).await.unwrap();
    let call = json!({ "x": large });
    let mut refused = gate.call("t", call.clone()).await;
    for _ in 0..500 {
        if refused.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        refused = gate.call("t", call.clone()).await;
    }
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        gate.call("t", json!({ "x": "small" })).await.status,
        StatusCode::OK
    );
    drop(held);
    let mut passed = gate.call("t", call.clone()).await;
    for _ in 0..500 {
        if passed.status == StatusCode::OK {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        passed = gate.call("t", call.clone()).await;
    }
    assert_eq!(
        passed.status,
        StatusCode::OK,
        "what was given up is free again"
    );
}
