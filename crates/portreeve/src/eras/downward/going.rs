//! A call that goes on in a legacy session, from its request to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use portreeve_policy::json::{Rules, parse};
use tokio::sync::mpsc;

use super::pool::{Lease, unasked};
use crate::eras::answers::Question;
use crate::eras::draft::{json, object};
use crate::eras::events::{self, Carried};
use crate::eras::{Eras, capabilities};
use crate::gate::{Payload, Reply, Rounds, Status, Visit};
use crate::mcp::{answer, code};

/// What may wait to be looked at.
const IN_FLIGHT: usize = 16;

/// What a question is called towards the client: there is one at a time.
const THE_ONLY: &str = "input";

/// What comes of a posted call.
#[derive(Debug)]
enum Come {
    Event(Bytes),
    Whole(Status, Bytes),
}

/// Whose call it is.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub eras: Arc<Eras>,
    pub visit: Visit,
    /// Its own, as it sent them last.
    pub headers: HeaderMap,
    pub rounds: Arc<Rounds>,
    /// What it can do, and whether it wants to know what is logged.
    pub capabilities: String,
    pub hears_logs: bool,
}

/// A call in a legacy session. Dropped before its answer, it is cancelled at the server.
#[derive(Debug)]
pub(super) struct Going {
    pub client: Client,
    /// Its id in the session, as JSON text.
    inner_id: String,
    lease: Option<Lease>,
    coming: mpsc::Receiver<Come>,
    is_answered: bool,
}

/// The next of what comes of a call.
#[derive(Debug)]
pub(super) enum Step {
    /// For the client, and not the end.
    Note(Bytes),
    /// The server wants to know something: its id for that, as JSON text.
    Asked(String, Question),
    /// The answer.
    Answer(Status, Bytes),
    /// There is none.
    Lost,
}

impl Going {
    /// Makes the call under an id of its own in the session.
    pub(super) fn start(
        client: Client,
        mut lease: Lease,
        (inner_id, body): (String, Bytes),
    ) -> Self {
        let headers = lease
            .inner()
            .map(|inner| inner.headers(&client.headers, true))
            .unwrap_or_default();
        let coming = post(client.clone(), headers, body);
        Self {
            client,
            inner_id,
            lease: Some(lease),
            coming,
            is_answered: false,
        }
    }

    /// Waits for what comes next.
    pub(super) async fn step(&mut self) -> Step {
        loop {
            let mut nothing = None;
            let free = match self.lease.as_mut().and_then(Lease::inner) {
                Some(inner) => &mut inner.free,
                None => &mut nothing,
            };
            // What belongs to the call comes before what belongs to the session.
            let (carried, event) = tokio::select! {
                biased;
                come = self.coming.recv() => match come {
                    Some(Come::Whole(status, answer)) => return self.answered(status, answer),
                    Some(Come::Event(event)) => (events::read(&event), Some(event)),
                    None => {
                        self.is_answered = true;
                        return Step::Lost;
                    }
                },
                Some(carried) = unasked(free) => (carried, None),
            };
            match (carried, event) {
                (Carried::Response(answer), Some(_)) => return self.answered(Status::Fine, answer),
                (Carried::Request(request), _) => {
                    if let Some(asked) = self.asked(&request).await {
                        return asked;
                    }
                }
                (Carried::Notification(method, _), Some(event)) if self.is_for_client(&method) => {
                    return Step::Note(event);
                }
                (Carried::Notification(method, note), None)
                    if method == "notifications/message" && self.client.hears_logs =>
                {
                    return Step::Note(events::written(&note, None));
                }
                (Carried::Nothing, Some(event)) => return Step::Note(event),
                _ => {}
            }
        }
    }

    fn answered(&mut self, status: Status, answer: Bytes) -> Step {
        self.is_answered = true;
        Step::Answer(status, answer)
    }

