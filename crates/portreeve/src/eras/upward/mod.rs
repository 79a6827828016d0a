//! A legacy client before a server that is modern only.
//!
//! What the old era has and the new one has not is answered here: the handshake, sessions, pings,
//! the log level, the stream on which a server speaks unasked. Everything else goes on as a request
//! of the modern era (`call`), with what the client said in its handshake stamped on it (`stamp`).

mod call;
mod hello;
mod listen;
mod session;
mod stamp;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use portreeve_policy::json::Value;

use session::Session;
pub(super) use session::Sessions;

use super::Eras;
use super::answers::untranslatable;
use super::draft::Draft;
use crate::gate::{FirstList, Payload, Reply, Status, Visit};
use crate::mcp::kept;
use crate::mcp::message::{self, Message, Shape};
use crate::mcp::method::{self, Topic, topic};
use crate::mcp::revision::{Era, MODERN};
use crate::mcp::{answer, header};

/// One message of a legacy client, with everything that its way needs.
struct Errand<'a> {
    visit: Visit,
    headers: HeaderMap,
    session: Option<Arc<Session>>,
    message: Message<'a>,
    /// What the message was read from.
    text: &'a [u8],
    draft: Draft,
}

impl Eras {
    pub(super) async fn upward(
        self: &Arc<Self>,
        visit: Visit,
        headers: HeaderMap,
        body: Bytes,
    ) -> Reply {
        // What is malformed, or of nobody's session, is the gate's to refuse and to book.
        let read = message::read_tree(&body);
        let Ok(tree) = &read else {
            return self.gate.post(visit, headers, body.clone()).await;
        };
        if message::batch(tree).is_some() {
            let words = format!("the server speaks revision {MODERN} only, which has no batches");
            let reply = untranslatable(None, &words);
            return self.refused(&visit, (None, "(batch)"), reply).await;
        }
        let Ok(session) = self.session(&visit, &headers) else {
            return self.gate.post(visit, headers, body.clone()).await;
        };
        let message = match message::read(tree, &body) {
            Ok(message) if header::agree(&headers, &message, Era::Legacy).is_ok() => message,
            _ => return self.gate.post(visit, headers, body.clone()).await,
        };
        let errand = Errand {
            visit,
            headers,
            session,
            draft: Draft::of(&message, tree, &body),
            message,
            text: &body,
        };
        match message.shape {
            Shape::Request { id, method } => self.request(errand, id.as_json(), method).await,
            Shape::Notification { method } => self.notification(errand, method).await,
            Shape::Response { id, .. } => {
                let answered = errand.session.as_ref().is_some_and(|session| {
                    session.take_answer(id.as_json(), body.slice_ref(message.raw))
                });
                if answered {
                    return Reply::new(Status::Accepted, Payload::Nothing);
                }
                let headers = without_session(&errand.headers);
                self.gate.post(errand.visit, headers, body.clone()).await
            }
        }
    }

    /// The session that the headers name; an error if it is not the visitor's.
    fn session(&self, visit: &Visit, headers: &HeaderMap) -> Result<Option<Arc<Session>>, ()> {
        match header::single(headers, &header::SESSION_ID) {
            Ok(None) => Ok(None),
            Ok(Some(id)) => {
                let now = self.gate.clock().now();
                self.elders.find(id, visit, now).map(Some).ok_or(())
            }
            Err(_) => Err(()),
        }
    }

    /// Whether the headers name a session that is kept here.
    pub(super) fn keeps_session(&self, visit: &Visit, headers: &HeaderMap) -> bool {
        matches!(self.session(visit, headers), Ok(Some(_)))
    }

    async fn request(self: &Arc<Self>, errand: Errand<'_>, id: &str, method: &str) -> Reply {
        let done = || Reply::message(Status::Fine, answer::result(id, &serde_json::json!({})));
        match (method, &errand.session) {
            ("initialize", _) => self.greet(errand, id).await,
            ("ping", _) => done(),
            ("logging/setLevel", Some(session)) => {
                let level = errand.message.param("level").and_then(Value::as_str);
                let Some(level) = level.and_then(kept::level) else {
                    let words = "`level` is none of the protocol's levels";
                    let said = (Status::Fine, words);
                    return self.refuse_params(&errand.visit, (id, method), said).await;
                };
                session.set_level(level);
                done()
            }
            ("resources/subscribe", Some(session)) => {
                let session = Arc::clone(session);
                self.watch(errand, &session, id).await
            }
            ("resources/unsubscribe", Some(session)) => {
                let uri = errand.message.param("uri").and_then(Value::as_str);
                session.feed.unwatch(uri.unwrap_or_default());
                done()
            }
            ("logging/setLevel" | "resources/subscribe" | "resources/unsubscribe", None) => {
                let words = format!(
                    "{method} needs a session, for the server speaks revision {MODERN} only: initialize first"
                );
                let reply = untranslatable(Some(id), &words);
                self.refused(&errand.visit, (Some(id), method), reply).await
            }
            _ if method.starts_with("tasks/") || errand.message.param("task").is_some() => {
                let words = format!(
                    "the server speaks revision {MODERN} only, whose tasks are another protocol's"
                );
                let reply = untranslatable(Some(id), &words);
                self.refused(&errand.visit, (Some(id), method), reply).await
            }
            _ => self.call(errand, id).await,
        }
    }

    async fn notification(self: &Arc<Self>, errand: Errand<'_>, method: &str) -> Reply {
        if method == method::CANCELLED
            && let (Some(session), Some(id)) = (&errand.session, errand.message.param("requestId"))
        {
            session.cancel(id);
        }
        // Those of the conversation itself have no place where there is none.
        if topic(method) == Topic::Protocol {
            return Reply::new(Status::Accepted, Payload::Nothing);
        }
        let stamped = stamp::stamped(&errand);
        self.gate
            .post(errand.visit, stamped.headers, stamped.body)
            .await
    }

    async fn call(self: &Arc<Self>, mut errand: Errand<'_>, id: &str) -> Reply {
        // The headers that a call needs follow from the tool's definition.
        if errand.visit.server.pins.first_list() == FirstList::ToBeTaken
            && let Ok(visit) = self.gate.with_known_tools(&errand.visit).await
        {
            errand.visit = visit;
        }
        call::Call::new(self, &errand, id).run().await
    }

    pub(super) async fn end_upward(self: &Arc<Self>, visit: Visit, headers: &HeaderMap) -> Reply {
        match self.session(&visit, headers) {
            Ok(Some(session)) => {
                self.elders.close(&session.id);
                Reply::new(Status::Fine, Payload::Nothing)
            }
            _ => self.gate.end_session(visit, headers).await,
        }
    }
}

fn without_session(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(header::SESSION_ID);
    headers
}
