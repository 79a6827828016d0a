//! What is wrong with a configuration, where, and what to do.

use std::fmt;
use std::path::PathBuf;

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
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Self {
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
        return format!("{message}: a text needs quotes, as in \"127.0.0.1:8787\"");
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
