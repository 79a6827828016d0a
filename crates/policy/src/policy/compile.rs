//! From the written form to the meaning.
//!
//! What needs more than one word to be judged is judged here: limits that share a counter, names
//! that come to the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::rules::{Cost, Denial, Limit, RuleSet};
use super::{Policy, Ruling};
use crate::decision::Rule;
use crate::document::{
    Action, Entry, PolicyDocument, Verdict, WrittenCost, WrittenLimit, WrittenRules, read,
};
use crate::limits::Scope;
use crate::problem::{Pointer, Problem, Problems};
use crate::uri;

/// A policy that may be put in force, and what its author should know all the same.
#[derive(Clone, Debug)]
pub struct Checked {
    pub policy: Policy,
    pub warnings: Vec<Problem>,
}

/// Reads and checks a policy document. On an error there is no policy, and all problems are told.
pub fn compile(text: &[u8]) -> Result<Checked, Vec<Problem>> {
    let mut problems = Problems::new(text);
    let policy = read(text, &mut problems).map(|document| policy(document, &mut problems));
    let warnings = problems.finish()?;
    // Without a document there is an error, and `finish` has told it.
    let policy = policy.ok_or_else(Vec::new)?;
    Ok(Checked { policy, warnings })
}

fn policy(document: PolicyDocument, problems: &mut Problems<'_>) -> Policy {
    check_shared_counters(&document, problems);
    let resources = normal_uris(document.resources, problems);
    let mentions = document
        .tools
        .iter()
        .map(|entry| (&entry.name, &entry.pointer))
        .chain(document.hide.iter().map(|h| (&h.name, &h.pointer)))
        .map(|(name, pointer)| (name.as_str().into(), rule(pointer)))
        .collect();
    Policy {
        description: document.description,
        default_allows: document.default == Verdict::Allow,
        hidden: document.hide.into_iter().map(|h| h.name.into()).collect(),
        all_tools: document.all_tools.map(rule_set),
        tools: rule_map(document.tools),
        resources: rule_map(resources),
        prompts: rule_map(document.prompts),
        methods: document
            .methods
            .into_iter()
            .map(|m| (m.name.into(), ruling(m.says, &m.pointer)))
            .collect(),
        server_requests: document
            .server_requests
            .into_iter()
            .map(|(request, r)| (request, ruling(r.says, &r.pointer)))
            .collect(),
        mentions,
    }
}

fn rule(pointer: &Pointer) -> Rule {
    Rule::at(pointer.as_str())
}

fn ruling(verdict: Verdict, pointer: &Pointer) -> Ruling {
    Ruling {
        allows: verdict == Verdict::Allow,
        rule: rule(pointer),
    }
}

fn rule_map(entries: Vec<Entry>) -> HashMap<Box<str>, RuleSet> {
    entries
        .into_iter()
        .map(|entry| (entry.name.into(), rule_set(entry.says)))
        .collect()
}

fn rule_set(written: WrittenRules) -> RuleSet {
    let action_rule = rule(&written.pointer.key("action"));
    let denies = (written.action == Some(Action::Deny)).then(|| Denial {
        rule: action_rule.clone(),
        reason: written.reason.map(Box::from),
    });
    RuleSet {
        names: match written.action {
            Some(Action::Allow) => action_rule,
            _ => rule(&written.pointer),
        },
        hides: written.action == Some(Action::Hide),
        denies,
        limits: written.limits.into_iter().map(limit).collect(),
    }
}

fn limit(written: WrittenLimit) -> Limit {
    Limit {
        rule: rule(&written.pointer),
        counter: written.counter.into(),
        window_ms: written.window_ms,
        max: written.max,
        scope: written.scope,
        cost: match written.cost {
            WrittenCost::Constant(cost) => Cost::Constant(cost),
            WrittenCost::Path(path) => Cost::Path(path),
        },
        allow_zero: written.allow_zero,
        per: written.per,
        max_keys: written.max_keys,
        on_deny: written.on_deny.map(Arc::from),
    }
}

/// Brings the keys of `resources` to the spelling that URIs are matched in.
fn normal_uris(entries: Vec<Entry>, problems: &mut Problems<'_>) -> Vec<Entry> {
    let mut seen = HashSet::new();
    let mut normal = Vec::with_capacity(entries.len());
    for mut entry in entries {
        match uri::normalise(&entry.name) {
            Ok(name) if seen.insert(name.clone()) => {
                entry.name = name;
                normal.push(entry);
            }
            Ok(name) => {
                let message = format!("another key comes to the same URI, {name:?}");
                problems.error(&entry.pointer, entry.at, message);
            }
            Err(why) => {
                let message = format!("this URI can never match: {why}");
                problems.error(&entry.pointer, entry.at, message);
            }
        }
    }
    normal
}

/// Limits that share a counter must agree on window and cost: a counter that is charged
/// differently by different rules would count nothing anybody could name.
fn check_shared_counters(document: &PolicyDocument, problems: &mut Problems<'_>) {
    let maps = [&document.tools, &document.resources, &document.prompts];
    let named = maps.into_iter().flatten().map(|entry| &entry.says);
    let sets = document.all_tools.iter().chain(named);
    let mut first: HashMap<(Scope, &str), &WrittenLimit> = HashMap::new();
    for limit in sets.flat_map(|set| &set.limits) {
        let other = *first
            .entry((limit.scope, limit.counter.as_str()))
            .or_insert(limit);
        let differs = if other.window_ms != limit.window_ms {
            "window"
        } else if other.cost != limit.cost {
            "cost"
        } else {
            continue;
        };
        let message = format!(
            "this limit shares the counter {:?} with {} but not its {differs}; \
             make them agree, or give one of them another counter",
            limit.counter,
            other.pointer.as_str(),
        );
        problems.error(&limit.pointer, limit.at, message);
    }
}
