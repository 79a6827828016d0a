//! From rule sets as they are written to what they mean.

use std::sync::Arc;

use super::compile::target;
use super::flow::{Flow, FlowEffect};
use super::rules::{Ask, Cost, Denial, Guard, Limit, RuleSet, Validation};
use crate::condition::Condition;
use crate::decision::{Need, Rule};
use crate::document::{
    Action, DEFAULT_HOLD_MS, DEFAULT_TIMEOUT_MS, Selector, Validate, WrittenApproval,
    WrittenCondition, WrittenCost, WrittenDetector, WrittenFlow, WrittenGuard, WrittenLimit,
    WrittenRedaction, WrittenRules,
};
use crate::problem::Pointer;
use crate::redact::{Detector, Redaction, ResultLimit};

pub(super) fn rule(pointer: &Pointer) -> Rule {
    Rule::at(pointer.as_str())
}

/// The rules of one selector, or of none: those of `all_tools`.
pub(super) fn rule_set(written: WrittenRules, selector: Option<&Selector>) -> RuleSet {
    let action_rule = || rule(&written.pointer.key("action"));
    let denies = (written.action == Some(Action::Deny)).then(|| Denial {
        rule: action_rule(),
        reason: written.reason.as_deref().map(Box::from),
    });
    // INVARIANT: only an exact name, or an explicit action under a selector, lets a call pass.
    let names = match (selector, written.action) {
        (Some(_), Some(Action::Allow | Action::RequireApproval)) => Some(action_rule()),
        (Some(Selector::Exact(_)), _) => Some(rule(&written.pointer)),
        _ => None,
    };
    let asks_always = (written.action == Some(Action::RequireApproval)).then(|| Ask {
        conditions: Vec::new(),
        need: Need {
            rule: action_rule(),
            message: written.reason.as_deref().map(Arc::from),
            approvals: 1,
            approvers: Arc::default(),
        },
        timeout_ms: DEFAULT_TIMEOUT_MS,
        hold_ms: DEFAULT_HOLD_MS,
    });
    let validation = |validate| Validation {
        rule: rule(&written.pointer.key("validate")),
        closed: validate == Validate::Closed,
    };
    let result_limit = |bytes| ResultLimit {
        bytes,
        rule: rule(&written.pointer.key("max_result_bytes")),
    };
    RuleSet {
        names,
        hides: written.action == Some(Action::Hide),
        denies,
        validate: written.validate.map(validation),
        max_result_bytes: written.max_result_bytes.map(result_limit),
        deny_if: written.deny_if.into_iter().map(guard).collect(),
        require: written.require.into_iter().map(guard).collect(),
        asks: asks_always
            .into_iter()
            .chain(written.require_approval.into_iter().map(ask))
            .collect(),
        limits: written.limits.into_iter().map(limit).collect(),
        redact: written.redact.into_iter().map(redaction).collect(),
        watched: Vec::new(),
    }
    .watching()
}

fn guard(written: WrittenGuard) -> Guard {
    Guard {
        rule: rule(&written.pointer),
        conditions: conditions(written.conditions),
        on_deny: written.on_deny.map(Box::from),
    }
}

fn ask(written: WrittenApproval) -> Ask {
    Ask {
        conditions: conditions(written.conditions),
        need: Need {
            rule: rule(&written.pointer),
            message: written.message.map(Arc::from),
            approvals: written.approvals,
            approvers: written.approvers.into_iter().map(Box::from).collect(),
        },
        timeout_ms: written.timeout_ms,
        hold_ms: written.hold_ms,
    }
}

fn conditions(written: Vec<WrittenCondition>) -> Vec<Condition> {
    let pushed = written.into_iter().map(|inner| condition(inner, false));
    pushed.collect()
}

/// Pushes `not` to the leaves: not all is any not, and not any is all not.
// The recursion is bounded by the depth that documents may have.
fn condition(written: WrittenCondition, negated: bool) -> Condition {
    let each = |parts: Vec<WrittenCondition>| {
        let pushed = parts.into_iter().map(|part| condition(part, negated));
        pushed.collect()
    };
    match (written, negated) {
        (WrittenCondition::Test(test), negated) => Condition::Leaf(test.into_leaf(negated)),
        (WrittenCondition::Not(inner), negated) => condition(*inner, !negated),
        (WrittenCondition::Any(parts), false) | (WrittenCondition::All(parts), true) => {
            Condition::Any(each(parts))
        }
        (WrittenCondition::All(parts), false) | (WrittenCondition::Any(parts), true) => {
            Condition::All(each(parts))
        }
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

fn redaction(written: WrittenRedaction) -> Redaction {
    let detector = match written.detect {
        WrittenDetector::Secret => Detector::Secret,
        WrittenDetector::Email => Detector::Email,
        WrittenDetector::Card => Detector::Card,
        WrittenDetector::Phone => Detector::Phone,
        WrittenDetector::Regex(regex) => Detector::Regex(regex),
    };
    Redaction::new(rule(&written.pointer), detector, written.replace)
}

pub(super) fn flow(written: WrittenFlow) -> Flow {
    let rule = rule(&written.pointer);
    let effect = if written.denies {
        FlowEffect::Deny {
            on_deny: written.on_deny.map(Box::from),
        }
    } else {
        FlowEffect::Ask(Need {
            rule: rule.clone(),
            message: written.on_deny.map(Arc::from),
            approvals: 1,
            approvers: Arc::default(),
        })
    };
    Flow {
        rule,
        name: written.name.into(),
        after: written.after.into_iter().map(target).collect(),
        then: written.then.into_iter().map(target).collect(),
        for_ms: written.for_ms,
        effect,
    }
}
