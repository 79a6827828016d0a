//! The entries of `deny_if`, `require` and `require_approval` as they are written.

use super::condition::{CONDITION, Within, WrittenCondition, conditions};
use super::node::Node;
use crate::decimal::Decimal;
use crate::keys::{Key, Keys, SPAN, Shape};
use crate::problem::{Pointer, Problems};

/// One entry of `deny_if` or `require`.
#[derive(Clone, Debug)]
pub(crate) struct WrittenGuard {
    pub(crate) pointer: Pointer,
    pub(crate) at: usize,
    pub(crate) conditions: Vec<WrittenCondition>,
    pub(crate) on_deny: Option<String>,
}

/// One entry of `require_approval`, with what its author left out filled in.
#[derive(Clone, Debug)]
pub(crate) struct WrittenApproval {
    pub(crate) pointer: Pointer,
    pub(crate) at: usize,
    pub(crate) conditions: Vec<WrittenCondition>,
    pub(crate) message: Option<String>,
    pub(crate) timeout_ms: u64,
    pub(crate) hold_ms: u64,
    pub(crate) approvals: u32,
    pub(crate) approvers: Vec<String>,
}

pub(super) const GUARD: Keys = Keys {
    name: "guard",
    about: "Conditions, and what the agent is told if the call is refused for them.",
    known: &[
        Key::new("conditions", CONDITIONS, "All of them together.").needed(),
        Key::new("on_deny", Shape::Text, "What the agent is told."),
    ],
};

const CONDITIONS: Shape = Shape::List(&CONDITION);

pub(super) const APPROVAL: Keys = Keys {
    name: "approval",
    about: "A call for which all conditions hold, or cannot be told, waits for people.",
    known: &[
        Key::new("conditions", CONDITIONS, "All of them together.").needed(),
        Key::new(
            "message",
            Shape::Text,
            "What the people who decide are told.",
        ),
        Key::new(
            "timeout",
            SPAN,
            "For how long an approval is good; 30m unless it is said.",
        ),
        Key::new(
            "hold",
            SPAN,
            "For how long the caller is kept waiting; 20s unless it is said.",
        ),
        Key::new(
            "approvals",
            Shape::Whole(1, MOST_APPROVALS),
            "How many different people must approve; 1 unless it is said.",
        ),
        Key::new(
            "approvers",
            Shape::FilledList(&Shape::Filled),
            "Who they may be; everybody who may approve unless it is said.",
        ),
    ],
};

/// For how long an approval is good, unless the entry says otherwise.
pub(crate) const DEFAULT_TIMEOUT_MS: u64 = 30 * 60_000;
/// For how long the caller is kept waiting.
pub(crate) const DEFAULT_HOLD_MS: u64 = 20_000;
const LONGEST_TIMEOUT_MS: u64 = 30 * 86_400_000;
const LONGEST_HOLD_MS: u64 = 10 * 60_000;
const MOST_APPROVALS: u64 = 10;

pub(super) fn deny_if(node: &Node<'_>, problems: &mut Problems<'_>) -> Vec<WrittenGuard> {
    guards(node, Within::DenyIf, problems)
}

pub(super) fn require(node: &Node<'_>, problems: &mut Problems<'_>) -> Vec<WrittenGuard> {
    guards(node, Within::Require, problems)
}

fn guards(node: &Node<'_>, within: Within, problems: &mut Problems<'_>) -> Vec<WrittenGuard> {
    let elements = node.elements(problems);
    let read = elements.iter().map(|element| {
        let mut guard = WrittenGuard {
            pointer: element.pointer.clone(),
            at: element.at(),
            conditions: Vec::new(),
            on_deny: None,
        };
        if is_condition(element, problems) {
            return guard;
        }
        let members = element.members(problems, &GUARD);
        needs_conditions(element, &GUARD, problems);
        for (key, value) in &members {
            match *key {
                "conditions" => {
                    if within == Within::Require
                        && value.value.elements().is_some_and(<[_]>::is_empty)
                    {
                        let message = "no conditions always hold, so this requires nothing";
                        element.warning(problems, message);
                    }
                    guard.conditions = conditions(value, within, problems);
                }
                _ => guard.on_deny = value.text(problems).map(str::to_owned),
            }
        }
        guard
    });
    read.collect()
}

