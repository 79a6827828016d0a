//! Reading the tree of a case file: the first trouble ends it.

use crate::decimal::Decimal;
use crate::json::Value;
use crate::keys::Keys;
use crate::limits::window;
use crate::problem::{Pointer, nearest};
use crate::time::Timestamp;

/// A value of the file and where it stands.
#[derive(Clone)]
pub(super) struct Node<'v> {
    pub(super) value: &'v Value<'v>,
    pointer: Pointer,
}

/// What is wrong, and where.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) pointer: Pointer,
    /// The byte of the text.
    pub(super) at: usize,
    pub(super) what: String,
    /// The nearest word that would be valid here.
    pub(super) suggestion: Option<String>,
}

impl<'v> Node<'v> {
    pub(super) fn root(value: &'v Value<'v>) -> Self {
        Self {
            value,
            pointer: Pointer::default(),
        }
    }

    pub(super) fn trouble(&self, what: impl Into<String>) -> Trouble {
        Trouble {
            pointer: self.pointer.clone(),
            at: self.offset(),
            what: what.into(),
            suggestion: None,
        }
    }

    /// The byte of the text at which the value begins.
    pub(super) const fn offset(&self) -> usize {
        self.value.span.start as usize
    }

    fn expected(&self, wanted: &str) -> Trouble {
        let found = self.value.type_name();
        self.trouble(format!("{wanted} is expected here, not {found}"))
    }

    /// An object that has no other keys than these.
    pub(super) fn only(&self, keys: &Keys) -> Result<(), Trouble> {
        let members = self.members()?;
        let Some((key, node)) = members.iter().find(|(key, _)| !keys.knows(key)) else {
            return Ok(());
        };
        let mut written = self.value.members().unwrap_or_default().iter();
        let at = written.find(|member| member.key == *key);
        let known = keys.words();
        Err(Trouble {
            at: at.map_or(node.offset(), |member| member.key_span.start as usize),
            suggestion: nearest(key, &known).map(str::to_owned),
            ..node.trouble(format!(
                "unknown key {key:?}; known are {}",
                known.join(", ")
            ))
        })
    }

    pub(super) fn get(&self, key: &str) -> Option<Self> {
        Some(Self {
            value: self.value.get(key)?,
            pointer: self.pointer.key(key),
        })
    }

    pub(super) fn need(&self, key: &str) -> Result<Self, Trouble> {
        self.get(key)
            .ok_or_else(|| self.trouble(format!("`{key}` is missing")))
    }

    pub(super) fn members(&self) -> Result<Vec<(&'v str, Self)>, Trouble> {
        let members = self
            .value
            .members()
            .ok_or_else(|| self.expected("an object"))?;
        let node = |member: &'v crate::json::Member<'v>| {
            let node = Self {
                value: &member.value,
                pointer: self.pointer.key(&member.key),
            };
            (&*member.key, node)
        };
        Ok(members.iter().map(node).collect())
    }

    pub(super) fn elements(&self) -> Result<Vec<Self>, Trouble> {
        let elements = self
            .value
            .elements()
            .ok_or_else(|| self.expected("a list"))?;
        let node = |(index, value)| Self {
            value,
            pointer: self.pointer.index(index),
        };
        Ok(elements.iter().enumerate().map(node).collect())
    }

    pub(super) fn text(&self) -> Result<&'v str, Trouble> {
        self.value.as_str().ok_or_else(|| self.expected("a text"))
    }

    pub(super) fn word(&self, words: &[&str]) -> Result<&'v str, Trouble> {
        let text = self.text()?;
        if words.contains(&text) {
            return Ok(text);
        }
        Err(Trouble {
            suggestion: nearest(text, words).map(str::to_owned),
            ..self.trouble(format!("{text:?} is none of {}", words.join(", ")))
        })
    }

    pub(super) fn flag(&self) -> Result<bool, Trouble> {
        self.value
            .as_bool()
            .ok_or_else(|| self.expected("true or false"))
    }

    /// A whole number from 1 to `most`.
    pub(super) fn count(&self, most: u64) -> Result<u64, Trouble> {
        let number = self.value.as_number().and_then(|t| Decimal::parse(t).ok());
        let count = number.and_then(Decimal::to_u64);
        count
            .filter(|count| (1..=most).contains(count))
            .ok_or_else(|| {
                self.trouble(format!("a whole number from 1 to {most} is expected here"))
            })
    }

    /// A span, as in `59s`, in milliseconds.
    pub(super) fn span(&self) -> Result<i64, Trouble> {
        let millis = window::span(self.value).and_then(|millis| i64::try_from(millis).ok());
        millis.ok_or_else(|| self.trouble("a span is expected here, as in 59s, 5m, 2h, or seconds"))
    }

    /// A point in time in UTC, as in `2026-01-31T22:00`, in milliseconds since the epoch.
    pub(super) fn point_in_time(&self) -> Result<i64, Trouble> {
        Timestamp::utc(self.text()?)
            .map(|time| time.0)
            .ok_or_else(|| self.trouble("a time in UTC is expected here, as in 2026-01-31T22:00"))
    }
}
