//! A client's message on its way in: read, judged, admitted or refused.
//!
//! What comes back is `answered`'s.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use portreeve_policy::Rule;
use portreeve_policy::json::Value;

use super::admit::{NotAdmitted, Unavailable, admit};
use super::ask::{Next, Patience};
use super::decide::{Allowed, Refused, Verdict, cannot_wait, decide};
use super::inspect::Request;
use super::looked::Look;
use super::matter::Matter;
use super::record;
use super::refuse::{self, Asked};
use super::resolve::{Call, resolve};
use super::rounds::{self, Needs, Rounds};
use super::sessions::{Session, SessionError};
use super::tasks::Task;
use super::turn::{IdTrouble, Turn};
use super::{Gate, Reply, Status, Visit, param_headers, relay, task_ids};
use crate::mcp::header::{self, Mismatch};
use crate::mcp::message::{self, Malformed, Message, Shape};
use crate::mcp::method::{self, Topic, topic};
use crate::mcp::revision::{self, Era};
use crate::mcp::{answer, code};
use crate::upstream::UpstreamError;

/// What every message of one request shares.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub gate: Arc<Gate>,
    pub visit: Visit,
    pub headers: HeaderMap,
    pub session: Option<Arc<Session>>,
    pub era: Era,
    /// The call that this is a round of, if it takes several.
    pub rounds: Option<Arc<Rounds>>,
}

impl Gate {
    /// Takes one request body: a message, or a batch of the one revision that has them.
    pub async fn post(self: &Arc<Self>, visit: Visit, headers: HeaderMap, body: Bytes) -> Reply {
        // Rooms above may have taken time with it.
        let visit = self.renewed_or_denied(visit);
        self.take(visit, headers, body, None).await
    }

    pub(super) async fn take(
        self: &Arc<Self>,
        visit: Visit,
        headers: HeaderMap,
        body: Bytes,
        rounds: Option<Arc<Rounds>>,
    ) -> Reply {
        let tree = match message::read_tree(&body) {
            Ok(tree) => tree,
            Err(malformed) => return Box::pin(self.refuse_malformed(&visit, &malformed)).await,
        };
        let exchange = match self.exchange(visit.clone(), headers, &tree, rounds) {
            Ok(exchange) => exchange,
            Err(none) => return Box::pin(self.no_exchange(&visit, none, &tree, &body)).await,
        };
        match message::batch(&tree) {
            None => exchange.single(&tree, &body).await,
            Some(batch) => Box::pin(exchange.batch(batch, &body)).await,
        }
    }

    pub(super) async fn no_exchange(
        self: &Arc<Self>,
        visit: &Visit,
        why: NoExchange,
        tree: &Value<'_>,
        body: &[u8],
    ) -> Reply {
        match why {
            NoExchange::Mismatch(mismatch) => {
                let malformed = mismatched(tree, body, &mismatch);
                self.refuse_malformed(visit, &malformed).await
            }
            NoExchange::Session(error) => self.refuse_session(visit, error).await,
        }
    }

    pub(super) fn exchange(
        self: &Arc<Self>,
        visit: Visit,
        headers: HeaderMap,
        tree: &Value<'_>,
        rounds: Option<Arc<Rounds>>,
    ) -> Result<Exchange, NoExchange> {
        let stated = revision::stated(tree.get("params"));
        let version = header::version(&headers, stated).map_err(NoExchange::Mismatch)?;
        let era = revision::era(version);
        let id = header::single(&headers, &header::SESSION_ID).map_err(NoExchange::Mismatch)?;
        let session = match id {
            Some(id) if era == Era::Legacy => {
                let now = self.clock.now();
                Some(
                    self.sessions
                        .find(id, &visit, now)
                        .map_err(NoExchange::Session)?,
                )
            }
            // The modern era has no sessions and ignores the header.
            _ => None,
        };
        let gate = Arc::clone(self);
        Ok(Exchange {
            gate,
            visit,
            headers,
            session,
            era,
            rounds,
        })
    }

