//! Streams from a server to a client, event by event.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use portreeve_policy::json::{Rules, outline};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::brings::{self, Brings};
use super::client::Introduction;
use super::inspect::{Given, Inspector, Look};
use super::post::no_session;
use super::record::{End, OpenCall};
use super::seen::NotNoted;
use super::turn::Turn;
use super::{
    Payload, Reply, STREAM_LIFE, STREAM_REST, STREAM_SILENCE, STREAM_STALL, Status, event_ids,
    forward,
};
use crate::budget::Budget;
use crate::ledger::Ended;
use crate::mcp::method::Topic;
use crate::mcp::sse::{self, Event};
use crate::mcp::{answer, code};
use crate::upstream::{EventSource, UpstreamError, UpstreamSession};

/// Events that may wait for a slow client before the server is made to wait too.
pub(crate) const IN_FLIGHT: usize = 16;
/// What the large ones among them may take together. One that is larger waits alone.
const WAITING: usize = 1024 * 1024;

/// The session that comes with a stream, if it answers `initialize`.
#[derive(Debug, Default)]
pub(super) struct Opening {
    pub upstream: Option<UpstreamSession>,
    /// Who the client says it is.
    pub client: Option<Arc<Introduction>>,
}

/// Relays a stream to the client in the background.
pub(super) async fn start(
    entry: OpenCall,
    mut inspector: Inspector,
    events: EventSource,
    opening: Opening,
) -> Reply {
    let (to_client, from_server) = mpsc::channel(IN_FLIGHT);
    let mut session = None;
    let mut events = events;
    let mut first = Vec::new();
    if let Some(upstream) = opening.upstream {
        // The session's header precedes the stream, and its revision stands in the answer.
        first = until_answer(&mut events).await;
        if let Some(body) = first
            .last()
            .map(|event| &event.data)
            // A refused `initialize` opens no session.
            && holds(body, &["result"])
        {
            let (gate, visit) = (&inspector.gate, &inspector.visit);
            match gate.open_session(visit, (upstream, opening.client), body) {
                Ok(opened) => {
                    session = Some(opened.id.clone());
                    inspector.session = Some(opened);
                }
                Err(error) => return no_session(error),
            }
        }
    }
    let relay = Relay {
        entry: Some(entry),
        inspector,
        to_client,
        waiting: Budget::new(WAITING),
        resumable: false,
    };
    tokio::spawn(relay.run(events, first));
    Reply {
        status: Status::Fine,
        session,
        payload: Payload::Events(from_server),
    }
}

/// The events up to the first answer, for which a client waits without having heard anything.
async fn until_answer(events: &mut EventSource) -> Vec<Event> {
    let mut first = Vec::new();
    let reading = async {
        while let Ok(Some(event)) = events.next(STREAM_STALL).await {
            let is_answer = holds(&event.data, &["result", "error"]);
            first.push(event);
            if is_answer || first.len() >= IN_FLIGHT {
                break;
            }
        }
    };
    // What came so far is handed on all the same.
    timeout(STREAM_STALL, reading).await.ok();
    first
}

/// Whether a message has one of these members.
fn holds(body: &[u8], names: &[&str]) -> bool {
    let members = outline(body, Rules::MESSAGE).unwrap_or_default();
    members.iter().any(|member| names.contains(&&*member.key))
}

struct Relay {
    /// The call that the stream answers; `None` once it is answered.
    entry: Option<OpenCall>,
    inspector: Inspector,
    to_client: mpsc::Sender<Bytes>,
    /// For what waits for the client.
    waiting: Budget,
    /// Whether the client can come back for what this stream did not bring.
    resumable: bool,
}

/// Why a relay stops.
enum Stop {
    /// The answer was delivered; whatever follows has nobody to go to.
    Answered,
    ClientGone,
    /// The grant ended while the stream ran.
    NotGranted,
    /// A free stream has lasted for long enough.
    Old,
    Server(UpstreamError),
    /// What came could not be noted, so neither it nor anything after it goes on.
    NotNoted(NotNoted),
}

impl From<NotNoted> for Stop {
    fn from(error: NotNoted) -> Self {
        Self::NotNoted(error)
    }
}

