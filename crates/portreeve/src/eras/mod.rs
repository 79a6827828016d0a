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
mod downward;
mod draft;
mod events;
mod upward;
mod way;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::HeaderMap;

use crate::gate::{Gate, Payload, Reply, Status, Visit};
use crate::mcp::message::Malformed;
use crate::mcp::{answer, code};
use way::Way;

/// The gate, for clients of either era.
#[derive(Debug)]
pub struct Eras {
    gate: Arc<Gate>,
    elders: upward::Sessions,
    pool: downward::Pool,
    parked: downward::Parked,
    ids: AtomicU64,
}

impl Eras {
    pub fn new(gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self {
            gate,
            elders: upward::Sessions::default(),
            pool: downward::Pool::default(),
            parked: downward::Parked::default(),
            ids: AtomicU64::new(1),
        })
    }

    /// Takes one request body, as the gate does.
    pub async fn post(self: &Arc<Self>, visit: Visit, headers: HeaderMap, body: Bytes) -> Reply {
        match self.way(&visit, &headers, &body).await {
            Way::Straight => self.straight(visit, headers, body).await,
            Way::Upward => Box::pin(self.upward(visit, headers, body)).await,
            Way::Downward => Box::pin(self.downward(visit, headers, body)).await,
        }
    }

    /// Opens the stream on which a server speaks unasked, as the gate does.
    pub async fn listen(self: &Arc<Self>, visit: Visit, headers: &HeaderMap) -> Reply {
        match self.way(&visit, headers, b"").await {
            Way::Upward => self.listen_upward(visit, headers).await,
            // A modern client has no such stream, and is told so.
            Way::Straight | Way::Downward => self.gate.listen(visit, headers).await,
        }
    }

    /// Ends a session, as the gate does.
    pub async fn end_session(self: &Arc<Self>, visit: Visit, headers: &HeaderMap) -> Reply {
        match self.way(&visit, headers, b"").await {
            Way::Upward => self.end_upward(visit, headers).await,
            Way::Straight | Way::Downward => self.gate.end_session(visit, headers).await,
        }
    }

    /// Forgets what lay idle for too long.
    pub fn sweep(self: &Arc<Self>) {
        let now = self.gate.clock().now();
        self.elders.sweep(now);
        self.parked.sweep(now);
        self.sweep_pool();
    }

    /// Books that a message was refused here, and answers with `reply`.
    async fn refused(&self, visit: &Visit, message: (Option<&str>, &str), reply: Reply) -> Reply {
        let (id, method) = message;
        let reason = match &reply.payload {
            Payload::Message(words) => answers::words_of(words),
            _ => None,
        };
        let malformed = Malformed {
            code: code::INVALID_REQUEST,
            reason: reason.unwrap_or_default(),
            id: id.map(str::to_owned),
            method: Some(method.to_owned()),
        };
        let booked = self.gate.refuse_malformed(visit, &malformed).await;
        if booked.status == Status::Unavailable {
            booked
        } else {
            reply
        }
    }

    /// Refuses a request whose params are not as they must be, and books it.
    async fn refuse_params(
        &self,
        visit: &Visit,
        (id, method): (&str, &str),
        (status, words): (Status, &str),
    ) -> Reply {
        let said = answer::plain_error(Some(id), code::INVALID_PARAMS, words);
        let reply = Reply::message(status, said);
        self.refused(visit, (Some(id), method), reply).await
    }

    /// An id for a request of the gate's own, as JSON text.
    fn own_id(&self) -> String {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        format!("\"portreeve-{number}\"")
    }
}
