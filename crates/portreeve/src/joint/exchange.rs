//! What every message of one request shares, and how one server is asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use portreeve_policy::json::Value;
use tokio::time::timeout;

use super::Joint;
use super::carry;
use super::peer::Peer;
use super::sessions::{Inner, Session};
use crate::gate::{Party, Payload, Reply, Status, Visit};
use crate::mcp::header;
use crate::mcp::message;
use crate::mcp::revision::Era;
use crate::name::Name;

/// How long one of several servers may take to answer before it counts as absent.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Why a server has no part in an answer; in words for the client and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Absent(pub String);

impl Absent {
    pub(super) fn because(why: impl AsRef<str>) -> Self {
        Self(brief(why.as_ref()).to_owned())
    }

    /// The grant reached it when the client last heard of it, and does not now.
    pub(super) fn gone(server: &str) -> Self {
        Self(format!("this grant may not use a server named {server:?}"))
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest words of others that go into ours.
const MAX_WORDS: usize = 300;

/// The beginning of what somebody else said: enough to recognise it by.
pub(super) fn brief(words: &str) -> &str {
    let end = words.floor_char_boundary(MAX_WORDS);
    words.get(..end).unwrap_or_default()
}

/// One request of a client.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub joint: Arc<Joint>,
    pub party: Party,
    pub headers: HeaderMap,
    pub session: Option<Arc<Session>>,
    pub era: Era,
}

impl Exchange {
    /// The servers of the grant, in an order that does not change.
    pub(super) fn servers(&self) -> Vec<Name> {
        let mut all: Vec<Name> = self.party.servers().cloned().collect();
        all.sort();
        all
    }

    pub(super) fn visit(&self, server: &str) -> Result<Visit, Absent> {
        let visit = self.party.visit(server);
        visit.ok_or_else(|| Absent::gone(server))
    }

    /// The server as it is spoken to in this exchange.
    pub(super) fn peer(&self, visit: Visit, inner: Option<&Inner>, named: Option<&str>) -> Peer {
        let mut headers = self.headers.clone();
        headers.remove(header::SESSION_ID);
        headers.remove(header::LAST_EVENT_ID);
        if let Some(inner) = inner {
            headers.insert(header::PROTOCOL_VERSION, inner.version.clone());
            if let Some(id) = &inner.id {
                headers.insert(header::SESSION_ID, id.clone());
            }
        }
        if let Some(named) = named
            && headers.contains_key(header::NAME)
            && let Ok(name) = HeaderValue::from_str(&header::encode(named))
        {
            headers.insert(header::NAME, name);
        }
        Peer {
            way: self.joint.way.clone(),
            visit,
            headers,
        }
    }

    /// The inner session with a server, if this exchange is in a session.
    pub(super) async fn inner(&self, visit: &Visit) -> Result<Option<Arc<Inner>>, Absent> {
        match &self.session {
            Some(session) => self.opened(session, visit).await.map(Some),
            None => Ok(None),
        }
    }

    /// Posts a message to one server. A session that has ended there is opened anew, once.
    pub(super) async fn post_at(
        &self,
        server: &Name,
        named: Option<&str>,
        message: &Bytes,
    ) -> Result<(Reply, Peer), Absent> {
        let visit = self.visit(server.as_str())?;
        let inner = self.inner(&visit).await?;
        let peer = self.peer(visit.clone(), inner.as_deref(), named);
        let reply = peer.post(message.clone()).await;
        let (Some(session), Some(inner), Status::NoSession) = (&self.session, &inner, reply.status)
        else {
            return Ok((reply, peer));
        };
        session.lost(server, inner).await;
        let inner = self.inner(&visit).await?;
        let peer = self.peer(visit, inner.as_deref(), named);
        let reply = peer.post(message.clone()).await;
        if reply.status == Status::NoSession {
            // To the client this would mean that the session with all servers is over.
            return Err(Absent::because(
                "it ends its sessions as soon as they begin",
            ));
        }
        Ok((reply, peer))
    }

    /// Asks one of several servers, and waits for the answer's message.
    pub(super) async fn ask_at(&self, server: &Name, message: &Bytes) -> Result<Bytes, Absent> {
        let asking = async {
            let (reply, peer) = self.post_at(server, None, message).await?;
            answer(reply, &peer).await
        };
        let late = || Absent(format!("it did not answer within {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, asking)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

impl Peer {
    pub(super) async fn post(&self, message: Bytes) -> Reply {
        let (visit, headers) = (self.visit.clone(), self.headers.clone());
        self.way.post(visit, headers, message).await
    }

    /// Says something of our own.
    pub(super) async fn say(&self, message: Bytes) -> Reply {
        let (visit, headers) = (self.visit.clone(), self.own_headers());
        self.way.post(visit, headers, message).await
    }
}

/// The message that answers, however it comes. What a server asks meanwhile has nobody to go to.
pub(super) async fn answer(reply: Reply, peer: &Peer) -> Result<Bytes, Absent> {
    let mut events = match reply.payload {
        Payload::Message(message) => return Ok(message),
        Payload::Nothing => return Err(Absent::because("it gave no answer")),
        Payload::Events(events) => events,
    };
    while let Some(piece) = events.recv().await {
        for event in carry::events(&piece) {
            if carry::is_answer(&event) {
                return Ok(event.data);
            }
            let tree = message::read_tree(&event.data).ok();
            let asked = tree.as_ref().and_then(|tree| {
                let message = message::read(tree, &event.data).ok()?;
                Some(message.id()?.as_json().to_owned())
            });
            if let Some(id) = asked {
                peer.decline(&id, "the client can be asked nothing while it lists");
            }
        }
    }
    Err(Absent::because("its stream ended before the answer"))
}

/// The result of an answer, or in words why there is none. A server that does not know the method
/// has nothing to give.
pub(super) fn result_of<'t, 'a>(tree: &'t Value<'a>) -> Result<Option<&'t Value<'a>>, Absent> {
    if let Some(error) = tree.get("error") {
        let unknown = error.get("code").and_then(Value::as_number) == Some("-32601");
        let words = error.get("message").and_then(Value::as_str);
        let words = words.unwrap_or("it answered with an error");
        return if unknown {
            Ok(None)
        } else {
            Err(Absent::because(words))
        };
    }
    let result = tree.get("result").filter(|r| r.members().is_some());
    result
        .map(Some)
        .ok_or_else(|| Absent::because("its answer has no result"))
}
