//! Selectors that came, went, or have other rules.

use super::rules::{self, Naming};
use super::{ChangeKind, Changes, Shift, Side, pair};
use crate::document::{Action, Entry, Selector, Verdict, WrittenRules};
use crate::glob::Glob;
use crate::problem::Pointer;

pub(super) fn compare((old, new): (&Side<'_>, &Side<'_>), map: &str, changes: &mut Changes) {
    let (was, is) = (entries(old, map), entries(new, map));
    let paired = pair(was, is, |entry, _| entry.name.clone());
    for gone in &paired.removed {
        // Taking away is the opposite of adding it to what is there now.
        let effect = adding(gone, (new, old), map).map(Shift::back);
        let words = rules::summary(&gone.says);
        changes.add(ChangeKind::Removed, &gone.pointer, words, effect);
    }
    for come in &paired.added {
        let effect = adding(come, (old, new), map);
        let words = rules::summary(&come.says);
        changes.add(ChangeKind::Added, &come.pointer, words, effect);
    }
    for (was, is) in &paired.both {
        let naming = match is.name {
            Selector::Exact(_) => Naming::Always,
            Selector::Glob(_) | Selector::Kind(_) => Naming::ByAction,
        };
        rules::compare(((old, &was.says), (new, &is.says)), naming, changes);
    }
    if order(was, is) != order(is, was) {
        let pointer = Pointer::default().key(map);
        changes.reordered(&pointer, "globs and classes");
    }
}

fn entries<'s>(side: &'s Side<'_>, map: &str) -> &'s [Entry] {
    match map {
        "tools" => &side.document.tools,
        "resources" => &side.document.resources,
        _ => &side.document.prompts,
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

/// What an entry does that only `with` has.
///
// INVARIANT: naming can allow more, every rule can refuse more; with both, the answer is known
// only where nothing passed before, or where names do not count.
fn adding(entry: &Entry, (without, with): (&Side<'_>, &Side<'_>), map: &str) -> Option<Shift> {
    let names = names(entry);
    let defaults = (without.document.default, with.document.default);
    match (names, restricts(&entry.says)) {
        (false, _) => Some(Shift::RefusesMore),
        (true, false) => Some(match defaults {
            (Verdict::Allow, Verdict::Allow) => Shift::Nothing,
            _ => Shift::AllowsMore,
        }),
        (true, true) => match defaults {
            (Verdict::Allow, Verdict::Allow) => Some(Shift::RefusesMore),
            (Verdict::Deny, Verdict::Deny) if unnamed(entry, entries(without, map), map) => {
                Some(Shift::AllowsMore)
            }
            _ => None,
        },
    }
}

const fn names(entry: &Entry) -> bool {
    matches!(
        (&entry.name, entry.says.action),
        (_, Some(Action::Allow | Action::RequireApproval)) | (Selector::Exact(_), None)
    )
}

/// Is it certain that none of `others` names what the entry is about?
fn unnamed(entry: &Entry, others: &[Entry], map: &str) -> bool {
    let Selector::Exact(name) = &entry.name else {
        return false;
    };
    let mut naming = others.iter().filter(|other| names(other));
    !naming.any(|other| match &other.name {
        Selector::Exact(other) => other == name,
        Selector::Glob(glob) if map == "resources" => Glob::of_paths(glob).matches(name),
        Selector::Glob(glob) => Glob::of_names(glob).matches(name),
        Selector::Kind(_) => true,
    })
}

fn restricts(rules: &WrittenRules) -> bool {
    !matches!(rules.action, None | Some(Action::Allow))
        || !rules.deny_if.is_empty()
        || !rules.require.is_empty()
        || rules.validate.is_some()
        || !rules.require_approval.is_empty()
        || !rules.limits.is_empty()
}
