//! The four operators that stop real attacks: where a URL leads, where a path lies, what SQL does,
//! which command a line runs.
//!
//! Each reads a text that an adversary wrote and others will read again. What those others read
//! differently is no verdict but a [`Doubt`], and a doubt refuses. Every reader here is written for
//! that: it takes the spellings all readers agree on, in time proportional to a bounded length,
//! and nothing else. The condition language around them owns paths, missing values and logic.

use std::fmt;

use crate::json::Value;
use crate::visible::shown;

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

/// The words of these operators.
pub const WORDS: [&str; 4] = ["host_in", "path_within", "sql_only", "command_in"];

/// One of these operators with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Special {
    Host(host::Spec),
    Path(path::Spec),
    Sql(sql::Spec),
    Command(command::Spec),
}

impl Special {
    /// Reads the value of the operator `word`, None if it is none of these. The error is for the
    /// policy's author and continues "the value …".
    pub fn compile(word: &str, value: &Value<'_>) -> Option<Result<Self, String>> {
        Some(match word {
            "host_in" => host::Spec::compile(value).map(Self::Host),
            "path_within" => path::Spec::compile(value).map(Self::Path),
            "sql_only" => sql::Spec::compile(value).map(Self::Sql),
            "command_in" => command::Spec::compile(value).map(Self::Command),
            _ => return None,
        })
    }

    pub fn judge(&self, text: &str) -> Verdict {
        match self {
            Self::Host(spec) => spec.judge(text),
            Self::Path(spec) => spec.judge(text),
            Self::Sql(spec) => spec.judge(text),
            Self::Command(spec) => spec.judge(text),
        }
    }

    /// None: the text is in doubt, and refused wherever it stands.
    pub fn holds(&self, text: &str) -> Option<bool> {
        self.judge(text).ok()
    }
}

/// The operator and its value, for people.
impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(spec) => write!(f, "host_in {spec}"),
            Self::Path(spec) => write!(f, "path_within {spec}"),
            Self::Sql(spec) => write!(f, "sql_only {spec}"),
            Self::Command(spec) => write!(f, "command_in {spec}"),
        }
    }
}

/// Names in backquotes, separated by commas.
fn write_list(f: &mut fmt::Formatter<'_>, names: impl IntoIterator<Item = String>) -> fmt::Result {
    for (i, name) in names.into_iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        write!(f, "{comma}{}", shown(&name))?;
    }
    Ok(())
}

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
