//! What a process says to one request, or unasked: the stream that the gate reads.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::UpstreamError;
use super::outlet::Delivery;
use crate::mcp::sse::{self, Event};

/// The messages in answer to a request, or of a free stream. Dropped before the answer, it cancels
/// the request.
#[derive(Debug)]
pub(crate) struct Answers {
    from: mpsc::UnboundedReceiver<Delivery>,
    /// What came first and was only looked at.
    first: Option<Bytes>,
    _ticket: Option<Ticket>,
}

/// What carries requests to a server, and knows those that wait.
pub(in super::super) trait Carrier: std::fmt::Debug + Send + Sync {
    /// Nobody waits for this request any more: by its id on the wire, and as that is written.
    fn abandon(self: Arc<Self>, wire_id: &str, written: &str);
}

/// A request's place in what carries it.
#[derive(Debug)]
struct Ticket {
    carrier: Arc<dyn Carrier>,
    wire_id: String,
    written: String,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        Arc::clone(&self.carrier).abandon(&self.wire_id, &self.written);
    }
}

/// How a server begins to answer.
#[derive(Debug)]
pub(in super::super) enum Beginning {
    /// With the answer, and the code if it is an error.
    Whole(Bytes, Option<i64>),
    /// With another message.
    Several(Answers),
}

impl Answers {
    pub(in super::super) fn of_request(
        carrier: Arc<dyn Carrier>,
        wire_id: String,
        written: String,
        from: mpsc::UnboundedReceiver<Delivery>,
    ) -> Self {
        let ticket = Ticket {
            carrier,
            wire_id,
            written,
        };
        Self {
            from,
            first: None,
            _ticket: Some(ticket),
        }
    }

    pub(in super::super) const fn of_session(from: mpsc::UnboundedReceiver<Delivery>) -> Self {
        Self {
            from,
            first: None,
            _ticket: None,
        }
    }

    /// An answer that came in one piece.
    pub(super) fn whole(answer: Bytes) -> Self {
        let (_, nothing_more) = mpsc::unbounded_channel();
        Self {
            from: nothing_more,
            first: Some(answer),
            _ticket: None,
        }
    }

    /// Waits for the first message.
    pub(in super::super) async fn begin(
        mut self,
        patience: Duration,
    ) -> Result<Beginning, UpstreamError> {
        let first = timeout(patience, self.from.recv()).await;
        match first.map_err(|_| UpstreamError::Timeout(patience))? {
            Some(Delivery::Answer(message, code)) => Ok(Beginning::Whole(message, code)),
            Some(Delivery::Failed(error)) => Err(error),
            Some(Delivery::Message { message, .. }) => {
                self.first = Some(message);
                Ok(Beginning::Several(self))
            }
            None => Err(lost()),
        }
    }

    /// The same without the message that came first.
    pub(in super::super) fn without_first(mut self) -> Self {
        self.first = None;
        self
    }

    /// The next message as an event, or `None` at the end. Between two at most `idle` may pass.
    pub(crate) async fn next(&mut self, idle: Duration) -> Result<Option<Event>, UpstreamError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(event(first)));
        }
        let next = timeout(idle, self.from.recv()).await;
        match next.map_err(|_| UpstreamError::Timeout(idle))? {
            Some(Delivery::Message { message, .. } | Delivery::Answer(message, _)) => {
                Ok(Some(event(message)))
            }
            Some(Delivery::Failed(error)) => Err(error),
            None => Ok(None),
        }
    }
}

fn lost() -> UpstreamError {
    UpstreamError::Broken("its process ended".into())
}

fn event(message: Bytes) -> Event {
    Event {
        raw: sse::write(&message, None),
        data: message,
        kind: None,
        id: None,
    }
}
