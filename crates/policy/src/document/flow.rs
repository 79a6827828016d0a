//! Flow rules as they are written.

use super::node::Node;
use super::selector::Selector;
use crate::keys::{Key, Keys, SELECTOR, SPAN, Shape};
use crate::problem::{Pointer, Problems};

/// What may not follow what.
#[derive(Clone, Debug)]
pub(crate) struct WrittenFlow {
    pub(crate) pointer: Pointer,
    pub(crate) name: String,
    pub(crate) after: Vec<Selector>,
    pub(crate) then: Vec<Selector>,
    pub(crate) denies: bool,
    pub(crate) for_ms: u64,
    pub(crate) on_deny: Option<String>,
}

pub(super) const FLOW: Keys = Keys {
    name: "flow_rule",
    about: "What may not follow what: once a call that matches `after` has shown something to the \
            caller, calls that match `then` are refused or wait.",
    known: &[
        Key::new(
            "name",
            Shape::Filled,
            "What it is called; no two have the same name.",
        )
        .needed(),
        Key::new("after", Shape::FilledList(&SELECTOR), "What was seen.").needed(),
        Key::new("then", Shape::FilledList(&SELECTOR), "What may not follow.").needed(),
        Key::new(
            "action",
            Shape::Word(&ACTIONS),
            "Whether it is refused or waits.",
        )
        .needed(),
        Key::new("for", SPAN, "For how long it counts, as in \"30m\".").needed(),
        Key::new("on_deny", Shape::Text, "What the agent is told."),
    ],
};

const ACTIONS: [&str; 2] = ["deny", "require_approval"];

const SHORTEST_MS: u64 = 1_000;
const LONGEST_MS: u64 = 366 * 86_400_000;

pub(super) fn flow(node: &Node<'_>, problems: &mut Problems<'_>) -> Vec<WrittenFlow> {
    let elements = node.elements(problems);
    let rules: Vec<WrittenFlow> = elements
        .iter()
        .filter_map(|element| rule(element, problems))
        .collect();
    for (i, rule) in rules.iter().enumerate() {
        if rules.iter().take(i).any(|other| other.name == rule.name) {
            let at = elements.get(i).map_or(0, Node::at);
            let message = format!("another flow rule has the name {:?}", rule.name);
            problems.error(&rule.pointer, at, message);
        }
    }
    rules
}

fn rule(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<WrittenFlow> {
    let members = node.members(problems, &FLOW);
    node.value.members()?;
    for key in FLOW.needed() {
        if node.lacks(key, &FLOW) {
            node.error(problems, format!("a flow rule needs `{key}`"));
        }
    }
    let mut flow = WrittenFlow {
        pointer: node.pointer.clone(),
        name: String::new(),
        after: Vec::new(),
        then: Vec::new(),
        denies: true,
        for_ms: SHORTEST_MS,
        on_deny: None,
    };
    for (key, value) in &members {
        match *key {
            "name" => flow.name = name(value, problems),
            "after" => flow.after = selectors(value, problems),
            "then" => flow.then = selectors(value, problems),
            "action" => {
                let word = value.word(problems, "action of a flow rule", &ACTIONS);
                flow.denies = word != Some("require_approval");
            }
            "for" => {
                let span = value.span(problems, "`for`", (SHORTEST_MS, LONGEST_MS));
                flow.for_ms = span.unwrap_or(SHORTEST_MS);
            }
            _ => flow.on_deny = value.text(problems).map(str::to_owned),
        }
    }
    Some(flow)
}

fn name(node: &Node<'_>, problems: &mut Problems<'_>) -> String {
    let name = node.text(problems).unwrap_or_default();
    if name.is_empty() && node.value.as_str().is_some() {
        node.error(problems, "a name is never empty");
    }
    name.to_owned()
}

fn selectors(node: &Node<'_>, problems: &mut Problems<'_>) -> Vec<Selector> {
    if node.value.elements().is_some_and(<[_]>::is_empty) {
        node.error(problems, "at least one selector is expected here");
    }
    let elements = node.elements(problems);
    let read = elements.iter().filter_map(|element| {
        let text = element.text(problems)?;
        element.selector(text, problems)
    });
    read.collect()
}
