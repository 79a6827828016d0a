//! Flow rules: the same if they have the same name.

use super::{ChangeKind, Changes, Shift, pair, together};
use crate::document::{Selector, WrittenFlow};
use crate::limits::window;
use crate::problem::Pointer;
use crate::visible::shown;

pub(super) fn compare(old: &[WrittenFlow], new: &[WrittenFlow], changes: &mut Changes) {
    let paired = pair(old, new, |rule, _| rule.name.clone());
    changes.came_and_went(&paired, |rule, _| (rule.pointer.clone(), in_words(rule)));
    for (was, is) in paired.both {
        rule(was, is, changes);
    }
    if paired.moved {
        changes.reordered(&Pointer::default().key("flow"), "the flow rules");
    }
}

fn rule(was: &WrittenFlow, is: &WrittenFlow, changes: &mut Changes) {
    if was.on_deny != is.on_deny {
        changes.reworded(&is.pointer.key("on_deny"), "what the agent is told");
    }
    let effect = together(&[
        reach(&was.after, &is.after),
        reach(&was.then, &is.then),
        Some(Shift::refusing(was.denies, is.denies)),
        Some(Shift::refusing(was.for_ms, is.for_ms)),
    ]);
    if effect != Some(Shift::Nothing) {
        let words = format!("{} (it was otherwise before)", in_words(is));
        changes.add(ChangeKind::Changed, &is.pointer, words, effect);
    }
}

/// More selectors catch more.
fn reach(was: &[Selector], is: &[Selector]) -> Option<Shift> {
    let within = |these: &[Selector], those: &[Selector]| these.iter().all(|s| those.contains(s));
    match (within(was, is), within(is, was)) {
        (true, true) => Some(Shift::Nothing),
        (true, false) => Some(Shift::RefusesMore),
        (false, true) => Some(Shift::AllowsMore),
        (false, false) => None,
    }
}

fn in_words(rule: &WrittenFlow) -> String {
    let does = if rule.denies {
        "denied"
    } else {
        "approved by a person"
    };
    format!(
        "{}: what follows within {} is {does}",
        shown(&rule.name),
        window::wait_in_words(rule.for_ms)
    )
}