    /// Refuses and books a body that is no message, in the form its sender can read.
    pub async fn refuse_malformed(&self, visit: &Visit, malformed: &Malformed) -> Reply {
        let method = malformed.method.as_deref().unwrap_or("(malformed)");
        let call = Call::bare(visit, method, self.moment());
        let refused = Refused::deny(Rule::MALFORMED, malformed.reason.clone());
        if let Err(error) = record::refused(self, &call, &refused).await {
            return unavailable(malformed.id.as_deref(), &error.into());
        }
        let id = malformed.id.as_deref();
        if id.is_some() && call.topic == Topic::Tool && malformed.code != code::HEADER_MISMATCH {
            let asked = Asked {
                id,
                topic: Topic::Tool,
                era: Era::Legacy,
                tool: None,
            };
            let words = refuse::refusal(&asked, &refused, call.id.as_str());
            return Reply::message(Status::Fine, words);
        }
        let words = answer::plain_error(id, malformed.code, &malformed.reason);
        Reply::message(Status::Malformed, words)
    }
}

impl Gate {
    /// Refuses a session that is not the visitor's, and books that it was tried.
    pub(super) async fn refuse_session(
        self: &Arc<Self>,
        visit: &Visit,
        error: SessionError,
    ) -> Reply {
        let call = Call::bare(visit, "(session)", self.moment());
        let refused = Refused::deny(Rule::MALFORMED, error.to_string());
        match record::refused(self, &call, &refused).await {
            Ok(()) => no_session(error),
            Err(error) => unavailable(None, &error.into()),
        }
    }
}

/// Why a body cannot be judged at all.
pub(super) enum NoExchange {
    Mismatch(Mismatch),
    Session(SessionError),
}

pub(crate) fn mismatched(tree: &Value<'_>, body: &[u8], mismatch: &Mismatch) -> Malformed {
    let id = message::read(tree, body)
        .ok()
        .and_then(|m| m.id().map(|id| id.as_json().to_owned()));
    let method = tree
        .get("method")
        .and_then(Value::as_str)
        .map(str::to_owned);
    Malformed {
        code: code::HEADER_MISMATCH,
        reason: mismatch.to_string(),
        id,
        method,
    }
}

pub(crate) fn no_session(error: SessionError) -> Reply {
    let words = answer::plain_error(None, code::NO_SESSION, &error.to_string());
    match error {
        SessionError::Unknown => Reply::message(Status::NoSession, words),
        SessionError::Full | SessionError::LongName | SessionError::NoRandomness => {
            Reply::message(Status::Unavailable, words)
        }
    }
}

pub(super) fn unavailable(id: Option<&str>, error: &Unavailable) -> Reply {
    tracing::error!(%error, "a call was refused because the gate is not able to book or count");
    let words = "the gateway cannot book or count calls just now, so it lets none through";
    Reply::message(
        Status::Unavailable,
        answer::plain_error(id, code::UNAVAILABLE, words),
    )
}

impl Exchange {
    async fn single(&self, tree: &Value<'_>, body: &Bytes) -> Reply {
        let message = match message::read(tree, body) {
            Ok(message) => message,
            Err(malformed) => {
                return Box::pin(self.gate.refuse_malformed(&self.visit, &malformed)).await;
            }
        };
        if let Err(mismatch) = header::agree(&self.headers, &message, self.era) {
            let malformed = mismatched(tree, body, &mismatch);
            return Box::pin(self.gate.refuse_malformed(&self.visit, &malformed)).await;
        }
        if let Err(unfit) = self.fits(&message) {
            return Box::pin(self.refuse_unfit(&message, unfit)).await;
        }
        // The message, not the body: white space around it is nobody's.
        let bytes = body.slice_ref(message.raw);
        self.message(&message, bytes).await
    }

    pub(super) async fn message(&self, message: &Message<'_>, bytes: Bytes) -> Reply {
        match message.shape {
            Shape::Request { .. } | Shape::Notification { .. } => {
                self.judge(message, bytes, Patience::Fresh).await
            }
            Shape::Response { id, .. } => Box::pin(self.response(id.as_json(), bytes)).await,
        }
    }

