//! Why calls are refused, in words for the agent.

use super::rules::Guard;
use super::walk::Call;
use crate::condition::{Condition, Purpose, Scene, Truth};
use crate::decision::{Decision, Refusal, Rule};
use crate::visible::shown;

impl Call<'_> {
    pub(super) fn refused_by(&self, guard: &Guard, purpose: Purpose) -> Decision {
        let reason = match &guard.on_deny {
            Some(text) => text.to_string(),
            None => self.reason_of(guard, purpose),
        };
        Decision::Deny(Refusal::new(&guard.rule, reason))
    }

    /// INVARIANT: the words name paths and what the policy wants, never what an argument is.
    fn reason_of(&self, guard: &Guard, purpose: Purpose) -> String {
        let scene = &self.scene;
        let trouble = |part: &Condition| match part.trouble(scene, purpose) {
            Some(trouble) => format!(", and {trouble}"),
            None => String::new(),
        };
        let stopped = |part: &&Condition| match (purpose, part.answer(scene, purpose)) {
            (Purpose::Catch, answer) => matches!(answer, Truth::Error(_)),
            (Purpose::Demand, answer) => answer != Truth::True,
        };
        match (purpose, guard.conditions.iter().find(stopped)) {
            (Purpose::Demand, Some(part)) => {
                let words = part.in_words();
                format!("the policy requires that {words}{}", trouble(part))
            }
            (Purpose::Demand, None) => "the policy requires something else".to_owned(),
            (Purpose::Catch, Some(part)) => {
                let words = part.in_words();
                let why = trouble(part);
                format!("the policy cannot tell whether {words}, which it would deny{why}")
            }
            (Purpose::Catch, None) if guard.conditions.is_empty() => {
                format!(
                    "the policy denies every call of the {} {}",
                    self.kind,
                    shown(self.name)
                )
            }
            (Purpose::Catch, None) => {
                let words: Vec<String> = guard.conditions.iter().map(Condition::in_words).collect();
                format!("the policy denies calls in which {}", words.join(" and "))
            }
        }
    }

    pub(super) fn named(&self) -> String {
        format!("the {} {} may be used", self.kind, shown(self.name))
    }

    pub(super) fn not_pinned(&self) -> Refusal {
        let reason = format!(
            "the tool {} is not accepted on this server, its definition has changed since, \
             or the server has no such tool; a person must accept it first",
            shown(self.name)
        );
        Refusal::new(&Rule::NOT_PINNED, reason)
    }
}

/// What each condition was found to be, for people.
pub(super) fn findings(conditions: &[Condition], scene: &Scene<'_>, purpose: Purpose) -> String {
    if conditions.is_empty() {
        return "no conditions, so always".to_owned();
    }
    let told: Vec<String> = conditions
        .iter()
        .map(|c| c.findings(scene, purpose))
        .collect();
    told.join("; ")
}

pub(super) fn malformed(reason: String) -> Refusal {
    Refusal::new(&Rule::MALFORMED, reason)
}

pub(super) fn unnamed(kind: &str, name: &str) -> Refusal {
    let reason = format!(
        "the policy does not name the {kind} {}, and its default is deny",
        shown(name)
    );
    Refusal::new(&Rule::DEFAULT_DENY, reason)
}
