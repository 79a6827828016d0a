//! From the written form to the meaning.
//!
//! What needs more than one word to be judged is judged here: limits that share a counter, names
//! that come to the same.

use std::collections::{HashMap, HashSet};

use super::compile_rules::{flow, rule, rule_set};
use super::nature::Target;
use super::rule_map::RuleMap;
use super::{Policy, Ruling};
use crate::calendar::Zone;
use crate::decision::Rule;
use crate::document::{
    Entry, PolicyDocument, Selector, Verdict, WrittenCondition, WrittenLimit, WrittenRules,
    document, normal, read,
};
use crate::glob::Glob;
use crate::json::{Value, readable};
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
    let document = read(text, &mut problems);
    finish(document, problems)
}

/// Checks a document that stands inside of `text`, where `value` was read from.
pub(crate) fn compile_tree(value: &Value<'_>, text: &[u8]) -> Result<Checked, Vec<Problem>> {
    let mut problems = Problems::new(text);
    let document = document(value, &mut problems);
    finish(document, problems)
}

fn finish(
    document: Option<PolicyDocument>,
    mut problems: Problems<'_>,
) -> Result<Checked, Vec<Problem>> {
    let policy = document.map(|document| policy(document, &mut problems));
    let warnings = problems.finish()?;
    // Without a document there is an error, and `finish` has told it.
    let policy = policy.ok_or_else(Vec::new)?;
    Ok(Checked { policy, warnings })
}

/// The same policy in its normal form: spelled in one way, without what stands at its default.
///
/// Whitespace, the spelling of numbers and spans, and the order of the language's keys do not show
/// in it, so that two texts can be compared for what they say. Rules keep their pointers.
pub fn normal_form(text: &[u8]) -> Result<String, Vec<Problem>> {
    let mut problems = Problems::new(text);
    let document = read(text, &mut problems);
    let normal = document.as_ref().map(|d| readable(&normal(d)));
    finish(document, problems)?;
    normal.ok_or_else(Vec::new)
}

fn policy(document: PolicyDocument, problems: &mut Problems<'_>) -> Policy {
    check_shared_counters(&document, problems);
    check_time_zone(&document, problems);
    let resources = normal_uris(document.resources, problems);
    let tools = document.tools.iter().map(|e| (&e.name, &e.pointer));
    let hidden = document.hide.iter().map(|h| (&h.name, &h.pointer));
    let mentions = tools.chain(hidden).filter_map(mention).collect();
    let approvers = named_approvers(
        document.all_tools.as_ref(),
        [&document.tools, &resources, &document.prompts],
    );
    let (mut hidden, mut hidden_targets) = (HashSet::new(), Vec::new());
    for entry in document.hide {
        match target(entry.name) {
            Target::Name(name) => {
                hidden.insert(name);
            }
            wider => hidden_targets.push(wider),
        }
    }
    let mut policy = Policy {
        description: document.description,
        default_allows: document.default == Verdict::Allow,
        hidden,
        hidden_targets,
        zone: document.zone.unwrap_or(Zone::UTC),
        flow: document.flow.into_iter().map(flow).collect(),
        all_tools: document.all_tools.map(|rules| rule_set(rules, None)),
        tools: rule_map(document.tools, Glob::of_names),
        resources: rule_map(resources, Glob::of_paths),
        prompts: rule_map(document.prompts, Glob::of_names),
        methods: document
            .methods
            .into_iter()
            .map(|m| (m.name.into(), ruling(m.says, &m.pointer)))
            .collect(),
        server_requests: document
            .server_requests
            .into_iter()
            .map(|r| (r.name, ruling(r.says, &r.pointer)))
            .collect(),
        inspects_results: false,
        mentions,
        approvers,
    };
    policy.inspects_results = !policy.result_rules_of_anything().is_empty();
    policy
}

/// What a selector comes to where it restricts.
pub(super) fn target(selector: Selector) -> Target {
    match selector {
        Selector::Exact(name) => Target::Name(name.into()),
        Selector::Glob(text) => Target::Glob(Glob::of_names(&text)),
        Selector::Kind(kind) => Target::Kind(kind),
    }
}

fn ruling(verdict: Verdict, pointer: &Pointer) -> Ruling {
    Ruling {
        allows: verdict == Verdict::Allow,
        rule: rule(pointer),
    }
}

