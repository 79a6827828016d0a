//! Limits: the same if they count the same.

use super::{ChangeKind, Changes, Shift, pair, together};
use crate::document::{WrittenCost, WrittenLimit, WrittenRules};
use crate::limits::window;
use crate::path::Path;
use crate::visible::shown;

pub(super) fn compare(was: &WrittenRules, is: &WrittenRules, changes: &mut Changes) {
    let paired = pair(&was.limits, &is.limits, |limit, _| {
        let per = limit.per.as_ref().map(|path| path.as_str().to_owned());
        (limit.counter.clone(), limit.scope, per)
    });
    changes.came_and_went(&paired, |limit, _| (limit.pointer.clone(), in_words(limit)));
    for (was, is) in paired.both {
        limit(was, is, changes);
    }
    if paired.moved {
        changes.reordered(&is.pointer.key("limits"), "the limits");
    }
}

fn limit(was: &WrittenLimit, is: &WrittenLimit, changes: &mut Changes) {
    if was.on_deny != is.on_deny {
        changes.reworded(&is.pointer.key("on_deny"), "what the agent is told");
    }
    let effect = together(&[
        Some(Shift::allowing(was.max, is.max)),
        Some(Shift::refusing(was.window_ms, is.window_ms)),
        Some(Shift::allowing(was.allow_zero, is.allow_zero)),
        Some(Shift::allowing(was.max_keys, is.max_keys)),
        cost(&was.cost, &is.cost),
    ]);
    if effect != Some(Shift::Nothing) {
        let words = format!("{}; before: {}", in_words(is), in_words(was));
        changes.add(ChangeKind::Changed, &is.pointer, words, effect);
    }
}

fn cost(was: &WrittenCost, is: &WrittenCost) -> Option<Shift> {
    match (was, is) {
        (WrittenCost::Constant(was), WrittenCost::Constant(is)) => Some(Shift::refusing(*was, *is)),
        (was, is) => (was == is).then_some(Shift::Nothing),
    }
}

fn in_words(limit: &WrittenLimit) -> String {
    let path = |path: &Path| shown(path.as_str());
    let per = limit.per.as_ref().map(|per| {
        let most = limit.max_keys;
        format!(" and value of {} (up to {most})", path(per))
    });
    let cost = match &limit.cost {
        WrittenCost::Constant(cost) => cost.to_string(),
        WrittenCost::Path(cost) => path(cost),
    };
    let zero = if limit.allow_zero {
        ", which may be 0"
    } else {
        ""
    };
    format!(
        "at most {} per {} on {}, for each {}{}, {cost} a call{zero}",
        limit.max,
        window::in_words(limit.window_ms),
        shown(&limit.counter),
        limit.scope.as_str(),
        per.unwrap_or_default(),
    )
}
