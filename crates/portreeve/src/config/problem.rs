//! What is wrong with a configuration, where, and what to do.

use std::fmt;
use std::path::PathBuf;

use crate::excerpt::{Excerpt, Notice, draw};
use crate::name::Name;
use crate::store::model::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// One thing that is wrong or doubtful, at a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    pub message: String,
    /// The line, if it can be shown; what may be a secret is masked.
    pub excerpt: Option<Excerpt>,
}

impl Problem {
    /// As a compiler shows it; [`fmt::Display`] is for logs, in one line.
    pub fn show(&self) -> String {
        draw(&Notice {
            head: &format!("{}: {}", self.severity, self.message),
            file: &self.file.display().to_string(),
            line: self.line,
            column: self.column,
            excerpt: self.excerpt.as_ref(),
            notes: &[],
        })
    }
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
            severity,
            file,
            line,
            column,
            message,
            ..
        } = self;
        write!(
            f,
            "{}:{line}:{column}: {severity}: {message}",
            file.display()
        )
    }
}

/// A name in the file that is not declared in it. Whether it means anything, only a store can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeclared {
    pub kind: Kind,
    pub name: Name,
    /// As it stands among the warnings.
    pub problem: Problem,
}

/// A name that the file declares. Whether a person has taken it already, only a store can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declares {
    pub kind: Kind,
    pub name: String,
    /// What is wrong then.
    pub problem: Problem,
}

/// What the TOML parser says, with what it leaves to be guessed.
pub(super) fn syntax(message: &str, text: &str, at: usize) -> String {
    if message == "duplicate key" {
        let rest = text.get(at..).unwrap_or_default();
        let key = |c: char| c.is_alphanumeric() || "_-.\"'".contains(c);
        let end = rest.find(|c| !key(c)).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        return format!("the key `{name}` is there twice: keep one");
    }
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let value = line.split_once('=').map(|(_, value)| value.trim_start());
    if value.is_some_and(|value| !value.starts_with(['"', '\'', '[', '{'])) {
        return "a text needs quotes, as in \"127.0.0.1:8787\"".to_owned();
    }
    if text.trim_start().starts_with('{') {
        return "this looks like JSON; the configuration file is TOML".to_owned();
    }
    let is_key = |key: &str| {
        let of_key = |c: char| c.is_alphanumeric() || "_-".contains(c);
        !key.is_empty() && key.chars().all(of_key)
    };
    let key = line.split_once(':').map(|(key, _)| key.trim());
    if let Some(key) = key.filter(|key| is_key(key)) {
        return format!("TOML has `=` between a key and its value: write `{key} = …`");
    }
    message.to_owned()
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    Unreadable {
        path: PathBuf,
        why: String,
    },
    /// At least one of these is an error; the warnings among them are worth reading too.
    Wrong(Vec<Problem>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(
                f,
                "cannot read the configuration file {}: {why}",
                path.display()
            ),
            Self::Wrong(problems) => {
                for (index, problem) in problems.iter().enumerate() {
                    let line_break = if index == 0 { "" } else { "\n" };
                    write!(f, "{line_break}{problem}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
