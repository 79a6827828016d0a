//! The legacy era's other two requests: the stream on which a server speaks unasked, and the end
//! of a session. Both pass the same door as every call.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use portreeve_policy::Rule;

use super::admit::{NotAdmitted, Permit, admit};
use super::decide::{Refused, Verdict, cannot_wait, decide};
use super::forward::{self, Parcel, forward};
use super::inspect::Inspector;
use super::post::unavailable;
use super::record::{self, End, OpenCall};
use super::refuse::{self, Asked};
use super::relay::{self, Opening};
use super::resolve::Call;
use super::sessions::Session;
use super::{Gate, Payload, Reply, Status, Visit, event_ids};
use crate::ledger::{Answer, Ended};
use crate::mcp::revision::{self, Era};
use crate::mcp::{answer, code, header};
use crate::upstream::{Incoming, IncomingBody, UpstreamError, Verb};

impl Gate {
    /// Opens the server's free stream, or resumes one that was cut.
    pub async fn listen(self: &Arc<Self>, visit: Visit, headers: &HeaderMap) -> Reply {
        let (session, call) = match self.legacy(&visit, headers, "(stream)").await {
            Ok(found) => found,
            Err(reply) => return reply,
        };
        let headers = match self.going_on_from(session.as_deref(), headers) {
            Ok(headers) => headers,
            Err(foreign) => return self.refuse_event(&call, foreign).await,
        };
        let permit = match self.permitted(&call).await {
            Ok(permit) => permit,
            Err(reply) => return reply,
        };
        let (entry, incoming) = match sent(permit, &call, headers, Verb::Get).await {
            Ok(forwarded) => forwarded,
            Err(reply) => return reply,
        };
        let inspector = Inspector::new(self, &visit, session, Era::Legacy, None);
        match incoming.body {
            IncomingBody::Events(events) => {
                relay::start(entry, inspector, events, Opening::default()).await
            }
            _ => not_offered(entry, incoming.status).await,
        }
    }

    /// Ends a session on both sides.
    pub async fn end_session(self: &Arc<Self>, visit: Visit, headers: &HeaderMap) -> Reply {
        let (session, call) = match self.legacy(&visit, headers, "(end of session)").await {
            Ok(found) => found,
            Err(reply) => return reply,
        };
        let permit = match self.permitted(&call).await {
            Ok(permit) => permit,
            // Nothing has ended: the client may try again.
            Err(reply) => return reply,
        };
        if let Some(session) = &session {
            self.sessions.close(&session.id);
        }
        let headers = forward::headers(headers, session.as_deref(), Era::Legacy);
        match sent(permit, &call, headers, Verb::Delete).await {
            Err(reply) => reply,
            Ok((entry, incoming)) if incoming.status.is_success() => {
                let status = Some(incoming.status.as_u16());
                let result = Some(Answer::Ok);
                entry
                    .close(End {
                        ended: Ended::Allow,
                        result,
                        reason: None,
                        status,
                    })
                    .await;
                Reply::new(Status::Fine, Payload::Nothing)
            }
            Ok((entry, incoming)) => not_offered(entry, incoming.status).await,
        }
    }

    /// The headers of a stream, which may go on from an event of the session. Without a session an
    /// event's id could be of anybody's stream.
    fn going_on_from(
        &self,
        session: Option<&Session>,
        headers: &HeaderMap,
    ) -> Result<HeaderMap, event_ids::Foreign> {
        let mut to = forward::headers(headers, session, Era::Legacy);
        let event = session.map(|session| event_ids::inward(&self.keys, session, headers));
        if let Some(id) = event.transpose()?.flatten() {
            to.insert(header::LAST_EVENT_ID, id);
        }
        Ok(to)
    }

    async fn refuse_event(&self, call: &Call<'_>, foreign: event_ids::Foreign) -> Reply {
        let refused = Refused::deny(Rule::MALFORMED, foreign.to_string());
        if let Err(error) = record::refused(self, call, &refused).await {
            return unavailable(None, &error.into());
        }
        let words = answer::plain_error(None, code::BAD_HTTP, &refused.reason);
        Reply::message(Status::Malformed, words)
    }

