//! What the control plane can do to a running gate.

use std::sync::{Arc, OnceLock};

use serde_json::value::RawValue;
use tokio::sync::Mutex;

use super::{House, NodeError, builtin};
use crate::admin::{self, Booker, Doing, Effects, Status};
use crate::clock::Clock;
use crate::config::Environment;
use crate::demo;
use crate::gate::{BuiltIn, Gate};
use crate::ledger::{self, FileLedger, Ledger as _};
use crate::store::model::{Judged, Server, Target};
use crate::upstream;

/// Books administrative acts in a ledger.
#[derive(Clone, Debug)]
struct LedgerBooker {
    ledger: Arc<FileLedger>,
    clock: Clock,
}

impl LedgerBooker {
    fn new(house: &House) -> Self {
        Self {
            ledger: Arc::clone(&house.ledger),
            clock: house.clock.clone(),
        }
    }
}

impl Booker for LedgerBooker {
    fn book(&self, act: admin::AdminAct) -> Doing<'_, ()> {
        Box::pin(async move {
            let detail = RawValue::from_string(act.detail.to_string()).ok();
            let booked = ledger::AdminAct {
                at: self.clock.now(),
                actor: &act.actor,
                act: act.act,
                subject: &act.subject,
                detail: detail.as_deref(),
            };
            self.ledger
                .admin(booked)
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
    }
}

/// The effects of a running gate.
#[derive(Debug)]
pub(super) struct Running {
    booker: LedgerBooker,
    gate: Arc<Gate>,
    house: Arc<House>,
    gateway_url: String,
    built_in: Arc<OnceLock<BuiltIn>>,
    demo: Mutex<Option<demo::Handle>>,
}

impl Running {
    pub(super) fn new(
        gate: Arc<Gate>,
        house: Arc<House>,
        gateway_url: String,
        built_in: Arc<OnceLock<BuiltIn>>,
    ) -> Self {
        let booker = LedgerBooker::new(&house);
        Self {
            booker,
            gate,
            house,
            gateway_url,
            built_in,
            demo: Mutex::default(),
        }
    }

    /// Takes the store's state into force, with the built-in server running if it is one of them.
    pub(super) async fn take_into_force(&self) -> Result<(), NodeError> {
        let servers = self.house.store.servers().await?;
        if servers.iter().any(|server| server.target == Target::Demo) {
            self.start_demo().await?;
        }
        self.gate.reload().await?;
        Ok(())
    }

    async fn start_demo(&self) -> Result<(), NodeError> {
        let mut demo = self.demo.lock().await;
        if demo.is_none() {
            let (handle, at) = builtin::start(self.house.path()).await?;
            *demo = Some(handle);
            self.built_in.get_or_init(|| at);
        }
        Ok(())
    }

    pub(super) async fn stop_demo(&self) {
        if let Some(demo) = self.demo.lock().await.take() {
            demo.stop().await;
        }
    }
}

impl Booker for Running {
    fn book(&self, act: admin::AdminAct) -> Doing<'_, ()> {
        self.booker.book(act)
    }
}

impl Effects for Running {
    fn reload(&self) -> Doing<'_, ()> {
        Box::pin(async move {
            self.take_into_force()
                .await
                .map_err(|error| error.to_string())
        })
    }

    fn discover(&self, server: Server) -> Doing<'_, Vec<Judged>, admin::UpstreamError> {
        Box::pin(async move {
            if server.target == Target::Demo {
                let started = self.start_demo().await;
                started.map_err(|error| admin::UpstreamError::Failed(error.to_string()))?;
            }
            let found = self.gate.discover(&server).await;
            found.map_err(|error: upstream::UpstreamError| {
                admin::UpstreamError::Failed(error.to_string())
            })
        })
    }

    fn approval_decided(&self, id: &str) {
        self.gate.approval_decided(id);
    }

    fn environment(&self) -> Environment {
        self.gate.environment().clone()
    }

    fn status(&self) -> Status {
        Status {
            running: true,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            gateway_url: Some(self.gateway_url.clone()),
            console_url: None,
        }
    }
}
