//! What a condition asks of a value: the operators.

use std::cmp::Ordering;

use regex::Regex;

use super::constant::Constant;
use super::look::Seen;
use super::truth::{Trouble, Truth};
use crate::decimal::Decimal;
use crate::glob::Glob;
use crate::json::{Kind, Value};
use crate::operators::Special;
use crate::schema::Types;

/// An operator with its value. What negates it stands with the condition.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Exists,
    /// `eq`, and negated `neq`.
    Equals(Constant),
    /// `in`, and negated `not_in`.
    OneOf(Vec<Constant>),
    Ordered(Order, Decimal),
    /// `regex` looks anywhere in the text.
    Regex(Regex),
    /// `matches` is about the whole text; the source is as it was written.
    Matches {
        regex: Regex,
        source: Box<str>,
    },
    Contains(Constant),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Glob {
        glob: Glob,
        source: Box<str>,
    },
    LengthLte(u64),
    LengthGte(u64),
    TypeIs(Types),
    /// The operators that read a value as a host, a path, a statement or a command line.
    Special(Special),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Lt,
    Lte,
    Gt,
    Gte,
}

impl Order {
    const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Lt => ordering.is_lt(),
            Self::Lte => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::Gte => ordering.is_ge(),
        }
    }
}

impl Test {
    /// The answer about something that is there.
    pub(super) fn answer(&self, seen: Seen<'_>) -> Truth {
        match self {
            Self::Exists => Truth::True,
            Self::Equals(constant) => equals(constant, seen),
            Self::OneOf(constants) => one_of(constants, seen),
            Self::Ordered(order, bound) => match number(seen) {
                Ok(number) => order.holds(number.cmp(bound)).into(),
                Err(trouble) => trouble.into(),
            },
            Self::Contains(constant) => contains(constant, seen),
            Self::LengthLte(most) => length(seen, |length| length <= *most),
            Self::LengthGte(least) => length(seen, |length| length >= *least),
            Self::TypeIs(types) => type_is(*types, seen),
            Self::Special(special) => match text(seen).map(|text| special.judge(text)) {
                Ok(Ok(holds)) => holds.into(),
                Ok(Err(doubt)) => Trouble::Doubtful(doubt.as_str()).into(),
                Err(trouble) => trouble.into(),
            },
            Self::Regex(regex) | Self::Matches { regex, .. } => {
                of_text(seen, |t| regex.is_match(t))
            }
            Self::StartsWith(start) => of_text(seen, |t| t.starts_with(&**start)),
            Self::EndsWith(end) => of_text(seen, |t| t.ends_with(&**end)),
            Self::Glob { glob, .. } => of_text(seen, |t| glob.matches(t)),
        }
    }
}

impl Seen<'_> {
    const fn type_name(&self) -> &'static str {
        match self {
            Self::Value(value) => value.type_name(),
            Self::Text(_) => "a string",
            Self::Count(_) => "a number",
            Self::Missing => "missing",
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Value(value) if value.is_null())
    }

    /// A value had to be something else.
    fn not(&self, wanted: &'static str) -> Trouble {
        if self.is_null() {
            return Trouble::Null;
        }
        Trouble::Type {
            found: self.type_name(),
            wanted,
        }
    }
}

fn text(seen: Seen<'_>) -> Result<&str, Trouble> {
    match seen {
        Seen::Text(text) => Ok(text),
        Seen::Value(value) => value.as_str().ok_or_else(|| seen.not("a string")),
        Seen::Count(_) | Seen::Missing => Err(seen.not("a string")),
    }
}

fn of_text(seen: Seen<'_>, holds: impl FnOnce(&str) -> bool) -> Truth {
    match text(seen) {
        Ok(text) => holds(text).into(),
        Err(trouble) => trouble.into(),
    }
}

fn number(seen: Seen<'_>) -> Result<Decimal, Trouble> {
    match seen {
        Seen::Count(count) => Ok(Decimal::from(count)),
        Seen::Value(Value {
            kind: Kind::Number(text),
            ..
        }) => Decimal::parse(text).map_err(|_| Trouble::Number),
        _ => Err(seen.not("a number")),
    }
}

fn equals(constant: &Constant, seen: Seen<'_>) -> Truth {
    // Asking whether something is null is no wrong type, whatever is there.
    if matches!(constant, Constant::Null) {
        return seen.is_null().into();
    }
    let found = seen.type_name();
    let wanted = constant.type_name();
    if found != wanted {
        return seen.not(wanted).into();
    }
    match (seen, constant) {
        (Seen::Value(value), constant) => constant
            .equals(value)
            .map_or(Truth::Error(Trouble::Number), Truth::from),
        (Seen::Text(text), Constant::Text(other)) => (*text == **other).into(),
        (Seen::Count(count), Constant::Number(other)) => (Decimal::from(count) == *other).into(),
        _ => Truth::False,
    }
}

/// A value is compared with its own kind only; if none of the list is of its kind, it is a wrong
/// type, unless only null is asked for.
fn one_of(constants: &[Constant], seen: Seen<'_>) -> Truth {
    let found = seen.type_name();
    let kindred = |constant: &&Constant| constant.type_name() == found;
    if !constants.iter().any(|constant| kindred(&constant)) {
        let mut others = constants.iter().filter(|c| !matches!(c, Constant::Null));
        return others
            .next()
            .map_or(Truth::False, |other| seen.not(other.type_name()).into());
    }
    Truth::any(
        constants
            .iter()
            .filter(kindred)
            .map(|constant| equals(constant, seen)),
    )
}

fn contains(constant: &Constant, seen: Seen<'_>) -> Truth {
    if let Seen::Value(Value {
        kind: Kind::Array(elements),
        ..
    }) = seen
    {
        let answers = elements.iter().map(|e| equals(constant, Seen::Value(e)));
        return Truth::any(answers);
    }
    match (text(seen), constant) {
        (Ok(text), Constant::Text(part)) => text.contains(&**part).into(),
        _ => seen.not("an array").into(),
    }
}

/// Characters of a text, elements of an array.
fn length(seen: Seen<'_>, holds: impl FnOnce(u64) -> bool) -> Truth {
    let length = match seen {
        Seen::Value(Value {
            kind: Kind::Array(elements),
            ..
        }) => elements.len(),
        _ => match text(seen) {
            Ok(text) => text.chars().count(),
            Err(_) => return seen.not("a string or an array").into(),
        },
    };
    holds(u64::try_from(length).unwrap_or(u64::MAX)).into()
}

fn type_is(types: Types, seen: Seen<'_>) -> Truth {
    if seen.is_null() && !types.has_null() {
        return Truth::Error(Trouble::Null);
    }
    let holds = match seen {
        Seen::Value(value) => types.hold(value),
        Seen::Text(_) => Some(types.has_string()),
        Seen::Count(_) => Some(types.has_integer()),
        Seen::Missing => Some(false),
    };
    holds.map_or(Truth::Error(Trouble::Number), Truth::from)
}
