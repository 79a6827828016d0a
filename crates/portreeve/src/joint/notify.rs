//! What a client tells without asking, and what it answers: to the server that is meant, or to all.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use portreeve_policy::json::Value;
use tokio::time::timeout;

use super::exchange::{Absent, Exchange, PATIENCE, result_of};
use super::many;
use super::merge::Absentees;
use super::names;
use super::outward::{quoted, related_task};
use super::peer::Peer;
use super::route::Nowhere;
use super::runs::At;
use super::sessions::{Inner, Session, State};
use crate::gate::{Payload, Reply, Status};
use crate::mcp::kept;
use crate::mcp::message::{self, Message};
use crate::mcp::method;
use crate::mcp::splice::{Patch, apply};
use crate::name::Name;

impl Exchange {
    /// A notification.
    pub(super) async fn told(
        &self,
        message: &Message<'_>,
        method: &str,
        body: &Bytes,
    ) -> Result<Reply, Nowhere> {
        match method {
            method::CANCELLED => self.cancelled(message, body).await,
            "notifications/progress" => self.progressed(message).await,
            "notifications/initialized" => Ok(self.ready(body).await),
            "notifications/tasks/status" => Ok(self.task_told(message, body).await),
            _ => Ok(self.tell_all(body).await),
        }
    }

    /// The client is ready: every server is told, once.
    async fn ready(&self, body: &Bytes) -> Reply {
        let Some(session) = &self.session else {
            return self.tell_all(body).await;
        };
        session.ready.store(true, Ordering::Release);
        let telling = self
            .open_ones(session)
            .await
            .into_iter()
            .map(|(inner, peer)| async move {
                if !inner.told.swap(true, Ordering::AcqRel) {
                    told(&peer, body).await;
                }
            });
        stream::iter(telling)
            .for_each_concurrent(many::AT_ONCE, |telling| telling)
            .await;
        accepted()
    }

    /// Tells every server. One that has not been spoken to in this session has missed nothing.
    async fn tell_all(&self, body: &Bytes) -> Reply {
        let peers: Vec<Peer> = match &self.session {
            Some(session) => self
                .open_ones(session)
                .await
                .into_iter()
                .map(|(_, p)| p)
                .collect(),
            None => self
                .servers()
                .iter()
                .filter_map(|server| Some(self.peer(self.visit(server.as_str()).ok()?, None, None)))
                .collect(),
        };
        let telling = peers
            .into_iter()
            .map(|peer| async move { told(&peer, body).await });
        let replies: Vec<Option<Reply>> = stream::iter(telling)
            .buffer_unordered(many::AT_ONCE)
            .collect()
            .await;
        // What one server took was told; what none took is answered as the first one did.
        let mut replies: Vec<Reply> = replies.into_iter().flatten().collect();
        let taken = replies.is_empty() || replies.iter().any(|r| r.status == Status::Accepted);
        if taken {
            accepted()
        } else {
            replies.swap_remove(0)
        }
    }

    /// The servers with which the session is open. One that is just being opened is waited for.
    async fn open_ones(&self, session: &Session) -> Vec<(Arc<Inner>, Peer)> {
        let looking = session
            .visited()
            .into_iter()
            .map(|(server, place)| async move {
                let state = timeout(PATIENCE, place.lock()).await;
                let Ok(State::Open(inner)) = state.as_deref() else {
                    return None;
                };
                let visit = self.visit(server.as_str()).ok()?;
                let peer = self.peer(visit, Some(inner), None);
                Some((Arc::clone(inner), peer))
            });
        join_all(looking).await.into_iter().flatten().collect()
    }

    /// The client gives a request up: the server that has it is told.
    async fn cancelled(&self, message: &Message<'_>, body: &Bytes) -> Result<Reply, Nowhere> {
        let Some(session) = &self.session else {
            return Ok(self.tell_all(body).await);
        };
        let id = message.param("requestId");
        let id = id.ok_or_else(|| Nowhere::malformed("`requestId` is missing"))?;
        let id = String::from_utf8_lossy(id.span.of(message.raw));
        match session.runs.at(&id) {
            Some(At::One(server)) => Ok(self.say_at(&server, body.clone()).await),
            Some(At::Many) => Ok(self.tell_all(body).await),
            // It was answered meanwhile.
            None => Ok(accepted()),
        }
    }

    /// The client tells how far it is with a server's question.
    async fn progressed(&self, message: &Message<'_>) -> Result<Reply, Nowhere> {
        let token = message.param("progressToken");
        let number = token
            .and_then(Value::as_number)
            .and_then(|n| n.parse().ok());
        let session = self.session.as_ref();
        let question = session
            .zip(number)
            .and_then(|(s, number)| s.asked.get(number));
        let theirs = question.and_then(|q| Some((q.server, q.token?)));
        let Some((token, (server, theirs))) = token.zip(theirs) else {
            // It was answered meanwhile, or no server wants to hear of it.
            return Ok(accepted());
        };
        let patch = Patch {
            span: token.span,
            with: theirs.into_bytes(),
        };
        let renamed = Bytes::from(apply(message.raw, vec![patch]));
        Ok(self.say_at(&server, renamed).await)
    }

