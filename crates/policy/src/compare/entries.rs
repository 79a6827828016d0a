//! Selectors that came, went, or have other rules.

use super::certain::{Map, Matched, Named, names, within};
use super::{ChangeKind, Changes, Shift, Side, pair, rules, together};
use crate::document::{Action, Entry, Selector, WrittenRules};
use crate::problem::Pointer;

pub(super) fn compare((old, new): (&Side<'_>, &Side<'_>), map: Map, changes: &mut Changes) {
    let (was, is) = (old.entries(map), new.entries(map));
    let paired = pair(was, is, |entry, _| entry.name.clone());
    for gone in paired.removed {
        // Taking away is the opposite of adding it to what is there now.
        let effect = adding(gone, Matched::by(map, &gone.name), new).map(Shift::back);
        let effect = within(effect, Matched::by(map, &gone.name), (old, new));
        let effect = together(&[effect, of_results(gone)]);
        let words = rules::summary(&gone.says);
        changes.add(ChangeKind::Removed, &gone.pointer, words, effect);
    }
    for come in paired.added {
        let effect = within(
            adding(come, Matched::by(map, &come.name), old),
            Matched::by(map, &come.name),
            (old, new),
        );
        let effect = together(&[effect, of_results(come)]);
        let words = rules::summary(&come.says);
        changes.add(ChangeKind::Added, &come.pointer, words, effect);
    }
    for (was, is) in paired.both {
        rules::compare(
            ((old, &was.says), (new, &is.says)),
            Matched::by(map, &is.name),
            changes,
        );
    }
    if order(was, is) != order(is, was) {
        let pointer = Pointer::default().key(map.key());
        changes.reordered(&pointer, "globs and classes");
    }
}

/// The selectors of `entries` whose order counts and which are among `others`, too.
fn order<'e>(entries: &'e [Entry], others: &[Entry]) -> Vec<&'e Selector> {
    let names = entries.iter().map(|entry| &entry.name);
    names
        .filter(|name| !matches!(name, Selector::Exact(_)))
        .filter(|name| others.iter().any(|other| other.name == **name))
        .collect()
}

/// What an entry does with calls that `without` does not.
///
// INVARIANT: naming can allow more, every rule can refuse more.
fn adding(entry: &Entry, matched: Matched<'_>, without: &Side<'_>) -> Option<Shift> {
    let naming = if names(entry) && without.named(matched) != Named::Surely {
        Shift::AllowsMore
    } else {
        Shift::Nothing
    };
    let rules = if restricts(&entry.says) {
        Shift::RefusesMore
    } else {
        Shift::Nothing
    };
    together(&[Some(naming), Some(rules)])
}

/// What an entry does with results: those of its own calls, and messages that belong to no call.
fn of_results(entry: &Entry) -> Option<Shift> {
    let says = &entry.says;
    let looks_at_them = !says.redact.is_empty() || says.max_result_bytes.is_some();
    (!looks_at_them).then_some(Shift::Nothing)
}

fn restricts(rules: &WrittenRules) -> bool {
    !matches!(rules.action, None | Some(Action::Allow))
        || !rules.deny_if.is_empty()
        || !rules.require.is_empty()
        || rules.validate.is_some()
        || !rules.require_approval.is_empty()
        || !rules.limits.is_empty()
}