    /// The way of everything that has a method.
    ///
    /// What seldom happens is boxed, here and below: a future is as large as the largest of all that
    /// it may come to wait for, and it is moved several times before it begins.
    pub(super) async fn judge(
        &self,
        message: &Message<'_>,
        bytes: Bytes,
        patience: Patience,
    ) -> Reply {
        let method = message.method().unwrap_or_default();
        let id = message.id().map(|id| id.as_json());
        if method == method::CANCELLED
            && let (Some(session), Some(given_up)) = (&self.session, message.param("requestId"))
        {
            self.gate.request_cancelled(session, given_up);
        }
        let anew = match self.anew(method).await {
            Ok(anew) => anew,
            Err(error) => return Box::pin(self.unknown_tools(method, id, &error)).await,
        };
        let visit = anew.as_ref().unwrap_or(&self.visit);
        let moment = self.gate.moment();
        let mut call = match resolve(visit, message, method, moment.clone()) {
            Ok(call) => Call {
                client: self.client(message),
                ..call
            },
            Err(unjudgeable) => {
                let call = Call::bare(visit, method, moment);
                let refused = Refused::deny(Rule::MALFORMED, unjudgeable.0);
                return Box::pin(self.refuse(&call, id, &refused)).await;
            }
        };
        let mut envelope = self.envelope(&call, message);
        let before = self.before(&call, message, envelope.as_deref());
        let asked = (message, bytes.clone());
        let (allowed, approved) = match self.allowed(&mut call, asked, patience, before).await {
            Ok(allowed) => allowed,
            Err(reply) => return reply,
        };
        // Only now: who may not call a tool is not told what its schema mirrors.
        if let Err(mismatch) = self.mirrors_agree(&call) {
            return Box::pin(self.refuse_mismatch(&call, id, &mismatch)).await;
        }
        let paid = self.paid(&bytes, &allowed, (envelope.as_deref(), approved.as_ref()));
        let unpacked = envelope.as_ref().and_then(|e| e.unpacked(&bytes));
        let bytes = unpacked.unwrap_or(bytes);
        let (bytes, task) = match self.opened(&call, message, bytes) {
            Ok(opened) => opened,
            Err(no_task) => return Box::pin(self.refuse_task(&call, id, no_task)).await,
        };
        let request = match self.request(&call, id, task.as_ref()) {
            Ok(request) => request.map(|request| Request { paid, ..request }),
            Err(trouble) => {
                let refused = Refused::deny(Rule::MALFORMED, trouble.to_string());
                return Box::pin(self.refuse(&call, id, &refused)).await;
            }
        };
        match admit(&self.gate, &call, allowed).await {
            Ok(permit) => {
                self.note_paid(&call, message, approved);
                if let Some(envelope) = &mut envelope {
                    envelope.spend();
                }
                self.forwarded(permit, &call, request, bytes).await
            }
            Err(NotAdmitted::Refused(refused)) => Box::pin(self.refuse(&call, id, &refused)).await,
            Err(NotAdmitted::Unavailable(error)) => unavailable(id, &error),
        }
    }

