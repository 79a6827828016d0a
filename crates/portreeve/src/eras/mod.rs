//! Client and server of different eras: what the one says, put into the other's form.
//!
//! ```text
//! upward      a legacy client before a server that is modern only: its handshake answered here,
//!             its session kept here, questions of the server asked in its stream
//! downward    a modern client before a server that is legacy only: sessions kept for it, calls
//!             parked while it is asked
//! ```
//!
//! It stands before the gate and forwards nothing by itself: it is a client of the gate's own way,
//! so that every message is judged, charged, booked and looked at in the form in which it goes to the
//! server. Where both sides speak the same era, what came is handed on as it came.
//! `docs/eras.md` says what has no form in the other era.

mod answers;
mod capabilities;
mod draft;
mod events;
mod upward;
mod way;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use crate::gate::{Gate, Reply, Visit};
use way::Way;

/// The gate, for clients of either era.
#[derive(Debug)]
pub struct Eras {
    gate: Arc<Gate>,
    elders: upward::Sessions,
}

impl Eras {
    pub fn new(gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self {
            gate,
            elders: upward::Sessions::default(),
        })
    }

    /// Takes one request body, as the gate does.
    pub async fn post(self: &Arc<Self>, visit: Visit, headers: HeaderMap, body: Bytes) -> Reply {
        match self.way(&visit, &headers).await {
            Way::Straight => self.straight(visit, headers, body).await,
            Way::Upward => Box::pin(self.upward(visit, headers, body)).await,
        }
    }

    /// Opens the stream on which a server speaks unasked, as the gate does.
    pub async fn listen(self: &Arc<Self>, visit: Visit, headers: &HeaderMap) -> Reply {
        match self.way(&visit, headers).await {
            Way::Upward => self.listen_upward(visit, headers).await,
            Way::Straight => self.gate.listen(visit, headers).await,
        }
    }

    /// Ends a session, as the gate does.
    pub async fn end_session(self: &Arc<Self>, visit: Visit, headers: &HeaderMap) -> Reply {
        match self.way(&visit, headers).await {
            Way::Upward => self.end_upward(visit, headers).await,
            Way::Straight => self.gate.end_session(visit, headers).await,
        }
    }

    /// Forgets what lay idle for too long.
    pub fn sweep(&self) {
        self.elders.sweep(self.gate.clock().now());
    }
}