impl Relay {
    async fn run(mut self, mut events: EventSource, first: Vec<Event>) {
        let mut ended = Ok(());
        for event in first {
            if ended.is_ok() {
                ended = self.pass(&event).await;
            }
        }
        let clock = self.inspector.gate.clock.clone();
        let mut life = pin!(clock.sleep(STREAM_LIFE));
        let mut closing = self.inspector.gate.closing.subscribe();
        let is_free = self.is_free();
        while ended.is_ok() {
            let gone = self.to_client.clone();
            let next = tokio::select! {
                next = events.next(STREAM_SILENCE) => next,
                () = gone.closed() => break,
                _ = closing.wait_for(|closing| *closing), if is_free => {
                    ended = Err(Stop::Old);
                    break;
                }
                () = &mut life => {
                    ended = Err(self.too_old());
                    break;
                }
            };
            ended = match next {
                Ok(Some(event)) => self.pass(&event).await,
                Ok(None) => break,
                Err(error) => Err(Stop::Server(error)),
            };
        }
        if matches!(ended, Err(Stop::Answered)) {
            // The client's stream ends now; the server's may end by itself, which leaves the
            // connection for the next request.
            drop(self);
            let rest = async { while let Ok(Some(_)) = events.next(STREAM_REST).await {} };
            timeout(STREAM_REST, rest).await.ok();
            return;
        }
        // Dropping the source closes the connection, which cancels what still runs.
        drop(events);
        self.finish(ended).await;
    }

    /// Whether the stream answers no call: it would go on for as long as both sides live.
    fn is_free(&self) -> bool {
        let request = self.inspector.request.as_ref();
        request.is_none_or(|request| request.matter.topic == Topic::Protocol)
    }

    fn too_old(&self) -> Stop {
        match self.inspector.request {
            Some(_) => Stop::Server(UpstreamError::Timeout(STREAM_LIFE)),
            None => Stop::Old,
        }
    }

    async fn pass(&mut self, came: &Event) -> Result<(), Stop> {
        let gate = Arc::clone(&self.inspector.gate);
        // INVARIANT: what answers no call is held to the rules in force when it comes
        // (`a_free_stream_is_held_to_the_rules_in_force`).
        if self.is_free() && !gate.is_current(&self.inspector.visit) {
            let renewed = gate.renewed(self.inspector.visit.clone());
            let visit = renewed.map_err(|_| Stop::NotGranted)?;
            self.inspector.go_on_under(visit);
        } else if !gate.still_admits(&self.inspector.visit) {
            return Err(Stop::NotGranted);
        }
        if came.id.is_some() && !self.resumable {
            self.resumable = true;
            if let Some(turn) = self.turn() {
                turn.can_come_again();
            }
        }
        let keys = &self.inspector.gate.keys;
        let event = &*event_ids::outward(keys, self.inspector.session.as_deref(), came);
        if !event.carries_message() {
            let bytes = if self.inspector.may_show_form(came, &Brings::Names) {
                event.to_forward()
            } else {
                sse::without_words(self.inspector.shown_id(came, event))
            };
            let bytes = self.held(bytes, came)?;
            self.inspector.release(&Brings::Names).await?;
            return self.send(bytes).await;
        }
        let look = match self.inspector.look(&event.data).await {
            Ok(look) => look,
            Err(what) => {
                // The words may quote the server.
                self.inspector.release(&Brings::Names).await?;
                return Err(Stop::Server(UpstreamError::Nonsense(what)));
            }
        };
        match look {
            Look::Pass(message, given, brings) => {
                self.inspector.release(&brings).await?;
                let bytes = if !self.inspector.may_show_form(came, &brings) {
                    sse::write(&message, self.inspector.shown_id(came, event))
                } else if message == event.data {
                    event.to_forward()
                } else {
                    event.with_message(&message)
                };
                let bytes = self.held(bytes, came)?;
                // The end is booked first: who has the answer can find it in the ledger.
                let Some(given) = given else {
                    return self.send(bytes).await;
                };
                self.answered(given).await;
                self.send(bytes).await?;
                Err(Stop::Answered)
            }
            Look::Drop(why) => {
                tracing::debug!(server = %self.inspector.visit.server.name, why, "dropped");
                Ok(())
            }
            Look::Decline(words) => {
                self.decline(words);
                Ok(())
            }
        }
    }

    fn held(&self, bytes: Bytes, came: &Event) -> Result<Bytes, Stop> {
        let network = &self.inspector.gate.surroundings.network;
        network.held(bytes, &came.raw).map_err(Stop::Server)
    }

    fn turn(&self) -> Option<&Turn> {
        self.inspector.request.as_ref()?.turn.as_deref()
    }

    async fn answered(&mut self, given: Given) {
        if let Some(turn) = self.turn() {
            if self.resumable {
                turn.answered_in_stream();
            } else {
                turn.answered();
            }
        }
        if let Some(entry) = self.entry.take() {
            entry
                .close(End {
                    ended: Ended::Allow,
                    result: Some(given.answer),
                    reason: given.reason,
                    status: Some(200),
                })
                .await;
        }
    }

