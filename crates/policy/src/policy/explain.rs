//! Explaining a decision: every rule that looked at the call, and what it found.

use std::ops::ControlFlow;

use super::Policy;
use super::walk::Witness;
use crate::decision::{Decision, Rule};
use crate::facts::Facts;
use crate::limits::Readings;

/// A decision and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What [`Policy::decide`] says.
    pub decision: Decision,
    /// In the order in which the rules count: the first that refuses is the answer.
    pub findings: Vec<Finding>,
}

/// One rule that looked at the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    pub effect: Effect,
    /// What it found, for people; never the value of an argument.
    pub words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Passes,
    Asks,
    Refuses,
    Hides,
}

impl Effect {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Asks => "asks",
            Self::Refuses => "refuses",
            Self::Hides => "hides",
        }
    }
}

/// Writes everything down.
#[derive(Default)]
struct Notes {
    answer: Option<Decision>,
    findings: Vec<Finding>,
}

impl Witness for Notes {
    fn note(&mut self, rule: &Rule, asks: bool, words: impl FnOnce() -> String) {
        self.findings.push(Finding {
            rule: rule.clone(),
            effect: if asks { Effect::Asks } else { Effect::Passes },
            words: words(),
        });
    }

    fn refuse(&mut self, refused: Decision) -> ControlFlow<()> {
        let finding = match &refused {
            Decision::Hide(refusal) => Some((Effect::Hides, refusal)),
            Decision::Deny(refusal) => Some((Effect::Refuses, refusal)),
            Decision::Allow(_) | Decision::Ask(_) => None,
        };
        self.findings
            .extend(finding.map(|(effect, refusal)| Finding {
                rule: refusal.rule.clone(),
                effect,
                words: refusal.reason.clone(),
            }));
        self.answer.get_or_insert(refused);
        ControlFlow::Continue(())
    }

    fn refuse_for(&mut self, refused: Decision, found: impl FnOnce() -> String) -> ControlFlow<()> {
        let refusing = self.refuse(refused);
        if let Some(finding) = self.findings.last_mut() {
            finding.words = found();
        }
        refusing
    }
}

impl Policy {
    /// Decides one call as [`Policy::decide`] does, and tells what every rule found.
    pub fn explain(&self, facts: &Facts<'_>, readings: &dyn Readings) -> Explanation {
        let mut notes = Notes::default();
        let settled = self.witnessed(facts, readings, &mut notes);
        let decision = notes.answer.or(settled);
        Explanation {
            decision: decision.unwrap_or_else(|| self.decide(facts, readings)),
            findings: notes.findings,
        }
    }
}
