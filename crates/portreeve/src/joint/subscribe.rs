//! `subscriptions/listen` of the modern era: one stream of several servers' notifications, under
//! the one subscription that the client asked for.
//!
//! A subscription is named by the id of its request, and every server is asked under the client's
//! own id: nothing has to be renamed for it. The client is told once what the servers together have
//! agreed to, before anything else; a server that ends its stream is asked again.

use std::collections::BTreeMap;

use bytes::Bytes;
use portreeve_policy::json::Value;
use serde_json::{Map, Value as Json, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::carry::{self, Ended, Ids};
use super::exchange::{Absent, Exchange, PATIENCE};
use super::lens::Lens;
use super::merge::Absentees;
use super::names;
use super::outward::quoted;
use super::pause::Pause;
use super::peer::Peer;
use super::route::Nowhere;
use crate::gate::{IN_FLIGHT, Payload, Reply, Status};
use crate::mcp::message::{self, Message};
use crate::mcp::splice::{self, Patch, apply};
use crate::mcp::sse;
use crate::mcp::sse::Event;
use crate::mcp::{answer, code};
use crate::name::Name;

const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// What a longer one asks for can be asked for in several: each is kept, to be asked again.
const MAX_REQUEST: usize = 64 * 1024;

/// What a server agreed to at the opening of its stream.
type Agreed = (Name, Result<Map<String, Json>, Absent>);

/// Why a server's stream did not open.
enum NotOpened {
    /// The server, or the policy, says no.
    Refused(Absent),
    /// It may be there another time.
    Absent(Absent),
}

impl NotOpened {
    const fn absent(&self) -> &Absent {
        match self {
            Self::Refused(absent) | Self::Absent(absent) => absent,
        }
    }
}

impl From<Absent> for NotOpened {
    fn from(absent: Absent) -> Self {
        Self::Absent(absent)
    }
}

/// A server's stream that has been opened, and what came right behind its opening.
struct Opened {
    from: mpsc::Receiver<Bytes>,
    rest: Vec<Event>,
    peer: Peer,
    agreed: Map<String, Json>,
}

impl Exchange {
    pub(super) async fn subscribe(
        &self,
        message: &Message<'_>,
        id: &str,
    ) -> Result<Reply, Nowhere> {
        if message.raw.len() > MAX_REQUEST {
            let words = format!("a subscription is at most {MAX_REQUEST} bytes long; open several");
            return Err(Nowhere::malformed(words));
        }
        let requests = self.requests(message)?;
        let (to, events) = mpsc::channel(IN_FLIGHT);
        let (tell, mut agreements) = mpsc::channel(requests.len().max(1));
        let (go, going) = watch::channel(false);
        let mut streams = JoinSet::new();
        for (server, request) in requests {
            let subscription = Subscription {
                exchange: self.clone(),
                server,
                request,
                to: to.clone(),
            };
            streams.spawn(subscription.run(tell.clone(), going.clone()));
        }
        drop(tell);
        let (mut agreed, mut absent, mut any) =
            (Map::new(), Absentees::default(), streams.is_empty());
        while let Some((server, said)) = agreements.recv().await {
            match said {
                Ok(filter) => {
                    any = true;
                    unite(&mut agreed, filter);
                }
                Err(why) => absent.note(&server, &why),
            }
        }
        if !any {
            let words = "no server of this grant takes the subscription";
            let meta = absent.meta();
            let words = answer::error(Some(id), code::UPSTREAM_FAILED, words, meta.as_ref());
            return Ok(Reply::message(Status::Fine, words));
        }
        let id: Json = serde_json::from_str(id).unwrap_or_default();
        let opening = acknowledged(&id, &agreed, &absent);
        let mut closing = self.joint.gate.closing();
        tokio::spawn(async move {
            // Nobody else sends before it is told to go.
            if to.send(sse::write(&opening, None)).await.is_err() {
                return;
            }
            go.send_replace(true);
            let all = async { while streams.join_next().await.is_some() {} };
            tokio::select! {
                () = all => {}
                () = to.closed() => return,
                _ = closing.wait_for(|closing| *closing) => return,
            }
            let end = json!({ "resultType": "complete", "_meta": { META_SUBSCRIPTION: id } });
            let end = answer::result(&id.to_string(), &end);
            to.send(sse::write(&end, None)).await.ok();
        });
        Ok(Reply::new(Status::Fine, Payload::Events(events)))
    }

    /// What each server is asked: everything, but only its own resources. Who is asked for nothing
    /// is not asked.
    fn requests(&self, message: &Message<'_>) -> Result<Vec<(Name, Bytes)>, Nowhere> {
        let filter = message.param("notifications");
        let uris = filter.and_then(|filter| filter.get("resourceSubscriptions"));
        let mut watched: BTreeMap<Name, Vec<Vec<u8>>> = BTreeMap::new();
        for uri in uris.and_then(Value::elements).unwrap_or_default() {
            let (server, own) = uri.as_str().and_then(names::uri_at).ok_or_else(|| {
                Nowhere::malformed("`resourceSubscriptions` holds URIs as the lists here give them")
            })?;
            let server = self.server(server).ok_or_else(|| {
                Nowhere::malformed(format!("this grant may not use a server named {server:?}"))
            })?;
            watched.entry(server).or_default().push(quoted(&own));
        }
        let members = filter.and_then(Value::members).unwrap_or_default();
        let of_all = members
            .iter()
            .any(|member| member.key != "resourceSubscriptions");
        let servers = self.servers().into_iter();
        let asked = servers.filter(|server| of_all || watched.contains_key(server));
        let with = |own: &[Vec<u8>]| {
            let patch = uris.map(|uris| Patch {
                span: uris.span,
                with: splice::array(own.iter().map(Vec::as_slice)),
            });
            Bytes::from(apply(message.raw, patch.into_iter().collect()))
        };
        // Kept for as long as the stream lasts: those that are alike once.
        let without = with(&[]);
        Ok(asked
            .map(|server| {
                let own = watched.get(&server);
                let request = own.map_or_else(|| without.clone(), |own| with(own));
                (server, request)
            })
            .collect())
    }

    /// Asks a server for its stream and waits for the opening of it.
    async fn subscribed(&self, server: &Name, request: &Bytes) -> Result<Opened, NotOpened> {
        let opening = async {
            let (reply, peer) = self.post_at(server, None, request).await?;
            match reply.payload {
                Payload::Events(from) => opening(from, peer).await,
                Payload::Message(answer) => Err(refusal(&answer)),
                Payload::Nothing => Err(Absent::because("it gave no answer").into()),
            }
        };
        let late = |_| Absent(format!("it did not answer within {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, opening).await.map_err(late)?
    }
}

/// Reads a stream up to its opening.
async fn opening(mut from: mpsc::Receiver<Bytes>, peer: Peer) -> Result<Opened, NotOpened> {
    while let Some(piece) = from.recv().await {
        let mut events = carry::events(&piece).into_iter();
        for event in events.by_ref() {
            if carry::is_answer(&event) {
                return Err(refusal(&event.data));
            }
            if let Some(agreed) = agreed(&event, peer.server()) {
                let rest = events.collect();
                return Ok(Opened {
                    from,
                    rest,
                    peer,
                    agreed,
                });
            }
        }
    }
    Err(Absent::because("its stream ended before it began").into())
}

/// What the opening of a stream says the server has agreed to, in our names.
fn agreed(event: &Event, server: &Name) -> Option<Map<String, Json>> {
    let told: Json = serde_json::from_slice(&event.data).ok()?;
    if told.get("method")?.as_str()? != ACKNOWLEDGED {
        return None;
    }
    let filter = told
        .get("params")
        .and_then(|params| params.get("notifications"));
    let mut filter = filter
        .and_then(Json::as_object)
        .cloned()
        .unwrap_or_default();
    if let Some(Json::Array(uris)) = filter.get_mut("resourceSubscriptions") {
        for uri in uris {
            if let Some(own) = uri.as_str() {
                *uri = names::uri(server.as_str(), own).into();
            }
        }
    }
    Some(filter)
}

/// What an answer means that comes instead of a stream.
fn refusal(answer: &[u8]) -> NotOpened {
    let tree = message::read_tree(answer);
    let error = tree.as_ref().ok().and_then(|tree| tree.get("error"));
    let code = error.and_then(|error| error.get("code")?.as_number()?.parse().ok());
    let words = error.and_then(|error| error.get("message")?.as_str());
    let absent = Absent::because(words.unwrap_or("it has no subscriptions"));
    match code {
        Some(code::UPSTREAM_FAILED | code::UPSTREAM_TIMEOUT | code::UNAVAILABLE) => {
            NotOpened::Absent(absent)
        }
        _ => NotOpened::Refused(absent),
    }
}

fn unite(ours: &mut Map<String, Json>, theirs: Map<String, Json>) {
    for (name, agreed) in theirs {
        match (ours.get_mut(&name), agreed) {
            (Some(Json::Bool(ours)), Json::Bool(theirs)) => *ours |= theirs,
            (Some(Json::Array(ours)), Json::Array(theirs)) => ours.extend(theirs),
            (Some(_), _) => {}
            (None, agreed) => {
                ours.insert(name, agreed);
            }
        }
    }
}

fn acknowledged(id: &Json, agreed: &Map<String, Json>, absent: &Absentees) -> Vec<u8> {
    let mut meta = absent.meta().unwrap_or_else(|| json!({}));
    if let Some(members) = meta.as_object_mut() {
        members.insert(META_SUBSCRIPTION.to_owned(), id.clone());
    }
    let opening = json!({
        "jsonrpc": "2.0", "method": ACKNOWLEDGED,
        "params": { "_meta": meta, "notifications": agreed },
    });
    opening.to_string().into_bytes()
}

/// One server's part of a subscription.
struct Subscription {
    exchange: Exchange,
    server: Name,
    request: Bytes,
    to: mpsc::Sender<Bytes>,
}

impl Subscription {
    /// Opens the stream, says what the server agreed to, and carries it on when all have said so.
    async fn run(mut self, tell: mpsc::Sender<Agreed>, mut going: watch::Receiver<bool>) {
        let mut opened = self.exchange.subscribed(&self.server, &self.request).await;
        let said = opened
            .as_mut()
            .map(|opened| std::mem::take(&mut opened.agreed));
        let said = said.map_err(|why| why.absent().clone());
        if tell.send((self.server.clone(), said)).await.is_err() {
            return;
        }
        drop(tell);
        if going.wait_for(|going| *going).await.is_err() {
            return;
        }
        let mut pause = Pause::new();
        loop {
            match opened {
                Ok(stream) => {
                    pause.was_worth_it();
                    if self.carry(stream).await == Ended::ClientGone {
                        return;
                    }
                }
                // It will not say otherwise a minute later.
                Err(NotOpened::Refused(_)) => return,
                Err(NotOpened::Absent(absent)) => {
                    tracing::debug!(server = %self.server, %absent, "tells nothing");
                }
            }
            pause.wait().await;
            // The grant may have ended meanwhile, or reach the server no longer.
            match self.exchange.joint.gate.admit_party(&self.exchange.headers) {
                Ok(party) => self.exchange.party = party,
                Err(_) => return,
            }
            if self.exchange.visit(self.server.as_str()).is_err() {
                return;
            }
            opened = self.exchange.subscribed(&self.server, &self.request).await;
        }
    }

    async fn carry(&self, stream: Opened) -> Ended {
        let lens = Lens {
            peer: stream.peer,
            session: None,
            token: None,
            merged: true,
            watching: None,
        };
        for event in stream.rest {
            if let Some(bytes) = carry::shown(&lens, Ids::Tagged, &event)
                && self.to.send(bytes).await.is_err()
            {
                return Ended::ClientGone;
            }
        }
        carry::stream(stream.from, &self.to, (&lens, Ids::Tagged)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_no_is_not_asked_again_and_who_is_gone_is() {
        for (answer, refused) in [
            (
                json!({ "error": { "code": -32601, "message": "no" } }),
                true,
            ),
            (json!({ "error": { "code": 40300, "message": "no" } }), true),
            (json!({ "result": {} }), true),
            (
                json!({ "error": { "code": 50200, "message": "down" } }),
                false,
            ),
            (
                json!({ "error": { "code": 50400, "message": "late" } }),
                false,
            ),
        ] {
            let why = refusal(answer.to_string().as_bytes());
            assert_eq!(matches!(why, NotOpened::Refused(_)), refused, "{answer}");
        }
    }
}
