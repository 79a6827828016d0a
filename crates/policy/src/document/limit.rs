//! Limits as they are written.

use super::node::Node;
use crate::decimal::Decimal;
use crate::keys::{Key, Keys, SPAN, Shape};
use crate::limits::{Scope, window};
use crate::path::{Path, Root};
use crate::problem::{Pointer, Problems};

/// One limit, with what its author left out filled in.
#[derive(Clone, Debug)]
pub(crate) struct WrittenLimit {
    pub(crate) pointer: Pointer,
    /// Where it begins in the text.
    pub(crate) at: usize,
    pub(crate) counter: String,
    pub(crate) window_ms: u64,
    pub(crate) max: Decimal,
    pub(crate) scope: Scope,
    pub(crate) cost: WrittenCost,
    pub(crate) allow_zero: bool,
    pub(crate) per: Option<Path>,
    pub(crate) max_keys: u32,
    pub(crate) on_deny: Option<String>,
}

/// What a call costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WrittenCost {
    Constant(Decimal),
    Path(Path),
}

pub(super) const LIMIT: Keys = Keys {
    name: "limit",
    about: "At no time is more than `max` charged within `window`.",
    known: &[
        Key::new(
            "counter",
            Shape::Filled,
            "Its name; limits of the same name share one counter.",
        )
        .needed(),
        Key::new("window", SPAN, WINDOW).needed(),
        Key::new("max", Shape::Amount, MAX).needed(),
        Key::new(
            "scope",
            Shape::Word(&Scope::WORDS),
            "Whose counter it is; `grant` unless it is said.",
        ),
        Key::new(
            "cost",
            COST,
            "What one call takes: a number, or a path to one as in args.amount.",
        ),
        Key::new("allow_zero", Shape::Flag, "May a call cost nothing?"),
        Key::new("per", PATH, "A path to a value that splits the counter."),
        Key::new(
            "max_keys",
            Shape::Whole(1, MOST_MAX_KEYS as u64),
            "How many such values at a time; 1000 unless it is said.",
        ),
        Key::new("on_deny", Shape::Text, "What the agent is told."),
    ],
};

const PATH: Shape = Shape::Like(Path::LOOK);
const COST: Shape = Shape::Either(&[Shape::Amount, PATH]);
const WINDOW: &str =
    "second, minute, hour, day, week, a number of seconds, or as in 90s, 15m, 6h, 30d.";
const MAX: &str = "How much a window may hold.";

pub(super) const RATE_LIMIT: Keys = Keys {
    name: "rate_limit",
    about: "One limit on the number of calls, for each grant.",
    known: &[
        Key::new("max", Shape::Amount, MAX).needed(),
        Key::new("window", SPAN, WINDOW).needed(),
    ],
};

pub(super) const DEFAULT_MAX_KEYS: u32 = 1_000;
const MOST_MAX_KEYS: u32 = 100_000;

/// The members of a limit while they are read.
#[derive(Default)]
struct Parts {
    counter: Option<String>,
    window_ms: Option<u64>,
    max: Option<Decimal>,
    scope: Option<Scope>,
    cost: Option<WrittenCost>,
    allow_zero: bool,
    per: Option<Path>,
    max_keys: Option<u32>,
    on_deny: Option<String>,
}

