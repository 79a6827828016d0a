//! Tasks that keep an open ledger: anchoring its head, and finding out whether a sick one is well.
//!
//! Both end when the ledger is closed. They hold no state that matters: a task that dies leaves the
//! book as it is.

use std::time::Duration;

use super::Ledger as _;
use super::anchor::Anchors;
use super::file::FileLedger;

/// How often a place is told the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// So long after new records at the latest.
    pub every: Duration,
    /// Also at every checkpoint, that is at least every 1,000 records.
    pub at_checkpoints: bool,
}

impl Cadence {
    /// For the store: a second, or a thousand records.
    pub const STORE: Self = Self {
        every: Duration::from_secs(1),
        at_checkpoints: true,
    };
    /// For a second place: a minute.
    pub const SECOND_PLACE: Self = Self {
        every: Duration::from_mins(1),
        at_checkpoints: false,
    };
}

/// Keeps `place` told of the head until the ledger is closed, and tells it the last head of all.
pub async fn keep_anchored(ledger: &FileLedger, place: &dyn Anchors, cadence: Cadence) {
    let mut checkpoints = ledger.checkpoints();
    let mut progress = ledger.progress();
    let mut told = 0;
    loop {
        let closed = tokio::select! {
            () = tokio::time::sleep(cadence.every) => false,
            changed = checkpoints.changed(), if cadence.at_checkpoints => changed.is_err(),
            _ = progress.wait_for(|durable| durable.closed) => true,
        };
        if ledger.head().seq > told {
            match ledger.anchor(place).await {
                Ok(anchor) => told = anchor.head.seq,
                Err(error) => tracing::warn!(%error, "the ledger's head is not anchored"),
            }
        }
        if closed {
            return;
        }
    }
}

/// Tries every `pause` whether an unhealthy ledger can be written again, until it is closed.
pub async fn keep_probing(ledger: &FileLedger, pause: Duration) {
    let mut progress = ledger.progress();
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {
                // The outcome is the ledger's health, which says it to whoever asks.
                let _ = ledger.probe().await;
            }
            _ = progress.wait_for(|durable| durable.closed) => return,
        }
    }
}
