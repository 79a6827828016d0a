//! What the rules say of a call.

use portreeve_policy::limits::{Charge, Readings, Shortfall};
use portreeve_policy::time::Timestamp;
use portreeve_policy::{Admission, Asking, Decision, Facts, Refusal, Rule, Subject};

use super::Visit;
use super::ask::{Approved, Pending};
use super::registry::Ruling;
use super::resolve::Call;

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

/// Refused, with everything the answer and the ledger say about it.
#[derive(Clone, Debug)]
pub struct Refused {
    pub how: How,
    pub rule: Rule,
    pub reason: String,
    pub retry_after_ms: Option<u64>,
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
        }
    }
}

/// Decides a call under the policy that its visit took when it arrived.
pub(super) fn decide(call: &Call<'_>) -> Verdict {
    let Some(subject) = call.subject else {
        return decide_protocol(call);
    };
    decide_subject(call.visit, subject, call.arguments, call.at)
}

/// The conversation itself needs a policy in force, and no rule; what it subscribes to does.
fn decide_protocol(call: &Call<'_>) -> Verdict {
    if let Ruling::Nothing(why) = &call.visit.ruling {
        return Verdict::Refuse(Refused::deny(Rule::NO_POLICY, why.clone()));
    }
    let mut charges = Vec::new();
    for uri in &call.watched {
        match decide_subject(call.visit, Subject::Resource { uri }, None, call.at) {
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

/// Decides about one subject: a call's, or one that a server brings up.
pub(super) fn decide_subject(
    visit: &Visit,
    subject: Subject<'_>,
    args: Option<&portreeve_policy::json::Value<'_>>,
    now: Timestamp,
) -> Verdict {
    let entry = match &visit.ruling {
        Ruling::InForce(entry) => entry,
        Ruling::Nothing(why) => {
            return Verdict::Refuse(Refused::deny(Rule::NO_POLICY, why.clone()));
        }
    };
    let facts = Facts {
        subject,
        server: visit.server.name.as_str(),
        grant: visit.caller.grant.label.as_str(),
        identity: &visit.caller.grant.identity,
        client: None,
        args,
        labels: &[],
        now,
    };
    match entry.policy.decide(&facts, &AssumeRoom) {
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
    Refused::deny(asking.rule().clone(), why)
}

/// Whether limits hold is not asked here but settled by [`super::admit`], where looking and taking
/// are one step and no other call can come between.
struct AssumeRoom;

impl Readings for AssumeRoom {
    fn would_hold(&self, _: &Charge, _: Timestamp) -> Result<(), Shortfall> {
        Ok(())
    }
}
