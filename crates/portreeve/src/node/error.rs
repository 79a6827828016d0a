//! Why a gate does not start, or does not end well.

use std::io;

use super::listen::ListenError;
use crate::admin::{Answer, Failure, SocketError};
use crate::counters::RebuildError;
use crate::demo;
use crate::gate::UpkeepError;
use crate::keys::KeyError;
use crate::ledger::{AnchorError, LedgerError, OpenError};
use crate::store::StoreError;
use crate::upstream::UpstreamError;

/// Why the gate cannot run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Counters(#[from] RebuildError),
    #[error(transparent)]
    Upkeep(#[from] UpkeepError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("the built-in server does not start: {0}")]
    Demo(#[from] demo::Error),
    #[error("the built-in server cannot listen on this machine: {0}")]
    DemoListen(io::Error),
    #[error("the built-in server does not start: the system gives no random bytes")]
    DemoKey,
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Declared(#[from] Failure),
    #[error("a part of the start broke off: {0}")]
    Task(String),
}

impl NodeError {
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
    pub(super) fn task(error: tokio::task::JoinError) -> Self {
        Self::Task(error.to_string())
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let advice = match &error {
            NodeError::Listen(listen) => listen.advice().to_owned(),
            NodeError::Store(store) => store.advice(),
            NodeError::Open(open) => open.advice(),
            _ => String::new(),
        };
        match error {
            NodeError::Declared(failure) => Self {
                answer: Answer::Cannot,
                ..failure
            },
            error => Self::cannot(error.to_string(), advice),
        }
    }
}
