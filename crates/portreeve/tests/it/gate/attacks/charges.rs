//! Attempts to call without being counted: leaving in the middle, and calling all at once.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::tools;
use crate::support::gate::TOKEN;
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

fn at_most(calls: u32) -> String {
    json!({ "version": "1", "default": "deny",
        "tools": { "t": { "rate_limit": { "max": calls, "window": "hour" } } } })
    .to_string()
}

async fn begin_call(gate: &TestGate) -> TcpStream {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    let head = format!(
        "POST /mcp/s HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        gate.node.address(),
        body.len()
    );
    let mut stream = TcpStream::connect(gate.node.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn who_leaves_after_the_call_was_sent_has_paid() {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "tools/call" => Script::Silence,
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), &at_most(3)).await;
    for n in 1..=3 {
        let stream = begin_call(&gate).await;
        while server.seen("tools/call").len() < n {
            tokio::task::yield_now().await;
        }
        drop(stream);
    }
    let fourth = gate.call("t", json!({})).await;
    assert_eq!(fourth.decision()["rule"], "/tools/t/rate_limit");
    assert_eq!(server.seen("tools/call").len(), 3);
    // Whatever became of the callers, every call that was sent comes to an end in the ledger.
    let ended = |gate: &TestGate| {
        let mut calls = gate.booked();
        calls.retain(|call| call.tool.as_deref() == Some("t") && call.end.outcome == "cancelled");
        calls.len()
    };
    let all = async {
        while ended(&gate) < 3 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), all).await;
    waited.unwrap_or_else(|_| panic!("{:?}", gate.booked()));
    let gate = gate.restart().await;
    let after = gate.call("t", json!({})).await;
    assert_eq!(after.decision()["rule"], "/tools/t/rate_limit");
}

/// A server that hangs up may have read the call: only one that never took the connection is sure
/// not to have it.
#[tokio::test]
async fn a_server_that_hangs_up_refunds_nothing() {
    let honest = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&honest.url(), &at_most(2)).await;
    let address = honest.address;
    honest.vanish().await;
    let listener = TcpListener::bind(address).await.unwrap();
    let hanging_up = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut some = [0; 16];
            stream.read_exact(&mut some).await.ok();
        }
    };
    let calling = async {
        for _ in 0..2 {
            let answer = gate.call("t", json!({})).await.json();
            assert_eq!(answer["error"]["data"]["may_have_run"], true, "{answer}");
        }
        let third = gate.call("t", json!({})).await;
        assert_eq!(third.decision()["rule"], "/tools/t/rate_limit");
    };
    tokio::select! {
        () = calling => {}
        () = hanging_up => {}
    }
}

#[tokio::test]
async fn calls_made_at_once_are_counted_one_by_one() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), &at_most(10)).await;
    let answers = join_all((0..40).map(|_| gate.call("t", json!({})))).await;
    let passed = answers.iter().filter(|a| a.decision().is_null()).count();
    assert_eq!((passed, server.seen("tools/call").len()), (10, 10));
    let batch: Vec<_> = (0..20)
        .map(|i| json!({ "jsonrpc": "2.0", "id": i, "method": "tools/call", "params": { "name": "t" } }))
        .collect();
    gate.clock.advance(Duration::from_hours(1));
    let headers = [("mcp-protocol-version", "2025-03-26")];
    gate.post_with(&headers, json!(batch).to_string()).await;
    assert_eq!(server.seen("tools/call").len(), 20);
}
