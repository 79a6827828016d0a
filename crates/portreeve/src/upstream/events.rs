//! A server's event stream, read event by event.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming as HyperBody;
use tokio::time::timeout;

use super::UpstreamError;
use crate::mcp::sse::{Cutter, Event};

/// Reads events as they arrive. Dropping it closes the stream, which cancels the request.
#[derive(Debug)]
pub struct EventSource {
    body: HyperBody,
    cutter: Cutter,
}

impl EventSource {
    pub(super) fn new(body: HyperBody, max_event: usize) -> Self {
        Self {
            body,
            cutter: Cutter::new(max_event),
        }
    }

    /// The next event, or `None` when the server has ended the stream. Between two events at most
    /// `idle` may pass.
    pub async fn next(&mut self, idle: Duration) -> Result<Option<Event>, UpstreamError> {
        loop {
            let cut = self.cutter.next_event();
            if let Some(event) = cut.map_err(|e| UpstreamError::Nonsense(e.to_string()))? {
                return Ok(Some(event));
            }
            let frame = timeout(idle, self.body.frame())
                .await
                .map_err(|_| UpstreamError::Timeout(idle))?;
            let Some(frame) = frame else {
                // INVARIANT: an event that was not ended is not an event; half a message is none.
                return Ok(None);
            };
            let frame = frame.map_err(|e| UpstreamError::Broken(e.to_string()))?;
            if let Some(data) = frame.data_ref() {
                self.cutter.push(data);
            }
        }
    }
}
