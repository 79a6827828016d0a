//! What carrying out a request does outside of the store; the gate brings it.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::config::Environment;
use crate::store::model::{Judged, Server};

/// An effect under way; an error is a text for a person.
pub type Doing<'a, T, E = String> = BoxFuture<'a, Result<T, E>>;

/// An administrative act, as the ledger books it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminAct {
    pub actor: String,
    /// A dotted word such as `grant.create`.
    pub act: &'static str,
    pub subject: String,
    /// An object without secrets.
    pub detail: serde_json::Value,
}

/// Writes administrative acts into the ledger.
pub trait Booker: fmt::Debug + Send + Sync {
    /// Resolves when the act is booked; on an error the act must not be done.
    fn book(&self, act: AdminAct) -> Doing<'_, ()>;
}

/// Why a server's tools could not be listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    #[error("portreeve is not running, so nobody asked the server for its tools")]
    NotRunning,
    #[error("{0}")]
    Failed(String),
}

/// What the process that owns the data directory can do.
pub trait Effects: Booker {
    /// Reads the store again; what changed is in force when this resolves.
    fn reload(&self) -> Doing<'_, ()>;
    /// Asks a server for its tools now.
    fn discover(&self, server: Server) -> Doing<'_, Vec<Judged>, UpstreamError>;
    /// Tells the calls that wait for this approval that people have spoken.
    fn approval_decided(&self, id: &str);
    /// The environment that servers are started in.
    fn environment(&self) -> Environment {
        Environment::system()
    }
    fn status(&self) -> Status;
}

/// The owner, as far as others may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether a gate runs here; otherwise a command carries out its own request.
    pub running: bool,
    pub pid: u32,
    pub version: String,
    /// How agents reach the gate, without a slash at the end.
    pub gateway_url: Option<String>,
    pub console_url: Option<String>,
}

/// The effects when no gate runs: acts are booked, and there is nobody to tell.
#[derive(Clone, Debug)]
pub struct Offline {
    booker: Arc<dyn Booker>,
}

impl Offline {
    pub fn new(booker: Arc<dyn Booker>) -> Self {
        Self { booker }
    }
}

impl Booker for Offline {
    fn book(&self, act: AdminAct) -> Doing<'_, ()> {
        self.booker.book(act)
    }
}

impl Effects for Offline {
    fn reload(&self) -> Doing<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn discover(&self, _: Server) -> Doing<'_, Vec<Judged>, UpstreamError> {
        Box::pin(async { Err(UpstreamError::NotRunning) })
    }

    fn approval_decided(&self, _: &str) {}

    fn status(&self) -> Status {
        Status {
            running: false,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            gateway_url: None,
            console_url: None,
        }
    }
}
