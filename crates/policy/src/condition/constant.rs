//! Values that a policy or a schema compares with, read once.

use std::fmt;

use crate::decimal::{Decimal, DecimalError};
use crate::json::{Kind, Value, canonical};

/// A value to compare with.
#[derive(Clone, Debug)]
pub(crate) enum Constant {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Box<str>),
    /// An array or an object.
    Tree(Value<'static>),
}

impl Constant {
    /// Reads a value; it fails on a number beyond reckoning.
    pub(crate) fn of(value: &Value<'_>) -> Result<Self, DecimalError> {
        Ok(match &value.kind {
            Kind::Null => Self::Null,
            Kind::Bool(flag) => Self::Bool(*flag),
            Kind::Number(text) => Self::Number(Decimal::parse(text)?),
            Kind::String(text) => Self::Text(text.as_ref().into()),
            Kind::Array(_) | Kind::Object(_) => {
                check_numbers(value)?;
                Self::Tree(value.clone().into_owned())
            }
        })
    }

    /// Is it the same value? Nothing if a number in it is beyond reckoning.
    pub(crate) fn equals(&self, value: &Value<'_>) -> Option<bool> {
        Some(match (self, &value.kind) {
            (Self::Null, Kind::Null) => true,
            (Self::Bool(a), Kind::Bool(b)) => a == b,
            (Self::Number(a), Kind::Number(b)) => *a == Decimal::parse(b).ok()?,
            (Self::Text(a), Kind::String(b)) => **a == **b,
            (Self::Tree(a), _) => return same(a, value),
            _ => false,
        })
    }

    /// "a string", "an array", …
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Tree(tree) => tree.type_name(),
        }
    }
}

// The recursion is bounded by the depth of the document.
fn check_numbers(value: &Value<'_>) -> Result<(), DecimalError> {
    match &value.kind {
        Kind::Number(text) => Decimal::parse(text).map(|_| ()),
        Kind::Array(elements) => elements.iter().try_for_each(check_numbers),
        Kind::Object(members) => members.iter().try_for_each(|m| check_numbers(&m.value)),
        Kind::Null | Kind::Bool(_) | Kind::String(_) => Ok(()),
    }
}

/// Are two values the same, their numbers compared as numbers? Members may come in any order.
fn same(a: &Value<'_>, b: &Value<'_>) -> Option<bool> {
    Some(match (&a.kind, &b.kind) {
        (Kind::Number(a), Kind::Number(b)) => Decimal::parse(a).ok()? == Decimal::parse(b).ok()?,
        (Kind::Array(a), Kind::Array(b)) => {
            a.len() == b.len() && every(a.iter().zip(b).map(|(a, b)| same(a, b)))?
        }
        (Kind::Object(members), Kind::Object(others)) => {
            let pair = |member: &crate::json::Member<'_>| match b.get(&member.key) {
                Some(other) => same(&member.value, other),
                None => Some(false),
            };
            members.len() == others.len() && every(members.iter().map(pair))?
        }
        (a, b) => a == b,
    })
}

/// No if one is; else nothing if one cannot be told, whatever the order of the parts.
fn every(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            None => all = None,
            Some(true) => {}
        }
    }
    all
}

/// As JSON.
impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Tree(tree) => f.write_str(&canonical(tree)),
        }
    }
}
