//! Rule sets as they are written.

use super::limit::{self, WrittenLimit};
use super::node::{Keys, Node, not_yet};
use crate::problem::{Pointer, Problems};

/// What stands under one selector, or under `all_tools`.
#[derive(Clone, Debug, Default)]
pub(crate) struct WrittenRules {
    pub(crate) pointer: Pointer,
    pub(crate) action: Option<Action>,
    pub(crate) reason: Option<String>,
    /// In their order, the `rate_limit` last.
    pub(crate) limits: Vec<WrittenLimit>,
}

/// What is done with a call whatever its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Allow,
    Deny,
    Hide,
}

const RULES: Keys = Keys {
    known: &["action", "reason", "limits", "rate_limit"],
    later: &[
        "deny_if",
        "require",
        "validate",
        "require_approval",
        "redact",
        "max_result_bytes",
    ],
};

/// Reads a rule set; `selector` is the key it stands under.
pub(super) fn rules(node: &Node<'_>, selector: &str, problems: &mut Problems<'_>) -> WrittenRules {
    let mut rules = WrittenRules {
        pointer: node.pointer.clone(),
        ..WrittenRules::default()
    };
    let mut rate = None;
    let mut reason_at = None;
    for (key, value) in node.members(problems, &RULES) {
        match key {
            "action" => rules.action = action(&value, problems),
            "reason" => {
                rules.reason = value.text(problems).map(str::to_owned);
                reason_at = Some(value);
            }
            "limits" => {
                let elements = value.elements(problems);
                let read = elements.iter().filter_map(|e| limit::limit(e, problems));
                rules.limits.extend(read);
            }
            _ => rate = limit::rate_limit(&value, selector, problems),
        }
    }
    rules.limits.extend(rate);
    if let Some(reason) = reason_at
        && !matches!(rules.action, Some(Action::Deny | Action::Hide))
    {
        let message = "`reason` has no effect here: it is told when `action` refuses";
        reason.warning(problems, message);
    }
    rules
}

fn action(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Action> {
    const WORDS: [&str; 4] = ["allow", "deny", "hide", "require_approval"];
    match node.word(problems, "action", &WORDS)? {
        "allow" => Some(Action::Allow),
        "deny" => Some(Action::Deny),
        "hide" => Some(Action::Hide),
        other => {
            node.error(problems, not_yet(&format!("`action`: {other:?}")));
            None
        }
    }
}
