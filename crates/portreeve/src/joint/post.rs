//! A client's messages on their way in: read, and each brought to whom it is for.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::HeaderMap;
use portreeve_policy::Rule;
use portreeve_policy::json::Value;

use super::Joint;
use super::carry;
use super::exchange::{Absent, Exchange};
use super::lens::{Lens, Watching};
use super::merge::Kind;
use super::route::{Nowhere, To};
use super::runs::{At, Running};
use crate::gate::{
    Party, Reply, SessionError, Status, Stray, fits_its_era, gather, mismatched, no_hello,
    no_session, trouble_with_batch,
};
use crate::mcp::message::{self, Malformed, Message, Shape};
use crate::mcp::method;
use crate::mcp::revision::{self, Era};
use crate::mcp::splice::apply;
use crate::mcp::{answer, code, header};

impl Joint {
    /// Takes one request body: a message, or a batch of the one revision that has them.
    pub async fn post(self: &Arc<Self>, party: Party, headers: HeaderMap, body: Bytes) -> Reply {
        let body = trimmed(&body);
        let tree = match message::read_tree(&body) {
            Ok(tree) => tree,
            Err(malformed) => return self.refuse_malformed(&party, &malformed).await,
        };
        let version = header::version(&headers, revision::stated(tree.get("params")));
        let era = match version.map(revision::era) {
            Ok(era) => era,
            Err(mismatch) => {
                let malformed = mismatched(&tree, &body, &mismatch);
                return self.refuse_malformed(&party, &malformed).await;
            }
        };
        let exchange = match self.exchange(party.clone(), headers, era).await {
            Ok(exchange) => exchange,
            Err(reply) => return reply,
        };
        match message::batch(&tree) {
            None => Box::pin(exchange.single(&tree, &body)).await,
            Some(batch) => Box::pin(exchange.batch(batch, &body)).await,
        }
    }

    /// The exchange of a request, in its session if it names one.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        party: Party,
        headers: HeaderMap,
        era: Era,
    ) -> Result<Exchange, Reply> {
        let id = match header::single(&headers, &header::SESSION_ID) {
            // The modern era has no sessions and ignores the header.
            _ if era == Era::Modern => None,
            Ok(id) => id,
            Err(mismatch) => {
                let malformed = Malformed {
                    code: code::HEADER_MISMATCH,
                    reason: mismatch.to_string(),
                    id: None,
                    method: None,
                };
                return Err(self.refuse_malformed(&party, &malformed).await);
            }
        };
        let now = self.gate.clock().now();
        let session = id.map(|id| self.sessions.find(id, &party, now)).transpose();
        let session = match session {
            Ok(session) => session,
            Err(error) => return Err(self.refuse_session(&party, error).await),
        };
        Ok(Exchange {
            joint: Arc::clone(self),
            party,
            headers,
            session,
            era,
        })
    }

    pub(super) async fn refuse_malformed(&self, party: &Party, malformed: &Malformed) -> Reply {
        let refusing = self.gate.refuse_stray_malformed(&party.caller, malformed);
        Box::pin(refusing).await
    }

    /// Refuses a session that is not the caller's, and books that it was tried.
    async fn refuse_session(&self, party: &Party, error: SessionError) -> Reply {
        let stray = Stray {
            method: "(session)",
            ..Stray::default()
        };
        let why = (Rule::MALFORMED, error.to_string());
        let why = (why.0, why.1.as_str());
        let refusing = self
            .gate
            .refuse_stray(&party.caller, stray, Era::Legacy, why);
        match Box::pin(refusing).await {
            unavailable @ Reply {
                status: Status::Unavailable,
                ..
            } => unavailable,
            _ => no_session(error),
        }
    }
}

impl Exchange {
    pub(super) async fn single(&self, tree: &Value<'_>, body: &Bytes) -> Reply {
        let message = match message::read(tree, body) {
            Ok(message) => message,
            Err(malformed) => return self.joint.refuse_malformed(&self.party, &malformed).await,
        };
        if let Err(mismatch) = header::agree(&self.headers, &message, self.era) {
            let malformed = mismatched(tree, body, &mismatch);
            return self.joint.refuse_malformed(&self.party, &malformed).await;
        }
        let method = message.method().unwrap_or("(response)");
        if self.era == Era::Modern
            && let Err(unfit) = fits_its_era(&message)
        {
            let said = (unfit.code(), unfit.status());
            return self.refuse_as(&message, said, &unfit.to_string()).await;
        }
        let answered = match message.shape {
            Shape::Request { id, .. } => {
                let id = id.as_json();
                Box::pin(self.asked(&message, (method, id), body)).await
            }
            Shape::Notification { .. } => Box::pin(self.told(&message, method, body)).await,
            Shape::Response { id, .. } => {
                Box::pin(self.answered(&message, tree, id.as_json())).await
            }
        };
        match answered {
            Ok(reply) => reply,
            Err(nowhere) => self.refuse(&message, method, &nowhere).await,
        }
    }

