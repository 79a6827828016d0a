//! Calls that people must approve: put before them, held open for a while, and decided again once
//! somebody has spoken.
//!
//! What is kept of a waiting call, and what votes come to, is the store's (`store::approval`). That
//! an approval is used once, and together with the call's charges, is `admit`'s.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::ACCEPT;
use portreeve_policy::json::{Kind, Value, canonical};
use portreeve_policy::{Asking, Rule, Subject};
use ring::digest::{Context, SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep, timeout_at};

use super::decide::{Allowed, How, Refused};
use super::post::{Exchange, unavailable};
use super::record;
use super::relay::IN_FLIGHT;
use super::resolve::Call;
use super::sessions::{Session, SessionId};
use super::{Gate, Payload, Reply, Status};
use crate::clock::rfc3339;
use crate::hex;
use crate::mcp::message::{self, Message};
use crate::mcp::{answer, code, sse};
use crate::store::approval::{Approval, Need, NewApproval, State};
use crate::store::{Asked, StoreError};

/// How often a client that waits hears that it still waits.
const TICK: Duration = Duration::from_secs(5);
/// How many decisions may be made while one waiting call does not look.
const DECISIONS_KEPT: usize = 256;

/// The members of `_meta` that tell one sending of a call from another and say nothing of what it
/// asks for.
const OF_ONE_SENDING: [&str; 3] = ["progressToken", "traceparent", "tracestate"];

/// Tells waiting calls what concerns them.
#[derive(Debug)]
pub(super) struct Decisions(broadcast::Sender<News>);

#[derive(Clone, Debug)]
enum News {
    /// People have decided about this approval.
    Decided(Arc<str>),
    /// The client has given up this request of this session.
    Cancelled(SessionId, Arc<str>),
}

/// How a call's waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    ToBeDecidedAgain,
    Cancelled,
}

impl Default for Decisions {
    fn default() -> Self {
        Self(broadcast::Sender::new(DECISIONS_KEPT))
    }
}

/// An approval that one call may use.
#[derive(Clone, Debug)]
pub(super) struct Approved {
    pub id: String,
    pub binding: String,
    /// To put it back, should the call surely not reach its server.
    pub params: String,
}

/// How a refusal tells of an approval.
#[derive(Clone, Debug)]
pub struct Pending {
    pub id: String,
    pub expires_at: String,
}

/// Whether a call may still be kept waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Fresh,
    Spent,
}

/// What is to be done with a call that asks.
pub(super) enum Next {
    Pass(Allowed),
    Answer(Reply),
}

impl Gate {
    /// Wakes the calls that wait for this approval.
    pub fn approval_decided(&self, id: &str) {
        // Nobody may be waiting.
        let _ = self.decisions.0.send(News::Decided(id.into()));
    }

    /// Ends the waiting of a request that its client has given up.
    pub(super) fn request_cancelled(&self, session: &Session, id: &Value<'_>) {
        let id = canonical(id).into();
        let _ = self
            .decisions
            .0
            .send(News::Cancelled(session.id.clone(), id));
    }

    /// Ends approvals that were not given or not used in time, and books that.
    pub async fn end_late_approvals(&self) {
        let late = match self.store.end_late_approvals(self.clock.now()).await {
            Ok(late) => late,
            Err(error) => {
                tracing::warn!(%error, "approvals could not be looked through");
                return;
            }
        };
        for approval in late {
            let detail = serde_json::json!({ "was": approval.state.as_str() }).to_string();
            let booked = self.book("approval.expire", &approval.id, Some(detail));
            if let Err(error) = booked.await {
                tracing::warn!(%error, approval = %approval.id, "its end was not booked");
            }
        }
    }
}