    /// Both exist in the legacy era only, and both take the session from the header.
    async fn legacy<'a>(
        self: &Arc<Self>,
        visit: &'a Visit,
        headers: &HeaderMap,
        method: &'a str,
    ) -> Result<(Option<Arc<Session>>, Call<'a>), Reply> {
        let malformed = |mismatch: header::Mismatch| {
            let words = answer::plain_error(None, code::HEADER_MISMATCH, &mismatch.to_string());
            Reply::message(Status::Malformed, words)
        };
        let version = header::version(headers, None).map_err(malformed)?;
        if revision::era(version) == Era::Modern {
            let words = format!("revision {version} has no streams or sessions of this kind");
            let words = answer::plain_error(None, code::BAD_HTTP, &words);
            return Err(Reply::message(Status::NotOffered, words));
        }
        let id = header::single(headers, &header::SESSION_ID).map_err(malformed)?;
        let session = id
            .map(|id| self.sessions.find(id, visit, self.clock.now()))
            .transpose();
        match session {
            Ok(session) => Ok((session, Call::bare(visit, method, self.moment()))),
            Err(error) => Err(self.refuse_session(visit, error).await),
        }
    }

    async fn permitted(self: &Arc<Self>, call: &Call<'_>) -> Result<Permit, Reply> {
        let allowed = match decide(self, call) {
            Verdict::Refuse(refused) => return Err(self.refused(call, &refused).await),
            Verdict::Ask(asking) => {
                return Err(self.refused(call, &cannot_wait(&asking)).await);
            }
            Verdict::Allow(allowed) => allowed,
        };
        match admit(self, call, allowed).await {
            Ok(permit) => Ok(permit),
            Err(NotAdmitted::Refused(refused)) => Err(self.refused(call, &refused).await),
            Err(NotAdmitted::Unavailable(error)) => Err(unavailable(None, &error)),
        }
    }

    async fn refused(&self, call: &Call<'_>, refused: &Refused) -> Reply {
        if let Err(error) = record::refused(self, call, refused).await {
            return unavailable(None, &error.into());
        }
        let asked = Asked {
            id: None,
            topic: call.topic,
            era: Era::Legacy,
            tool: None,
        };
        let words = refuse::refusal(&asked, refused, call.id.as_str());
        Reply::message(Status::Forbidden, words)
    }
}

async fn sent(
    permit: Permit,
    call: &Call<'_>,
    headers: HeaderMap,
    verb: Verb,
) -> Result<(OpenCall, Incoming), Reply> {
    let parcel = Parcel {
        server: &call.visit.server,
        verb,
        headers,
        whose: call.visit.caller.grant.whose,
    };
    match forward(permit, parcel).await {
        (entry, Ok(incoming)) => Ok((entry, incoming)),
        (entry, Err(error)) => Err(broken(entry, &error).await),
    }
}

async fn broken(entry: OpenCall, error: &UpstreamError) -> Reply {
    let words = relay::failure(None, error, entry.id().as_str(), !error.surely_not_sent());
    let ended = if error.surely_not_sent() {
        Ended::NotSent
    } else {
        Ended::Failed
    };
    let reason = Some(error.to_string());
    entry
        .close(End {
            ended,
            result: None,
            reason,
            status: None,
        })
        .await;
    Reply::message(Status::Unavailable, words)
}

async fn not_offered(entry: OpenCall, status: StatusCode) -> Reply {
    let result = Some(Answer::Error);
    let end = End {
        ended: Ended::Allow,
        result,
        reason: None,
        status: Some(status.as_u16()),
    };
    entry.close(end).await;
    let words = format!("the server does not offer this (HTTP {status})");
    let words = answer::plain_error(None, code::UPSTREAM_FAILED, &words);
    let status = if status == StatusCode::NOT_FOUND {
        Status::NoSession
    } else {
        Status::NotOffered
    };
    Reply::message(status, words)
}
