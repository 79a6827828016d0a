//! The four operators that stop real attacks: where a URL leads, where a path lies, what SQL does,
//! which command a line runs.
//!
//! Each reads a text that an adversary wrote and others will read again. What those others read
//! differently is no verdict but a [`Doubt`], and a doubt refuses. Every reader here is written for
//! that: it takes the spellings all readers agree on, in time proportional to a bounded length,
//! and nothing else. The condition language around them owns paths, missing values and logic.

use std::fmt;

use crate::json::Value;

pub mod command;
pub mod host;
pub mod path;
pub mod sql;

/// Why a text could not be judged, in words that continue "the value …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt(&'static str);

impl Doubt {
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Doubt {}

/// Holds, does not hold, or cannot be told.
pub type Verdict = Result<bool, Doubt>;

/// No operator reads a text longer than this (in bytes): it bounds what a hostile value costs.
const LONGEST: usize = 16 * 1024;

fn check_length(text: &str) -> Result<(), Doubt> {
    if text.len() > LONGEST {
        return Err(Doubt("is longer than 16 KiB"));
    }
    Ok(())
}

/// The strings of a list that must not be empty; `what` names its elements for the author.
fn strings<'v>(value: &'v Value<'_>, what: &str) -> Result<Vec<&'v str>, String> {
    let Some(elements) = value.elements() else {
        let found = value.type_name();
        return Err(format!("is {found}; write a list of {what}"));
    };
    if elements.is_empty() {
        return Err(format!(
            "is an empty list, so nothing would ever hold; list at least one of the {what}"
        ));
    }
    let text = |element: &'v Value<'_>| {
        let found = element.type_name();
        element
            .as_str()
            .ok_or_else(|| format!("holds {found}; every element must be a string"))
    };
    elements.iter().map(text).collect()
}

#[cfg(test)]
mod tests;