impl Exchange {
    /// Puts a call before people, or finds what they said.
    pub(super) async fn ask(
        &self,
        call: &mut Call<'_>,
        asking: Asking,
        message: &Message<'_>,
        patience: Patience,
    ) -> Next {
        let Some(id) = message.id().map(|id| id.as_json()) else {
            let why = format!("{}, and a notification cannot wait", asking.reason());
            let refused = Refused::decided(asking.rule().clone(), why);
            return Next::Answer(self.refuse(call, None, &refused).await);
        };
        let asked = match self.put_before_people(call, &asking, message).await {
            Ok(asked) => asked,
            Err(AskError::Refused(refused)) => {
                return Next::Answer(self.refuse(call, Some(id), &refused).await);
            }
            Err(AskError::Store(error)) => {
                return Next::Answer(unavailable(Some(id), &error.into()));
            }
        };
        let approval = asked.approval;
        call.approval_id = Some(approval.id.clone());
        match approval.state {
            State::Approved => Next::Pass(Allowed {
                rule: asking.admission.rule,
                charges: asking.admission.charges,
                approval: Some(Approved {
                    binding: approval.asked.binding,
                    params: approval.asked.params.unwrap_or_default(),
                    id: approval.id,
                }),
            }),
            State::Waiting if patience == Patience::Fresh && asking.hold_ms > 0 => {
                let refused = waiting(&asking, &approval);
                if let Err(error) = record::refused(&self.gate, call, &refused).await {
                    return Next::Answer(unavailable(Some(id), &error.into()));
                }
                let hold = Duration::from_millis(asking.hold_ms);
                Next::Answer(self.hold(approval.id, message, hold).await)
            }
            State::Waiting | State::Expired | State::Used => {
                let refused = waiting(&asking, &approval);
                Next::Answer(self.refuse(call, Some(id), &refused).await)
            }
            State::Denied => {
                let refused = denied(&asking, &approval);
                Next::Answer(self.refuse(call, Some(id), &refused).await)
            }
        }
    }

