//! Operators and their values as they are written, checked against what they can be asked of.

use regex::{Regex, RegexBuilder};

use super::node::Node;
use super::special::special;
use crate::calendar::{WEEKDAYS, is_date};
use crate::condition::{Constant, Order, Test};
use crate::decimal::Decimal;
use crate::glob::Glob;
use crate::json::{Kind, Value};
use crate::operators;
use crate::path::{Root, TimePart};
use crate::problem::Problems;
use crate::schema::Types;

/// How large a compiled pattern may be.
const LARGEST_REGEX: usize = 1 << 20;
const LONGEST_PATTERN: usize = 8 * 1_024;
const LONGEST_GLOB: usize = 1_024;

/// Reads the test that operator and value make, and whether the word asks for its opposite.
pub(super) fn read(
    op: &str,
    value: &Node<'_>,
    root: Option<Root>,
    problems: &mut Problems<'_>,
) -> Option<(Test, bool)> {
    let test = match op {
        "eq" | "neq" => Test::Equals(constant(value, root, problems)?),
        "in" | "not_in" => Test::OneOf(constants(value, root, problems)?),
        "lt" | "lte" | "gt" | "gte" => Test::Ordered(order(op)?, bound(value, root, problems)?),
        "exists" => {
            let wanted = value.flag(problems)?;
            return Some((Test::Exists, !wanted));
        }
        "contains" => Test::Contains(part(value, problems)?),
        "length_lte" => Test::LengthLte(length(value, problems)?),
        "length_gte" => Test::LengthGte(length(value, problems)?),
        "type_is" => Test::TypeIs(types(value, problems)?),
        _ if operators::WORDS.contains(&op) => Test::Special(special(op, value, problems)?),
        _ => of_text(op, value, root, problems)?,
    };
    Some((test, matches!(op, "neq" | "not_in")))
}

fn order(op: &str) -> Option<Order> {
    Some(match op {
        "lt" => Order::Lt,
        "lte" => Order::Lte,
        "gt" => Order::Gt,
        "gte" => Order::Gte,
        _ => return None,
    })
}

/// The operators that ask for a form of a text.
fn of_text(
    op: &str,
    value: &Node<'_>,
    root: Option<Root>,
    problems: &mut Problems<'_>,
) -> Option<Test> {
    if matches!(root, Some(Root::Time(TimePart::Hour | TimePart::Minute))) {
        let message = format!("`{op}` asks for a text, and this path leads to a number");
        value.error(problems, message);
        return None;
    }
    let text = value.text(problems)?;
    if text.is_empty() {
        value.error(problems, format!("`{op}` needs a text that is not empty"));
        return None;
    }
    Some(match op {
        "regex" => Test::Regex(regex(value, text, problems)?),
        "matches" => {
            regex(value, text, problems)?;
            // The pattern compiles by itself, so the group cannot be left early.
            let whole = format!("\\A(?:{text})\\z");
            Test::Matches {
                regex: regex(value, &whole, problems)?,
                source: text.into(),
            }
        }
        "starts_with" => Test::StartsWith(text.into()),
        "ends_with" => Test::EndsWith(text.into()),
        _ => {
            if text.len() > LONGEST_GLOB {
                value.error(problems, "a glob has at most 1024 bytes");
                return None;
            }
            Test::Glob {
                glob: Glob::of_names(text),
                source: text.into(),
            }
        }
    })
}

/// Compiles a pattern within bounds; used for redaction too.
pub(super) fn regex(node: &Node<'_>, text: &str, problems: &mut Problems<'_>) -> Option<Regex> {
    if text.len() > LONGEST_PATTERN {
        node.error(problems, "a regex has at most 8192 bytes");
        return None;
    }
    let built = RegexBuilder::new(text).size_limit(LARGEST_REGEX).build();
    match built {
        Ok(regex) => Some(regex),
        Err(regex::Error::CompiledTooBig(_)) => {
            node.error(
                problems,
                "this regex is too large; repeat less, or match less",
            );
            None
        }
        Err(error) => {
            // The last line says what is wrong; those before it draw the place.
            let told = error.to_string();
            let why = told.lines().last().unwrap_or_default();
            let why = why.trim_start_matches("error: ").trim();
            node.error(problems, format!("this regex does not compile: {why}"));
            None
        }
    }
}

/// Does the regex begin and end with an anchor that nothing in it gets around?
pub(super) fn is_anchored(pattern: &str) -> bool {
    let begins = pattern.starts_with('^') || pattern.starts_with("\\A");
    let ends = (pattern.ends_with('$') && !pattern.ends_with("\\$")) || pattern.ends_with("\\z");
    let flags = pattern
        .split("(?")
        .skip(1)
        .any(|group| !group.starts_with([':', 'P', '<']));
    begins && ends && !flags && !has_alternatives(pattern)
}

