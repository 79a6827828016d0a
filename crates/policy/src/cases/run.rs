//! Running cases: each with counters of its own, from 0 s on.

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
    /// How many calls were made, repetitions included.
    pub calls: u64,
    /// The first call that was not answered as expected; the case ends there.
    pub mismatch: Option<Mismatch>,
}

/// A call that was answered in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its place in the list of calls, from 0.
    pub call: usize,
    /// Which of its repetitions, from 1.
    pub repetition: u64,
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

/// Runs all cases of a file.
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
        labels: Vec::new(),
    };
    let mut calls = 0_u64;
    for (index, call) in case.calls.iter().enumerate() {
        for repetition in 1..=call.repeat {
            calls = calls.saturating_add(1);
            let got = world.make(call, Timestamp(case.start.saturating_add(call.at)));
            let rule_differs = call.rule.as_ref().is_some_and(|rule| *rule != got.rule);
            if got.outcome != call.expect || rule_differs {
                return CaseResult {
                    name: case.name.clone(),
                    calls,
                    mismatch: Some(Mismatch {
                        call: index,
                        repetition,
                        expected: call.expect,
                        expected_rule: call.rule.clone(),
                        got,
                    }),
                };
            }
        }
    }
    CaseResult {
        name: case.name.clone(),
        calls,
        mismatch: None,
    }
}

/// What one case leaves behind between its calls.
struct World<'f> {
    file: &'f CaseFile,
    policy: &'f Policy,
    counters: Counters,
    /// Whatever was allowed is released at once, and everybody in a case is one identity's.
    labels: Vec<Held<'f>>,
}

impl<'f> World<'f> {
    fn make(&mut self, call: &'f Call, now: Timestamp) -> Got {
        let subject = self.subject(&call.target);
        let facts = Facts {
            subject,
            server: &call.caller.server,
            grant: &call.caller.grant,
            identity: &call.caller.identity,
            client: call.caller.client.as_deref().map(|name| Client {
                name,
                version: None,
            }),
            args: call.args.as_ref(),
            labels: &self.labels,
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
        self.release(&subject, now);
        got
    }

    fn release(&mut self, subject: &Subject<'f>, at: Timestamp) {
        for label in Label::of(subject) {
            match self.labels.iter_mut().find(|held| held.label == label) {
                Some(held) => held.at = at,
                None => self.labels.push(Held { label, at }),
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
