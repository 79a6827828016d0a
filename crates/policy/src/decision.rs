//! The answer to a call: what it is, which rule gave it, and why, in words for the agent.

use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::limits::{Charge, Shortfall, Why, window};
use crate::visible::shown;

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may pass once its charges are reserved, all of them or none.
    Allow(Admission),
    /// It waits for people.
    Ask(Asking),
    Deny(Refusal),
    /// It is answered as if the tool did not exist.
    Hide(Refusal),
}

/// What an allowed call owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The rule that names what is called.
    pub rule: Rule,
    pub charges: Vec<Charge>,
}

/// What has to happen before a call passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// What it owes once it is approved; it is decided again then.
    pub admission: Admission,
    /// Never empty. Each needs its own approvals.
    pub needs: Vec<Need>,
    /// How long the approval is good: the shortest of all needs.
    pub timeout_ms: u64,
    /// How long the caller is kept waiting: the shortest of all needs, and never beyond the
    /// timeout.
    pub hold_ms: u64,
}

/// What one rule wants of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub rule: Rule,
    /// What the rule's author tells the people who decide.
    pub message: Option<Arc<str>>,
    /// How many different people.
    pub approvals: u32,
    /// Who they may be; empty for everybody who may approve.
    pub approvers: Arc<[Box<str>]>,
}

impl Asking {
    /// The rule that is named as the one that decided: the first that asks.
    pub fn rule(&self) -> &Rule {
        self.needs
            .first()
            .map_or(&self.admission.rule, |need| &need.rule)
    }

    /// Why the call waits, in words.
    pub fn reason(&self) -> String {
        let messages: Vec<&str> = self
            .needs
            .iter()
            .filter_map(|n| n.message.as_deref())
            .collect();
        if messages.is_empty() {
            return "a person must approve this call".to_owned();
        }
        messages.join("; ")
    }
}

/// Why a call does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub rule: Rule,
    pub reason: String,
    /// In how many milliseconds the same call could pass, if waiting helps.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(rule: &Rule, reason: impl Into<String>) -> Self {
        Self {
            rule: rule.clone(),
            reason: reason.into(),
            retry_after_ms: None,
        }
    }

    /// For a grant that has no policy on the server.
    pub fn no_policy(server: &str) -> Self {
        let reason = format!("no policy is in force for this grant on {}", shown(server));
        Self::new(&Rule::NO_POLICY, reason)
    }
}

/// The rule that decided: a JSON Pointer into the policy, or what stands in for one in parentheses.
#[derive(Clone)]
pub struct Rule(Name);

#[derive(Clone)]
enum Name {
    Pointer(Arc<str>),
    Word(&'static str),
}

impl Rule {
    pub const DEFAULT_DENY: Self = Self(Name::Word("(default deny)"));
    pub const DEFAULT_ALLOW: Self = Self(Name::Word("(default allow)"));
    pub const NO_POLICY: Self = Self(Name::Word("(no policy)"));
    pub const MALFORMED: Self = Self(Name::Word("(malformed)"));
    pub const NOT_PINNED: Self = Self(Name::Word("(not pinned)"));
    /// The conversation itself, which no rule is about.
    pub const PROTOCOL: Self = Self(Name::Word("(protocol)"));
    pub const HIDDEN: Self = Self(Name::Word("(hidden)"));
    /// A policy that is being tried could not count.
    pub const NOT_COUNTED: Self = Self(Name::Word("(not counted)"));
    /// What an answer would tell its reader could not be noted for flow rules.
    pub const NOT_NOTED: Self = Self(Name::Word("(not noted)"));

    pub(crate) fn at(pointer: &str) -> Self {
        Self(Name::Pointer(pointer.into()))
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Pointer(pointer) => pointer,
            Name::Word(word) => word,
        }
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Rule {}

impl Hash for Rule {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({})", self.as_str())
    }
}

/// The refusal of a call for which `charge` does not fit.
///
/// The same words whether the decision found it or the reservation after it.
pub fn refusal(charge: &Charge, shortfall: &Shortfall) -> Refusal {
    let mut reason = match &charge.on_deny {
        Some(text) => text.to_string(),
        None => limit_reason(charge, shortfall),
    };
    // Whatever the words, a denial says when to come back.
    if let Some(millis) = shortfall.retry_after_ms {
        reason.truncate(reason.trim_end_matches(['.', ' ']).len());
        // Writing to a string cannot fail.
        let _ = write!(reason, "; try again in {}", window::wait_in_words(millis));
    }
    Refusal {
        rule: charge.rule.clone(),
        reason,
        retry_after_ms: shortfall.retry_after_ms,
    }
}

fn limit_reason(charge: &Charge, shortfall: &Shortfall) -> String {
    let counter = shown(charge.key.counter());
    let limit = format!(
        "limit of {} per {} on {counter}",
        charge.max,
        window::in_words(charge.window_ms)
    );
    match (&shortfall.why, shortfall.retry_after_ms) {
        (Why::TooMany, Some(_)) => format!("{limit} is reached"),
        (Why::TooMany, None) => format!("this call alone exceeds the {limit}"),
        (Why::TooManyKeys, _) => format!(
            "{limit} is kept for {} different values at a time, and this would be one more",
            charge.max_keys
        ),
        (Why::Full, _) => format!("{limit} cannot be counted: the gateway holds no more counters"),
        (Why::Unavailable(_), _) => {
            format!("{limit} cannot be checked: the counters are unavailable")
        }
    }
}