    /// A request.
    async fn asked(
        &self,
        message: &Message<'_>,
        (method, id): (&str, &str),
        body: &Bytes,
    ) -> Result<Reply, Nowhere> {
        if let Some(kind) = Kind::of(method) {
            return self.list(message, kind, id).await;
        }
        if let Some(to) = self.way_of(message, method).await {
            return self.one(message, (method, id), to?).await;
        }
        match (method, self.era) {
            ("initialize", Era::Legacy) => self.initialize(message, id, body).await,
            ("ping", Era::Legacy) => Ok(Reply::message(Status::Fine, empty(id))),
            ("logging/setLevel", Era::Legacy) => Ok(self.set_level(message, id, body).await),
            ("server/discover", Era::Modern) => Ok(self.discover(message, id).await),
            (method::SUBSCRIBE, Era::Modern) => self.subscribe(message, id).await,
            _ => {
                let status = match self.era {
                    Era::Legacy => Status::Fine,
                    Era::Modern => Status::NotFound,
                };
                let words = "Method not found: it cannot be told which server it is for; call it \
                             at /mcp/<server>";
                let said = (code::METHOD_NOT_FOUND, status);
                Ok(self.refuse_as(message, said, words).await)
            }
        }
    }

    /// A request for one server.
    async fn one(
        &self,
        message: &Message<'_>,
        (method, id): (&str, &str),
        to: To,
    ) -> Result<Reply, Nowhere> {
        let running = self.run(message, id, At::One(to.server.clone()))?;
        let renamed = Bytes::from(apply(message.raw, to.patches));
        let (reply, peer) = match self.post_at(&to.server, Some(&to.named), &renamed).await {
            Ok(posted) => posted,
            Err(absent) => return Ok(not_reached(id, to.server.as_str(), &absent)),
        };
        if let Some(session) = &self.session
            && reply.status == Status::Fine
            && method == "resources/unsubscribe"
        {
            session.watched.forget(&to.server, &to.named);
        }
        let token = message.meta("progressToken");
        let token = token.map(|t| String::from_utf8_lossy(t.span.of(message.raw)).into_owned());
        let lens = Lens {
            peer,
            session: self.session.clone(),
            token: token.as_deref().map(message::canonical_id),
            merged: false,
            watching: (method == "resources/subscribe").then(|| Watching::new(id, to.named)),
        };
        Ok(carry::reply(reply, lens, running))
    }

    /// Notes in the session where a request runs.
    pub(super) fn run(
        &self,
        message: &Message<'_>,
        id: &str,
        at: At,
    ) -> Result<Option<Running>, Nowhere> {
        let Some(session) = &self.session else {
            return Ok(None);
        };
        let token = message.meta("progressToken");
        let token = token.map(|t| String::from_utf8_lossy(t.span.of(message.raw)).into_owned());
        let running = session.runs.begin(id, at, token.as_deref());
        running
            .map(Some)
            .map_err(|trouble| Nowhere::malformed(trouble.to_string()))
    }

    /// Refuses and books what is for no server.
    async fn refuse(&self, message: &Message<'_>, method: &str, nowhere: &Nowhere) -> Reply {
        let name = message.param("name").and_then(Value::as_str);
        let stray = Stray {
            server: None,
            method,
            tool: name.filter(|_| method == "tools/call"),
            id: message.method().and(message.id()).map(|id| id.as_json()),
        };
        let why = (nowhere.rule.clone(), nowhere.reason.as_str());
        let refusing = self
            .joint
            .gate
            .refuse_stray(&self.party.caller, stray, self.era, why);
        Box::pin(refusing).await
    }

    /// The same for what no server could carry out.
    async fn refuse_as(&self, message: &Message<'_>, said: (i64, Status), words: &str) -> Reply {
        let stray = Stray {
            method: message.method().unwrap_or_default(),
            id: message.id().map(|id| id.as_json()),
            ..Stray::default()
        };
        let caller = &self.party.caller;
        let refusing = self.joint.gate.refuse_stray_as(caller, stray, said, words);
        Box::pin(refusing).await
    }

    /// The messages of a batch, each by itself; the answers are joined.
    async fn batch(&self, batch: &[Value<'_>], body: &Bytes) -> Reply {
        let version = match &self.session {
            Some(session) => session.version.get().map_or("", String::as_str),
            None => header::version(&self.headers, None).unwrap_or_default(),
        };
        if let Some(malformed) = trouble_with_batch(version, batch.len()) {
            return self.joint.refuse_malformed(&self.party, &malformed).await;
        }
        let messages = batch.iter().map(|tree| body.slice_ref(tree.span.of(body)));
        gather(join_all(messages.map(|message| self.of_batch(message))).await)
    }

    async fn of_batch(&self, body: Bytes) -> Reply {
        match message::read_tree(&body) {
            Ok(tree) if tree.get("method").and_then(Value::as_str) == Some("initialize") => {
                let id = message::read(&tree, &body).ok();
                let id = id.and_then(|m| m.id().map(|id| id.as_json().to_owned()));
                let malformed = no_hello(id);
                self.joint.refuse_malformed(&self.party, &malformed).await
            }
            Ok(tree) => Box::pin(self.single(&tree, &body)).await,
            Err(malformed) => self.joint.refuse_malformed(&self.party, &malformed).await,
        }
    }
}

fn empty(id: &str) -> Vec<u8> {
    answer::result(id, &serde_json::json!({}))
}

fn not_reached(id: &str, server: &str, absent: &Absent) -> Reply {
    let words = format!("the server {server} cannot be asked: {absent}");
    Reply::message(
        Status::Fine,
        answer::plain_error(Some(id), code::UPSTREAM_FAILED, &words),
    )
}

/// The body without the white space around it, so that a message is all there is.
fn trimmed(body: &Bytes) -> Bytes {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = body.iter().position(|b| !is_blank(b)).unwrap_or(0);
    let end = body
        .iter()
        .rposition(|b| !is_blank(b))
        .map_or(start, |at| at + 1);
    body.slice(start..end)
}
