//! Which way a message takes: straight to the gate, or by way of the other era.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::HeaderMap;
use memchr::memmem::Finder;
use portreeve_policy::json::Value;

use super::{Eras, answers};
use crate::gate::{Payload, Reply, Status, Visit};
use crate::mcp::message::{self, Message};
use crate::mcp::method::DISCOVER;
use crate::mcp::revision::{self, Era};
use crate::mcp::{code, header};

/// How a client's messages reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Both speak the same era, or nothing better is known.
    Straight,
    /// A legacy client, and a server that is modern only.
    Upward,
    /// A modern client, and a server that is legacy only.
    Downward,
}

/// Answers that are larger say nothing about eras.
const LARGEST: usize = 16 * 1024;

impl Eras {
    /// A server that speaks both eras is spoken to in the client's.
    ///
    /// INVARIANT: where both sides speak the same era, nothing is touched
    /// (`forwarded_bytes_are_the_judged_ones`, `untouched_events_leave_as_they_came`).
    pub(super) async fn way(&self, visit: &Visit, headers: &HeaderMap, body: &[u8]) -> Way {
        let spoken = &visit.server.spoken;
        // What the body says besides is the gate's to compare.
        let Ok(version) = header::version(headers, None) else {
            return Way::Straight;
        };
        match revision::era(version) {
            Era::Legacy => match spoken.knows(Era::Legacy) {
                Some(true) => Way::Straight,
                // Before it is known again, who has begun this way goes on this way.
                None if !self.keeps_session(visit, headers) => Way::Straight,
                _ => match self.speaks(visit, Era::Modern).await {
                    Some(true) => Way::Upward,
                    _ => Way::Straight,
                },
            },
            // What the gate refuses by itself is no reason to ask the server anything.
            Era::Modern if spoken.knows(Era::Modern).is_none() && !is_sound(headers, body) => {
                Way::Straight
            }
            Era::Modern => match self.speaks(visit, Era::Modern).await {
                Some(false) if self.speaks(visit, Era::Legacy).await == Some(true) => Way::Downward,
                _ => Way::Straight,
            },
        }
    }

    pub(super) async fn speaks(&self, visit: &Visit, era: Era) -> Option<bool> {
        match visit.server.spoken.knows(era) {
            None => Box::pin(self.gate.learn_era(&visit.server, era)).await,
            known => known,
        }
    }

    /// The same era on both sides, unless the answer shows that it is not.
    pub(super) async fn straight(
        self: &Arc<Self>,
        visit: Visit,
        headers: HeaderMap,
        body: Bytes,
    ) -> Reply {
        let spoken = Arc::clone(&visit.server.spoken);
        let era = header::version(&headers, None).map(revision::era);
        let hello = begins(&headers, &body);
        let hello = hello.then(|| Box::new((visit.clone(), headers.clone(), body.clone())));
        let reply = self.gate.post(visit, headers, body).await;
        let Some(hello) = hello else {
            if is_of_another_era(&reply)
                && let Ok(era) = era
            {
                spoken.forget(era, self.gate.clock().now());
            }
            return reply;
        };
        if !is_error(&reply) {
            return reply;
        }
        let (visit, headers, body) = *hello;
        Box::pin(self.begin_again(visit, headers, body, reply)).await
    }

    /// A conversation that could not begin: the server may speak the other era only.
    async fn begin_again(
        self: &Arc<Self>,
        visit: Visit,
        headers: HeaderMap,
        body: Bytes,
        reply: Reply,
    ) -> Reply {
        let version = header::version(&headers, None).unwrap_or_default();
        let (era, now) = (revision::era(version), self.gate.clock().now());
        visit.server.spoken.forget(era, now);
        self.speaks(&visit, Era::Modern).await;
        self.speaks(&visit, Era::Legacy).await;
        match self.way(&visit, &headers, &body).await {
            Way::Straight => reply,
            Way::Upward => self.upward(visit, headers, body).await,
            Way::Downward => self.downward(visit, headers, body).await,
        }
    }
}

/// Whether a modern body is a message, and its headers say the same.
fn is_sound(headers: &HeaderMap, body: &[u8]) -> bool {
    message::read_tree(body).is_ok_and(|tree| {
        message::read(&tree, body).is_ok_and(|message| is_true(headers, &message))
    })
}

/// Whether headers and body say the same, as the gate would want it of a modern message.
pub(super) fn is_true(headers: &HeaderMap, message: &Message<'_>) -> bool {
    let stated = message.meta(revision::META_PROTOCOL_VERSION);
    let stated = stated.and_then(Value::as_str);
    header::version(headers, stated).is_ok() && header::agree(headers, message, Era::Modern).is_ok()
}

/// Whether a message begins a conversation, in either era.
fn begins(headers: &HeaderMap, body: &[u8]) -> bool {
    // Made once: making them takes longer than looking through most messages.
    static BEGINNINGS: LazyLock<[Finder<'_>; 2]> =
        LazyLock::new(|| ["initialize", DISCOVER].map(Finder::new));
    let is_named = || BEGINNINGS.iter().any(|name| name.find(body).is_some());
    if headers.contains_key(header::SESSION_ID) || !is_named() {
        return false;
    }
    let Ok(tree) = message::read_tree(body) else {
        return false;
    };
    message::read(&tree, body)
        .is_ok_and(|message| matches!(message.method(), Some("initialize" | DISCOVER)))
}

fn is_error(reply: &Reply) -> bool {
    match &reply.payload {
        Payload::Message(message) if message.len() <= LARGEST => {
            let error = answers::outline(message).error;
            // Its own refusals tell nothing about the server.
            error.is_some_and(|code| code != code::POLICY_REFUSED)
        }
        _ => false,
    }
}

/// Whether an answer shows that the server does not speak the era it was spoken to in.
pub(super) fn is_of_another_era(reply: &Reply) -> bool {
    let is_doubtful = matches!(
        reply.status,
        Status::Malformed | Status::NotFound | Status::NotOffered
    );
    let Payload::Message(message) = &reply.payload else {
        return false;
    };
    if !is_doubtful || message.len() > LARGEST {
        return false;
    }
    let of_either = [
        code::PARSE_ERROR,
        code::METHOD_NOT_FOUND,
        code::INVALID_PARAMS,
        code::HEADER_MISMATCH,
        code::MISSING_CAPABILITY,
    ];
    let said = answers::outline(message).error;
    // Codes of the gate's own are above zero.
    said.is_some_and(|code| code < 0 && !of_either.contains(&code))
}
