//! The store as a place of anchors.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use portreeve_policy::time::Timestamp;

use super::anchor::{AnchorError, Anchors};
use super::chain::{Anchor, Digest, Head};
use crate::store::{Store, StoreError, model};

/// Anchors in the store's own table.
#[derive(Clone, Debug)]
pub struct StoreAnchors(Arc<dyn Store>);

impl StoreAnchors {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

const PLACE: &str = "the store";

fn failed(doing: &'static str) -> impl Fn(StoreError) -> AnchorError {
    move |error| AnchorError {
        place: PLACE.to_owned(),
        doing,
        reason: error.to_string(),
    }
}

fn read(stored: &model::Anchor) -> Result<Anchor, AnchorError> {
    let hash = Digest::from_hex(&stored.hash).ok_or_else(|| AnchorError {
        place: PLACE.to_owned(),
        doing: "read",
        reason: format!("the hash of record {} is not one", stored.seq),
    })?;
    let seq = stored.seq;
    Ok(Anchor {
        head: Head { seq, hash },
        at: Timestamp(stored.at),
    })
}

impl Anchors for StoreAnchors {
    fn name(&self) -> String {
        PLACE.to_owned()
    }

    fn put(&self, anchor: Anchor) -> BoxFuture<'_, Result<(), AnchorError>> {
        let put = self.0.put_anchor(model::Anchor {
            seq: anchor.head.seq,
            hash: anchor.head.hash.to_string(),
            at: anchor.at.0,
        });
        Box::pin(async { put.await.map_err(failed("written")) })
    }

    fn latest(&self) -> BoxFuture<'_, Result<Option<Anchor>, AnchorError>> {
        let found = self.0.anchor();
        Box::pin(async {
            let found = found.await.map_err(failed("read"))?;
            found.as_ref().map(read).transpose()
        })
    }

    fn history(&self) -> BoxFuture<'_, Result<Vec<Anchor>, AnchorError>> {
        let found = self.0.anchors();
        Box::pin(async {
            found
                .await
                .map_err(failed("read"))?
                .iter()
                .map(read)
                .collect()
        })
    }
}
