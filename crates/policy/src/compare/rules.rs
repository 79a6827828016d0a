//! Two rule sets under the same selector.

use super::certain::{Matched, Named};
use super::{ChangeKind, Changes, Shift, Side, guards, limits, together};
use crate::document::{Action, Selector, Validate, WrittenRules};
use crate::json::canonical;
use crate::problem::Pointer;

pub(super) fn compare(
    (old, new): ((&Side<'_>, &WrittenRules), (&Side<'_>, &WrittenRules)),
    matched: Matched<'_>,
    changes: &mut Changes,
) {
    let (was, is) = (old.1, new.1);
    changes.within(matched, (old.0, new.0), |changes| {
        action((old, new), matched, changes);
        guards::compare("deny_if", (old, new), changes);
        guards::compare("require", (old, new), changes);
        validate(was, is, changes);
        guards::compare_approvals((old, new), changes);
        limits::compare(was, is, changes);
    });
    // Not within: what is taken out of results counts for messages that belong to no call as well.
    results(old, new, changes);
}

const fn word(action: Option<Action>) -> &'static str {
    match action {
        None => "no action",
        Some(Action::Allow) => "allow",
        Some(Action::Deny) => "deny",
        Some(Action::Hide) => "hide",
        Some(Action::RequireApproval) => "require_approval",
    }
}

fn action(
    ((old, was), (new, is)): ((&Side<'_>, &WrittenRules), (&Side<'_>, &WrittenRules)),
    matched: Matched<'_>,
    changes: &mut Changes,
) {
    let pointer = is.pointer.key("action");
    if was.action == is.action {
        if was.reason != is.reason {
            changes.reworded(&is.pointer.key("reason"), "the reason");
        }
        return;
    }
    let strictness = |action| match action {
        None | Some(Action::Allow) => 0,
        Some(Action::RequireApproval) => 1,
        Some(Action::Deny | Action::Hide) => 2,
    };
    // An exact name lets pass by itself, and what stands under `all_tools` never does.
    let names = |action| {
        matches!(
            matched.selector,
            Some(Selector::Glob(_) | Selector::Kind(_))
        ) && matches!(action, Some(Action::Allow | Action::RequireApproval))
    };
    let naming = match Shift::allowing(names(was.action), names(is.action)) {
        Shift::AllowsMore if old.named(matched) == Named::Surely => Shift::Nothing,
        Shift::RefusesMore if new.named(matched) == Named::Surely => Shift::Nothing,
        shift => shift,
    };
    let strictness = Shift::refusing(strictness(was.action), strictness(is.action));
    let effect = together(&[Some(strictness), Some(naming)]);
    let words = format!("{} is {} now", word(was.action), word(is.action));
    changes.add(ChangeKind::Changed, &pointer, words, effect);
}

fn validate(was: &WrittenRules, is: &WrittenRules, changes: &mut Changes) {
    let strictness = |validate| match validate {
        None => 0,
        Some(Validate::Schema) => 1,
        Some(Validate::Closed) => 2,
    };
    let words = |validate| match validate {
        None => "arguments are not validated",
        Some(Validate::Schema) => "arguments are as the schema says",
        Some(Validate::Closed) => "arguments are as the schema says, with nothing undeclared",
    };
    let (old, new) = (strictness(was.validate), strictness(is.validate));
    if old != new {
        let kind = match (was.validate, is.validate) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        };
        let effect = Some(Shift::refusing(old, new));
        let pointer = is.pointer.key("validate");
        changes.add(kind, &pointer, words(is.validate), effect);
    }
}

/// What is done to results. Calls pass as before, but what is withheld may be what one called for.
fn results(
    (old, was): (&Side<'_>, &WrittenRules),
    (new, is): (&Side<'_>, &WrittenRules),
    changes: &mut Changes,
) {
    let bytes = |rules: &WrittenRules| match rules.max_result_bytes {
        None => "a result may have any size".to_owned(),
        Some(bytes) => format!("a result has at most {bytes} bytes"),
    };
    if was.max_result_bytes != is.max_result_bytes {
        let pointer = is.pointer.key("max_result_bytes");
        changes.add(ChangeKind::Changed, &pointer, bytes(is), None);
    }
    // The key above may be spelled differently.
    let (was_at, is_at): (Pointer, Pointer) = (was.pointer.key("redact"), is.pointer.key("redact"));
    let list = |side: &Side<'_>, at| side.at(at).map(canonical).unwrap_or_default();
    if list(old, &was_at) != list(new, &is_at) {
        let (before, now) = (was.redact.len(), is.redact.len());
        let words = format!("redactions of results: {now}, before: {before}");
        changes.add(ChangeKind::Changed, &is_at, words, None);
    }
}

/// What a rule set holds, in a few words.
pub(super) fn summary(rules: &WrittenRules) -> String {
    let mut parts = Vec::new();
    if let Some(action) = rules.action {
        parts.push(format!("action {}", word(Some(action))));
    }
    for (count, what) in [
        (rules.deny_if.len(), "deny_if"),
        (rules.require.len(), "require"),
        (usize::from(rules.validate.is_some()), "validate"),
        (rules.require_approval.len(), "require_approval"),
        (rules.limits.len(), "limits"),
        (rules.redact.len(), "redact"),
        (
            usize::from(rules.max_result_bytes.is_some()),
            "max_result_bytes",
        ),
    ] {
        match count {
            0 => {}
            1 => parts.push(what.to_owned()),
            count => parts.push(format!("{count} × {what}")),
        }
    }
    if parts.is_empty() {
        return "without rules".to_owned();
    }
    format!("with {}", parts.join(", "))
}
