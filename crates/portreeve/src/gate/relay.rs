//! Streams from a server to a client, event by event.

use bytes::Bytes;
use http::HeaderValue;
use serde::Serialize;
use tokio::sync::mpsc;

use super::inspect::{Inspector, Look};
use super::post::no_session;
use super::record::{End, OpenCall};
use super::turn::Turn;
use super::{Payload, Reply, STREAM_SILENCE, Status, forward};
use crate::ledger::{Answer, Ended};
use crate::mcp::revision::Era;
use crate::mcp::sse::{self, Event};
use crate::mcp::{answer, code, header};
use crate::upstream::{EventSource, UpstreamError};

/// Events that may wait for a slow client before the server is made to wait too.
const IN_FLIGHT: usize = 16;

/// The session that comes with a stream, if it answers `initialize`.
#[derive(Debug)]
pub(super) struct Opening {
    pub upstream: Option<HeaderValue>,
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
    let mut first = None;
    let mut events = events;
    if let Some(upstream) = opening.upstream {
        // The session's header precedes the stream, and its revision stands in the answer.
        let answer = first_message(&mut events).await;
        let body = answer.as_ref().map(|e| e.data.clone()).unwrap_or_default();
        match inspector
            .gate
            .open_session(&inspector.visit, upstream, &body)
        {
            Ok(opened) => {
                session = Some(opened.id.clone());
                inspector.session = Some(opened);
            }
            Err(error) => return no_session(error),
        }
        first = answer;
    }
    let relay = Relay {
        entry: Some(entry),
        inspector,
        to_client,
        resumable: false,
    };
    tokio::spawn(relay.run(events, first));
    Reply {
        status: Status::Fine,
        session,
        payload: Payload::Events(from_server),
    }
}

async fn first_message(events: &mut EventSource) -> Option<Event> {
    while let Ok(Some(event)) = events.next(STREAM_SILENCE).await {
        if event.carries_message() {
            return Some(event);
        }
    }
    None
}

struct Relay {
    /// The call that the stream answers; `None` once it is answered.
    entry: Option<OpenCall>,
    inspector: Inspector,
    to_client: mpsc::Sender<Bytes>,
    /// Whether the client can come back for what this stream did not bring.
    resumable: bool,
}

/// Why a relay stops.
enum Stop {
    ClientGone,
    Server(UpstreamError),
}

impl Relay {
    async fn run(mut self, mut events: EventSource, first: Option<Event>) {
        let mut ended = Ok(());
        if let Some(event) = first {
            ended = self.pass(&event).await;
        }
        while ended.is_ok() {
            let gone = self.to_client.clone();
            let next = tokio::select! {
                next = events.next(STREAM_SILENCE) => next,
                () = gone.closed() => break,
            };
            ended = match next {
                Ok(Some(event)) => self.pass(&event).await,
                Ok(None) => break,
                Err(error) => Err(Stop::Server(error)),
            };
        }
        // Dropping the source closes the connection, which cancels what still runs.
        drop(events);
        self.finish(ended).await;
    }

    async fn pass(&mut self, event: &Event) -> Result<(), Stop> {
        self.resumable |= event.id.is_some();
        if !event.carries_message() {
            return self.send(event.to_forward()).await;
        }
        let look = self.inspector.look(&event.data).await;
        match look.map_err(|what| Stop::Server(UpstreamError::Nonsense(what)))? {
            Look::Pass(message, kind) => {
                let untouched = message == event.data;
                let bytes = if untouched {
                    event.to_forward()
                } else {
                    sse::write(&message, event.id.as_deref())
                };
                // The end is booked first: who has the answer can find it in the ledger.
                if let Some(kind) = kind {
                    self.answered(kind).await;
                }
                self.send(bytes).await
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

    fn turn(&self) -> Option<&Turn> {
        self.inspector.request.as_ref()?.turn.as_deref()
    }

    async fn answered(&mut self, kind: Answer) {
        if let Some(turn) = self.turn() {
            turn.answered();
        }
        if let Some(entry) = self.entry.take() {
            let result = Some(kind);
            entry
                .close(End {
                    ended: Ended::Allow,
                    result,
                    reason: None,
                    status: Some(200),
                })
                .await;
        }
    }

    fn decline(&self, words: Vec<u8>) {
        let session = self.inspector.session.clone();
        let server = std::sync::Arc::clone(&self.inspector.visit.server);
        tokio::spawn(async move {
            let mut headers =
                forward::headers(&http::HeaderMap::new(), session.as_deref(), Era::Legacy);
            if let Some(version) = session.and_then(|s| HeaderValue::from_str(&s.version).ok()) {
                headers.insert(header::PROTOCOL_VERSION, version);
            }
            forward::decline(&server, headers, words).await;
        });
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Stop> {
        self.to_client
            .send(bytes)
            .await
            .map_err(|_| Stop::ClientGone)
    }

    async fn finish(mut self, ended: Result<(), Stop>) {
        let Some(entry) = self.entry.take() else {
            return;
        };
        let id = self.inspector.request.as_ref().map(|r| r.id.clone());
        let error = match ended {
            // The entry closes itself as cancelled.
            Err(Stop::ClientGone) => return,
            Ok(()) if self.to_client.is_closed() => return,
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
            let words = failure(Some(&id), &error, &call_id);
            // If the client is gone as well, nobody is left to be told.
            self.to_client.send(sse::write(&words, None)).await.ok();
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

/// What a client is told when its server failed.
pub(super) fn failure(id: Option<&str>, error: &UpstreamError, call_id: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Failure<'a> {
        call_id: &'a str,
        /// Whether the server may have carried the call out.
        may_have_run: bool,
    }
    let code = match error {
        UpstreamError::Timeout(_) => code::UPSTREAM_TIMEOUT,
        _ => code::UPSTREAM_FAILED,
    };
    let data = Failure {
        call_id,
        may_have_run: !error.surely_not_sent(),
    };
    answer::error(id, code, &error.to_string(), Some(&data))
}

/// Joins the replies to the messages of a batch: one array where all are there, else one stream.
pub(super) fn gather(replies: Vec<Reply>) -> Reply {
    let mut messages = Vec::new();
    let mut streams = Vec::new();
    for reply in replies {
        if reply.status == Status::Unavailable {
            return reply;
        }
        match reply.payload {
            Payload::Nothing => {}
            Payload::Message(message) => messages.push(message),
            Payload::Events(events) => streams.push(events),
        }
    }
    if streams.is_empty() {
        if messages.is_empty() {
            return Reply::new(Status::Accepted, Payload::Nothing);
        }
        let array = crate::mcp::splice::array(messages.iter().map(AsRef::as_ref));
        return Reply::message(Status::Fine, array);
    }
    let (to_client, joined) = mpsc::channel(IN_FLIGHT);
    for message in messages {
        let event = sse::write(&message, None);
        let to_client = to_client.clone();
        tokio::spawn(async move { to_client.send(event).await });
    }
    for mut events in streams {
        let to_client = to_client.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if to_client.send(event).await.is_err() {
                    return;
                }
            }
        });
    }
    Reply::new(Status::Fine, Payload::Events(joined))
}