    /// What the call owes, and what people have approved of it, if it may pass.
    async fn allowed(
        &self,
        call: &mut Call<'_>,
        (message, bytes): (&Message<'_>, Bytes),
        patience: Patience,
        before: Option<Needs>,
    ) -> Result<(Allowed, Option<Needs>), Reply> {
        let id = message.id().map(|id| id.as_json());
        let asking = match decide(&self.gate, call) {
            Verdict::Allow(allowed) if before.is_some() => {
                return Ok((Allowed::paid(allowed.rule), before));
            }
            Verdict::Allow(allowed) => return Ok((allowed, None)),
            Verdict::Refuse(refused) => {
                return Err(Box::pin(self.refuse(call, id, &refused)).await);
            }
            Verdict::Ask(asking) => asking,
        };
        if rounds::have_approved(before.as_ref(), &asking) {
            return Ok((Allowed::paid(asking.admission.rule), before));
        }
        let needs = rounds::with(before.as_ref(), &asking);
        match Box::pin(self.ask(call, asking, (message, bytes), patience)).await {
            Next::Pass(allowed) if before.is_some() => {
                let charges = Vec::new();
                Ok((Allowed { charges, ..allowed }, Some(needs)))
            }
            Next::Pass(allowed) => Ok((allowed, Some(needs))),
            Next::Answer(reply) => Err(reply),
        }
    }

    /// The visit as it is after looking at the server's tools, where a call needs that.
    async fn anew(&self, method: &str) -> Result<Option<Visit>, UpstreamError> {
        if topic(method) != Topic::Tool {
            return Ok(None);
        }
        let visit = &self.visit;
        match visit.server.looked.is_due(self.gate.clock.now()) {
            // What was found by looking is in the registry that is in force after it.
            Look::Recent if self.gate.is_current(visit) => Ok(None),
            Look::Recent | Look::First => {
                Box::pin(self.gate.with_known_tools(visit)).await.map(Some)
            }
            Look::Again => Ok(Some(Box::pin(self.gate.after_looking_again(visit)).await)),
        }
    }

    /// No tool is called of a server that could not be asked for its tools yet.
    async fn unknown_tools(&self, method: &str, id: Option<&str>, error: &UpstreamError) -> Reply {
        let call = Call::bare(&self.visit, method, self.gate.moment());
        let reason = format!("its tools could not be read yet: {error}");
        let refused = Refused::deny(Rule::NOT_PINNED, reason);
        if let Err(error) = record::refused(&self.gate, &call, &refused).await {
            return unavailable(id, &error.into());
        }
        Reply::message(
            Status::Fine,
            relay::failure(id, error, call.id.as_str(), false),
        )
    }

    /// Holds the headers that mirror arguments against the arguments.
    fn mirrors_agree(&self, call: &Call<'_>) -> Result<(), Mismatch> {
        let pins = &call.visit.server.pins;
        let Some(definition) = call.tool().and_then(|tool| pins.definition(tool)) else {
            return Ok(());
        };
        param_headers::agree(&self.headers, definition, call.arguments(), self.era)
    }

    async fn refuse_mismatch(
        &self,
        call: &Call<'_>,
        id: Option<&str>,
        mismatch: &Mismatch,
    ) -> Reply {
        let refused = Refused::deny(Rule::MALFORMED, mismatch.to_string());
        if let Err(error) = record::refused(&self.gate, call, &refused).await {
            return unavailable(id, &error.into());
        }
        let words = answer::plain_error(id, code::HEADER_MISMATCH, &mismatch.to_string());
        Reply::message(Status::Malformed, words)
    }

    /// What the answer will be held against; `None` for a notification.
    fn request(
        &self,
        call: &Call<'_>,
        id: Option<&str>,
        task: Option<&Task>,
    ) -> Result<Option<Request>, IdTrouble> {
        let Some(id) = id else { return Ok(None) };
        let matter = task.map_or_else(|| Matter::of(call), |task| Matter::of_task(call, task));
        let turn = self
            .session
            .as_ref()
            .map(|session| Turn::begin(session, id, matter.clone()))
            .transpose()?;
        Ok(Some(Request {
            id: id.to_owned(),
            matter,
            call_id: call.id.to_string(),
            turn,
            paid: None,
        }))
    }

    pub(super) async fn refuse(
        &self,
        call: &Call<'_>,
        id: Option<&str>,
        refused: &Refused,
    ) -> Reply {
        if let Err(error) = record::refused(&self.gate, call, refused).await {
            return unavailable(id, &error.into());
        }
        self.told(call, id, refused)
    }

    /// The answer to a call whose refusal is booked.
    pub(super) fn told(&self, call: &Call<'_>, id: Option<&str>, refused: &Refused) -> Reply {
        let asked = Asked {
            id,
            topic: call.topic,
            era: self.era,
            tool: call.tool(),
        };
        let words = refuse::refusal(&asked, refused, call.id.as_str());
        // A notification has no answer; its refusal is the transport's.
        let status = if id.is_some() {
            Status::Fine
        } else {
            Status::Forbidden
        };
        Reply::message(status, words)
    }

    /// The client's answer to a request of the server that was let through.
    async fn response(&self, id: &str, bytes: Bytes) -> Reply {
        let asked = self.session.as_ref().and_then(|s| s.take_asked(id));
        let call = Call::bare(&self.visit, "(response)", self.gate.moment());
        let Some(mut inquiry) = asked else {
            let reason = "it answers nothing that the server asked for in this session";
            return self
                .refuse(&call, None, &Refused::deny(Rule::MALFORMED, reason))
                .await;
        };
        let allowed = match decide(&self.gate, &call) {
            Verdict::Allow(allowed) => allowed,
            Verdict::Refuse(refused) => return self.refuse(&call, None, &refused).await,
            Verdict::Ask(asking) => {
                return self.refuse(&call, None, &cannot_wait(&asking)).await;
            }
        };
        match admit(&self.gate, &call, allowed).await {
            Ok(permit) => {
                let bytes = task_ids::with_opened_relation(&self.gate.keys, &self.visit, bytes);
                self.replied(permit, &call, &mut inquiry, bytes).await
            }
            Err(NotAdmitted::Refused(refused)) => self.refuse(&call, None, &refused).await,
            Err(NotAdmitted::Unavailable(error)) => unavailable(None, &error),
        }
    }
}
