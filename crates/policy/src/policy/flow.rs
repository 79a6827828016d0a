//! Flow rules at work: what may not follow what the caller has seen.

use super::Policy;
use super::nature::Target;
use crate::decision::{Need, Rule};
use crate::facts::{Facts, ToolFacts};
use crate::label::{Held, Label};

#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) rule: Rule,
    pub(super) name: Box<str>,
    pub(super) after: Vec<Target>,
    pub(super) then: Vec<Target>,
    pub(super) for_ms: u64,
    pub(super) effect: FlowEffect,
}

#[derive(Clone, Debug)]
pub(super) enum FlowEffect {
    Deny { on_deny: Option<Box<str>> },
    Ask(Need),
}

impl Policy {
    /// Does any flow rule hold because of this label? Nobody needs to keep one that no rule in
    /// force watches.
    pub fn watches(&self, label: &Label<'_>) -> bool {
        self.flow.iter().any(|flow| flow.watches(label))
    }

    /// For how long a label can matter: the longest `for` of the flow rules. Nothing if there are
    /// none.
    pub fn flow_memory_ms(&self) -> Option<u64> {
        self.flow.iter().map(|flow| flow.for_ms).max()
    }
}

impl Flow {
    fn watches(&self, label: &Label<'_>) -> bool {
        self.after.iter().any(|target| target.left(label))
    }

    /// Is the rule about calls of this tool?
    pub(super) fn guards(&self, tool: &ToolFacts<'_>) -> bool {
        self.then
            .iter()
            .any(|target| target.matches(tool.name, &tool.traits))
    }

    /// The newest thing the caller has seen that makes the rule hold, if there is one.
    pub(super) fn seen<'a>(&self, facts: &Facts<'a>) -> Option<&'a Held<'a>> {
        let span = i64::try_from(self.for_ms).unwrap_or(i64::MAX);
        facts
            .labels
            .iter()
            // A label from the future is one that a clock was wrong about: it counts.
            .filter(|held| facts.now.since(held.at) < span)
            .filter(|held| self.watches(&held.label))
            .max_by_key(|held| held.at)
    }
}