    /// What a modern client is told in the stream of a call: changes are told on a stream of their
    /// own, and logs if it asked for them.
    fn is_for_client(&self, method: &str) -> bool {
        match method {
            "notifications/message" => self.client.hears_logs,
            "notifications/cancelled" | "notifications/resources/updated" => false,
            other => !other.ends_with("/list_changed"),
        }
    }

    /// What the server asks: handed to the client if it can be, and answered here if not.
    async fn asked(&self, request: &Bytes) -> Option<Step> {
        let tree = parse(request, Rules::MESSAGE).ok()?;
        let id = String::from_utf8(tree.get("id")?.span.of(request).to_vec()).ok()?;
        let question = Question::read(THE_ONLY, &tree, request)?;
        if question.method == "ping" {
            self.say(Bytes::from(answer::result(&id, &serde_json::json!({}))))
                .await;
            return None;
        }
        if !capabilities::allow(self.client.capabilities.as_bytes(), &question) {
            let words = format!(
                "the client did not declare that it can do {}",
                question.method
            );
            let words = answer::plain_error(Some(&id), code::METHOD_NOT_FOUND, &words);
            self.say(Bytes::from(words)).await;
            return None;
        }
        Some(Step::Asked(id, question))
    }

    /// Answers a request of the server.
    pub(super) async fn reply_to(&self, id: &str, result: &[u8]) -> Reply {
        let message = object(&[
            ("jsonrpc", json("2.0")),
            ("id", id.as_bytes().to_vec()),
            ("result", result.to_vec()),
        ]);
        self.say(Bytes::from(message)).await
    }

    /// Tells the server that nobody answers its request.
    pub(super) async fn decline(&self, id: &str, words: &str) {
        let words = answer::plain_error(Some(id), code::POLICY_REFUSED, words);
        self.say(Bytes::from(words)).await;
    }

    /// The headers of a further message in the session.
    pub(super) fn session_headers(&self, from: &HeaderMap, is_call: bool) -> HeaderMap {
        let inner = self.lease.as_ref().and_then(Lease::peek);
        inner.map_or_else(HeaderMap::new, |inner| inner.headers(from, is_call))
    }

    async fn say(&self, message: Bytes) -> Reply {
        let headers = self.session_headers(&self.client.headers, false);
        self.client
            .eras
            .gate
            .post(self.client.visit.clone(), headers, message)
            .await
    }

    /// The session is gone at the server.
    pub(super) fn lose_session(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.lose();
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take().filter(|_| !self.is_answered) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let headers = lease
            .peek()
            .map(|inner| inner.headers(&self.client.headers, false));
        let (eras, visit) = (Arc::clone(&self.client.eras), self.client.visit.clone());
        let cancel = crate::mcp::parts::cancellation(&self.inner_id);
        runtime.spawn(async move {
            eras.gate
                .post(visit, headers.unwrap_or_default(), cancel)
                .await;
            // Only now may another call use the session.
            drop(lease);
        });
    }
}

/// Posts a call, and hands on what comes of it for as long as somebody waits.
fn post(client: Client, headers: HeaderMap, body: Bytes) -> mpsc::Receiver<Come> {
    let (to, coming) = mpsc::channel(IN_FLIGHT);
    tokio::spawn(async move {
        let Client {
            eras,
            visit,
            rounds,
            ..
        } = client;
        let reply = tokio::select! {
            reply = eras.gate.post_round(visit, headers, body, &rounds) => reply,
            () = to.closed() => return,
        };
        match reply.payload {
            Payload::Nothing => {}
            Payload::Message(message) => {
                to.send(Come::Whole(reply.status, message)).await.ok();
            }
            Payload::Events(mut events) => loop {
                let event = tokio::select! {
                    event = events.recv() => event,
                    () = to.closed() => return,
                };
                let Some(event) = event else { return };
                if to.send(Come::Event(event)).await.is_err() {
                    return;
                }
            },
        }
    });
    coming
}
