//! Shadow policies: what another policy would have said of a call, for the record alone.
//!
//! A shadow decides by the same facts and the same flow labels, and charges counters of its own.
//! It is asked where a decision is booked, so every decision is recorded with it once.
//!
//! INVARIANT: nothing a shadow does or fails to do reaches the answer, the outcome, or a counter of
//! the policy in force (`a_shadow_changes_nothing_that_can_be_seen`).

use portreeve_policy::limits::{Charge, Reservation};
use portreeve_policy::{Admission, Decision, Refusal, Rule, Subject};

use super::Gate;
use super::admit::tagged;
use super::decide::{Question, ask_policy};
use super::record::Taken;
use super::registry::{PolicyEntry, Trial};
use super::resolve::Call;
use crate::counters::{CountersError, Side};
use crate::ledger::{Shadow, Shadowed};

/// What a shadow said.
#[derive(Debug)]
pub(super) struct Said {
    policy: String,
    outcome: Shadowed,
    rule: Rule,
    taken: Taken,
    reservation: Option<Reservation>,
}

impl Said {
    /// As the book writes it down.
    pub(super) fn booked<'a>(&'a self, charges: &'a [crate::ledger::Charge<'a>]) -> Shadow<'a> {
        Shadow {
            policy: &self.policy,
            outcome: self.outcome,
            rule: self.rule.as_str(),
            charges,
        }
    }

    pub(super) const fn taken(&self) -> &Taken {
        &self.taken
    }

    /// What it charged, for whoever has to give it back.
    pub(super) const fn reservation(&mut self) -> Option<Reservation> {
        self.reservation.take()
    }
}

/// Asks the shadow of a call's grant, if it has one, and charges what it would have charged.
///
/// The caller holds the passage, so that charges and records agree.
pub(super) async fn ask(gate: &Gate, call: &Call<'_>) -> Option<Said> {
    let trial = call.visit.trial()?;
    let said = |policy: String, outcome, rule| Said {
        policy,
        outcome,
        rule,
        taken: Taken::default(),
        reservation: None,
    };
    let entry = match trial {
        Trial::Of(entry) => entry,
        Trial::Broken(name) if is_decided(call) => {
            return Some(said(name.clone(), Shadowed::Error, Rule::NO_POLICY));
        }
        Trial::Broken(_) => return None,
    };
    let name = format!("{}@{}", entry.name, entry.version);
    Some(match opinion(gate, entry, call)? {
        Opinion::No(outcome, rule) => said(name, outcome, rule),
        Opinion::Yes(admission) => {
            let charges = tagged(gate, admission.charges);
            match charge(gate, call, &charges).await {
                Ok(reservation) => Said {
                    taken: Taken::of(reservation.as_ref()),
                    reservation,
                    ..said(name, Shadowed::Allow, admission.rule)
                },
                Err((outcome, rule)) => said(name, outcome, rule),
            }
        }
    })
}

/// Whether a policy decides about the call at all.
const fn is_decided(call: &Call<'_>) -> bool {
    call.subject.is_some() || !call.watched.is_empty()
}

/// A shadow's decision as far as the counters do not matter.
enum Opinion {
    Yes(Admission),
    No(Shadowed, Rule),
}

impl From<Decision> for Opinion {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Allow(admission) => Self::Yes(admission),
            Decision::Ask(asking) => Self::No(Shadowed::Ask, asking.rule().clone()),
            Decision::Deny(Refusal { rule, .. }) => Self::No(Shadowed::Deny, rule),
            Decision::Hide(Refusal { rule, .. }) => Self::No(Shadowed::Hide, rule),
        }
    }
}

fn opinion(gate: &Gate, entry: &PolicyEntry, call: &Call<'_>) -> Option<Opinion> {
    let about = |subject| ask_policy(gate, entry, &Question::of(call, subject)).into();
    if let Some(subject) = call.subject {
        return Some(about(subject));
    }
    let mut charges = Vec::new();
    for uri in &call.watched {
        match about(Subject::Resource { uri }) {
            Opinion::Yes(admission) => charges.extend(admission.charges),
            no @ Opinion::No(..) => return Some(no),
        }
    }
    let rule = Rule::PROTOCOL;
    is_decided(call).then_some(Opinion::Yes(Admission { rule, charges }))
}

async fn charge(
    gate: &Gate,
    call: &Call<'_>,
    charges: &[Charge],
) -> Result<Option<Reservation>, (Shadowed, Rule)> {
    if charges.is_empty() {
        return Ok(None);
    }
    match gate.counters.reserve(Side::Shadow, charges, call.at).await {
        Ok(reservation) => Ok(Some(reservation)),
        Err(CountersError::Shortfall { index, .. }) => {
            let limit = charges.get(index).map(|charge| charge.rule.clone());
            Err((Shadowed::Deny, limit.unwrap_or(Rule::MALFORMED)))
        }
        Err(CountersError::Unavailable(_)) => Err((Shadowed::Error, Rule::NOT_COUNTED)),
    }
}
