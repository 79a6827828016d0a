//! Calls that take several rounds: asked again with what was missing, and charged once.
//!
//! The rules are asked in every round, as they stand then. What a call was charged, and the approval
//! it used, hold for its later rounds, and for nothing else: a round that asks for something else
//! than the first is a call of its own.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::HeaderMap;
use portreeve_policy::Rule;
use portreeve_policy::json::canonical;
use portreeve_policy::time::Timestamp;

use super::decide::{Refused, Verdict, cannot_wait, decide};
use super::post::Exchange;
use super::resolve::{Call, resolve};
use super::{Gate, Reply, Visit};
use crate::mcp::message::{self, Message};
use crate::name::{Label, Name};

/// The members of a round's params that say nothing of what is asked for.
const OF_ONE_ROUND: [&str; 3] = ["_meta", "inputResponses", "requestState"];

/// The rounds of one call. It is charged when the first of them is admitted.
#[derive(Debug, Default)]
pub struct Rounds {
    paid: OnceLock<Paid>,
}

/// What was paid for.
#[derive(Debug, PartialEq, Eq)]
struct Paid {
    grant: Label,
    server: (Name, (Timestamp, u64)),
    matter: String,
}

impl Paid {
    fn of(visit: &Visit, message: &Message<'_>) -> Self {
        Self {
            grant: visit.caller.grant.label.clone(),
            server: (visit.server.name.clone(), visit.server.configuration()),
            matter: matter(message),
        }
    }
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
        match decide(&self.gate, &call) {
            Verdict::Allow(_) => None,
            Verdict::Ask(_) if self.has_paid(message) => None,
            Verdict::Ask(asking) => Some(self.refuse(&call, id, &cannot_wait(&asking)).await),
            Verdict::Refuse(refused) => Some(self.refuse(&call, id, &refused).await),
        }
    }

    /// Whether this is a later round of a call that was charged.
    ///
    /// INVARIANT: what was not charged in full before is charged now
    /// (`what_a_server_wants_to_know_is_asked_in_the_stream_and_charged_once`,
    /// `a_round_asks_for_what_the_first_asked_for`).
    pub(super) fn has_paid(&self, message: &Message<'_>) -> bool {
        let paid = self.rounds.as_ref().and_then(|rounds| rounds.paid.get());
        paid.is_some_and(|paid| *paid == Paid::of(&self.visit, message))
    }

    pub(super) fn note_paid(&self, message: &Message<'_>) {
        if let Some(rounds) = &self.rounds {
            rounds.paid.get_or_init(|| Paid::of(&self.visit, message));
        }
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
