//! What the gate replies at one server, carried on to the client of the one URL: a message, or a
//! stream of them.

use std::borrow::Cow;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::lens::{Lens, Look};
use super::names;
use super::runs::Running;
use crate::budget::in_place_of;
use crate::gate::{IN_FLIGHT, Payload, Reply, Status};
use crate::mcp::event_id::renamed;
use crate::mcp::message;
use crate::mcp::sse::{Cutter, Event};

/// How the events of a stream are called towards the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    /// By the server and its own id: the stream of one server's answer.
    Tagged,
    /// By the number of the event in the session: the servers' free streams, merged.
    Counted,
}

/// The events of one piece of a stream. The gate sends them whole.
pub(super) fn events(piece: &Bytes) -> Vec<Event> {
    let mut cutter = Cutter::new(usize::MAX);
    cutter.push(piece);
    let mut events = Vec::new();
    while let Ok(Some(event)) = cutter.next_event() {
        events.push(event);
    }
    events
}

/// An event as the client sees it; nothing if it does not.
pub(super) fn shown(lens: &Lens, ids: Ids, event: &Event) -> Option<Bytes> {
    let called = called(lens, ids, event);
    if !event.carries_message() {
        return Some(called.to_forward());
    }
    match lens.look(&event.data) {
        Look::Pass(message) if message == event.data => Some(called.to_forward()),
        Look::Pass(message) => Some(called.with_message(&message)),
        Look::Drop(why) => {
            tracing::debug!(server = %lens.peer.server(), why, "dropped");
            None
        }
    }
}

fn called<'e>(lens: &Lens, ids: Ids, event: &'e Event) -> Cow<'e, Event> {
    let id = event.id.as_deref().filter(|id| !id.is_empty());
    let (Some(session), Some(id)) = (&lens.session, id) else {
        return Cow::Borrowed(event);
    };
    let server = lens.peer.server();
    let ours = match ids {
        Ids::Tagged => names::tagged(server.as_str(), id),
        Ids::Counted => match session.heard.note(server, id) {
            Some(number) => number.to_string(),
            // Taken back: the client goes on from the one before.
            None => String::new(),
        },
    };
    Cow::Owned(renamed(event, &ours))
}

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With the answer to its request.
    Answered,
    ByServer,
    ClientGone,
}

/// Carries a stream on until it ends or the client goes away.
pub(super) async fn stream(
    mut from: mpsc::Receiver<Bytes>,
    to: &mpsc::Sender<Bytes>,
    (lens, ids): (&Lens, Ids),
) -> Ended {
    let mut ended = Ended::ByServer;
    loop {
        let piece = tokio::select! {
            piece = from.recv() => piece,
            () = to.closed() => return Ended::ClientGone,
        };
        let Some(piece) = piece else { return ended };
        for event in events(&piece) {
            if is_answer(&event) {
                ended = Ended::Answered;
            }
            let Some(bytes) = shown(lens, ids, &event) else {
                continue;
            };
            let bytes = in_place_of(bytes, vec![piece.clone()]);
            if to.send(bytes).await.is_err() {
                return Ended::ClientGone;
            }
        }
    }
}

/// Whether an event carries an answer.
pub(super) fn is_answer(event: &Event) -> bool {
    let tree = message::read_tree(&event.data);
    tree.is_ok_and(|tree| tree.get("method").is_none() && tree.get("id").is_some())
}

/// The gate's reply to a request, as the client of the one URL sees it.
pub(super) fn reply(reply: Reply, lens: Lens, running: Option<Running>) -> Reply {
    // The gate's name of an inner session is nobody's business.
    let status = reply.status;
    match reply.payload {
        Payload::Nothing => Reply::new(status, Payload::Nothing),
        Payload::Message(message) => match lens.look(&message) {
            Look::Pass(message) => Reply::message(status, message),
            Look::Drop(_) => Reply::new(Status::Accepted, Payload::Nothing),
        },
        Payload::Events(from) => {
            let (to, events) = mpsc::channel(IN_FLIGHT);
            tokio::spawn(async move {
                let ended = stream(from, &to, (&lens, Ids::Tagged)).await;
                if let Some(mut running) = running
                    && ended != Ended::Answered
                {
                    running.leave();
                }
            });
            Reply::new(status, Payload::Events(events))
        }
    }
}
