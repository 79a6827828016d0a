//! The running whole: rooms opened in their order, tasks that keep them, and an orderly end.
//!
//! Owns what belongs to no single room: which is opened before which, what runs in the background,
//! and what must happen before the process may end. It decides nothing about calls.

mod error;
mod house;
mod tasks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use error::NodeError;
pub use house::{House, HouseOptions};

use crate::config::Environment;
use crate::counters::{MemoryCounters, Rebuilt};
use crate::demo;
use crate::front::{Allowed, Front, FrontSettings};
use crate::gate::{Footing, Gate, Keeping, Surroundings};
use crate::ledger::{Ledger as _, Retention};
use crate::store::model::{Server, Target};
use crate::upstream::Network;

/// How a gate is to run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub house: HouseOptions,
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    pub allowed_hosts: Vec<String>,
    pub allowed_origins: Vec<String>,
    pub front: FrontSettings,
    pub keeping: Keeping,
    pub retention: Retention,
    /// How long one request to a server may take where the server does not say.
    pub default_timeout: Duration,
    pub environment: Environment,
}

/// A gate that runs.
#[derive(Debug)]
pub struct Node {
    pub house: Arc<House>,
    pub gate: Arc<Gate>,
    pub rebuilt: Rebuilt,
    address: SocketAddr,
    counters: Arc<MemoryCounters>,
    demo: Option<demo::Handle>,
    stop: watch::Sender<bool>,
    serving: JoinSet<()>,
    keeping: JoinSet<()>,
}

impl Node {
    /// Opens every room and begins to serve. The data directory is this process's until
    /// [`Node::stop`].
    pub async fn start(plan: Plan) -> Result<Self, NodeError> {
        let house = Arc::new(House::open(plan.house.clone()).await?);
        let (counters, rebuilt) = rebuild_counters(&house).await?;
        let counters = Arc::new(counters);
        let demo = start_demo(&house).await?;
        let gate = Gate::new(Footing {
            store: Arc::clone(&house.store),
            ledger: Arc::clone(&house.ledger) as Arc<dyn crate::ledger::Ledger>,
            counters: Arc::clone(&counters) as Arc<dyn crate::counters::Counters>,
            keys: Arc::clone(&house.keys),
            clock: house.clock.clone(),
            keeping: plan.keeping,
            surroundings: Surroundings {
                network: Network::new(plan.front.max_body)?,
                demo_url: demo
                    .as_ref()
                    .map(|demo| format!("http://{}/mcp", demo.address())),
                default_timeout: plan.default_timeout,
                environment: plan.environment.clone(),
            },
        })?;
        gate.reload().await?;
        let listener =
            TcpListener::bind(plan.listen)
                .await
                .map_err(|source| NodeError::Listen {
                    address: plan.listen,
                    source,
                })?;
        let address = listener.local_addr().map_err(|source| NodeError::Listen {
            address: plan.listen,
            source,
        })?;
        let allowed = Allowed::new(
            address,
            plan.public_url.as_deref(),
            &plan.allowed_hosts,
            &plan.allowed_origins,
        );
        let front = Front::new(Arc::clone(&gate), allowed, plan.front.clone());
        let (stop, stopping) = watch::channel(false);
        let mut serving = JoinSet::new();
        serving.spawn(Arc::clone(&front).serve(listener, stopping.clone()));
        let mut node = Self {
            house,
            gate,
            rebuilt,
            address,
            counters,
            demo,
            stop,
            serving,
            keeping: JoinSet::new(),
        };
        tasks::spawn(&mut node, &front, plan.retention, &stopping);
        Ok(node)
    }

    /// Where agents reach it.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends in order: no new calls, running ones to their end, the counters' snapshot, the ledger
    /// with its checkpoint and anchors, and the directory free for the next.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.stop.send_replace(true);
        while self.serving.join_next().await.is_some() {}
        if let Some(demo) = self.demo.take() {
            demo.stop().await;
        }
        tasks::snapshot(&self.gate, &self.counters, &self.house).await;
        self.house.ledger.close().await?;
        // The keepers tell the anchors the last head once the ledger is closed, and then end.
        while self.keeping.join_next().await.is_some() {}
        Ok(())
    }
}

async fn rebuild_counters(house: &House) -> Result<(MemoryCounters, Rebuilt), NodeError> {
    let (data_dir, ledger) = (house.path().to_owned(), house.ledger.settings().dir.clone());
    let now = house.clock.now();
    let rebuilding = move || MemoryCounters::rebuild(&data_dir, &ledger, now);
    Ok(tokio::task::spawn_blocking(rebuilding)
        .await
        .map_err(NodeError::task)??)
}

/// Starts the built-in server if one of the servers is it.
async fn start_demo(house: &House) -> Result<Option<demo::Handle>, NodeError> {
    let servers: Vec<Server> = house.store.servers().await?;
    if !servers.iter().any(|server| server.target == Target::Demo) {
        return Ok(None);
    }
    let state: PathBuf = house.path().join("demo-runs.journal");
    let options = demo::Options {
        state: Some(state),
        ..demo::Options::default()
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| NodeError::Listen { address, source })?;
    Ok(Some(demo::serve_http(listener, &options)?))
}
