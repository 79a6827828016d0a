//! A ledger that can be told to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use portreeve::ledger::{AdminAct, Begin, Booked, Finish, Head, Ledger, LedgerError, Refusal};

use super::TestGate;

/// A ledger that can be told to fail.
#[derive(Debug)]
pub struct Brittle {
    inner: Arc<dyn Ledger>,
    broken: AtomicBool,
}

impl Brittle {
    /// Over a test gate's own ledger.
    pub fn over(gate: &TestGate) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(&gate.node.house.ledger) as Arc<dyn Ledger>,
            broken: AtomicBool::new(false),
        })
    }

    pub fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), LedgerError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(LedgerError::Unavailable {
                reason: "the disk is full".into(),
            });
        }
        Ok(())
    }
}

impl Ledger for Brittle {
    fn begin<'a>(&'a self, begin: Begin<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>> {
        Box::pin(async move { self.check().map(|()| self.inner.begin(begin))?.await })
    }

    fn finish<'a>(&'a self, finish: Finish<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>> {
        Box::pin(async move { self.check().map(|()| self.inner.finish(finish))?.await })
    }

    fn refuse<'a>(&'a self, refusal: Refusal<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>> {
        Box::pin(async move { self.check().map(|()| self.inner.refuse(refusal))?.await })
    }

    fn admin<'a>(&'a self, act: AdminAct<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>> {
        Box::pin(async move { self.check().map(|()| self.inner.admin(act))?.await })
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    fn healthy(&self) -> Result<(), String> {
        self.check().map_err(|e| e.to_string())
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.inner.close()
    }
}
