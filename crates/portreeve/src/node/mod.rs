//! The running whole: rooms opened in their order, tasks that keep them, and an orderly end.
//!
//! Owns what belongs to no single room: which is opened before which, what runs in the background,
//! and what must happen before the process may end. It decides nothing about calls.

mod builtin;
mod declared;
mod effects;
mod error;
mod house;
mod listen;
mod supervise;
mod tasks;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use error::NodeError;
pub use house::{House, HouseOptions};
pub use listen::{ListenError, listen, url_of};

use crate::admin::{Office, Socket};
use crate::config::{Config, Environment};
use crate::counters::{MemoryCounters, Rebuilt};
use crate::front::{Allowed, Front, FrontSettings};
use crate::gate::{BuiltIn, Footing, Gate, Keeping, Surroundings};
use crate::ledger::{Ledger as _, Retention};
use crate::open_files;
use crate::upstream::Network;
use crate::upstream::stdio::{ChildSettings, Children};
use declared::Watching;
use effects::Running;

/// How long a gate that stops takes to tell servers that its sessions with them are over.
const PARTING: Duration = Duration::from_secs(2);
/// The address of a gate that does not listen; it still answers to it.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// How a gate is to run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub house: HouseOptions,
    /// Where agents connect; `None` for a gate that only this process talks to.
    pub listen: Option<SocketAddr>,
    pub public_url: Option<String>,
    pub allowed_hosts: Vec<String>,
    pub allowed_origins: Vec<String>,
    pub front: FrontSettings,
    pub keeping: Keeping,
    pub retention: Retention,
    /// How long one request to a server may take where the server does not say.
    pub default_timeout: Duration,
    pub environment: Environment,
    /// The bounds of stdio servers' processes.
    pub children: ChildSettings,
    /// Where other processes of this user reach this one.
    pub control_socket: Option<PathBuf>,
    /// The configuration file, as it was read; watched from then on.
    pub configuration: Option<(PathBuf, Config)>,
}

/// A gate that runs.
#[derive(Debug)]
pub struct Node {
    pub house: Arc<House>,
    pub gate: Arc<Gate>,
    pub office: Arc<Office>,
    pub rebuilt: Rebuilt,
    address: SocketAddr,
    front: OnceLock<Arc<Front>>,
    counters: Arc<MemoryCounters>,
    effects: Arc<Running>,
    children: Children,
    stop: watch::Sender<bool>,
    serving: JoinSet<()>,
    keeping: JoinSet<()>,
}

impl Node {
    /// Opens every room and begins to serve. The data directory is this process's until
    /// [`Node::stop`]; the caller holds its lock.
    pub async fn start(plan: Plan) -> Result<Self, NodeError> {
        open_files::take_all();
        // INVARIANT: nothing is given up of a ledger by a start that then cannot be
        // (`a_cut_is_not_accepted_by_a_start_that_cannot_listen`).
        let bound = match plan.listen {
            Some(at) => Some((at, listen(at).await?)),
            None => None,
        };
        let house = Arc::new(House::open(plan.house.clone()).await?);
        let (counters, rebuilt) = rebuild_counters(&house).await?;
        let counters = Arc::new(counters);
        let demo = Arc::new(OnceLock::new());
        let children = Children::new(plan.children.clone());
        let gate = open_gate(&plan, &house, &counters, &demo, &children)?;
        let (listener, address) = match bound {
            Some((at, listener)) => {
                let address = listener.local_addr().map_err(|source| ListenError {
                    address: at,
                    source,
                })?;
                (Some(listener), address)
            }
            None => (None, NOWHERE),
        };
        let url = plan.public_url.clone().unwrap_or_else(|| url_of(address));
        let effects = Arc::new(Running::new(
            Arc::clone(&gate),
            Arc::clone(&house),
            url,
            demo,
        ));
        let (store, clock) = (Arc::clone(&house.store), house.clock.clone());
        let in_office = Arc::clone(&effects) as Arc<dyn crate::admin::Effects>;
        let office = Arc::new(Office::new(
            store,
            in_office,
            clock,
            house.path().to_owned(),
        ));
        effects.take_into_force().await?;
        let (stop, stopping) = watch::channel(false);
        let mut node = Self {
            house,
            gate,
            office,
            rebuilt,
            address,
            front: OnceLock::new(),
            counters,
            effects,
            children,
            stop,
            serving: JoinSet::new(),
            keeping: JoinSet::new(),
        };
        node.apply(&plan).await?;
        node.office.warn_of_approvers().await?;
        node.open_doors(plan, listener, &stopping)?;
        Ok(node)
    }

