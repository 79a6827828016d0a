//! A call that is kept open while people decide about it, and decided again when they have.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::ACCEPT;
use portreeve_policy::Rule;
use portreeve_policy::json::{Kind, Value, canonical};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep, timeout_at};

use super::ask::{Booked, Patience};
use super::decide::Refused;
use super::post::Exchange;
use super::relay::IN_FLIGHT;
use super::resolve::Call;
use super::sessions::{Session, SessionId};
use super::{Gate, Payload, Reply, Status};
use crate::mcp::message::{self, Message};
use crate::mcp::{answer, code, sse};
use crate::store::approval::State;

/// How often a client that waits hears that it still waits.
const TICK: Duration = Duration::from_secs(5);
/// How many decisions may be made while one waiting call does not look.
const DECISIONS_KEPT: usize = 256;

/// Tells waiting calls what concerns them.
#[derive(Debug)]
pub(super) struct Decisions(broadcast::Sender<News>);

#[derive(Clone, Debug)]
enum News {
    /// People have decided about this approval.
    Decided(Arc<str>),
    /// The client has given up this request of this session.
    Cancelled(SessionId, Arc<str>),
}

/// How a call's waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    ToBeDecidedAgain,
    Cancelled,
}

impl Default for Decisions {
    fn default() -> Self {
        Self(broadcast::Sender::new(DECISIONS_KEPT))
    }
}

/// What a waiting call listens for.
struct Wait {
    approval: String,
    request: Option<String>,
    news: broadcast::Receiver<News>,
    until: Instant,
}

impl Gate {
    /// Wakes the calls that wait for this approval.
    pub fn approval_decided(&self, id: &str) {
        // Nobody may be waiting.
        let _ = self.decisions.0.send(News::Decided(id.into()));
    }

    /// Ends the waiting of a request that its client has given up.
    pub(super) fn request_cancelled(&self, session: &Session, id: &Value<'_>) {
        let id = canonical(id).into();
        let _ = self
            .decisions
            .0
            .send(News::Cancelled(session.id.clone(), id));
    }
}