fn mention((selector, pointer): (&Selector, &Pointer)) -> Option<(Box<str>, Rule)> {
    match selector {
        Selector::Exact(name) => Some((name.as_str().into(), rule(pointer))),
        Selector::Glob(_) | Selector::Kind(_) => None,
    }
}

fn named_approvers(all: Option<&WrittenRules>, entries: [&Vec<Entry>; 3]) -> Vec<(Box<str>, Rule)> {
    let selected = entries.into_iter().flatten().map(|entry| &entry.says);
    let asks = all
        .into_iter()
        .chain(selected)
        .flat_map(|rules| &rules.require_approval);
    let named = asks.flat_map(|ask| {
        let rule = rule(&ask.pointer);
        ask.approvers
            .iter()
            .map(move |name| (name.as_str().into(), rule.clone()))
    });
    named.collect()
}

fn rule_map(entries: Vec<Entry>, glob: fn(&str) -> Glob) -> RuleMap {
    let mut map = RuleMap::default();
    for entry in entries {
        let rules = rule_set(entry.says, Some(&entry.name));
        match entry.name {
            Selector::Exact(name) => {
                map.exact.insert(name.into(), rules);
            }
            Selector::Glob(text) => map.globs.push((glob(&text), Box::new(rules))),
            Selector::Kind(kind) => map.kinds.push((kind, rules)),
        }
    }
    map
}

/// Brings the keys of `resources` to the spelling that URIs are matched in.
fn normal_uris(entries: Vec<Entry>, problems: &mut Problems<'_>) -> Vec<Entry> {
    let mut seen = HashSet::new();
    let mut normal = Vec::with_capacity(entries.len());
    for mut entry in entries {
        entry.name = match normal_uri(&entry.name) {
            Ok(name) => name,
            Err(why) => {
                let message = format!("this URI can never match: {why}");
                problems.error(&entry.pointer, entry.at, message);
                continue;
            }
        };
        let (Selector::Exact(name) | Selector::Glob(name)) = &entry.name else {
            continue;
        };
        if seen.insert(name.clone()) {
            normal.push(entry);
        } else {
            let message = format!("another key comes to the same URI, {name:?}");
            problems.error(&entry.pointer, entry.at, message);
        }
    }
    normal
}

/// A key of `resources` in the spelling that URIs are matched in, or why it can match none.
pub(crate) fn normal_uri(selector: &Selector) -> Result<Selector, &'static str> {
    Ok(match selector {
        Selector::Exact(name) => Selector::Exact(uri::normalise(name)?),
        Selector::Glob(text) => Selector::Glob(uri::normalise_glob(text)?),
        Selector::Kind(kind) => Selector::Kind(*kind),
    })
}

/// Limits that share a counter must agree on window and cost: a counter that is charged
/// differently by different rules would count nothing anybody could name.
fn check_shared_counters(document: &PolicyDocument, problems: &mut Problems<'_>) {
    let mut first: HashMap<(Scope, &str), &WrittenLimit> = HashMap::new();
    for limit in rule_sets(document).flat_map(|set| &set.limits) {
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

fn rule_sets(document: &PolicyDocument) -> impl Iterator<Item = &WrittenRules> {
    let maps = [&document.tools, &document.resources, &document.prompts];
    let named = maps.into_iter().flatten().map(|entry| &entry.says);
    document.all_tools.iter().chain(named)
}

/// Whoever writes a condition on the time has a place in mind; it is said once.
fn check_time_zone(document: &PolicyDocument, problems: &mut Problems<'_>) {
    if document.zone.is_some() {
        return;
    }
    let timed = rule_sets(document).find_map(|set| {
        let guards = set.deny_if.iter().chain(&set.require);
        let guards = guards.map(|g| (&g.conditions, &g.pointer, g.at));
        let asks = set.require_approval.iter();
        let asks = asks.map(|a| (&a.conditions, &a.pointer, a.at));
        let mut all = guards.chain(asks);
        all.find(|(conditions, ..)| conditions.iter().any(WrittenCondition::asks_for_time))
    });
    if let Some((_, pointer, at)) = timed {
        let message = "this asks for the time, and the policy has no `timezone`: it is the time \
                       in UTC";
        problems.warning(pointer, at, message);
    }
}