    async fn put_before_people(
        &self,
        call: &Call<'_>,
        asking: &Asking,
        message: &Message<'_>,
    ) -> Result<Asked, AskError> {
        let Some(subject) = &call.subject else {
            return Err(StoreError::Unavailable("nothing is asked for".into()).into());
        };
        let params = canonical_params(message);
        let visit = call.visit;
        let new = NewApproval {
            binding: binding(call, subject, &params),
            grant: visit.caller.grant.label.clone(),
            identity: visit.caller.grant.identity.clone(),
            server: visit.server.name.clone(),
            method: call.method.to_owned(),
            subject: name_of(subject).to_owned(),
            params: Some(params),
            policy: visit.ruling.to_string(),
            needs: asking.needs.iter().map(written).collect(),
            expires_at: call
                .at
                .plus(i64::try_from(asking.timeout_ms).unwrap_or(i64::MAX)),
        };
        let mut random = [0; 10];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| StoreError::Unavailable("the system gives no random bytes".into()))?;
        let id = format!("ap_{}", hex::encode(&random));
        match self.gate.store.ask(id, new, call.at).await {
            Ok(asked) => Ok(asked),
            Err(error @ StoreError::TooManyWait { .. }) => {
                Err(AskError::Refused(Refused::decided(
                    asking.rule().clone(),
                    format!("{}, but {error}", asking.reason()),
                )))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the caller waiting, then has the call decided again.
    async fn hold(&self, approval: String, message: &Message<'_>, hold: Duration) -> Reply {
        let wait = Wait {
            approval,
            request: message.id().map(|id| message::canonical_id(id.as_json())),
            news: self.gate.decisions.0.subscribe(),
            until: Instant::now() + hold,
        };
        let bytes = Bytes::copy_from_slice(message.raw);
        let token = message
            .meta("progressToken")
            .map(|token| match &token.kind {
                Kind::String(text) => serde_json::Value::from(text.as_ref()).to_string(),
                _ => canonical(token),
            });
        let Some(token) = token.filter(|_| self.takes_events()) else {
            let waited = self.until_decided(wait).await;
            return self.after(waited, bytes).await;
        };
        let (to_client, events) = mpsc::channel(IN_FLIGHT);
        let exchange = self.clone();
        tokio::spawn(async move {
            let approval = wait.approval.clone();
            let ticking = tick(&to_client, &token, &approval);
            let waited = tokio::select! {
                waited = exchange.until_decided(wait) => waited,
                // The client went away: what it asked stays before the people.
                () = ticking => return,
            };
            hand_on(exchange.after(waited, bytes).await, &to_client).await;
        });
        Reply::new(Status::Fine, Payload::Events(events))
    }

    fn takes_events(&self) -> bool {
        let values = self.headers.get_all(ACCEPT).iter();
        let mut values = values.filter_map(|value| value.to_str().ok());
        values.any(|value| value.contains("text/event-stream") || value.contains("*/*"))
    }

    /// Until somebody decides, the client gives up, or the time is over.
    async fn until_decided(&self, mut wait: Wait) -> Waited {
        use broadcast::error::RecvError::{Closed, Lagged};
        loop {
            // It may have been decided before this call began to listen, or unheard since.
            match self.gate.store.approval(&wait.approval).await {
                Ok(Some(known)) if known.state == State::Waiting => {}
                _ => return Waited::ToBeDecidedAgain,
            }
            loop {
                match timeout_at(wait.until, wait.news.recv()).await {
                    Ok(Ok(News::Decided(id))) if *id == *wait.approval => break,
                    Ok(Ok(News::Cancelled(session, id)))
                        if self.session.as_ref().is_some_and(|own| own.id == session)
                            && wait.request.as_deref() == Some(&*id) =>
                    {
                        return Waited::Cancelled;
                    }
                    Ok(Ok(_)) => {}
                    Ok(Err(Lagged(_))) => break,
                    Ok(Err(Closed)) | Err(_) => return Waited::ToBeDecidedAgain,
                }
            }
        }
    }

    async fn after(&self, waited: Waited, bytes: Bytes) -> Reply {
        if waited == Waited::ToBeDecidedAgain {
            return self.again(bytes).await;
        }
        let tree = message::read_tree(&bytes).ok();
        let message = tree
            .as_ref()
            .and_then(|tree| message::read(tree, &bytes).ok());
        let id = message.and_then(|message| message.id());
        let words = "cancelled while it waited for approval";
        let words = answer::plain_error(id.map(|id| id.as_json()), code::POLICY_REFUSED, words);
        Reply::message(Status::Fine, words)
    }

    /// Decides the call anew, under what is in force now, for whoever the token belongs to now.
    ///
    /// Boxed with its bounds, for it is the way back into judging.
    fn again(&self, bytes: Bytes) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            let read = message::read_tree(&bytes);
            let tree = match &read {
                Ok(tree) => tree,
                Err(malformed) => return self.gate.refuse_malformed(&self.visit, malformed).await,
            };
            match message::read(tree, &bytes) {
                Ok(message) => self.judge_again(&message, bytes.clone()).await,
                Err(malformed) => self.gate.refuse_malformed(&self.visit, &malformed).await,
            }
        })
    }

    async fn judge_again(&self, message: &Message<'_>, bytes: Bytes) -> Reply {
        let server = self.visit.server.name.as_str();
        match self.gate.admit_visitor(&self.headers, Some(server)) {
            Ok(visit) => {
                let exchange = Self {
                    visit,
                    ..self.clone()
                };
                exchange.judge(message, bytes, Patience::Spent).await
            }
            Err(gone) => {
                let method = message.method().unwrap_or_default();
                let call = Call::bare(&self.visit, method, self.gate.moment());
                let refused = Refused::deny(Rule::NO_POLICY, gone.to_string());
                let id = message.id().map(|id| id.as_json());
                self.refuse(&call, id, &refused).await
            }
        }
    }
}

/// What a waiting call listens for.
struct Wait {
    approval: String,
    request: Option<String>,
    news: broadcast::Receiver<News>,
    until: Instant,
}

enum AskError {
    Refused(Refused),
    Store(StoreError),
}

