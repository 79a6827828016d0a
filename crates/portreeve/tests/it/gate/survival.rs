//! What must outlive a restart.

use std::time::Duration;

use serde_json::json;

use super::tools;
use crate::support::{TestGate, TestServer};

const LIMITED: &str = r#"{"version":"1","default":"deny","tools":{
    "t":{"limits":[{"counter":"c","window":"hour","max":5,"per":"args.k"}]}}}"#;

async fn passes(gate: &TestGate, key: &str) -> bool {
    gate.call("t", json!({ "k": key }))
        .await
        .decision()
        .is_null()
}

#[tokio::test]
async fn a_restart_forgets_no_charge() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let mut gate = TestGate::start(&server.url(), LIMITED).await;
    for round in 0..5 {
        assert!(passes(&gate, "x").await, "round {round}");
        gate.clock.advance(Duration::from_mins(1));
        gate = gate.restart().await;
    }
    assert!(!passes(&gate, "x").await);
    assert!(
        passes(&gate, "y").await,
        "another key has a counter of its own"
    );
    gate.clock.advance(Duration::from_mins(55));
    assert!(
        passes(&gate, "x").await,
        "the first charge has left the window"
    );
    assert!(!passes(&gate, "x").await);
}

#[tokio::test]
async fn the_ledger_alone_is_enough_to_count_again() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), LIMITED).await;
    for _ in 0..5 {
        assert!(passes(&gate, "x").await);
    }
    let TestGate { node, clock, dir } = gate;
    node.stop().await.unwrap();
    for damage in ["", "portreeve counters v1\nledger 3 00\n", "nonsense"] {
        let snapshot = dir.path().join("counters.snapshot");
        if damage.is_empty() {
            std::fs::remove_file(&snapshot).unwrap();
        } else {
            std::fs::write(&snapshot, damage).unwrap();
        }
        let plan = crate::support::gate::plan(dir.path(), &clock);
        let node = portreeve::node::Node::start(plan).await.unwrap();
        assert_eq!(node.rebuilt.snapshot_seq, 0);
        let dir = tempfile::TempDir::new().unwrap();
        let gate = TestGate {
            node,
            clock: clock.clone(),
            dir,
        };
        assert!(!passes(&gate, "x").await, "{damage:?}");
        gate.node.stop().await.unwrap();
    }
}

#[tokio::test]
async fn charges_given_back_stay_given_back() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), LIMITED).await;
    let address = server.address;
    server.vanish().await;
    for _ in 0..7 {
        assert!(
            gate.call("t", json!({ "k": "x" }))
                .await
                .text()
                .contains("50200")
        );
    }
    let gate = gate.restart().await;
    assert!(
        gate.call("t", json!({ "k": "x" }))
            .await
            .text()
            .contains("50200"),
        "{address}"
    );
    std::fs::remove_file(gate.dir.path().join("counters.snapshot")).unwrap();
    let gate = gate.restart().await;
    assert!(
        gate.call("t", json!({ "k": "x" }))
            .await
            .text()
            .contains("50200")
    );
}