impl Exchange {
    /// Keeps the caller waiting, then has the call decided again.
    pub(super) async fn hold(
        &self,
        booked: Booked,
        (message, bytes): (&Message<'_>, Bytes),
        hold: Duration,
    ) -> Reply {
        let wait = Wait {
            approval: booked.approval.clone(),
            request: message.id().map(|id| message::canonical_id(id.as_json())),
            news: self.gate.decisions.0.subscribe(),
            until: Instant::now() + hold,
        };
        let token = message
            .meta("progressToken")
            .map(|token| match &token.kind {
                Kind::String(text) => serde_json::Value::from(text.as_ref()).to_string(),
                _ => canonical(token),
            });
        let Some(token) = token.filter(|_| self.takes_events()) else {
            let waited = self.until_decided(wait).await;
            return self.after(waited, booked, bytes).await;
        };
        let (to_client, events) = mpsc::channel(IN_FLIGHT);
        let exchange = self.clone();
        tokio::spawn(async move {
            let approval = wait.approval.clone();
            let ticking = tick(&to_client, &token, &approval);
            let waited = tokio::select! {
                waited = exchange.until_decided(wait) => waited,
                // The client went away: what it asked stays before the people.
                () = ticking => return,
            };
            hand_on(exchange.after(waited, booked, bytes).await, &to_client).await;
        });
        Reply::new(Status::Fine, Payload::Events(events))
    }

    fn takes_events(&self) -> bool {
        let values = self.headers.get_all(ACCEPT).iter();
        let mut values = values.filter_map(|value| value.to_str().ok());
        values.any(|value| value.contains("text/event-stream") || value.contains("*/*"))
    }

    /// Until somebody decides, the client gives up, or the time is over.
    async fn until_decided(&self, mut wait: Wait) -> Waited {
        use broadcast::error::RecvError::{Closed, Lagged};
        loop {
            // It may have been decided before this call began to listen, or unheard since.
            match self.gate.store.approval(&wait.approval).await {
                Ok(Some(known)) if known.state == State::Waiting => {}
                _ => return Waited::ToBeDecidedAgain,
            }
            loop {
                match timeout_at(wait.until, wait.news.recv()).await {
                    Ok(Ok(News::Decided(id))) if *id == *wait.approval => break,
                    Ok(Ok(News::Cancelled(session, id)))
                        if self.session.as_ref().is_some_and(|own| own.id == session)
                            && wait.request.as_deref() == Some(&*id) =>
                    {
                        return Waited::Cancelled;
                    }
                    Ok(Ok(_)) => {}
                    Ok(Err(Lagged(_))) => break,
                    Ok(Err(Closed)) | Err(_) => return Waited::ToBeDecidedAgain,
                }
            }
        }
    }

    async fn after(&self, waited: Waited, booked: Booked, bytes: Bytes) -> Reply {
        if waited == Waited::ToBeDecidedAgain {
            return self.again(booked, bytes).await;
        }
        let tree = message::read_tree(&bytes).ok();
        let message = tree
            .as_ref()
            .and_then(|tree| message::read(tree, &bytes).ok());
        let id = message.and_then(|message| message.id());
        let words = "cancelled while it waited for approval";
        let words = answer::plain_error(id.map(|id| id.as_json()), code::POLICY_REFUSED, words);
        Reply::message(Status::Fine, words)
    }

    /// Decides the call anew, under what is in force now, for whoever the token belongs to now.
    ///
    /// Boxed with its bounds, for it is the way back into judging.
    fn again(&self, booked: Booked, bytes: Bytes) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            let read = message::read_tree(&bytes);
            let tree = match &read {
                Ok(tree) => tree,
                Err(malformed) => return self.gate.refuse_malformed(&self.visit, malformed).await,
            };
            match message::read(tree, &bytes) {
                Ok(message) => self.judge_again(&message, bytes.clone(), booked).await,
                Err(malformed) => self.gate.refuse_malformed(&self.visit, &malformed).await,
            }
        })
    }

    async fn judge_again(&self, message: &Message<'_>, bytes: Bytes, booked: Booked) -> Reply {
        let server = self.visit.server.name.as_str();
        match self.gate.admit_visitor(&self.headers, server) {
            Ok(visit) => {
                let exchange = Self {
                    visit,
                    ..self.clone()
                };
                exchange
                    .judge(message, bytes, Patience::Spent(booked))
                    .await
            }
            Err(gone) => {
                let method = message.method().unwrap_or_default();
                let call = Call::bare(&self.visit, method, self.gate.moment());
                let refused = Refused::deny(Rule::NO_POLICY, gone.to_string());
                let id = message.id().map(|id| id.as_json());
                self.refuse(&call, id, &refused).await
            }
        }
    }
}

/// Tells a waiting client that it waits, until it goes away.
async fn tick(to_client: &mpsc::Sender<Bytes>, token: &str, approval: &str) {
    for tick in 1_u32.. {
        // Smaller than any step of the server's own, which may follow under the same token.
        let progress = f64::from(tick) / 1e6;
        let note = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{progress},"message":"waiting for approval {approval}"}}}}"#
        );
        let sending = to_client.send(sse::write(note.as_bytes(), None));
        if sending.await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(TICK) => {}
            () = to_client.closed() => return,
        }
    }
}

/// Sends a reply down a stream that was begun before it was known.
async fn hand_on(reply: Reply, to_client: &mpsc::Sender<Bytes>) {
    match reply.payload {
        Payload::Nothing => {}
        Payload::Message(message) => {
            let _ = to_client.send(sse::write(&message, None)).await;
        }
        Payload::Events(mut events) => {
            while let Some(event) = events.recv().await {
                if to_client.send(event).await.is_err() {
                    return;
                }
            }
        }
    }
}
