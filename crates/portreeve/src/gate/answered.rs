//! The server's answer on its way back: forwarded for, looked at, said, and the call's end booked.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use super::admit::Permit;
use super::brings::{self, Brings};
use super::client::Introduction;
use super::forward::{self, Parcel, forward};
use super::inspect::{Inspector, Look, Request};
use super::post::{Exchange, no_session};
use super::record::{End, OpenCall};
use super::resolve::Call;
use super::seen::NotNoted;
use super::sessions::{Inquiry, Session, SessionError};
use super::tasks::Tasked;
use super::{Gate, Payload, Reply, Status, Visit, relay};
use crate::ledger::{Answer, Ended};
use crate::mcp::kept::MAX_VERSION;
use crate::mcp::{answer, code, header, message, revision};
use crate::upstream::{Incoming, IncomingBody, UpstreamError, UpstreamSession, Verb};

impl Exchange {
    pub(super) async fn forwarded(
        &self,
        permit: Permit,
        call: &Call<'_>,
        request: Option<Request>,
        bytes: Bytes,
    ) -> Reply {
        let turn = request.as_ref().and_then(|r| r.turn.clone());
        if let Some(turn) = &turn {
            turn.sent();
        }
        let task = request.as_ref().map(|request| &request.matter.tasked);
        let (entry, incoming) = forward(permit, self.parcel(bytes, task)).await;
        match (incoming, turn) {
            // A stream goes on after this, and knows when it is answered.
            (Ok(incoming), turn) => {
                if let Some(turn) = turn.filter(|_| !incoming.is_stream()) {
                    turn.answered();
                }
                self.answered(entry, call, request, incoming).await
            }
            (Err(error), turn) => {
                if let Some(turn) = turn.filter(|_| error.surely_not_sent()) {
                    turn.never_sent();
                }
                let id = request.as_ref().map(|r| r.id.as_str());
                Box::pin(self.failed(entry, id, &error, None)).await
            }
        }
    }

    /// Forwards what the client answers to a question of the server.
    pub(super) async fn replied(
        &self,
        permit: Permit,
        call: &Call<'_>,
        inquiry: &mut Inquiry,
        bytes: Bytes,
    ) -> Reply {
        inquiry.leaves();
        let (entry, incoming) = forward(permit, self.parcel(bytes, None)).await;
        match incoming {
            Ok(incoming) => self.answered(entry, call, None, incoming).await,
            Err(error) => {
                if error.surely_not_sent() {
                    inquiry.never_left();
                }
                self.failed(entry, None, &error, None).await
            }
        }
    }