    /// The client tells how a task stands: the server that it runs for.
    async fn task_told(&self, message: &Message<'_>, body: &Bytes) -> Reply {
        let task = message.param("taskId").and_then(Value::as_str);
        let known = self.session.as_ref().zip(task);
        let Some((session, task)) = known else {
            return accepted();
        };
        let Some(owner) = session.lent.owner(task) else {
            return accepted();
        };
        let status = message.param("status").and_then(Value::as_str);
        let reply = self.say_at(&owner, body.clone()).await;
        if status == Some("cancelled") {
            session.lent.forget(task);
        }
        reply
    }

    async fn say_at(&self, server: &Name, message: Bytes) -> Reply {
        match self.post_at(server, None, &message).await {
            Ok((reply, _)) => Reply::new(reply.status, reply.payload),
            // A server that is gone needs not be told.
            Err(_) => accepted(),
        }
    }

    /// The client answers a question of a server.
    pub(super) async fn answered(
        &self,
        message: &Message<'_>,
        tree: &Value<'_>,
        id: &str,
    ) -> Result<Reply, Nowhere> {
        let nothing =
            || Nowhere::malformed("it answers nothing that a server asked in this session");
        let session = self.session.as_ref().ok_or_else(nothing)?;
        let number: u64 = id.parse().map_err(|_| nothing())?;
        let question = session.asked.take(number).ok_or_else(nothing)?;
        let mut patches: Vec<Patch> = tree
            .get("id")
            .map(|value| Patch {
                span: value.span,
                with: question.id.clone().into_bytes(),
            })
            .into_iter()
            .collect();
        patches.extend(own_task(tree, &question.server));
        let lent = tree.get("result").and_then(|result| result.get("task"));
        if let Some(task) = lent.and_then(|task| task.get("taskId")?.as_str()) {
            session.lent.note(&question.server, task);
        }
        let renamed = Bytes::from(apply(message.raw, patches));
        let reply = match self.post_at(&question.server, None, &renamed).await {
            Ok((reply, _)) => reply,
            Err(absent) => {
                tracing::debug!(server = %question.server, %absent, "an answer has nobody to go to");
                return Ok(accepted());
            }
        };
        if reply.status == Status::Unavailable {
            session.asked.put_back(number, question);
        }
        Ok(Reply::new(reply.status, reply.payload))
    }

    /// Sets the level of every server that has levels.
    pub(super) async fn set_level(&self, message: &Message<'_>, id: &str, body: &Bytes) -> Reply {
        let given = many::ask(self.servers(), |server| async move {
            if self.session.is_some() {
                let inner = self.inner(&self.visit(server.as_str())?).await?;
                if inner.is_some_and(|inner| !inner.offers("logging")) {
                    return Ok(None);
                }
            }
            self.ask_at(&server, body).await.map(Some)
        });
        let mut absent = Absentees::default();
        let (mut set, mut first) = (false, None);
        for (server, answer) in given.await {
            match answer.and_then(|answer| answer.as_ref().map(is_done).transpose()) {
                Ok(Some(())) => set = true,
                Ok(None) => {}
                Err(why) => {
                    absent.note(&server, &why);
                    first.get_or_insert(why);
                }
            }
        }
        let level = message.param("level").and_then(Value::as_str);
        if let Some(session) = &self.session
            && let Some(level) = level.and_then(kept::level).filter(|_| set)
        {
            *session.level.lock().unwrap_or_else(PoisonError::into_inner) = Some(level);
        }
        let meta = absent
            .meta()
            .map(|meta| serde_json::json!({ "_meta": meta }));
        let result = meta.unwrap_or_else(|| serde_json::json!({}));
        match first {
            Some(why) if !set => {
                let code = crate::mcp::code::UPSTREAM_FAILED;
                let words = format!("no server took the level: {why}");
                Reply::message(
                    Status::Fine,
                    crate::mcp::answer::plain_error(Some(id), code, &words),
                )
            }
            _ => Reply::message(Status::Fine, crate::mcp::answer::result(id, &result)),
        }
    }
}

fn accepted() -> Reply {
    Reply::new(Status::Accepted, Payload::Nothing)
}

async fn told(peer: &Peer, body: &Bytes) -> Option<Reply> {
    let told = timeout(PATIENCE, peer.post(body.clone())).await.ok();
    if told.is_none() {
        tracing::debug!(server = %peer.server(), "it does not take a notification");
    }
    told.map(|reply| Reply::new(reply.status, reply.payload))
}

fn is_done(answer: &Bytes) -> Result<(), Absent> {
    let tree = message::read_tree(answer).map_err(|e| Absent(e.reason))?;
    result_of(&tree).map(drop)
}

/// The server's own id of the task that the client's answer belongs to.
fn own_task(tree: &Value<'_>, server: &Name) -> Option<Patch> {
    let task = related_task(tree.get("result")?)?;
    let (at, own) = names::untagged(task.as_str()?)?;
    (at == server.as_str()).then(|| Patch {
        span: task.span,
        with: quoted(own),
    })
}
