//! The entries of `deny_if`, `require` and `require_approval`: the same if their conditions are.

use super::{ChangeKind, Changes, Shift, Side, pair};
use crate::document::{WrittenApproval, WrittenGuard, WrittenRules};
use crate::json::{Value, canonical};
use crate::problem::Pointer;
use crate::visible::visible;

type Both<'s, 't> = (
    (&'s Side<'t>, &'s WrittenRules),
    (&'s Side<'t>, &'s WrittenRules),
);

pub(super) fn compare(list: &str, ((old, was), (new, is)): Both<'_, '_>, changes: &mut Changes) {
    let guards = |rules: &'_ WrittenRules| -> Vec<WrittenGuard> {
        if list == "deny_if" {
            rules.deny_if.clone()
        } else {
            rules.require.clone()
        }
    };
    let (before, after) = (guards(was), guards(is));
    let side = |is_new| if is_new { new } else { old };
    let paired = pair(&before, &after, |guard, is_new| {
        meaning(side(is_new), &guard.pointer)
    });
    changes.came_and_went(&paired, |guard, is_new| {
        let words = in_words(side(is_new), &guard.pointer);
        (guard.pointer.clone(), words)
    });
    for (was, is) in paired.both {
        if was.on_deny != is.on_deny {
            changes.reworded(&is.pointer.key("on_deny"), "what the agent is told");
        }
    }
    if paired.moved {
        changes.reordered(&is.pointer.key(list), "the entries");
    }
}

pub(super) fn compare_approvals(((old, was), (new, is)): Both<'_, '_>, changes: &mut Changes) {
    let side = |is_new| if is_new { new } else { old };
    let (before, after) = (&was.require_approval, &is.require_approval);
    let paired = pair(before, after, |ask, is_new| {
        meaning(side(is_new), &ask.pointer)
    });
    changes.came_and_went(&paired, |ask, is_new| {
        let words = in_words(side(is_new), &ask.pointer);
        (ask.pointer.clone(), words)
    });
    for (was, is) in paired.both {
        approval(was, is, changes);
    }
    if paired.moved {
        changes.reordered(&is.pointer.key("require_approval"), "the entries");
    }
}

fn approval(was: &WrittenApproval, is: &WrittenApproval, changes: &mut Changes) {
    if was.message != is.message {
        changes.reworded(&is.pointer.key("message"), "the message");
    }
    if was.approvals != is.approvals {
        let words = format!(
            "{} people must approve, {} before",
            is.approvals, was.approvals
        );
        let effect = Some(Shift::refusing(was.approvals, is.approvals));
        changes.add(
            ChangeKind::Changed,
            &is.pointer.key("approvals"),
            words,
            effect,
        );
    }
    let people = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    if people(&was.approvers) != people(&is.approvers) {
        let words = if is.approvers.is_empty() {
            "everybody who may approve".to_owned()
        } else {
            visible(&is.approvers.join(", "))
        };
        changes.add(
            ChangeKind::Changed,
            &is.pointer.key("approvers"),
            words,
            None,
        );
    }
    for (key, old, new) in [
        ("timeout", was.timeout_ms, is.timeout_ms),
        ("hold", was.hold_ms, is.hold_ms),
    ] {
        if old != new {
            let words = format!("{} s is {} s now", seconds(old), seconds(new));
            changes.add(ChangeKind::Changed, &is.pointer.key(key), words, None);
        }
    }
}

const fn seconds(millis: u64) -> u64 {
    millis / 1_000
}

/// The conditions in a spelling that those of the same meaning share: their order does not count.
fn meaning(side: &Side<'_>, guard: &Pointer) -> String {
    let conditions = side.at(&guard.key("conditions"));
    conditions.map(set).unwrap_or_default()
}

fn set(list: &Value<'_>) -> String {
    let mut parts: Vec<String> = list
        .elements()
        .unwrap_or_default()
        .iter()
        .map(spelling)
        .collect();
    parts.sort();
    format!("[{}]", parts.join(","))
}

// The recursion is bounded by the depth that documents may have.
fn spelling(condition: &Value<'_>) -> String {
    for key in ["any", "all"] {
        if let Some(parts) = condition.get(key) {
            return format!("{key}{}", set(parts));
        }
    }
    match condition.get("not") {
        Some(inner) => format!("not({})", spelling(inner)),
        None => canonical(condition),
    }
}

/// The conditions as a person would say them.
fn in_words(side: &Side<'_>, guard: &Pointer) -> String {
    let conditions = side.at(&guard.key("conditions"));
    let parts = conditions.and_then(Value::elements).unwrap_or_default();
    if parts.is_empty() {
        return "always".to_owned();
    }
    said(parts, " and ")
}

fn said(parts: &[Value<'_>], between: &str) -> String {
    let parts: Vec<String> = parts.iter().map(condition_in_words).collect();
    parts.join(between)
}

/// Longer values are cut: the policy itself can be looked at.
const LONGEST: usize = 120;

fn condition_in_words(condition: &Value<'_>) -> String {
    let text = |key: &str| {
        condition
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    for (key, between) in [("any", " or "), ("all", " and ")] {
        if let Some(parts) = condition.get(key).and_then(Value::elements) {
            return format!("({})", said(parts, between));
        }
    }
    if let Some(inner) = condition.get("not") {
        return format!("not ({})", condition_in_words(inner));
    }
    let value = condition.get("value").map(canonical).unwrap_or_default();
    let mut short: String = value.chars().take(LONGEST).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    visible(&format!("{} {} {short}", text("path"), text("op")))
}
