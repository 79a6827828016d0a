//! Running cases: each with counters of its own, from 0 s on.

use std::collections::HashMap;

use super::file::{Call, Case, CaseFile, Expected, Target, Tool};
use crate::decision::{Decision, refusal};
use crate::facts::{Client, Facts, Pin, Subject, ToolFacts};
use crate::label::{Held, Label};
use crate::limits::Counters;
use crate::policy::Policy;
use crate::time::Timestamp;
use crate::traits::Traits;

/// How one case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    pub name: String,
    /// The byte of the file at which it begins.
    pub offset: usize,
    /// How each of its calls came out, in their order.
    pub calls: Vec<CallResult>,
}

impl CaseResult {
    pub fn passed(&self) -> bool {
        self.calls.iter().all(|call| call.mismatch.is_none())
    }
}

/// How one call came out, with all its repetitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallResult {
    /// The byte of the file at which it begins.
    pub offset: usize,
    /// What it names: `tool`, `resource`, …
    pub kind: &'static str,
    pub name: String,
    /// Why the file says it must come out so.
    pub why: Option<String>,
    /// The first repetition that was answered in another way.
    pub mismatch: Option<Mismatch>,
}

/// A call that was answered in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Which of its repetitions, from 1, and how many there are.
    pub repetition: u64,
    pub of: u64,
    pub expected: Expected,
    pub expected_rule: Option<String>,
    pub got: Got,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub outcome: Expected,
    pub rule: String,
    pub reason: String,
}

/// More counters than any test has.
const ROOM: usize = 1_000_000;

/// Runs all cases of a file against the policy it names.
pub fn run(file: &CaseFile, policy: &Policy) -> Vec<CaseResult> {
    file.cases
        .iter()
        .map(|case| run_case(file, case, policy))
        .collect()
}

fn run_case(file: &CaseFile, case: &Case, policy: &Policy) -> CaseResult {
    let mut world = World {
        file,
        policy,
        counters: Counters::new(ROOM),
        labels: HashMap::new(),
    };
    let calls = case.calls.iter();
    CaseResult {
        name: case.name.clone(),
        offset: case.offset,
        calls: calls.map(|call| world.make_all(call, case.start)).collect(),
    }
}

/// What one case leaves behind between its calls.
struct World<'f> {
    file: &'f CaseFile,
    policy: &'f Policy,
    counters: Counters,
    /// What each identity has seen; whatever was allowed is released at once.
    labels: HashMap<&'f str, Vec<Held<'f>>>,
}

impl<'f> World<'f> {
    /// Makes a call as often as it says, and goes on after a surprise: what follows counts on it.
    fn make_all(&mut self, call: &'f Call, start: i64) -> CallResult {
        let now = Timestamp(start.saturating_add(call.at));
        let mut mismatch = None;
        for repetition in 1..=call.repeat {
            let got = self.make(call, now);
            let rule_differs = call.rule.as_ref().is_some_and(|rule| *rule != got.rule);
            if mismatch.is_none() && (got.outcome != call.expect || rule_differs) {
                mismatch = Some(Mismatch {
                    repetition,
                    of: call.repeat,
                    expected: call.expect,
                    expected_rule: call.rule.clone(),
                    got,
                });
            }
        }
        let (kind, name) = call.target.words();
        CallResult {
            offset: call.offset,
            kind,
            name: name.to_owned(),
            why: call.why.clone(),
            mismatch,
        }
    }

    fn make(&mut self, call: &'f Call, now: Timestamp) -> Got {
        let subject = self.subject(&call.target);
        let identity = call.caller.identity();
        let facts = Facts {
            subject,
            server: &call.caller.server,
            grant: &call.caller.grant,
            identity,
            client: call.caller.client.as_deref().map(|name| Client {
                name,
                version: None,
            }),
            args: call.args.as_ref(),
            labels: self.labels.get(identity).map_or(&[], Vec::as_slice),
            now,
        };
        let got = match self.policy.decide(&facts, &self.counters) {
            Decision::Deny(refusal) | Decision::Hide(refusal) => {
                return got(Expected::Deny, refusal.rule.as_str(), refusal.reason);
            }
            Decision::Ask(asking) => {
                return got(Expected::Ask, asking.rule().as_str(), asking.reason());
            }
            Decision::Allow(admission) => {
                match self.counters.reserve(&admission.charges, now) {
                    Ok(_kept) => got(Expected::Allow, admission.rule.as_str(), String::new()),
                    // Two limits on one counter can hold one by one and not together.
                    Err((index, shortfall)) => {
                        let refused = admission.charges.get(index);
                        let refused = refused.map(|charge| refusal(charge, &shortfall));
                        let (rule, reason) = refused.map_or_else(Default::default, |refused| {
                            (refused.rule.to_string(), refused.reason)
                        });
                        return got(Expected::Deny, &rule, reason);
                    }
                }
            }
        };
        self.release(identity, &subject, now);
        got
    }

    fn release(&mut self, identity: &'f str, subject: &Subject<'f>, at: Timestamp) {
        let labels = self.labels.entry(identity).or_default();
        for label in Label::of(subject) {
            match labels.iter_mut().find(|held| held.label == label) {
                Some(held) => held.at = at,
                None => labels.push(Held { label, at }),
            }
        }
    }

    fn subject(&self, target: &'f Target) -> Subject<'f> {
        match target {
            Target::Tool(name) => Subject::Tool(tool_facts(name, self.file.tools.get(name))),
            Target::Resource(uri) => Subject::Resource { uri },
            Target::Prompt(name) => Subject::Prompt { name },
            Target::Method(name) => Subject::Method { name },
            Target::ServerRequest(request) => Subject::ServerRequest(*request),
        }
    }
}

fn tool_facts<'f>(name: &'f str, known: Option<&'f Tool>) -> ToolFacts<'f> {
    let Some(tool) = known else {
        return ToolFacts::new(name, Pin::Pinned);
    };
    let pin = if tool.pinned {
        Pin::Pinned
    } else {
        Pin::Unpinned
    };
    ToolFacts::new(name, pin).with(Traits {
        class: tool.class,
        also: tool.also,
        bits: tool.bits,
        schema: tool.schema.as_ref(),
    })
}

fn got(outcome: Expected, rule: &str, reason: String) -> Got {
    Got {
        outcome,
        rule: rule.to_owned(),
        reason,
    }
}
