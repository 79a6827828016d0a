//! One message of a server on its way to the client: renamed, given ids of our own where two
//! servers could use the same, or held back where it is about another server's business.

use std::sync::Arc;

use bytes::Bytes;
use portreeve_policy::json::Value;

use super::asked::Question;
use super::outward::{Renaming, quoted};
use super::peer::Peer;
use super::sessions::Session;
use crate::budget::in_place_of;
use crate::mcp::message::{self, Message, Shape};
use crate::mcp::method;
use crate::mcp::splice::{Patch, apply};
use crate::name::Name;

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Look {
    Pass(Bytes),
    /// It goes no further; why.
    Drop(&'static str),
}

/// Looks at what one server says, in answer to one request or on a free stream.
#[derive(Debug)]
pub(super) struct Lens {
    pub peer: Peer,
    pub session: Option<Arc<Session>>,
    /// The token under which the request that is answered is told of, as one text.
    pub token: Option<String>,
    /// Whether it looks at a stream of the modern era that merges those of several servers: what
    /// opens and ends it is said once, for all.
    pub merged: bool,
    /// The subscription that the request asks for.
    pub watching: Option<Watching>,
}

/// A subscription that is asked for: it holds once the server has said so.
#[derive(Debug)]
pub(super) struct Watching {
    /// The request's id, as one text.
    id: String,
    /// The server's own.
    uri: String,
}

impl Watching {
    pub(super) fn new(id: &str, uri: String) -> Self {
        let id = message::canonical_id(id);
        Self { id, uri }
    }
}

impl Lens {
    fn server(&self) -> &Name {
        self.peer.server()
    }

    pub(super) fn look(&self, bytes: &Bytes) -> Look {
        let patches = {
            let Ok(tree) = message::read_tree(bytes) else {
                // Only an answer can be too large to be read here and have passed the gate.
                return Look::Pass(bytes.clone());
            };
            match self.look_at(&tree, bytes) {
                Ok(patches) => patches,
                Err(why) => return Look::Drop(why),
            }
        };
        if patches.is_empty() {
            return Look::Pass(bytes.clone());
        }
        let renamed = Bytes::from(apply(bytes, patches));
        Look::Pass(in_place_of(renamed, vec![bytes.clone()]))
    }

    fn look_at(&self, tree: &Value<'_>, bytes: &[u8]) -> Result<Vec<Patch>, &'static str> {
        let mut to = Renaming::of(self.server().as_str());
        let message = match message::read(tree, bytes) {
            Ok(message) => message,
            // What the gate refuses may have no id; whatever asks something has one.
            Err(_) if tree.get("method").is_none() => return Ok(Vec::new()),
            Err(_) => return Err("what is no message"),
        };
        match message.shape {
            Shape::Response { id, is_error } => {
                if self.merged {
                    return Err("the end of one of several streams");
                }
                if let Some(result) = tree.get("result") {
                    to.result(result);
                }
                if let Some(error) = tree.get("error") {
                    to.error(error);
                }
                if let Some(session) = &self.session {
                    session.runs.answered(id.as_json());
                    if let Some(watching) = &self.watching
                        && !is_error
                        && watching.id == message::canonical_id(id.as_json())
                    {
                        session.watched.note(self.server(), &watching.uri);
                    }
                }
            }
            Shape::Request { id, method } => {
                let renumbered = self.renumber(tree, &message, (id.as_json(), method), bytes)?;
                to.question(message.params);
                to.patches.extend(renumbered);
            }
            Shape::Notification { method } => {
                self.notified(&mut to, &message, method, bytes)?;
                to.meta(message.param("_meta"));
            }
        }
        Ok(to.patches)
    }

    /// A number of our own in place of the id of a server's question, and of its progress token.
    fn renumber(
        &self,
        tree: &Value<'_>,
        message: &Message<'_>,
        (id, method): (&str, &str),
        bytes: &[u8],
    ) -> Result<Vec<Patch>, &'static str> {
        let Some(session) = &self.session else {
            return Err("a question without a session to answer in");
        };
        if let Err(words) = self.may_ask(session, message, method) {
            self.peer.decline(id, words);
            return Err(words);
        }
        let token = message.meta("progressToken");
        let question = Question {
            server: self.server().clone(),
            id: id.to_owned(),
            token: token.map(|token| written(token, bytes)),
        };
        let Some(number) = session.asked.note(question) else {
            self.peer
                .decline(id, "too many requests wait for an answer");
            return Err("one question too many");
        };
        tracing::trace!(server = %self.server(), method, number, "asks the client");
        let places = tree.get("id").into_iter().chain(token);
        let patches = places.map(|value| Patch {
            span: value.span,
            with: number.to_string().into_bytes(),
        });
        Ok(patches.collect())
    }

    /// A task that the client runs for one server is none of another's.
    fn may_ask(
        &self,
        session: &Session,
        message: &Message<'_>,
        method: &str,
    ) -> Result<(), &'static str> {
        if !method.starts_with("tasks/") {
            return Ok(());
        }
        // Also a list would tell of others' tasks.
        let task = message.param("taskId").and_then(Value::as_str);
        let owner = task.and_then(|task| session.lent.owner(task));
        match owner {
            Some(owner) if owner == *self.server() => Ok(()),
            _ => Err("the client runs no such task for this server"),
        }
    }

    fn notified(
        &self,
        to: &mut Renaming<'_>,
        message: &Message<'_>,
        method: &str,
        bytes: &[u8],
    ) -> Result<(), &'static str> {
        match method {
            "notifications/progress" => {
                let token = message.param("progressToken").map(|t| written(t, bytes));
                let ours = token.is_some_and(|token| self.is_told_of(&token));
                if !ours {
                    return Err("progress of a request that is not at this server");
                }
            }
            method::CANCELLED => self.cancelled(to, message, bytes)?,
            "notifications/resources/updated" => to.uri(message.param("uri")),
            "notifications/elicitation/complete" => to.id(message.param("elicitationId")),
            "notifications/tasks/status" | "notifications/tasks" => {
                to.id(message.param("taskId"));
            }
            "notifications/subscriptions/acknowledged" if self.merged => {
                return Err("the opening of one of several streams");
            }
            "notifications/subscriptions/acknowledged" => {
                let filter = message.param("notifications");
                let uris = filter.and_then(|filter| filter.get("resourceSubscriptions"));
                for uri in uris.and_then(Value::elements).unwrap_or_default() {
                    to.uri(Some(uri));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a request at this server is told of under the token.
    fn is_told_of(&self, token: &str) -> bool {
        let own = self.token.as_ref() == Some(&message::canonical_id(token));
        let session = self.session.as_ref();
        own || session.is_some_and(|s| s.runs.is_told_of(self.server(), token))
    }

    /// A server does not want an answer any more: to a question of its own, under our number.
    fn cancelled(
        &self,
        to: &mut Renaming<'_>,
        message: &Message<'_>,
        bytes: &[u8],
    ) -> Result<(), &'static str> {
        let id = message.param("requestId");
        let session = self.session.as_ref();
        let number = id
            .zip(session)
            .and_then(|(id, session)| session.asked.given_up(self.server(), &written(id, bytes)));
        match id.zip(number) {
            Some((id, number)) => {
                to.patches.push(Patch {
                    span: id.span,
                    with: number.to_string().into_bytes(),
                });
                Ok(())
            }
            None => Err("a cancellation of nothing that the server asked"),
        }
    }
}

/// A value as it is written.
fn written(value: &Value<'_>, bytes: &[u8]) -> String {
    match value.as_str() {
        Some(text) => String::from_utf8(quoted(text)).unwrap_or_default(),
        None => String::from_utf8_lossy(value.span.of(bytes)).into_owned(),
    }
}
