//! The streams on which servers speak unasked, as one; and the end of a session.
//!
//! Each server's stream is kept up by itself: one that ends is opened again, from where it ended,
//! and one that is not offered is left alone. The merged stream lives for as long as its client.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Joint;
use super::carry::{self, Ended, Ids};
use super::exchange::{Absent, Exchange, PATIENCE};
use super::heard::Positions;
use super::lens::Lens;
use super::names;
use super::pause::Pause;
use super::peer::Peer;
use super::sessions::{Session, State};
use crate::gate::{IN_FLIGHT, Party, Payload, Reply, Status};
use crate::mcp::revision::{self, Era};
use crate::mcp::{answer, code, header};
use crate::name::Name;

/// Where a client wants to go on from.
enum From {
    Now,
    /// In all free streams.
    Everywhere(Positions),
    /// In the stream of one server's answer.
    One(Name, HeaderValue),
}

impl Joint {
    /// Opens the servers' free streams, or goes on with one that was cut.
    pub async fn listen(self: &Arc<Self>, party: Party, headers: &HeaderMap) -> Reply {
        let exchange = match self.legacy(party, headers).await {
            Ok(exchange) => exchange,
            Err(reply) => return reply,
        };
        let Some(session) = exchange.session.clone() else {
            return not_offered("a stream at /mcp needs a session; initialize first");
        };
        match exchange.going_on_from(&session) {
            Some(From::One(server, event)) => exchange.resume(session, &server, event).await,
            Some(From::Everywhere(positions)) => exchange.free(&session, positions),
            Some(From::Now) => exchange.free(&session, Positions::new()),
            None => {
                let last = header::LAST_EVENT_ID;
                let words = format!("{last} is not the id of an event of this session");
                let words = answer::plain_error(None, code::BAD_HTTP, &words);
                Reply::message(Status::Malformed, words)
            }
        }
    }

    /// Ends a session on all sides.
    pub async fn end_session(self: &Arc<Self>, party: Party, headers: &HeaderMap) -> Reply {
        let exchange = match self.legacy(party, headers).await {
            Ok(exchange) => exchange,
            Err(reply) => return reply,
        };
        let Some(session) = &exchange.session else {
            return not_offered("there is no session to end");
        };
        self.sessions.close(&session.id);
        let ending = session.visited().into_iter().map(|(server, place)| {
            let exchange = &exchange;
            async move {
                let mut state = place.lock().await;
                let State::Open(inner) = std::mem::take(&mut *state) else {
                    return;
                };
                if inner.id.is_none() {
                    return;
                }
                if let Ok(visit) = exchange.visit(server.as_str()) {
                    let peer = exchange.peer(visit.clone(), Some(&inner), None);
                    peer.way.end_session(visit, &peer.headers).await;
                }
            }
        });
        // What does not hear it in time ends by itself.
        timeout(PATIENCE, join_all(ending)).await.ok();
        Reply::new(Status::Fine, Payload::Nothing)
    }

    /// Both exist in the legacy era only, and both take the session from the header.
    async fn legacy(
        self: &Arc<Self>,
        party: Party,
        headers: &HeaderMap,
    ) -> Result<Exchange, Reply> {
        let version = header::version(headers, None).map_err(|mismatch| {
            let words = mismatch.to_string();
            let words = answer::plain_error(None, code::HEADER_MISMATCH, &words);
            Reply::message(Status::Malformed, words)
        })?;
        if revision::era(version) == Era::Modern {
            let words = format!("revision {version} has no streams or sessions of this kind");
            return Err(not_offered(&words));
        }
        self.exchange(party, headers.clone(), Era::Legacy).await
    }
}

fn not_offered(words: &str) -> Reply {
    Reply::message(
        Status::NotOffered,
        answer::plain_error(None, code::BAD_HTTP, words),
    )
}

impl Exchange {
    /// Where the client goes on from; nothing if that is no event of this session.
    fn going_on_from(&self, session: &Session) -> Option<From> {
        let mut presented = self.headers.get_all(header::LAST_EVENT_ID).iter();
        let Some(last) = presented.next() else {
            return Some(From::Now);
        };
        let last = last.to_str().ok().filter(|_| presented.next().is_none())?;
        match names::untagged(last) {
            Some((server, event)) => {
                let event = HeaderValue::from_str(event).ok()?;
                Some(From::One(self.server(server)?, event))
            }
            None => session
                .heard
                .positions(last.parse().ok()?)
                .map(From::Everywhere),
        }
    }