/// Whether a condition stands where an entry should, which has conditions: one error, and not one for
/// each of its members.
fn is_condition(node: &Node<'_>, problems: &mut Problems<'_>) -> bool {
    let has = |key| node.value.get(key).is_some();
    let is_leaf = has("path") && has("op");
    let nests = ["any", "all", "not"].into_iter().any(has);
    if has("conditions") || !(is_leaf || nests) {
        return false;
    }
    let inner = if is_leaf {
        r#"{"path": …, "op": …, "value": …}"#
    } else {
        "{…}"
    };
    let message = format!(
        "a condition stands here, where an entry with `conditions` is expected; \
         wrap it: {{\"conditions\": [{inner}]}}"
    );
    node.error(problems, message);
    true
}

fn needs_conditions(node: &Node<'_>, keys: &Keys, problems: &mut Problems<'_>) {
    if node.lacks("conditions", keys) && node.value.members().is_some() {
        let message = "an entry needs `conditions`; an empty list of them always holds";
        node.error(problems, message);
    }
}

pub(super) fn approvals(node: &Node<'_>, problems: &mut Problems<'_>) -> Vec<WrittenApproval> {
    let elements = node.elements(problems);
    elements.iter().map(|e| approval(e, problems)).collect()
}

fn approval(node: &Node<'_>, problems: &mut Problems<'_>) -> WrittenApproval {
    let mut approval = WrittenApproval {
        pointer: node.pointer.clone(),
        at: node.at(),
        conditions: Vec::new(),
        message: None,
        timeout_ms: DEFAULT_TIMEOUT_MS,
        hold_ms: DEFAULT_HOLD_MS,
        approvals: 1,
        approvers: Vec::new(),
    };
    if is_condition(node, problems) {
        return approval;
    }
    let members = node.members(problems, &APPROVAL);
    needs_conditions(node, &APPROVAL, problems);
    for (key, value) in &members {
        match *key {
            "conditions" => {
                approval.conditions = conditions(value, Within::RequireApproval, problems);
            }
            "message" => approval.message = value.text(problems).map(str::to_owned),
            "timeout" => {
                let span = value.span(problems, "`timeout`", (1_000, LONGEST_TIMEOUT_MS));
                approval.timeout_ms = span.unwrap_or(DEFAULT_TIMEOUT_MS);
            }
            "hold" => {
                let span = value.span(problems, "`hold`", (0, LONGEST_HOLD_MS));
                approval.hold_ms = span.unwrap_or(DEFAULT_HOLD_MS);
            }
            "approvals" => approval.approvals = count(value, problems).unwrap_or(1),
            _ => approval.approvers = approvers(value, problems),
        }
    }
    let people = u32::try_from(approval.approvers.len()).unwrap_or(u32::MAX);
    if people > 0 && people < approval.approvals {
        let message = "nobody can ever approve this: it needs more approvals than it names people";
        node.member("approvers").error(problems, message);
    }
    approval
}

fn count(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<u32> {
    let number = node.value.as_number().and_then(|t| Decimal::parse(t).ok());
    let count = number.and_then(Decimal::to_u64);
    let count = count.filter(|count| (1..=MOST_APPROVALS).contains(count));
    if count.is_none() {
        node.error(problems, "`approvals` is a whole number from 1 to 10");
    }
    u32::try_from(count?).ok()
}

fn approvers(node: &Node<'_>, problems: &mut Problems<'_>) -> Vec<String> {
    let elements = node.elements(problems);
    if node.value.elements().is_some_and(<[_]>::is_empty) {
        let message =
            "at least one person is expected here; without `approvers` every approver may";
        node.error(problems, message);
    }
    let mut people: Vec<String> = Vec::new();
    for element in &elements {
        match element.text(problems) {
            Some("") => element.error(problems, "a name is never empty"),
            Some(name) if people.iter().any(|known| known == name) => {
                element.error(problems, format!("{name:?} is named twice"));
            }
            Some(name) => people.push(name.to_owned()),
            None => {}
        }
    }
    people
}
