//! The store as the ledger's first outside witness.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use portreeve_policy::time::Timestamp;

use crate::ledger::{Anchor, AnchorError, Anchors, Digest, Head};
use crate::store::model;
use crate::store::{Store, StoreError};

/// Keeps the ledger's head in the store.
#[derive(Debug)]
pub struct StoreAnchors(Arc<dyn Store>);

impl StoreAnchors {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

const PLACE: &str = "the store";

fn failed(doing: &'static str) -> impl FnOnce(StoreError) -> AnchorError {
    move |error| AnchorError {
        place: PLACE.to_owned(),
        doing,
        reason: error.to_string(),
    }
}

impl Anchors for StoreAnchors {
    fn name(&self) -> String {
        PLACE.to_owned()
    }

    fn put(&self, anchor: Anchor) -> BoxFuture<'_, Result<(), AnchorError>> {
        Box::pin(async move {
            let Anchor { head, at } = anchor;
            let anchor = model::Anchor {
                seq: head.seq,
                hash: head.hash.to_string(),
                at: at.0,
            };
            self.0.put_anchor(anchor).await.map_err(failed("written"))
        })
    }

    fn latest(&self) -> BoxFuture<'_, Result<Option<Anchor>, AnchorError>> {
        Box::pin(async move {
            let Some(anchor) = self.0.anchor().await.map_err(failed("read"))? else {
                return Ok(None);
            };
            let hash = Digest::from_hex(&anchor.hash).ok_or_else(|| AnchorError {
                place: PLACE.to_owned(),
                doing: "read",
                reason: "the hash it holds is none".to_owned(),
            })?;
            let head = Head {
                seq: anchor.seq,
                hash,
            };
            Ok(Some(Anchor {
                head,
                at: Timestamp(anchor.at),
            }))
        })
    }
}
