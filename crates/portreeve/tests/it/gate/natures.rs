//! Rules about what a tool is, by the verdict that stands with its pin.

use portreeve::name::Name;
use portreeve::store::model::{Nature, Opinion, PinnedOpinion};
use portreeve_policy::{Bit, Bits, Class, Classes};
use serde_json::json;

use super::tools;
use crate::support::{TestGate, TestServer};

/// What a verdict would say: the class, and the bits where they are known.
pub fn nature(class: Class, bits: &[Bit]) -> Nature {
    Nature {
        class,
        also: Classes::NONE,
        bits: Some(bits.iter().copied().collect::<Bits>()),
    }
}

impl TestGate {
    /// Stores a verdict on the pinned definition of a tool.
    pub async fn judge(&self, server: &str, tool: &str, nature: impl Into<Option<Nature>>) {
        let store = &self.node.house.store;
        let server = Name::new(server).unwrap();
        let pins = store.pins(&server).await.unwrap();
        let pin = pins.iter().find(|pin| pin.tool == tool).unwrap();
        let opinion = PinnedOpinion {
            server: server.clone(),
            tool: tool.to_owned(),
            hash: pin.hash.clone(),
            opinion: Opinion {
                nature: nature.into(),
                judge: Some(portreeve::verdicts::JUDGE),
                held: None,
            },
        };
        store.put_opinions(vec![opinion]).await.unwrap();
        self.node.gate.reload().await.unwrap();
    }
}

#[tokio::test]
async fn rules_about_a_nature_read_the_pins_verdict() {
    let policy = r#"{"version":"1","default":"deny","tools":{
        "odd": {},
        "@read": {"action":"allow"},
        "@egress": {"deny_if":[{"conditions":[],"on_deny":"it talks to the outside"}]}}}"#;
    let server = TestServer::with_tools(tools(&["look", "fetch", "odd"])).await;
    let mut gate = TestGate::start(&server.url(), policy).await;
    for tool in ["look", "fetch", "odd"] {
        gate.judge("s", tool, None).await;
    }
    assert_eq!(gate.listed().await, ["odd"], "nothing is known of them");

    gate.judge("s", "look", nature(Class::Read, &[])).await;
    gate.judge("s", "fetch", nature(Class::Read, &[Bit::Egress]))
        .await;
    for round in ["at once", "after a restart"] {
        assert_eq!(gate.listed().await, ["look", "fetch", "odd"], "{round}");
        let looked = gate.call("look", json!({})).await;
        assert!(looked.decision().is_null(), "{round}: {}", looked.text());
        let fetched = gate.call("fetch", json!({})).await.decision();
        assert_eq!(fetched["rule"], "/tools/@egress/deny_if/0", "{round}");
        let odd = gate.call("odd", json!({})).await.decision();
        assert_eq!(
            odd["rule"], "/tools/@egress/deny_if/0",
            "{round}: unknown is everything"
        );
        gate = gate.restart().await;
    }
}
