//! Request bodies: read whole, within a cap, a deadline, and what all of them together may take.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::budget::{Budget, Part};
use crate::clock::within;
use crate::pieces::Pieces;

/// How long a client may take to send a body.
const DEADLINE: Duration = Duration::from_secs(30);

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

/// Reads a body. A large one carries its part of the budget.
pub(super) async fn read(
    mut body: Incoming,
    max: usize,
    budget: &Budget,
) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > max as u64 {
        return Err(BodyError::TooLarge(max));
    }
    let reading = async {
        let mut collected = Collected {
            budget,
            pieces: Pieces::default(),
            part: Part::default(),
        };
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
                continue;
            };
            collected.take(data, max)?;
        }
        Ok(collected.whole())
    };
    within(DEADLINE, reading).await.ok_or(BodyError::TooSlow)?
}

struct Collected<'a> {
    budget: &'a Budget,
    pieces: Pieces,
    part: Part,
}

impl Collected<'_> {
    fn take(&mut self, data: Bytes, max: usize) -> Result<(), BodyError> {
        let length = self.pieces.push(data);
        if length > max {
            return Err(BodyError::TooLarge(max));
        }
        let grown = self.part.grow(self.budget, length);
        grown.map_err(|_| BodyError::Crowded)
    }

    fn whole(self) -> Bytes {
        self.part.carried_by(self.pieces.whole())
    }
}
