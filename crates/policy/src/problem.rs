//! What is wrong with a policy document, where, and what was probably meant.
//!
//! A reader of the document reports here and goes on, so that a person sees all problems at once.

use std::fmt;

use crate::json::Place;
use crate::meant::meant;
use crate::visible::visible;

/// One thing wrong with a policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// JSON Pointer (RFC 6901) to the value or key.
    pub pointer: String,
    pub place: Place,
    pub message: String,
    /// The nearest word that would be valid here.
    pub suggestion: Option<String>,
}

/// An error keeps a policy from being activated; a warning does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Error,
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            severity, place, ..
        } = self;
        write!(f, "{severity} at {place}")?;
        if !self.pointer.is_empty() {
            write!(f, " ({})", visible(&self.pointer))?;
        }
        write!(f, ": {}", visible(&self.message))?;
        if let Some(word) = &self.suggestion {
            write!(f, "; did you mean `{word}`?")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// A JSON Pointer under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pointer(String);

impl Pointer {
    pub(crate) fn key(&self, key: &str) -> Self {
        let mut pointer = self.with_room_for(key.len());
        if key.contains(['~', '/']) {
            pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        } else {
            pointer.push_str(key);
        }
        Self(pointer)
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        let index = index.to_string();
        let mut pointer = self.with_room_for(index.len());
        pointer.push_str(&index);
        Self(pointer)
    }

    fn with_room_for(&self, step: usize) -> String {
        let mut pointer =
            String::with_capacity(self.0.len().saturating_add(step).saturating_add(1));
        pointer.push_str(&self.0);
        pointer.push('/');
        pointer
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Collects the problems of one document.
pub(crate) struct Problems<'t> {
    text: &'t [u8],
    found: Vec<Problem>,
    any_error: bool,
    untold: usize,
}

impl<'t> Problems<'t> {
    /// Nobody reads more, and finding the place of each costs a pass over the text.
    const TOLD: usize = 100;

    pub(crate) const fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            found: Vec::new(),
            any_error: false,
            untold: 0,
        }
    }

    pub(crate) fn error(&mut self, pointer: &Pointer, at: usize, message: impl Into<String>) {
        self.add(Severity::Error, pointer, at, (message.into(), None));
    }

    pub(crate) fn warning(&mut self, pointer: &Pointer, at: usize, message: impl Into<String>) {
        self.add(Severity::Warning, pointer, at, (message.into(), None));
    }

    /// An error about a word; of `valid`, the one that it means, or else the nearest, is suggested.
    pub(crate) fn bad_word(
        &mut self,
        pointer: &Pointer,
        at: usize,
        message: String,
        (word, valid): (&str, &[&str]),
    ) {
        let (message, suggestion) = match meant(word, valid) {
            Some(meant) if meant.hint.is_empty() => (message, Some(meant.word)),
            Some(meant) => (format!("{message}; {}", meant.hint), Some(meant.word)),
            None => (message, nearest(word, valid)),
        };
        let suggestion = suggestion.map(str::to_owned);
        self.add(Severity::Error, pointer, at, (message, suggestion));
    }

    /// An error about a key that is none of `known`.
    pub(crate) fn bad_key(&mut self, pointer: &Pointer, at: usize, key: &str, known: &[&str]) {
        let mut message = format!("unknown key {key:?}");
        if probably(key, known).is_none() {
            message = format!("{message}; known here: {}", known.join(", "));
        }
        self.bad_word(pointer, at, message, (key, known));
    }

    /// An error with the very word that would be valid.
    pub(crate) fn suggesting(&mut self, pointer: &Pointer, at: usize, message: String, word: &str) {
        let suggestion = Some(word.to_owned());
        self.add(Severity::Error, pointer, at, (message, suggestion));
    }

    fn add(
        &mut self,
        severity: Severity,
        pointer: &Pointer,
        at: usize,
        (message, suggestion): (String, Option<String>),
    ) {
        self.any_error |= severity == Severity::Error;
        if self.found.len() >= Self::TOLD {
            self.untold = self.untold.saturating_add(1);
            return;
        }
        self.found.push(Problem {
            severity,
            pointer: pointer.as_str().to_owned(),
            place: Place::of(self.text, at),
            message,
            suggestion,
        });
    }

    /// The warnings if there is nothing worse, else everything.
    pub(crate) fn finish(mut self) -> Result<Vec<Problem>, Vec<Problem>> {
        self.found.sort_by_key(|p| p.place);
        if self.untold > 0 {
            self.found.push(Problem {
                severity: if self.any_error {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                pointer: String::new(),
                place: Place::of(self.text, 0),
                message: format!("{} more problems are not shown", self.untold),
                suggestion: None,
            });
        }
        if self.any_error {
            Err(self.found)
        } else {
            Ok(self.found)
        }
    }
}

/// The word of `valid` that `word` was probably meant to be.
pub(crate) fn probably<'v>(word: &str, valid: &[&'v str]) -> Option<&'v str> {
    let meant = meant(word, valid).map(|meant| meant.word);
    meant.or_else(|| nearest(word, valid))
}

/// The word of `valid` that `word` is a slip of, if one is near enough.
pub(crate) fn nearest<'v>(word: &str, valid: &[&'v str]) -> Option<&'v str> {
    const LONGEST: usize = 64;
    let letters: Vec<char> = word.to_lowercase().chars().take(LONGEST).collect();
    let allowed = letters.len().div_ceil(3).min(3);
    valid
        .iter()
        .map(|candidate| (distance(&letters, candidate), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out or replaced to get from one to the other.
fn distance(from: &[char], to: &str) -> usize {
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (i, letter) in to.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, known) in row.iter_mut().skip(1).zip(from) {
            let replaced = diagonal.saturating_add(usize::from(*known != letter));
            diagonal = *cell;
            left = replaced
                .min(left.saturating_add(1))
                .min(cell.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let valid = ["window", "max", "counter", "on_deny"];
        for (word, expected) in [
            ("windw", Some("window")),
            ("Window", Some("window")),
            ("wnidow", Some("window")),
            ("on-deny", Some("on_deny")),
            ("mx", Some("max")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &valid), expected, "{word}");
        }
    }

    #[test]
    fn pointers_are_escaped() {
        let pointer = Pointer::default().key("a/b~c").index(3).key("");
        assert_eq!(pointer.as_str(), "/a~1b~0c/3/");
    }
}