/// Does a `|` stand outside of all groups?
fn has_alternatives(pattern: &str) -> bool {
    let (mut depth, mut escaped) = (0_usize, false);
    for c in pattern.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

fn bound(value: &Node<'_>, root: Option<Root>, problems: &mut Problems<'_>) -> Option<Decimal> {
    if root.is_some_and(|root| type_at(root) == Some("a string")) {
        let message = "ordering compares numbers with numbers only, and this path leads to a text";
        value.error(problems, message);
        return None;
    }
    match &value.value.kind {
        Kind::Number(text) => number(value, text, problems),
        Kind::String(text) => {
            let message = "ordering compares numbers with numbers only, not with a string";
            match Decimal::parse(text) {
                Ok(_) => value.instead(problems, message, text),
                Err(_) => value.error(problems, message),
            }
            None
        }
        _ => {
            value.expected(problems, "a number");
            None
        }
    }
}

fn number(node: &Node<'_>, text: &str, problems: &mut Problems<'_>) -> Option<Decimal> {
    match Decimal::parse(text) {
        Ok(number) => Some(number),
        Err(error) => {
            node.error(problems, format!("{error} cannot be used here"));
            None
        }
    }
}

fn constant(node: &Node<'_>, root: Option<Root>, problems: &mut Problems<'_>) -> Option<Constant> {
    let constant = match Constant::of(node.value) {
        Ok(constant) => constant,
        Err(error) => {
            node.error(problems, format!("{error} cannot be used here"));
            return None;
        }
    };
    let Some(root) = root else {
        return Some(constant);
    };
    if let Some(wanted) = type_at(root)
        && wanted != constant.type_name()
    {
        node.expected(problems, wanted);
        return None;
    }
    match root {
        Root::Time(part) => time_constant(part, node, problems).then_some(constant),
        _ => Some(constant),
    }
}

/// What stands at a root whose type is known.
const fn type_at(root: Root) -> Option<&'static str> {
    match root {
        Root::Args => None,
        Root::Time(TimePart::Hour | TimePart::Minute) => Some("a number"),
        _ => Some("a string"),
    }
}

/// Can the time ever be this?
fn time_constant(part: TimePart, node: &Node<'_>, problems: &mut Problems<'_>) -> bool {
    let whole = |value: &Value<'_>| Decimal::parse(value.as_number()?).ok()?.to_u64();
    let below = |most: u64| whole(node.value).is_some_and(|n| n < most);
    match part {
        TimePart::Hour if !below(24) => node.error(problems, "the hours are 0 to 23"),
        TimePart::Minute if !below(60) => node.error(problems, "the minutes are 0 to 59"),
        TimePart::Weekday => return node.word(problems, "weekday", &WEEKDAYS).is_some(),
        TimePart::Date if !node.value.as_str().is_some_and(is_date) => {
            node.error(
                problems,
                "a date that exists is expected, as in \"2026-01-31\"",
            );
        }
        _ => return true,
    }
    false
}

fn constants(
    node: &Node<'_>,
    root: Option<Root>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Constant>> {
    let written = node.value.elements();
    if written.is_some_and(<[_]>::is_empty) {
        node.error(problems, "a list with at least one value is expected here");
        return None;
    }
    let elements = node.elements(problems);
    let count = elements.len();
    let read = elements.iter().filter_map(|e| constant(e, root, problems));
    let constants: Vec<Constant> = read.collect();
    (written.is_some() && constants.len() == count).then_some(constants)
}

fn part(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Constant> {
    match &node.value.kind {
        Kind::String(text) if text.is_empty() => {
            node.error(problems, "an empty text is contained in every text");
            None
        }
        Kind::Array(_) | Kind::Object(_) | Kind::Null => {
            node.expected(problems, "a string, a number or a boolean");
            None
        }
        _ => constant(node, None, problems),
    }
}

fn length(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<u64> {
    let number = node.value.as_number().and_then(|t| Decimal::parse(t).ok());
    let length = number.and_then(Decimal::to_u64);
    if length.is_none() {
        node.error(problems, "a length is a whole number, 0 or more");
    }
    length
}

fn types(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Types> {
    let words = match &node.value.kind {
        Kind::Array(_) => node.elements(problems),
        _ => vec![node.clone()],
    };
    if words.is_empty() {
        node.error(problems, "at least one type is expected here");
        return None;
    }
    words.iter().try_fold(Types::default(), |types, node| {
        types.with_word(node.word(problems, "type", &Types::WORDS)?)
    })
}
