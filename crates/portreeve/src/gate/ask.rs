//! Calls that people must approve: put before them, or found to be what they have approved.
//!
//! Keeping the caller waiting is `hold`'s. What is kept of a waiting call, and what votes come to, is
//! the store's (`store::approval`). That an approval is used once, and together with the call's
//! charges, is `admit`'s.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use portreeve_policy::json::{Kind, Rules, Value, canonical, outline, parse};
use portreeve_policy::{Asking, Subject};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use super::admit::{NotAdmitted, has_room};
use super::call_id::CallId;
use super::decide::{Allowed, How, Refused};
use super::post::{Exchange, unavailable};
use super::resolve::Call;
use super::{Gate, Reply, record};
use crate::clock::rfc3339;
use crate::hex;
use crate::mcp::header;
use crate::mcp::message::Message;
use crate::parts;
use crate::store::approval::{Approval, Need, NewApproval, State};
use crate::store::{Asked, StoreError};

/// The members of `_meta` that tell one sending of a call from another and say nothing of what it
/// asks for.
const OF_ONE_SENDING: [&str; 3] = ["progressToken", "traceparent", "tracestate"];

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Fresh,
    Spent(Booked),
}

/// What was booked of a call when it began to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Booked {
    pub approval: String,
    pub call: CallId,
}

impl Patience {
    /// The call under which it was booked that this approval is waited for.
    fn booked(&self, approval: &str) -> Option<CallId> {
        match self {
            Self::Spent(booked) if booked.approval == approval => Some(booked.call.clone()),
            _ => None,
        }
    }
}

/// What is to be done with a call that asks.
pub(super) enum Next {
    Pass(Allowed),
    Answer(Reply),
}

impl Gate {
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
        (message, bytes): (&Message<'_>, Bytes),
        patience: Patience,
    ) -> Next {
        let Some(id) = message.id().map(|id| id.as_json()) else {
            let why = format!("{}, and a notification cannot wait", clause(&asking));
            let refused = Refused::decided(asking.rule().clone(), why);
            return Next::Answer(self.refuse(call, None, &refused).await);
        };
        // Nobody is asked about a call that a limit would refuse.
        match has_room(&self.gate, call, &asking.admission.charges).await {
            Ok(()) => {}
            Err(NotAdmitted::Refused(refused)) => {
                return Next::Answer(self.refuse(call, Some(id), &refused).await);
            }
            Err(NotAdmitted::Unavailable(error)) => {
                return Next::Answer(unavailable(Some(id), &error));
            }
        }
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
        let booked = patience.booked(&approval.id);
        match (approval.state, booked) {
            (State::Approved, _) => Next::Pass(Allowed {
                rule: asking.admission.rule,
                charges: asking.admission.charges,
                approval: Some(Approved {
                    binding: approval.asked.binding,
                    params: approval.asked.params.unwrap_or_default(),
                    id: approval.id,
                }),
            }),
            (State::Waiting, _) if patience == Patience::Fresh && asking.hold_ms > 0 => {
                let refused = waiting(&asking, &approval);
                if let Err(error) = record::refused(&self.gate, call, &refused).await {
                    return Next::Answer(unavailable(Some(id), &error.into()));
                }
                let hold = Duration::from_millis(asking.hold_ms);
                let booked = Booked {
                    approval: approval.id,
                    call: call.id.clone(),
                };
                Next::Answer(self.hold(booked, (message, bytes), hold).await)
            }
            (State::Waiting, Some(first)) => {
                // That it waits is in the book since it began to; nothing has happened since.
                call.id = first;
                let refused = waiting(&asking, &approval);
                Next::Answer(self.told(call, Some(id), &refused))
            }
            (State::Waiting | State::Expired | State::Used, _) => {
                let refused = waiting(&asking, &approval);
                Next::Answer(self.refuse(call, Some(id), &refused).await)
            }
            (State::Denied, _) => {
                let refused = denied(&asking, &approval);
                Next::Answer(self.refuse(call, Some(id), &refused).await)
            }
        }
    }

    /// The headers that go to the server beside the message, in one order.
    fn mirrors(&self) -> String {
        let headers = self.headers.iter();
        let goes = |name: &HeaderName| header::is_mirror(name) || *name == header::PROTOCOL_VERSION;
        let mirrors = headers.filter(|(name, _)| goes(name));
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}={}\n", hex::encode(value.as_bytes()))
        };
        let mut lines: Vec<String> = mirrors.map(line).collect();
        lines.sort_unstable();
        lines.concat()
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
            binding: binding(
                call,
                subject,
                &[&params, &self.mirrors(), &beside_params(message)],
            ),
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
                    format!("{}, but {error}", clause(asking)),
                )))
            }
            Err(error) => Err(error.into()),
        }
    }
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

/// What an approval is for: caller, server as it is configured now, definition, and everything that
/// goes out.
///
/// INVARIANT: whatever changes one of them is another call (`a_changed_call_asks_again`).
fn binding(call: &Call<'_>, subject: &Subject<'_>, goes_out: &[&str]) -> String {
    let (caller, server) = (&call.visit.caller.grant, &call.visit.server);
    let definition = call.tool().and_then(|tool| server.pins.hash_of(tool));
    let revision = server.revision.to_string();
    let created = server.created_at.0.to_string();
    let about = [
        "portreeve approval 1",
        caller.label.as_str(),
        &caller.identity,
        server.name.as_str(),
        &revision,
        &created,
        call.method,
        name_of(subject),
        definition.unwrap_or_default(),
    ];
    let parts = [&about, goes_out].concat();
    hex::encode(digest(&SHA256, &parts::joined(&parts)).as_ref())
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

/// The members of a message that the protocol does not know, each in its one spelling.
fn beside_params(message: &Message<'_>) -> String {
    let known = ["jsonrpc", "id", "method", "params"];
    let members = outline(message.raw, Rules::MESSAGE).unwrap_or_default();
    let others = members.iter().filter(|m| !known.contains(&&*m.key));
    let mut lines: Vec<String> = others
        .filter_map(|member| {
            let value = parse(member.value.as_bytes(), Rules::MESSAGE).ok()?;
            Some(format!("{:?}={}\n", member.key, canonical(&value)))
        })
        .collect();
    lines.sort_unstable();
    lines.concat()
}

/// The params that go to the server, in their one spelling, but for what differs each time.
fn canonical_params(message: &Message<'_>) -> String {
    let Some(params) = message.params else {
        return "{}".to_owned();
    };
    let mut params: Value<'_> = params.clone();
    if let Kind::Object(members) = &mut params.kind {
        for member in members.iter_mut().filter(|member| member.key == "_meta") {
            if let Kind::Object(meta) = &mut member.value.kind {
                meta.retain(|member| {
                    !(OF_ONE_SENDING.contains(&&*member.key) && is_mere_name(&member.value))
                });
            }
        }
        // Saying nothing beside it is saying nothing.
        members.retain(|member| {
            member.key != "_meta" || member.value.members().is_none_or(|meta| !meta.is_empty())
        });
    }
    canonical(&params)
}

/// A number, or a short word: what could say more is shown to the people and bound.
fn is_mere_name(value: &Value<'_>) -> bool {
    match &value.kind {
        Kind::Number(text) => text.len() <= 32,
        Kind::String(text) => text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic()),
        _ => false,
    }
}

/// The rule's words, to go on after: without the full stop that they may end with.
fn clause(asking: &Asking) -> String {
    let mut words = asking.reason();
    if words.ends_with('.') {
        words.pop();
    }
    words
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
            clause(asking),
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
