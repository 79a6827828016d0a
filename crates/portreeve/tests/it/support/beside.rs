//! A gate that is asked without HTTP before it, over the rooms of a whole one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use portreeve::config::Environment;
use portreeve::counters::MemoryCounters;
use portreeve::gate::{Footing, Gate, Keeping, Payload, Reply, Surroundings, Visit};
use portreeve::ledger::Ledger;
use portreeve::upstream::Network;

use super::TestGate;
use super::gate::TOKEN;

/// The gate.
pub struct Beside {
    pub gate: Arc<Gate>,
}

impl TestGate {
    /// Another gate over the same store, ledger and keys, after a change of its footing.
    pub async fn beside(&self, change: impl FnOnce(&mut Footing)) -> Beside {
        let house = &self.node.house;
        let (counters, _) =
            MemoryCounters::rebuild(self.dir.path(), &self.ledger_dir(), self.clock.now()).unwrap();
        let mut footing = Footing {
            store: Arc::clone(&house.store),
            ledger: Arc::clone(&house.ledger) as Arc<dyn Ledger>,
            counters: Arc::new(counters),
            keys: Arc::clone(&house.keys),
            clock: self.clock.clone(),
            keeping: Keeping::Keys,
            surroundings: Surroundings {
                children: self.node.children().clone(),
                network: Network::new(1024 * 1024, 256 * 1024 * 1024).unwrap(),
                demo: Arc::default(),
                default_timeout: Duration::from_secs(2),
                environment: Environment::given([]),
            },
        };
        change(&mut footing);
        let gate = Gate::new(footing).unwrap();
        gate.reload().await.unwrap();
        Beside { gate }
    }
}

impl Beside {
    fn visit(&self, headers: &[(&'static str, &str)]) -> (Visit, HeaderMap) {
        let mut map: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                (HeaderName::from_static(name), value)
            })
            .collect();
        map.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
        (self.gate.admit_visitor(&map, "s").unwrap(), map)
    }

    pub async fn post(&self, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Reply {
        let (visit, headers) = self.visit(headers);
        self.gate.post(visit, headers, body.into()).await
    }

    pub async fn listen(&self, headers: &[(&'static str, &str)]) -> Reply {
        let (visit, headers) = self.visit(headers);
        self.gate.listen(visit, &headers).await
    }
}

impl Beside {
    pub async fn end_session(&self, headers: &[(&'static str, &str)]) -> Reply {
        let (visit, headers) = self.visit(headers);
        self.gate.end_session(visit, &headers).await
    }
}

/// What a stream brings until it ends.
pub async fn read_to_its_end(reply: Reply) -> String {
    let Payload::Events(mut events) = reply.payload else {
        panic!("no stream: {reply:?}")
    };
    let mut text = Vec::new();
    while let Some(event) = events.recv().await {
        text.extend_from_slice(&event);
    }
    String::from_utf8(text).unwrap()
}
