//! A server's event stream, read event by event.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::time::timeout;

use super::UpstreamError;
use super::pool::Answer;
use super::stdio::{Answers, Numbered};
use crate::budget::{Budget, Part, SMALL};
use crate::mcp::sse::{Cutter, Event};

/// Reads events as they arrive. Dropping it closes the stream, which cancels the request.
#[derive(Debug)]
pub struct EventSource(Source);

#[derive(Debug)]
enum Source {
    Http(Box<HttpEvents>),
    Stdio(Answers),
    Kept(Box<Numbered>),
}

impl EventSource {
    pub(super) fn new(body: Answer, max_event: usize, budget: Budget) -> Self {
        Self(Source::Http(Box::new(HttpEvents {
            body,
            cutter: Cutter::new(max_event),
            budget,
            part: Part::default(),
        })))
    }

    pub(super) const fn of_answers(answers: Answers) -> Self {
        Self(Source::Stdio(answers))
    }

    pub(super) fn of_numbered(numbered: Numbered) -> Self {
        Self(Source::Kept(Box::new(numbered)))
    }

    /// The next event, or `None` when the server has ended the stream. Between two events at most
    /// `idle` may pass.
    pub async fn next(&mut self, idle: Duration) -> Result<Option<Event>, UpstreamError> {
        match &mut self.0 {
            Source::Http(events) => events.next(idle).await,
            Source::Stdio(answers) => answers.next(idle).await,
            Source::Kept(numbered) => numbered.next(idle).await,
        }
    }
}

/// The events in the body of an HTTP answer.
#[derive(Debug)]
struct HttpEvents {
    body: Answer,
    cutter: Cutter,
    budget: Budget,
    /// For what has come and is not yet an event.
    part: Part,
}

impl HttpEvents {
    /// The next of the events that have come. A large one carries its part of the budget.
    fn cut(&mut self) -> Result<Option<Event>, UpstreamError> {
        let part = &mut self.part;
        let cut = self.cutter.next_event_kept(|raw, left| {
            let own = part.keep_for(left);
            if raw.len() > SMALL {
                own.carried_by(raw)
            } else {
                raw
            }
        });
        let Some(mut event) = cut.map_err(|e| UpstreamError::Nonsense(e.to_string()))? else {
            return Ok(None);
        };
        if !event.raw.as_ptr_range().contains(&event.data.as_ptr()) {
            // Joined of many lines, it is no part of the event's own bytes.
            event.data = self.budget.carried(event.data)?;
        }
        Ok(Some(event))
    }

    async fn next(&mut self, idle: Duration) -> Result<Option<Event>, UpstreamError> {
        loop {
            if let Some(event) = self.cut()? {
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
                self.part.grow(&self.budget, self.cutter.leftover())?;
            }
        }
    }
}
