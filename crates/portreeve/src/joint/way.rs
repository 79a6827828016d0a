//! The way to one server: the same that a client of `/mcp/<server>` takes.
//!
//! INVARIANT: this is the only way from here to a server, so whatever goes through the one URL is
//! judged, charged, booked and inspected as if it had come to the server's own
//! (`architecture::the_joint_forwards_through_the_gate`).

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use crate::gate::{Gate, Reply, Visit};

/// The three things that can be asked of a server.
#[derive(Clone, Debug)]
pub(super) struct Way {
    gate: Arc<Gate>,
}

impl Way {
    pub(super) const fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    pub(super) async fn post(&self, visit: Visit, headers: HeaderMap, body: Bytes) -> Reply {
        Box::pin(self.gate.post(visit, headers, body)).await
    }

    pub(super) async fn listen(&self, visit: Visit, headers: &HeaderMap) -> Reply {
        Box::pin(self.gate.listen(visit, headers)).await
    }

    pub(super) async fn end_session(&self, visit: Visit, headers: &HeaderMap) -> Reply {
        Box::pin(self.gate.end_session(visit, headers)).await
    }
}