    fn decline(&self, words: Vec<u8>) {
        let session = self.inspector.session.clone();
        let server = Arc::clone(&self.inspector.visit.server);
        tokio::spawn(async move {
            let headers = forward::own_headers(session.as_deref());
            forward::decline(&server, headers, words).await;
        });
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Stop> {
        let sending = async {
            let bytes = self.waiting.awaited(bytes).await;
            self.to_client.send(bytes).await
        };
        let clock = &self.inspector.gate.clock;
        match clock.timeout(STREAM_STALL, sending).await {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(Stop::ClientGone),
        }
    }

    async fn finish(mut self, ended: Result<(), Stop>) {
        let Some(entry) = self.entry.take() else {
            return;
        };
        let id = self.inspector.request.as_ref().map(|r| r.id.clone());
        let error = match ended {
            Err(Stop::Answered) => return,
            // The entry closes itself as cancelled.
            Err(Stop::ClientGone) => return self.left(),
            Err(Stop::NotGranted) => {
                cut_off(entry, None, StatusCode::OK).await;
                return;
            }
            Err(Stop::NotNoted(error)) => return self.withheld(entry, &error).await,
            Err(Stop::Old) => None,
            Ok(()) if self.to_client.is_closed() => return self.left(),
            Err(Stop::Server(error)) => Some(error),
            Ok(()) if id.is_none() => None,
            Ok(()) if self.resumable => return self.set_aside(entry).await,
            Ok(()) => {
                let what = "the stream ended before the answer";
                Some(UpstreamError::Broken(what.into()))
            }
        };
        let call_id = entry.id().to_string();
        let reason = error.as_ref().map(ToString::to_string);
        let ended = if error.is_some() {
            Ended::Failed
        } else {
            Ended::Allow
        };
        entry
            .close(End {
                ended,
                result: None,
                reason,
                status: Some(200),
            })
            .await;
        if let (Some(error), Some(id)) = (error, id) {
            let words = failure(Some(&id), &error, &call_id, true);
            // If the client is gone as well, nobody is left to be told.
            self.send(sse::write(&words, None)).await.ok();
        }
    }

    /// The client went away. What it has seen of the stream may let it come back.
    fn left(&self) {
        if let Some(turn) = self.turn().filter(|_| self.resumable) {
            turn.left();
        }
    }

    /// The call was executed, or still is, and what came of it stays here.
    async fn withheld(&self, entry: OpenCall, error: &NotNoted) {
        let (end, words) = brings::withheld(&self.inspector, error);
        entry.close(end).await;
        if let Some(words) = words {
            // If the client is gone as well, nobody is left to be told.
            self.send(sse::write(&words, None)).await.ok();
        }
    }

    /// The server ended the stream on purpose; the answer may come when the client resumes.
    async fn set_aside(&self, entry: OpenCall) {
        if let Some(turn) = self.turn() {
            turn.set_aside();
        }
        let reason =
            Some("the stream ended before the answer; the client may resume it".to_owned());
        entry
            .close(End {
                ended: Ended::Failed,
                result: None,
                reason,
                status: Some(200),
            })
            .await;
    }
}

/// Closes the entry of a call whose grant ended before its answer, and says so.
pub(super) async fn cut_off(entry: OpenCall, id: Option<&str>, status: StatusCode) -> Vec<u8> {
    let reason = "the grant ended before the answer";
    let failure = Failure {
        call_id: entry.id().as_str(),
        may_have_run: true,
    };
    let words = answer::error(id, code::POLICY_REFUSED, reason, Some(&failure));
    entry
        .close(End {
            ended: Ended::Cancelled,
            result: None,
            reason: Some(reason.to_owned()),
            status: Some(status.as_u16()),
        })
        .await;
    words
}

#[derive(Serialize)]
struct Failure<'a> {
    call_id: &'a str,
    /// Whether the server may have carried the call out.
    may_have_run: bool,
}

/// What a client is told when its server failed.
pub(super) fn failure(
    id: Option<&str>,
    error: &UpstreamError,
    call_id: &str,
    may_have_run: bool,
) -> Vec<u8> {
    let code = match error {
        UpstreamError::Timeout(_) => code::UPSTREAM_TIMEOUT,
        _ => code::UPSTREAM_FAILED,
    };
    let data = Failure {
        call_id,
        may_have_run,
    };
    answer::error(id, code, &error.to_string(), Some(&data))
}