    /// Puts what the configuration file declares into force before the first call is taken.
    async fn apply(&self, plan: &Plan) -> Result<(), NodeError> {
        if let Some((_, config)) = &plan.configuration {
            let declared = config.declared.clone();
            let changes = self
                .office
                .apply_declared(declared::ACTOR, declared)
                .await?;
            for change in changes {
                tracing::info!(%change, "in force");
            }
        }
        Ok(())
    }

    /// Begins to answer: agents, other processes of this user, and the clock.
    fn open_doors(
        &mut self,
        plan: Plan,
        listener: Option<TcpListener>,
        stopping: &watch::Receiver<bool>,
    ) -> Result<(), NodeError> {
        let public = plan.public_url.as_deref();
        let allowed = Allowed::new(
            self.address,
            public,
            &plan.allowed_hosts,
            &plan.allowed_origins,
        );
        let front = Front::new(Arc::clone(&self.gate), allowed, plan.front);
        self.front.get_or_init(|| Arc::clone(&front));
        if let Some(listener) = listener {
            self.serving
                .spawn(Arc::clone(&front).serve(listener, stopping.clone()));
        }
        if let Some(path) = plan.control_socket {
            let socket = Socket::bind(&path)?;
            let mut stop = stopping.clone();
            let stop = async move {
                let _ = stop.wait_for(|stop| *stop).await;
            };
            self.serving
                .spawn(socket.serve(Arc::clone(&self.office), stop));
        }
        if let Some(configuration) = plan.configuration {
            let watching = Watching::new(
                configuration,
                plan.environment,
                Arc::clone(&self.office),
                Arc::clone(&self.effects),
            );
            self.serving.spawn(watching.run(stopping.clone()));
        }
        tasks::spawn(self, &front, plan.retention, stopping);
        Ok(())
    }

    /// The face to agents, for whoever brings connections of its own.
    pub fn front(&self) -> Option<&Arc<Front>> {
        self.front.get()
    }

    /// Where agents reach it: nowhere has port 0.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The processes of stdio servers.
    pub const fn children(&self) -> &Children {
        &self.children
    }

    /// Ends in order: no new calls, running ones to their end, the counters' snapshot, the ledger
    /// with its checkpoint and anchors.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.stop.send_replace(true);
        self.gate.close_free_streams();
        while self.serving.join_next().await.is_some() {}
        self.gate.part_from_servers(PARTING).await;
        self.effects.stop_demo().await;
        self.children.shut_down().await;
        tasks::snapshot(&self.gate, &self.counters, &self.house).await;
        self.house.ledger.close().await?;
        // The keepers tell the anchors the last head once the ledger is closed, and then end.
        while self.keeping.join_next().await.is_some() {}
        Ok(())
    }
}

fn open_gate(
    plan: &Plan,
    house: &Arc<House>,
    counters: &Arc<MemoryCounters>,
    demo: &Arc<OnceLock<BuiltIn>>,
    children: &Children,
) -> Result<Arc<Gate>, NodeError> {
    Ok(Gate::new(Footing {
        store: Arc::clone(&house.store),
        ledger: Arc::clone(&house.ledger) as Arc<dyn crate::ledger::Ledger>,
        counters: Arc::clone(counters) as Arc<dyn crate::counters::Counters>,
        keys: Arc::clone(&house.keys),
        clock: house.clock.clone(),
        keeping: plan.keeping,
        surroundings: Surroundings {
            network: Network::new(plan.front.max_body, plan.front.max_large_answers)?,
            children: children.clone(),
            demo: Arc::clone(demo),
            default_timeout: plan.default_timeout,
            environment: plan.environment.clone(),
        },
    })?)
}

async fn rebuild_counters(house: &House) -> Result<(MemoryCounters, Rebuilt), NodeError> {
    let (data_dir, ledger) = (house.path().to_owned(), house.ledger.settings().dir.clone());
    let now = house.clock.now();
    let rebuilding = move || MemoryCounters::rebuild(&data_dir, &ledger, now);
    Ok(tokio::task::spawn_blocking(rebuilding)
        .await
        .map_err(NodeError::task)??)
}
