//! Records that are written together, and those who wait for them.

use std::sync::OnceLock;

use tokio::sync::Notify;

use super::LedgerError;

/// What became of some records that were staged one after another: all are in the chain, or none.
#[derive(Debug, Default)]
pub(super) struct Batch {
    over: OnceLock<Result<(), LedgerError>>,
    told: Notify,
}

impl Batch {
    /// Tells all who wait.
    pub(super) fn is_over(&self, written: Result<(), LedgerError>) {
        // Said once: a batch is taken out of the book to be written.
        self.over.set(written).ok();
        self.told.notify_waiters();
    }

    /// Waits until the batch is written, or cannot be.
    pub(super) async fn written(&self) -> Result<(), LedgerError> {
        loop {
            // Asked for before looking, so that nothing is missed in between.
            let told = self.told.notified();
            if let Some(written) = self.over.get() {
                return written.clone();
            }
            told.await;
        }
    }
}