/// Reads one entry of `limits`.
pub(super) fn limit(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<WrittenLimit> {
    let parts = parts(node, &LIMIT, problems)?;
    finish(node, parts, problems)
}

/// Reads a `rate_limit`; its counter is named after the selector.
pub(super) fn rate_limit(
    node: &Node<'_>,
    selector: &str,
    problems: &mut Problems<'_>,
) -> Option<WrittenLimit> {
    if node.value.members().is_none() {
        no_rate_limit(node, problems);
        return None;
    }
    let mut parts = parts(node, &RATE_LIMIT, problems)?;
    parts.counter = Some(format!("{selector}_rate"));
    finish(node, parts, problems)
}

/// Something else stands where a `rate_limit` does; `"10/minute"` says what was meant.
fn no_rate_limit(node: &Node<'_>, problems: &mut Problems<'_>) {
    let found = node.value.type_name();
    let example = r#"{"max": 10, "window": "minute"}"#;
    let message = format!("an object is expected here, as in {example}, not {found}");
    let meant = node.value.as_str().and_then(|text| {
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let (count, rest) = text.split_at_checked(end)?;
        let rest = rest.trim_start();
        let unit = rest.strip_prefix('/').or_else(|| rest.strip_prefix("per "));
        let window = window::meant(unit?.trim_start())?;
        (!count.is_empty()).then(|| format!(r#"{{"max": {count}, "window": "{window}"}}"#))
    });
    match meant {
        Some(meant) => node.instead(problems, &message, &meant),
        None => node.error(problems, message),
    }
}

/// Reads what is there, and reports what must be there and is not.
fn parts(node: &Node<'_>, keys: &Keys, problems: &mut Problems<'_>) -> Option<Parts> {
    let mut parts = Parts::default();
    let members = node.members(problems, keys);
    for (key, value) in &members {
        match *key {
            "counter" => parts.counter = counter(value, problems),
            "window" => match window::read(value.value) {
                Ok(millis) => parts.window_ms = Some(millis),
                Err(message) => value.no_span(problems, &message),
            },
            "max" => parts.max = amount(value, problems),
            "scope" => {
                let word = value.word(problems, "scope", &Scope::WORDS);
                parts.scope = word.and_then(Scope::from_word);
            }
            "cost" => parts.cost = cost(value, problems),
            "allow_zero" => parts.allow_zero = value.flag(problems).unwrap_or_default(),
            "per" => parts.per = path(value, "per", problems),
            "max_keys" => parts.max_keys = max_keys(value, problems),
            _ => parts.on_deny = value.text(problems).map(str::to_owned),
        }
    }
    node.value.members()?;
    for key in keys.needed() {
        if node.lacks(key, keys) {
            node.error(problems, format!("a limit needs `{key}`"));
        }
    }
    let part = |key| members.iter().find(|(k, _)| *k == key).map(|(_, n)| n);
    let has = |key| part(key).is_some();
    if let (Some(node), false) = (part("max_keys"), has("per")) {
        node.error(problems, "`max_keys` has no effect without `per`");
    }
    Some(parts)
}

/// Checks the parts against each other and makes a limit of them if none is missing.
fn finish(node: &Node<'_>, parts: Parts, problems: &mut Problems<'_>) -> Option<WrittenLimit> {
    let cost = parts.cost.unwrap_or(WrittenCost::Constant(Decimal::ONE));
    if let WrittenCost::Constant(cost) = &cost {
        if cost.is_zero() && !parts.allow_zero {
            let message = "a cost of 0 refuses every call; \
                           say `allow_zero`: true, or leave the limit out";
            node.member("cost").error(problems, message);
        }
        if parts.max.is_some_and(|max| *cost > max) {
            let message = "no call can ever pass this limit: one call costs more than `max`";
            node.warning(problems, message);
        }
    }
    Some(WrittenLimit {
        pointer: node.pointer.clone(),
        at: node.at(),
        counter: parts.counter?,
        window_ms: parts.window_ms?,
        max: parts.max?,
        scope: parts.scope.unwrap_or(Scope::Grant),
        cost,
        allow_zero: parts.allow_zero,
        per: parts.per,
        max_keys: parts.max_keys.unwrap_or(DEFAULT_MAX_KEYS),
        on_deny: parts.on_deny,
    })
}

fn counter(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<String> {
    const LONGEST: usize = 256;
    let name = node.text(problems)?;
    if name.is_empty() || name.len() > LONGEST || name.contains(char::is_control) {
        node.error(
            problems,
            "a counter's name has 1 to 256 bytes and no control characters",
        );
        return None;
    }
    Some(name.to_owned())
}

/// A number that is not negative.
fn amount(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Decimal> {
    let Some(text) = node.value.as_number() else {
        node.expected(problems, "a number");
        return None;
    };
    match Decimal::parse(text) {
        Ok(amount) if amount.is_negative() => {
            node.error(problems, "a number below 0 is no limit that could be kept");
            None
        }
        Ok(amount) => Some(amount),
        Err(error) => {
            node.error(problems, format!("{error} cannot be used here"));
            None
        }
    }
}

fn cost(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<WrittenCost> {
    if node.value.as_number().is_some() {
        return amount(node, problems).map(WrittenCost::Constant);
    }
    let path = path(node, "cost", problems)?;
    if path.root() != Root::Args {
        let message = "a cost is a number in the arguments, as in `args.amount`, or a constant";
        node.error(problems, message);
        return None;
    }
    Some(WrittenCost::Path(path))
}

fn path(node: &Node<'_>, what: &str, problems: &mut Problems<'_>) -> Option<Path> {
    let path = node.path(problems)?;
    if path.has_each() {
        let message = format!("`[*]` is not allowed in `{what}`: it must lead to one value");
        node.error(problems, message);
        return None;
    }
    if matches!(path.root(), Root::Time(_)) {
        node.error(problems, format!("`{what}` cannot depend on the time"));
        return None;
    }
    Some(path)
}

fn max_keys(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<u32> {
    let count = node
        .value
        .as_number()
        .and_then(|text| Decimal::parse(text).ok()?.to_u64())
        .and_then(|count| u32::try_from(count).ok())
        .filter(|count| (1..=MOST_MAX_KEYS).contains(count));
    if count.is_none() {
        node.error(problems, "`max_keys` is a whole number from 1 to 100000");
    }
    count
}
