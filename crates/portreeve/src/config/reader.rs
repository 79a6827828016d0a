//! The file being read: its text, where its paths start, and the problems found so far.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use portreeve_policy::json::Place;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::told::{self, Told};
use super::{Config, ConfigError, Declares, Environment, Problem, Severity, Undeclared};
use crate::name::Name;
use crate::store::model::Kind;

pub(super) struct Reader<'t> {
    path: &'t Path,
    /// The folder of the file, absolute: what is kept must mean the same from everywhere.
    folder: PathBuf,
    text: &'t str,
    pub(super) environment: &'t Environment,
    /// What may be shown of the text, once it is known to be TOML.
    told: Option<Told>,
    problems: Vec<Problem>,
    undeclared: Vec<Undeclared>,
    declares: Vec<Declares>,
    /// Other files that were read.
    pub(super) files: Vec<PathBuf>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(path: &'t Path, text: &'t str, environment: &'t Environment) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self {
            path,
            folder: absolute.parent().map(Path::to_owned).unwrap_or_default(),
            text,
            environment,
            told: None,
            problems: Vec::new(),
            undeclared: Vec::new(),
            declares: Vec::new(),
            files: Vec::new(),
        }
    }

    pub(super) fn knows(&mut self, told: Told) {
        self.told = Some(told);
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    pub(super) fn path(&self) -> &'t Path {
        self.path
    }

    pub(super) fn error(&mut self, at: usize, message: impl Into<String>) {
        self.add(Severity::Error, at, message.into());
    }

    pub(super) fn warning(&mut self, at: usize, message: impl Into<String>) {
        self.add(Severity::Warning, at, message.into());
    }

    /// A warning of a name that this file does not declare.
    pub(super) fn undeclared(&mut self, at: usize, (kind, name): (Kind, &Name), near: &str) {
        let message = format!("the {kind} `{name}` is not declared in this file{near}");
        let problem = self.problem(Severity::Warning, at, message);
        self.undeclared.push(Undeclared {
            kind,
            name: name.clone(),
            problem: problem.clone(),
        });
        self.push(problem);
    }

    /// Takes note of a name that this file declares.
    pub(super) fn declares(&mut self, at: usize, (kind, name): (Kind, &str)) {
        let removing = kind.removing_command(name);
        let message = format!(
            "the {kind} `{name}` was added by a person, so a file cannot declare it: run `{removing}` \
             (with the same --data-dir), or choose another name"
        );
        self.declares.push(Declares {
            kind,
            name: name.to_owned(),
            problem: self.problem(Severity::Error, at, message),
        });
    }

    fn add(&mut self, severity: Severity, at: usize, message: String) {
        let problem = self.problem(severity, at, message);
        self.push(problem);
    }

    fn problem(&self, severity: Severity, at: usize, message: String) -> Problem {
        let place = Place::of(self.text.as_bytes(), at);
        let excerpt = match &self.told {
            Some(told) => told.excerpt(self.text, at),
            None => told::excerpt_of_broken(self.text, at),
        };
        Problem {
            severity,
            file: self.path.to_owned(),
            line: place.line,
            column: place.column,
            message,
            excerpt,
        }
    }

    /// A problem at a place of its own, such as in a policy's file.
    pub(super) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn has_errors(&self) -> bool {
        let is_error = |problem: &Problem| problem.severity == Severity::Error;
        self.problems.iter().any(is_error)
    }

    pub(super) fn refuse(mut self) -> ConfigError {
        self.sort();
        ConfigError::Wrong(self.problems)
    }

    /// The same where the rest was not looked at; nobody should take it for sound.
    pub(super) fn refuse_early(mut self) -> ConfigError {
        self.sort();
        let right = match self.problems.len() {
            1 => "this is",
            _ => "these are",
        };
        if let Some(last) = self.problems.last_mut() {
            let _ = write!(last.message, " (more is looked at once {right} right)");
        }
        ConfigError::Wrong(self.problems)
    }

    pub(super) fn finish(mut self, mut config: Config) -> Result<Config, ConfigError> {
        if self.has_errors() {
            return Err(self.refuse());
        }
        self.sort();
        config.files = std::iter::once(self.path.to_owned())
            .chain(self.files)
            .collect();
        config.warnings = self.problems;
        config.undeclared = self.undeclared;
        config.declares = self.declares;
        Ok(config)
    }

    /// In the order of the configuration file; another file's problems stay where it is named.
    fn sort(&mut self) {
        let own = |problem: &Problem| problem.file == self.path;
        if self.problems.iter().all(own) {
            self.problems.sort_by_key(|p| (p.line, p.column));
        }
    }

    /// A relative path starts at the configuration file.
    pub(super) fn resolve_path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }
}

/// A value and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

fn start<T>(spanned: &Spanned<T>) -> usize {
    spanned.span().start
}

/// The entries of a table: name, where the name begins, value.
pub(super) fn entries<'a, 'i>(
    table: &'a DeTable<'i>,
) -> impl Iterator<Item = (&'a str, usize, &'a Spanned<DeValue<'i>>)> {
    table
        .iter()
        .map(|(key, value)| (key.get_ref().as_ref(), start(key), value))
}

/// The text under a key. Types were checked before, so another type reads as absent.
pub(super) fn text<'a>(table: &'a DeTable<'_>, key: &str) -> Option<Found<&'a str>> {
    let found = table.get(key)?;
    found.get_ref().as_str().map(|value| Found {
        value,
        at: start(found),
    })
}

pub(super) fn flag(table: &DeTable<'_>, key: &str) -> Option<bool> {
    table.get(key)?.get_ref().as_bool()
}

pub(super) fn table<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<&'a DeTable<'i>> {
    table.get(key)?.get_ref().as_table()
}

pub(super) fn texts<'a>(table: &'a DeTable<'_>, key: &str) -> Vec<Found<&'a str>> {
    let list = table.get(key).and_then(|value| value.get_ref().as_array());
    list.into_iter()
        .flat_map(|list| list.iter())
        .filter_map(|entry| {
            let value = entry.get_ref().as_str()?;
            Some(Found {
                value,
                at: start(entry),
            })
        })
        .collect()
}

/// A whole number from a decimal, hexadecimal, octal or binary integer.
pub(super) fn count(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}
