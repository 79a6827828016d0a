//! Rule sets as they are written.

use super::guard::{self, APPROVAL, GUARD, WrittenApproval, WrittenGuard};
use super::limit::{self, LIMIT, RATE_LIMIT, WrittenLimit};
use super::node::Node;
use super::results::{self, REDACTION, WrittenRedaction};
use super::selector::Selector;
use crate::json::Kind;
use crate::keys::{Key, Keys, Shape};
use crate::meant::meant;
use crate::problem::{Pointer, Problems};

/// What stands under one selector, or under `all_tools`.
#[derive(Clone, Debug, Default)]
pub(crate) struct WrittenRules {
    pub(crate) pointer: Pointer,
    pub(crate) action: Option<Action>,
    pub(crate) reason: Option<String>,
    pub(crate) deny_if: Vec<WrittenGuard>,
    pub(crate) require: Vec<WrittenGuard>,
    pub(crate) validate: Option<Validate>,
    pub(crate) require_approval: Vec<WrittenApproval>,
    /// In their order, the `rate_limit` last.
    pub(crate) limits: Vec<WrittenLimit>,
    pub(crate) redact: Vec<WrittenRedaction>,
    pub(crate) max_result_bytes: Option<u64>,
}

/// What is done with a call whatever its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Allow,
    Deny,
    Hide,
    RequireApproval,
}

/// How strictly arguments are held against the tool's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validate {
    /// As the schema says.
    Schema,
    /// And nothing that it does not declare.
    Closed,
}

/// What the rules are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Tools,
    Resources,
    Prompts,
}

pub(super) const RULES: Keys = Keys {
    name: "rules",
    about: "The rules for what a selector matches. A rule can only refuse.",
    known: &[
        Key::new(
            "action",
            Shape::Word(&ACTIONS),
            "What is done with a call whatever its arguments.",
        ),
        Key::new(
            "reason",
            Shape::Text,
            "What the agent is told when `action` refuses.",
        ),
        Key::new(
            "deny_if",
            Shape::List(&Shape::Object(&GUARD)),
            "Refused if all conditions of one entry hold, or cannot be told.",
        ),
        Key::new(
            "require",
            Shape::List(&Shape::Object(&GUARD)),
            "Refused unless all conditions of every entry hold.",
        ),
        Key::new(
            "validate",
            VALIDATE,
            "true: arguments are as the pinned schema says, with nothing undeclared; \"schema\": as it says.",
        ),
        Key::new(
            "require_approval",
            Shape::List(&Shape::Object(&APPROVAL)),
            "A call for which one entry holds waits for people.",
        ),
        Key::new(
            "limits",
            Shape::List(&Shape::Object(&LIMIT)),
            "How much may be charged within a window.",
        ),
        Key::new(
            "rate_limit",
            Shape::Object(&RATE_LIMIT),
            "How many calls may be made within a window.",
        ),
        Key::new(
            "redact",
            Shape::List(&Shape::Object(&REDACTION)),
            "What is taken out of results.",
        ),
        Key::new(
            "max_result_bytes",
            Shape::Whole(1, u64::MAX),
            "A larger result is withheld.",
        ),
    ],
};

const VALIDATE: Shape = Shape::Either(&[Shape::True, Shape::Word(&["schema"])]);

const ACTIONS: [&str; 4] = ["allow", "deny", "hide", "require_approval"];

/// Reads a rule set; `selector` is the key it stands under.
pub(super) fn rules(
    node: &Node<'_>,
    (selector, about): (&str, About),
    problems: &mut Problems<'_>,
) -> WrittenRules {
    let mut rules = WrittenRules {
        pointer: node.pointer.clone(),
        ..WrittenRules::default()
    };
    if node.value.members().is_none() {
        no_rules(node, selector, problems);
        return rules;
    }
    let mut rate = None;
    let mut reason_at = None;
    for (key, value) in node.members(problems, &RULES) {
        match key {
            "action" => rules.action = action(&value, problems),
            "reason" => {
                rules.reason = value.text(problems).map(str::to_owned);
                reason_at = Some(value);
            }
            "deny_if" => rules.deny_if = guard::deny_if(&value, problems),
            "require" => rules.require = guard::require(&value, problems),
            "validate" => rules.validate = validate(&value, about, problems),
            "require_approval" => rules.require_approval = guard::approvals(&value, problems),
            "limits" => {
                let elements = value.elements(problems);
                let read = elements.iter().filter_map(|e| limit::limit(e, problems));
                rules.limits.extend(read);
            }
            "rate_limit" => rate = limit::rate_limit(&value, selector, problems),
            "redact" => rules.redact = results::redact(&value, problems),
            _ => rules.max_result_bytes = results::max_result_bytes(&value, problems),
        }
    }
    rules.limits.extend(rate);
    if let Some(reason) = reason_at
        && matches!(rules.action, None | Some(Action::Allow))
    {
        let message = "`reason` has no effect here: it is told when `action` refuses";
        reason.warning(problems, message);
    }
    rules
}

/// Something else stands where rules do; `"NAME": "allow"` says what was meant.
fn no_rules(node: &Node<'_>, selector: &str, problems: &mut Problems<'_>) {
    let found = node.value.type_name();
    let message = format!("an object is expected here, not {found}");
    let action = match &node.value.kind {
        Kind::String(word) => ACTIONS
            .into_iter()
            .find(|action| action == word)
            .or_else(|| meant(word, &ACTIONS).map(|meant| meant.word)),
        Kind::Bool(true) | Kind::Null => Some("allow"),
        Kind::Bool(false) => Some("deny"),
        _ => None,
    };
    let Some(action) = action else {
        return node.error(problems, message);
    };
    let names_one = matches!(Selector::read(selector), Ok(Selector::Exact(_)));
    match action {
        "allow" if node.pointer.as_str() == ALL_TOOLS => {
            let message = format!(
                "{message}; all_tools names no tool: \
                 name them under `tools`, or write `default`: \"allow\""
            );
            node.error(problems, message);
        }
        "allow" if names_one => node.instead(problems, &message, "{}"),
        action => {
            let rules = format!("{{\"action\": \"{action}\"}}");
            node.instead(problems, &message, &rules);
        }
    }
}

/// Where the rules stand that no selector is above.
const ALL_TOOLS: &str = "/all_tools";

fn action(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Action> {
    Some(match node.word(problems, "action", &ACTIONS)? {
        "allow" => Action::Allow,
        "deny" => Action::Deny,
        "hide" => Action::Hide,
        _ => Action::RequireApproval,
    })
}

fn validate(node: &Node<'_>, about: About, problems: &mut Problems<'_>) -> Option<Validate> {
    if about != About::Tools {
        node.error(
            problems,
            "only tools have a schema to validate arguments with",
        );
        return None;
    }
    match (node.value.as_bool(), node.value.as_str()) {
        (Some(true), _) => Some(Validate::Closed),
        (_, Some("schema")) => Some(Validate::Schema),
        (Some(false), _) => {
            let message = "`validate` is true or \"schema\"; leave it out to validate nothing";
            node.error(problems, message);
            None
        }
        _ => {
            node.error(problems, "`validate` is true or \"schema\"");
            None
        }
    }
}