    fn parcel(&self, bytes: Bytes, tasked: Option<&Tasked>) -> Parcel<'_> {
        let mut headers = forward::headers(&self.headers, self.session.as_deref(), self.era);
        if let Some(Tasked::One(task)) = tasked
            && headers.contains_key(&header::NAME)
            && let Ok(name) = HeaderValue::from_str(&header::encode(&task.id))
        {
            headers.insert(header::NAME, name);
        }
        Parcel {
            server: &self.visit.server,
            verb: Verb::Post(bytes),
            headers,
            whose: self.visit.caller.grant.whose,
        }
    }

    async fn answered(
        &self,
        entry: OpenCall,
        call: &Call<'_>,
        request: Option<Request>,
        incoming: Incoming,
    ) -> Reply {
        let status = incoming.status;
        if status == StatusCode::NOT_FOUND
            && let Some(session) = &self.session
        {
            self.gate.sessions.close(&session.id);
            let reason = Some("the server has ended the session".to_owned());
            let status = Some(status.as_u16());
            entry
                .close(End {
                    ended: Ended::Allow,
                    result: Some(Answer::Error),
                    reason,
                    status,
                })
                .await;
            return no_session(SessionError::Unknown);
        }
        let Some(request) = request else {
            return Box::pin(self.accepted(entry, incoming)).await;
        };
        let session = self.session.clone();
        let inspector = Inspector::new(&self.gate, &self.visit, session, self.era, Some(request));
        let id = || {
            inspector
                .request
                .as_ref()
                .map(|request| request.id.as_str())
        };
        match incoming.body {
            IncomingBody::Json(body) => {
                self.whole(entry, &inspector, call, (status, incoming.session, body))
                    .await
            }
            IncomingBody::Events(events) => {
                let opening = relay::Opening {
                    upstream: incoming.session.filter(|_| call.method == "initialize"),
                    client: call.client.clone(),
                };
                Box::pin(relay::start(entry, inspector, events, opening)).await
            }
            IncomingBody::Empty => {
                let error = UpstreamError::Nonsense(format!("HTTP {status} without a body"));
                Box::pin(self.failed(entry, id(), &error, Some(status))).await
            }
            IncomingBody::Other(what) => {
                let error = UpstreamError::Nonsense(what);
                Box::pin(self.failed(entry, id(), &error, Some(status))).await
            }
        }
    }

    /// An answer in one piece.
    async fn whole(
        &self,
        entry: OpenCall,
        inspector: &Inspector,
        call: &Call<'_>,
        (status, upstream, body): (StatusCode, Option<UpstreamSession>, Bytes),
    ) -> Reply {
        let id = inspector.request.as_ref().map(|r| r.id.as_str());
        let fail = |what: String| UpstreamError::Nonsense(what);
        let network = &self.gate.surroundings.network;
        let (passed, given, brings) = match inspector.look(&body).await {
            Ok(Look::Pass(passed, Some(given), brings)) => (passed, given, brings),
            Ok(_) => {
                let error = fail(format!("HTTP {status}, and it does not answer the request"));
                return Box::pin(self.failed(entry, id, &error, Some(status))).await;
            }
            Err(what) => {
                // The words may quote the server.
                if let Err(error) = inspector.release(&Brings::Names).await {
                    return Box::pin(withheld(entry, inspector, &error)).await;
                }
                return Box::pin(self.failed(entry, id, &fail(what), Some(status))).await;
            }
        };
        if !self.gate.still_admits(&self.visit) {
            let words = relay::cut_off(entry, id, status).await;
            return Reply::message(Status::Fine, words);
        }
        let passed = match network.held(passed, &body) {
            Ok(passed) => passed,
            Err(error) => return Box::pin(self.failed(entry, id, &error, Some(status))).await,
        };
        let kind = given.answer;
        if !status.is_success() && !matches!(kind, Answer::Error | Answer::Withheld) {
            let error = fail(format!("HTTP {status} with a result"));
            return Box::pin(self.failed(entry, id, &error, Some(status))).await;
        }
        if let Err(error) = inspector.release(&brings).await {
            return Box::pin(withheld(entry, inspector, &error)).await;
        }
        let mut reply = Reply::message(client_status(status), passed);
        if call.method == "initialize"
            && kind == Answer::Ok
            && let Some(upstream) = upstream
        {
            let opening = (upstream, call.client.clone());
            match self.gate.open_session(&self.visit, opening, &body) {
                Ok(session) => reply.session = Some(session.id.clone()),
                Err(error) => reply = no_session(error),
            }
        }
        let status = Some(status.as_u16());
        entry
            .close(End {
                ended: Ended::Allow,
                result: Some(kind),
                reason: given.reason,
                status,
            })
            .await;
        reply
    }

    /// A notification or response was handed over.
    async fn accepted(&self, entry: OpenCall, incoming: Incoming) -> Reply {
        let status = incoming.status;
        let fine = status.is_success();
        let result = Some(if fine { Answer::Ok } else { Answer::Error });
        let end = End {
            ended: Ended::Allow,
            result,
            reason: None,
            status: Some(status.as_u16()),
        };
        entry.close(end).await;
        if fine {
            return Reply::new(Status::Accepted, Payload::Nothing);
        }
        let words = format!("the server did not take the message (HTTP {status})");
        let words = answer::plain_error(None, code::UPSTREAM_FAILED, &words);
        Reply::message(Status::Malformed, words)
    }

    /// The server failed us: said in the protocol's own form, and booked.
    async fn failed(
        &self,
        entry: OpenCall,
        id: Option<&str>,
        error: &UpstreamError,
        status: Option<StatusCode>,
    ) -> Reply {
        let sent = !error.surely_not_sent();
        let message = relay::failure(id, error, entry.id().as_str(), sent);
        let ended = if sent { Ended::Failed } else { Ended::NotSent };
        let reason = Some(error.to_string());
        let status = status.map(|s| s.as_u16());
        entry
            .close(End {
                ended,
                result: None,
                reason,
                status,
            })
            .await;
        Reply::message(
            if id.is_some() {
                Status::Fine
            } else {
                Status::Unavailable
            },
            message,
        )
    }
}

/// The call was executed, and its answer stays here.
async fn withheld(entry: OpenCall, inspector: &Inspector, error: &NotNoted) -> Reply {
    let (end, words) = brings::withheld(inspector, error);
    entry.close(end).await;
    Reply::message(Status::Fine, words.unwrap_or_default())
}

/// A modern client tells eras and unknown methods apart by the status of an error.
fn client_status(upstream: StatusCode) -> Status {
    match upstream {
        StatusCode::BAD_REQUEST => Status::Malformed,
        StatusCode::NOT_FOUND => Status::NotFound,
        _ => Status::Fine,
    }
}

impl Gate {
    /// Opens our side of the session that an `initialize` result brings.
    pub(super) fn open_session(
        self: &Arc<Self>,
        visit: &Visit,
        (upstream, client): (UpstreamSession, Option<Arc<Introduction>>),
        result: &[u8],
    ) -> Result<Arc<Session>, SessionError> {
        let version = message::read_tree(result).ok().and_then(|tree| {
            let version = tree.get("result")?.get("protocolVersion")?.as_str()?;
            (version.len() <= MAX_VERSION).then(|| version.to_owned())
        });
        let version = version.unwrap_or_else(|| revision::WITH_BATCHES.to_owned());
        let now = self.clock.now();
        let opened = self.sessions.open(visit, upstream, (version, client), now);
        // Room may have been made for it, or there was none.
        self.say_farewells();
        opened
    }
}
