//! Request bodies: read whole, within a cap, a deadline, and what all of them together may take.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::pieces::Pieces;

/// How long a client may take to send a body.
const DEADLINE: Duration = Duration::from_secs(30);

/// Bodies up to this size are not counted: a place among the requests bounds them well enough, and
/// a crowd of large ones must not keep ordinary ones out.
const SMALL: usize = 64 * 1024;
const KIB: usize = 1024;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body did not arrive within {} s", DEADLINE.as_secs())]
    TooSlow,
    #[error("the body broke off")]
    Broken,
    #[error("too many large bodies are being read; try again in a moment")]
    Crowded,
}

/// What large bodies may take together.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(
            (bytes / KIB).min(Semaphore::MAX_PERMITS),
        )))
    }
}

/// A body, and its part of the budget for as long as it is held.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Bytes,
    pub(super) part: Option<OwnedSemaphorePermit>,
}

/// Reads a body.
pub(super) async fn read(
    mut body: Incoming,
    max: usize,
    budget: &Budget,
) -> Result<Held, BodyError> {
    if body.size_hint().lower() > max as u64 {
        return Err(BodyError::TooLarge(max));
    }
    let reading = async {
        let mut collected = Collected {
            budget,
            pieces: Pieces::default(),
            part: None,
        };
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
                continue;
            };
            collected.take(data, max)?;
        }
        Ok(collected.whole())
    };
    timeout(DEADLINE, reading)
        .await
        .map_err(|_| BodyError::TooSlow)?
}

struct Collected<'a> {
    budget: &'a Budget,
    pieces: Pieces,
    part: Option<OwnedSemaphorePermit>,
}

impl Collected<'_> {
    fn take(&mut self, data: Bytes, max: usize) -> Result<(), BodyError> {
        let length = self.pieces.push(data);
        if length > max {
            return Err(BodyError::TooLarge(max));
        }
        self.account(length)
    }

    /// Takes as much of the budget as the body has grown to.
    fn account(&mut self, length: usize) -> Result<(), BodyError> {
        if length <= SMALL {
            return Ok(());
        }
        let held = self
            .part
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(length.div_ceil(KIB).saturating_sub(held));
        let more = more.map_err(|_| BodyError::Crowded)?;
        let taken = Arc::clone(&self.budget.0).try_acquire_many_owned(more);
        let taken = taken.map_err(|_| BodyError::Crowded)?;
        match &mut self.part {
            Some(part) => part.merge(taken),
            none => *none = Some(taken),
        }
        Ok(())
    }

    fn whole(self) -> Held {
        Held {
            bytes: self.pieces.whole(),
            part: self.part,
        }
    }
}
