//! Calls that take several rounds: asked again with what was missing, and charged once.
//!
//! The rules are asked in every round, as they stand then. What a call was charged holds for its later
//! rounds, and what people approved of it for the rules that wanted just that; both for nothing else: a
//! round that asks for something else than the first is a call of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use portreeve_policy::json::canonical;
use portreeve_policy::time::Timestamp;
use portreeve_policy::{Asking, Need, Rule};

use super::decide::{Refused, Verdict, cannot_wait, decide};
use super::envelope::Opened;
use super::post::Exchange;
use super::resolve::{Call, resolve};
use super::{Gate, Reply, Visit};
use crate::mcp::message::{self, Message};
use crate::name::{Label, Name};

/// The members of a round's params that say nothing of what is asked for.
const OF_ONE_ROUND: [&str; 3] = ["_meta", "inputResponses", "requestState"];

/// What people have approved in the rounds of a call.
pub(super) type Needs = Arc<[Need]>;

/// The rounds of one call. It is charged when the first of them is admitted.
#[derive(Debug, Default)]
pub struct Rounds {
    paid: Mutex<Option<Paid>>,
}

/// What was paid for.
#[derive(Debug)]
struct Paid {
    grant: Label,
    server: (Name, (Timestamp, u64)),
    question: String,
    approved: Needs,
}

impl Paid {
    fn is_for(&self, call: &Call<'_>, message: &Message<'_>) -> bool {
        let visit = call.visit;
        self.grant == visit.caller.grant.label
            && self.server.0 == visit.server.name
            && self.server.1 == visit.server.configuration()
            && self.question == question(visit, call.tool(), message)
    }
}

/// What a message asks, and the definition of the tool that it asks.
pub(super) fn question(visit: &Visit, tool: Option<&str>, message: &Message<'_>) -> String {
    let definition = tool.and_then(|tool| visit.server.pins.hash_of(tool));
    format!("{}\n{}", definition.unwrap_or_default(), matter(message))
}

/// Whether people have approved in an earlier round what the rules want approved now.
///
/// INVARIANT: a rule that asks is satisfied by nothing but its own approval
/// (`a_later_round_is_asked_about_by_the_rules_that_ask`).
pub(super) fn have_approved(before: Option<&Needs>, asking: &Asking) -> bool {
    before.is_some_and(|approved| asking.needs.iter().all(|need| approved.contains(need)))
}

/// What is approved when these approvals are there too.
pub(super) fn with(before: Option<&Needs>, asking: &Asking) -> Needs {
    let before = before.into_iter().flat_map(|needs| needs.iter());
    before.chain(&asking.needs).cloned().collect()
}

/// What a request asks for, in one spelling, whatever the round.
pub fn matter(message: &Message<'_>) -> String {
    let mut written = message.method().unwrap_or_default().to_owned();
    let members = message.params.and_then(|params| params.members());
    let mut members: Vec<_> = members.unwrap_or_default().iter().collect();
    members.retain(|member| !OF_ONE_ROUND.contains(&member.key.as_ref()));
    members.sort_by(|a, b| a.key.cmp(&b.key));
    for member in members {
        let key = serde_json::Value::from(member.key.as_ref());
        let value = canonical(&member.value);
        written.extend(["\n", &key.to_string(), ":", &value]);
    }
    written
}

impl Gate {
    /// Takes one round of a call.
    pub async fn post_round(
        self: &Arc<Self>,
        visit: Visit,
        headers: HeaderMap,
        body: Bytes,
        rounds: &Arc<Rounds>,
    ) -> Reply {
        let rounds = Some(Arc::clone(rounds));
        self.take(visit, headers, body, rounds).await
    }

