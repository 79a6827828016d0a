//! Calls that are begun under one set of rules and ended under another.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::{allowing, tools};
use crate::support::gate::TOKEN;
use crate::support::{TestGate, TestServer};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;

/// Sends a call but for its last byte.
async fn nearly_sent(gate: &TestGate) -> TcpStream {
    let mut way = TcpStream::connect(gate.node.address()).await.unwrap();
    let head = format!(
        "POST /mcp/s HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        gate.node.address(),
        CALL.len()
    );
    way.write_all(head.as_bytes()).await.unwrap();
    way.write_all(&CALL.as_bytes()[..CALL.len() - 1])
        .await
        .unwrap();
    // Another request is answered after this one was begun.
    assert!(
        gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
            .await
            .status
            .is_success()
    );
    way
}

async fn ended(mut way: TcpStream) -> String {
    way.write_all(b"}").await.unwrap();
    let mut answer = String::new();
    way.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_call_that_dawdles_is_judged_by_what_is_in_force_when_it_is_there() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let way = nearly_sent(&gate).await;
    gate.put_policy("p", r#"{"version":"1","default":"deny"}"#)
        .await;
    let answer = ended(way).await;
    assert!(answer.contains("[POLICY DENIED]"), "{answer}");
    let last = gate.booked().pop().unwrap();
    assert_eq!(last.policy.as_deref(), Some("p@2"), "{last:?}");

    gate.put_policy("p", &allowing(&["t"])).await;
    let way = nearly_sent(&gate).await;
    let label = portreeve::name::Label::new("tester").unwrap();
    let store = &gate.node.house.store;
    assert!(store.revoke_grant(&label, gate.clock.now()).await.is_ok());
    gate.node.gate.reload().await.unwrap();
    let answer = ended(way).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(server.seen("tools/call").len(), 0);
}