impl From<StoreError> for AskError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What an approval is for: caller, server as it is configured now, definition, and every
/// member of the params that goes out.
///
/// INVARIANT: whatever changes one of them is another call (`a_changed_call_asks_again`).
fn binding(call: &Call<'_>, subject: &Subject<'_>, params: &str) -> String {
    let (caller, server) = (&call.visit.caller.grant, &call.visit.server);
    let definition = call.tool().and_then(|tool| server.pins.hash_of(tool));
    let revision = server.revision.to_string();
    let created = server.created_at.0.to_string();
    let parts = [
        "portreeve approval 1",
        caller.label.as_str(),
        &caller.identity,
        server.name.as_str(),
        &revision,
        &created,
        call.method,
        name_of(subject),
        definition.unwrap_or_default(),
        params,
    ];
    let mut digest = Context::new(&SHA256);
    for part in parts {
        // Lengths first: no two lists of parts give the same bytes.
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    hex::encode(digest.finish().as_ref())
}

fn written(need: &portreeve_policy::Need) -> Need {
    Need {
        rule: need.rule.to_string(),
        message: need.message.as_deref().map(str::to_owned),
        approvals: need.approvals,
        approvers: need.approvers.iter().map(ToString::to_string).collect(),
    }
}

const fn name_of<'a>(subject: &Subject<'a>) -> &'a str {
    match subject {
        Subject::Tool(tool) => tool.name,
        Subject::Resource { uri } => uri,
        Subject::Prompt { name } | Subject::Method { name } => name,
        Subject::ServerRequest(_) => "",
    }
}

/// Everything that goes to the server, in its one spelling, but for what differs each time.
fn canonical_params(message: &Message<'_>) -> String {
    let Some(params) = message.params else {
        return "{}".to_owned();
    };
    let mut params: Value<'_> = params.clone();
    if let Kind::Object(members) = &mut params.kind {
        for member in members.iter_mut().filter(|member| member.key == "_meta") {
            if let Kind::Object(meta) = &mut member.value.kind {
                meta.retain(|member| !OF_ONE_SENDING.contains(&&*member.key));
            }
        }
        // Saying nothing beside it is saying nothing.
        members.retain(|member| {
            member.key != "_meta" || member.value.members().is_none_or(|meta| !meta.is_empty())
        });
    }
    canonical(&params)
}

fn waiting(asking: &Asking, approval: &Approval) -> Refused {
    let until = rfc3339(approval.asked.expires_at);
    Refused {
        how: How::Ask(Pending {
            id: approval.id.clone(),
            expires_at: until.clone(),
        }),
        rule: asking.rule().clone(),
        reason: format!(
            "{}; it waits as approval {} until {until}: call again unchanged once it is approved",
            asking.reason(),
            approval.id
        ),
        retry_after_ms: None,
        decided: true,
    }
}

fn denied(asking: &Asking, approval: &Approval) -> Refused {
    let why = approval.votes.iter().rev().find_map(|v| v.reason.clone());
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    Refused {
        how: How::Deny,
        rule: asking.rule().clone(),
        reason: format!("a person denied this call (approval {}){why}", approval.id),
        retry_after_ms: None,
        decided: true,
    }
}

/// Tells a waiting client that it waits, until it goes away.
async fn tick(to_client: &mpsc::Sender<Bytes>, token: &str, approval: &str) {
    for tick in 1_u32.. {
        // Smaller than any step of the server's own, which may follow under the same token.
        let progress = f64::from(tick) / 1e6;
        let note = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{progress},"message":"waiting for approval {approval}"}}}}"#
        );
        let sending = to_client.send(sse::write(note.as_bytes(), None));
        if sending.await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(TICK) => {}
            () = to_client.closed() => return,
        }
    }
}

/// Sends a reply down a stream that was begun before it was known.
async fn hand_on(reply: Reply, to_client: &mpsc::Sender<Bytes>) {
    match reply.payload {
        Payload::Nothing => {}
        Payload::Message(message) => {
            let _ = to_client.send(sse::write(&message, None)).await;
        }
        Payload::Events(mut events) => {
            while let Some(event) = events.recv().await {
                if to_client.send(event).await.is_err() {
                    return;
                }
            }
        }
    }
}