    /// Goes on with the stream of one server's answer.
    async fn resume(&self, session: Arc<Session>, server: &Name, event: HeaderValue) -> Reply {
        let opened = self.stream_of(&session, server, Some(event)).await;
        match opened {
            Ok((reply, peer)) => carry::reply(reply, lens(peer, session), None),
            Err(absent) => {
                let words = format!("the server {server} cannot be asked: {absent}");
                let words = answer::plain_error(None, code::UPSTREAM_FAILED, &words);
                Reply::message(Status::Unavailable, words)
            }
        }
    }

    /// Asks a server for its stream.
    async fn stream_of(
        &self,
        session: &Arc<Session>,
        server: &Name,
        event: Option<HeaderValue>,
    ) -> Result<(Reply, Peer), Absent> {
        let visit = self.visit(server.as_str())?;
        let inner = self.opened(session, &visit).await?;
        let mut peer = self.peer(visit.clone(), Some(&inner), None);
        if let Some(event) = event {
            peer.headers.insert(header::LAST_EVENT_ID, event);
        }
        let reply = peer.way.listen(visit, &peer.headers).await;
        if reply.status == Status::NoSession {
            session.lost(server, &inner).await;
        }
        Ok((reply, peer))
    }

    /// All free streams as one.
    fn free(self, session: &Arc<Session>, positions: Positions) -> Reply {
        let (to, events) = mpsc::channel(IN_FLIGHT);
        let mut ending = session.ending();
        let (exchange, of) = (self, Arc::clone(session));
        let merging = tokio::spawn(async move {
            let mut streams = JoinSet::new();
            for server in exchange.servers() {
                let (exchange, session, to) = (exchange.clone(), Arc::clone(&of), to.clone());
                let last = positions.get(&server).cloned();
                streams.spawn(async move {
                    exchange.keep_up(&session, (&server, last), &to).await;
                });
            }
            let mut closing = exchange.joint.gate.closing();
            tokio::select! {
                () = to.closed() => {}
                _ = ending.wait_for(|ended| *ended) => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        });
        session.take_free_stream(Some(merging.abort_handle()));
        Reply::new(Status::Fine, Payload::Events(events))
    }

    /// Keeps one server's free stream up.
    async fn keep_up(
        mut self,
        session: &Arc<Session>,
        (server, mut last): (&Name, Option<String>),
        to: &mpsc::Sender<Bytes>,
    ) {
        let mut pause = Pause::new();
        loop {
            let event = last
                .as_deref()
                .and_then(|id| HeaderValue::from_str(id).ok());
            match self.stream_of(session, server, event).await {
                Ok((reply, peer)) => match (reply.status, reply.payload) {
                    (Status::Fine, Payload::Events(from)) => {
                        pause.was_worth_it();
                        let lens = lens(peer, Arc::clone(session));
                        if carry::stream(from, to, (&lens, Ids::Counted)).await == Ended::ClientGone
                        {
                            return;
                        }
                        last = session.heard.last_of(server);
                    }
                    // It has no such stream, or the policy in force lets nobody have it.
                    (Status::NotOffered | Status::Forbidden, _) => return,
                    // It cannot be gone on from there any more: from now on, then.
                    (Status::Malformed, _) => last = None,
                    _ => {}
                },
                Err(absent) => tracing::debug!(%server, %absent, "its stream is not open"),
            }
            pause.wait().await;
            // The grant may have ended meanwhile, or reach the server no longer.
            match self.joint.gate.admit_party(&self.headers) {
                Ok(party) => self.party = party,
                Err(_) => return,
            }
            if self.visit(server.as_str()).is_err() {
                return;
            }
        }
    }
}

fn lens(peer: Peer, session: Arc<Session>) -> Lens {
    Lens {
        peer,
        session: Some(session),
        token: None,
        merged: false,
        watching: None,
    }
}
