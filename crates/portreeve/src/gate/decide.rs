//! What the rules say of a call.

use portreeve_policy::json::Value;
use portreeve_policy::limits::{Charge, Readings, Shortfall};
use portreeve_policy::time::Timestamp;
use portreeve_policy::{Admission, Asking, Client, Decision, Facts, Refusal, Rule, Subject};

use super::ask::{Approved, Pending};
use super::registry::{PolicyEntry, Ruling};
use super::resolve::Call;
use super::{Gate, Visit};

/// What was decided about a call.
#[derive(Debug)]
pub(super) enum Verdict {
    Allow(Allowed),
    /// People must approve it first.
    Ask(Asking),
    Refuse(Refused),
}

/// Allowed so far: the charges still have to be taken.
#[derive(Debug)]
pub(super) struct Allowed {
    pub rule: Rule,
    pub charges: Vec<Charge>,
    /// What people approved; used up when the charges are taken.
    pub approval: Option<Approved>,
}

impl Allowed {
    /// With nothing to pay: an earlier round of the call has paid.
    pub(super) const fn paid(rule: Rule) -> Self {
        Self {
            rule,
            charges: Vec::new(),
            approval: None,
        }
    }
}

/// Refused, with everything the answer and the ledger say about it.
#[derive(Clone, Debug)]
pub struct Refused {
    pub how: How,
    pub rule: Rule,
    pub reason: String,
    pub retry_after_ms: Option<u64>,
    /// Whether the policy was asked: a shadow is asked, too, then. Otherwise the gate refuses what
    /// no policy could allow.
    pub decided: bool,
}

/// How a refusal is told.
#[derive(Clone, Debug)]
pub enum How {
    Deny,
    /// Not yet: people are asked.
    Ask(Pending),
    /// As if there were no such thing.
    Hide,
}

impl Refused {
    pub fn deny(rule: Rule, reason: impl Into<String>) -> Self {
        Self {
            how: How::Deny,
            rule,
            reason: reason.into(),
            retry_after_ms: None,
            decided: false,
        }
    }

    pub(super) fn decided(rule: Rule, reason: impl Into<String>) -> Self {
        Self {
            decided: true,
            ..Self::deny(rule, reason)
        }
    }

    pub fn from_policy(how: How, refusal: Refusal) -> Self {
        let Refusal {
            rule,
            reason,
            retry_after_ms,
            ..
        } = refusal;
        Self {
            how,
            rule,
            reason,
            retry_after_ms,
            decided: true,
        }
    }
}

/// Decides a call under the policy that its visit took when it arrived.
pub(super) fn decide(gate: &Gate, call: &Call<'_>) -> Verdict {
    match call.subject {
        Some(subject) => decide_subject(gate, &Question::of(call, subject)),
        None => decide_protocol(gate, call),
    }
}

/// The conversation itself needs a policy in force, and no rule; what it subscribes to does.
fn decide_protocol(gate: &Gate, call: &Call<'_>) -> Verdict {
    if let Ruling::Nothing(why) = &call.visit.ruling {
        return Verdict::Refuse(Refused::decided(Rule::NO_POLICY, why.clone()));
    }
    let mut charges = Vec::new();
    for uri in &call.watched {
        let question = Question::of(call, Subject::Resource { uri });
        match decide_subject(gate, &question) {
            Verdict::Allow(allowed) => charges.extend(allowed.charges),
            Verdict::Ask(asking) => return Verdict::Refuse(cannot_wait(&asking)),
            refused @ Verdict::Refuse(_) => return refused,
        }
    }
    Verdict::Allow(Allowed {
        rule: Rule::PROTOCOL,
        charges,
        approval: None,
    })
}

/// What the policy is asked: about one subject, of a call's or one that a server brings up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub visit: &'a Visit,
    pub subject: Subject<'a>,
    pub args: Option<&'a Value<'a>>,
    /// What the client says of itself.
    pub client: Option<Client<'a>>,
    pub now: Timestamp,
}

impl<'a> Question<'a> {
    pub(super) fn of(call: &'a Call<'_>, subject: Subject<'a>) -> Self {
        Self {
            visit: call.visit,
            subject,
            args: call.arguments(),
            client: call.client.as_ref().map(|client| client.as_client()),
            now: call.at,
        }
    }
}

/// Decides about one subject.
pub(super) fn decide_subject(gate: &Gate, question: &Question<'_>) -> Verdict {
    let visit = question.visit;
    let entry = match &visit.ruling {
        Ruling::InForce(entry) => entry,
        Ruling::Nothing(why) => {
            return Verdict::Refuse(Refused::decided(Rule::NO_POLICY, why.clone()));
        }
    };
    match ask_policy(gate, entry, question) {
        Decision::Allow(Admission { rule, charges, .. }) => Verdict::Allow(Allowed {
            rule,
            charges,
            approval: None,
        }),
        Decision::Ask(asking) => Verdict::Ask(asking),
        Decision::Deny(refusal) => Verdict::Refuse(Refused::from_policy(How::Deny, refusal)),
        Decision::Hide(refusal) => Verdict::Refuse(Refused::from_policy(How::Hide, refusal)),
    }
}

/// For what is no call of its own, and so nothing that people could be shown.
pub(super) fn cannot_wait(asking: &Asking) -> Refused {
    let why = format!("{}, and this cannot wait", asking.reason());
    Refused::decided(asking.rule().clone(), why)
}

/// What a policy says of a question, with what the caller has seen.
pub(super) fn ask_policy(gate: &Gate, entry: &PolicyEntry, question: &Question<'_>) -> Decision {
    let visit = question.visit;
    let identity = &visit.caller.grant.identity;
    let seen = gate.seen.held(identity, &entry.policy);
    let facts = Facts {
        subject: question.subject,
        server: visit.server.name.as_str(),
        grant: visit.caller.grant.label.as_str(),
        identity,
        client: question.client,
        args: question.args,
        labels: &seen,
        now: question.now,
    };
    entry.policy.decide(&facts, &AssumeRoom)
}

/// Whether limits hold is not asked here but settled by [`super::admit`], where looking and taking
/// are one step and no other call can come between.
struct AssumeRoom;

impl Readings for AssumeRoom {
    fn would_hold(&self, _: &Charge, _: Timestamp) -> Result<(), Shortfall> {
        Ok(())
    }
}
