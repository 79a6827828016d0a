//! The uppermost keys.

use super::certain::{Map, Matched, within};
use super::{ChangeKind, Changes, Shift, Side, entries, flow, pair, rules, together};
use crate::document::{Verdict, WrittenCondition, WrittenRules};
use crate::facts::ServerRequest;
use crate::json::Value;
use crate::problem::Pointer;
use crate::visible::shown;

pub(super) fn compare(old: &Side<'_>, new: &Side<'_>, changes: &mut Changes) {
    default(old, new, changes);
    zone(old, new, changes);
    if old.document.description != new.document.description {
        changes.reworded(&Pointer::default().key("description"), "the description");
    }
    hidden(old, new, changes);
    all_tools(old, new, changes);
    for map in Map::ALL {
        entries::compare((old, new), map, changes);
    }
    methods(old, new, changes);
    server_requests(old, new, changes);
    flow::compare(&old.document.flow, &new.document.flow, changes);
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
    }
}

const fn shift(old: Verdict, new: Verdict) -> Shift {
    match (old, new) {
        (Verdict::Deny, Verdict::Allow) => Shift::AllowsMore,
        (Verdict::Allow, Verdict::Deny) => Shift::RefusesMore,
        _ => Shift::Nothing,
    }
}

fn default(old: &Side<'_>, new: &Side<'_>, changes: &mut Changes) {
    let (old, new) = (old.document.default, new.document.default);
    if old != new {
        let pointer = Pointer::default().key("default");
        let words = format!("{} is {} now", word(old), word(new));
        changes.add(ChangeKind::Changed, &pointer, words, Some(shift(old, new)));
    }
}

fn zone(old: &Side<'_>, new: &Side<'_>, changes: &mut Changes) {
    let name = |side: &Side<'_>| {
        let name = side.tree.get("timezone").and_then(Value::as_str);
        name.unwrap_or("UTC").to_owned()
    };
    let (was, is) = (name(old), name(new));
    if was != is {
        // Only conditions on the time mean something else now.
        let timed: Vec<Matched<'_>> = [old, new].into_iter().flat_map(timed).collect();
        let effects = timed.into_iter();
        let effects: Vec<_> = effects.map(|m| within(None, m, (old, new))).collect();
        let words = format!("{was} is {is} now");
        let pointer = Pointer::default().key("timezone");
        changes.add(ChangeKind::Changed, &pointer, words, together(&effects));
    }
}

/// Whatever meets a condition on the time.
fn timed<'s>(side: &'s Side<'_>) -> Vec<Matched<'s>> {
    let named = Map::ALL.into_iter().flat_map(|map| {
        side.entries(map)
            .iter()
            .map(move |entry| (Matched::by(map, &entry.name), &entry.says))
    });
    let all = side.document.all_tools.iter();
    all.map(|rules| (Matched::EVERY_TOOL, rules))
        .chain(named)
        .filter(|(_, rules)| asks_for_time(rules))
        .map(|(matched, _)| matched)
        .collect()
}

fn asks_for_time(rules: &WrittenRules) -> bool {
    let guards = rules.deny_if.iter().chain(&rules.require);
    let guards = guards.map(|guard| &guard.conditions);
    let asks = rules.require_approval.iter().map(|ask| &ask.conditions);
    let mut conditions = guards.chain(asks).flatten();
    conditions.any(WrittenCondition::asks_for_time)
}

fn hidden(old: &Side<'_>, new: &Side<'_>, changes: &mut Changes) {
    let paired = pair(&old.document.hide, &new.document.hide, |h, _| {
        h.name.clone()
    });
    let name = |side: &Side<'_>, pointer: &Pointer| {
        let text = side.at(pointer).and_then(Value::as_str).unwrap_or_default();
        shown(text)
    };
    let told = paired.removed.iter().map(|gone| (*gone, old, false));
    let told = told.chain(paired.added.iter().map(|come| (*come, new, true)));
    for (hidden, side, comes) in told {
        let matched = Matched::by(Map::Tools, &hidden.name);
        let name = name(side, &hidden.pointer);
        changes.within(matched, (old, new), |changes| {
            let (kind, says, effect) = if comes {
                (ChangeKind::Added, "is hidden", Shift::RefusesMore)
            } else {
                (
                    ChangeKind::Removed,
                    "is not hidden any more",
                    Shift::AllowsMore,
                )
            };
            let words = format!("{name} {says}");
            changes.add(kind, &hidden.pointer, words, Some(effect));
        });
    }
}

fn all_tools(old: &Side<'_>, new: &Side<'_>, changes: &mut Changes) {
    let none = WrittenRules {
        pointer: Pointer::default().key("all_tools"),
        ..WrittenRules::default()
    };
    let was = old.document.all_tools.as_ref().unwrap_or(&none);
    let is = new.document.all_tools.as_ref().unwrap_or(&none);
    let pair = ((old, was), (new, is));
    rules::compare(pair, Matched::EVERY_TOOL, changes);
}

fn methods(old: &Side<'_>, new: &Side<'_>, changes: &mut Changes) {
    let (was, is) = (&old.document, &new.document);
    let paired = pair(&was.methods, &is.methods, |method, _| method.name.clone());
    for (old, new) in paired.both {
        if old.says != new.says {
            let words = format!("{} is {} now", word(old.says), word(new.says));
            let effect = Some(shift(old.says, new.says));
            changes.add(ChangeKind::Changed, &new.pointer, words, effect);
        }
    }
    for gone in paired.removed {
        let words = format!("{}; by default {} now", word(gone.says), word(is.default));
        let effect = Some(shift(gone.says, is.default));
        changes.add(ChangeKind::Removed, &gone.pointer, words, effect);
    }
    for come in paired.added {
        let words = format!(
            "{}; by default {} before",
            word(come.says),
            word(was.default)
        );
        let effect = Some(shift(was.default, come.says));
        changes.add(ChangeKind::Added, &come.pointer, words, effect);
    }
}

fn server_requests(old: &Side<'_>, new: &Side<'_>, changes: &mut Changes) {
    let verdict = |side: &Side<'_>, request: ServerRequest| {
        let mut said = side.document.server_requests.iter();
        match said.find(|said| said.name == request) {
            Some(said) => said.says,
            None if request.allowed_unless_denied() => Verdict::Allow,
            None => Verdict::Deny,
        }
    };
    for request in ServerRequest::ALL {
        let (was, is) = (verdict(old, request), verdict(new, request));
        if was != is {
            let pointer = Pointer::default().key("server_requests").key(request.key());
            let words = format!("{} is {} now", word(was), word(is));
            changes.add(ChangeKind::Changed, &pointer, words, Some(shift(was, is)));
        }
    }
}