    /// The refusal of a call that goes on elsewhere, if the rules as they stand now refuse it. It is
    /// not forwarded.
    pub async fn refuses_round(
        self: &Arc<Self>,
        visit: Visit,
        headers: HeaderMap,
        body: Bytes,
        rounds: &Arc<Rounds>,
    ) -> Option<Reply> {
        let read = message::read_tree(&body);
        let tree = match &read {
            Ok(tree) => tree,
            Err(malformed) => return Some(self.refuse_malformed(&visit, malformed).await),
        };
        let rounds = Some(Arc::clone(rounds));
        let exchange = match self.exchange(visit.clone(), headers, tree, rounds) {
            Ok(exchange) => exchange,
            Err(no_exchange) => {
                return Some(self.no_exchange(&visit, no_exchange, tree, &body).await);
            }
        };
        match message::read(tree, &body) {
            Ok(message) => exchange.refuses(&message).await,
            Err(malformed) => Some(self.refuse_malformed(&visit, &malformed).await),
        }
    }
}

impl Exchange {
    async fn refuses(&self, message: &Message<'_>) -> Option<Reply> {
        let method = message.method().unwrap_or_default();
        let id = message.id().map(|id| id.as_json());
        let moment = self.gate.moment();
        let call = match resolve(&self.visit, message, method, moment.clone()) {
            Ok(call) => Call {
                client: self.client(message),
                ..call
            },
            Err(unjudgeable) => {
                let call = Call::bare(&self.visit, method, moment);
                let refused = Refused::deny(Rule::MALFORMED, unjudgeable.0);
                return Some(self.refuse(&call, id, &refused).await);
            }
        };
        let before = self.before(&call, message, None);
        match decide(&self.gate, &call) {
            Verdict::Allow(_) => None,
            Verdict::Ask(asking) if have_approved(before.as_ref(), &asking) => None,
            Verdict::Ask(asking) => Some(self.refuse(&call, id, &cannot_wait(&asking)).await),
            Verdict::Refuse(refused) => Some(self.refuse(&call, id, &refused).await),
        }
    }

    /// What was approved so far of a call that an earlier round has paid for; nothing if none has.
    ///
    /// INVARIANT: what was not charged in full before is charged now
    /// (`what_a_server_wants_to_know_is_asked_in_the_stream_and_charged_once`,
    /// `a_round_asks_for_what_the_first_asked_for`).
    pub(super) fn before(
        &self,
        call: &Call<'_>,
        message: &Message<'_>,
        envelope: Option<&Opened>,
    ) -> Option<Needs> {
        if let Some(approved) = envelope.and_then(Opened::approved) {
            return Some(approved);
        }
        let paid = self.rounds.as_ref()?.lock();
        let paid = paid.as_ref().filter(|paid| paid.is_for(call, message));
        paid.map(|paid| Arc::clone(&paid.approved))
    }

    pub(super) fn note_paid(
        &self,
        call: &Call<'_>,
        message: &Message<'_>,
        approved: Option<Needs>,
    ) {
        let Some(rounds) = &self.rounds else { return };
        let mut paid = rounds.lock();
        match &mut *paid {
            Some(paid) if paid.is_for(call, message) => {
                paid.approved = approved.unwrap_or_default();
            }
            Some(_) => {}
            None => {
                *paid = Some(Paid {
                    grant: call.visit.caller.grant.label.clone(),
                    server: (
                        call.visit.server.name.clone(),
                        call.visit.server.configuration(),
                    ),
                    question: question(call.visit, call.tool(), message),
                    approved: approved.unwrap_or_default(),
                });
            }
        }
    }
}

impl Rounds {
    fn lock(&self) -> MutexGuard<'_, Option<Paid>> {
        self.paid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_asks_for_what_the_first_asked_for() {
        let of = |params: &str| {
            let text =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
            let tree = message::read_tree(text.as_bytes()).unwrap();
            matter(&message::read(&tree, text.as_bytes()).unwrap())
        };
        let first = of(r#"{"name":"t","arguments":{"a":1}}"#);
        let later =
            r#"{"requestState":"s","arguments":{"a":1},"name":"t","_meta":{},"inputResponses":{}}"#;
        assert_eq!(of(later), first);
        for other in [
            r#"{"name":"t","arguments":{"a":2}}"#,
            r#"{"name":"u","arguments":{"a":1}}"#,
            r#"{"name":"t"}"#,
            r#"{"name":"t","arguments":{"a":1},"task":{}}"#,
        ] {
            assert_ne!(of(other), first, "{other}");
        }
    }
}
