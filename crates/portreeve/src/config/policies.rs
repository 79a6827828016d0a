//! `[policies.NAME]`: texts from files or from the configuration itself, checked.

use std::path::PathBuf;

use portreeve_policy::json::Place;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Severity};
use super::reader::{Found, Reader, entries, table, text};
use super::servers::name;
use crate::excerpt::Excerpt;
use crate::name::Name;
use crate::policy_text;
use crate::store::model::Kind;

pub(super) fn read(reader: &mut Reader<'_>, root: &DeTable<'_>) -> Vec<(Name, String)> {
    let Some(section) = table(root, "policies") else {
        return Vec::new();
    };
    let all: Vec<_> = entries(section).collect();
    all.into_iter()
        .filter_map(|entry| policy(reader, entry))
        .collect()
}

fn policy(
    reader: &mut Reader<'_>,
    (key, at, value): (&str, usize, &Spanned<DeValue<'_>>),
) -> Option<(Name, String)> {
    let section = value.get_ref().as_table()?;
    let name = name(reader, key, at);
    reader.declares(at, (Kind::Policy, key));
    let text = match (text(section, "file"), text(section, "inline")) {
        (Some(file), None) => from_file(reader, key, file),
        (None, Some(inline)) => from_text(reader, key, inline),
        (Some(_), Some(_)) => {
            let message = format!("`policies.{key}` has both `file` and `inline`: keep one");
            reader.error(at, message);
            None
        }
        (None, None) => {
            let message = format!("`policies.{key}` needs `file` or `inline`");
            reader.error(at, message);
            None
        }
    };
    Some((name?, text?))
}

fn from_file(reader: &mut Reader<'_>, key: &str, file: Found<&str>) -> Option<String> {
    let path = reader.resolve_path(file.value);
    reader.files.push(path.clone());
    match super::read_file(&path) {
        Ok(text) => {
            let locate = |place| Located {
                file: path.clone(),
                place,
                as_it_is: true,
                policy: None,
            };
            check(reader, &text, locate).then_some(text)
        }
        Err(why) => {
            let path = path.display();
            reader.error(
                file.at,
                format!("`policies.{key}.file`: cannot read {path}: {why}"),
            );
            None
        }
    }
}

fn from_text(reader: &mut Reader<'_>, key: &str, inline: Found<&str>) -> Option<String> {
    let path = reader.path().to_owned();
    let inner = inner_start(reader.text(), inline.at);
    let whole = reader.text();
    let locate = |place: Place| {
        // Between `'''` the text stands as it is, so a place in it is a place in the file.
        let place = match inner {
            Some(start) => shifted(Place::of(whole.as_bytes(), start), place),
            None => Place::of(whole.as_bytes(), inline.at),
        };
        Located {
            file: path.clone(),
            place,
            as_it_is: inner.is_some(),
            policy: Some(key.to_owned()),
        }
    };
    check(reader, inline.value, locate).then(|| inline.value.to_owned())
}

/// Where the text of a `'''` literal begins in the file.
fn inner_start(whole: &str, at: usize) -> Option<usize> {
    let rest = whole.get(at..)?.strip_prefix("'''")?;
    let line_break = ["\r\n", "\n"].iter().find(|b| rest.starts_with(**b));
    Some(at + 3 + line_break.map_or(0, |b| b.len()))
}

fn shifted(start: Place, inner: Place) -> Place {
    Place {
        line: start.line + inner.line - 1,
        column: if inner.line == 1 {
            start.column + inner.column - 1
        } else {
            inner.column
        },
    }
}

/// Where a place in a policy's text is for whoever wrote it.
struct Located {
    file: PathBuf,
    place: Place,
    /// Does the text stand there as the policy has it? A policy is no secret, so it can be shown.
    as_it_is: bool,
    /// The policy's name, where the file says many other things, too.
    policy: Option<String>,
}

/// Reports the text's problems; `true` if it is a policy.
fn check(reader: &mut Reader<'_>, text: &str, locate: impl Fn(Place) -> Located) -> bool {
    let (problems, good) = match policy_text::check(text.as_bytes()) {
        Ok(checked) => (checked.warnings, true),
        Err(problems) => (problems, false),
    };
    for problem in problems {
        let Located {
            file,
            place,
            as_it_is,
            policy,
        } = locate(Place {
            line: problem.line,
            column: problem.column,
        });
        let excerpt = Excerpt::of(text, problem.line, problem.column).filter(|_| as_it_is);
        let suggestion = problem
            .suggestion
            .map(|word| format!("; did you mean `{word}`?"));
        let of_policy = policy.map_or_else(String::new, |policy| {
            let at = match problem.pointer.as_str() {
                "" => format!("line {}, column {}", problem.line, problem.column),
                pointer => format!("at {pointer}"),
            };
            // Where the text is not shown, its place in the policy must do.
            if as_it_is {
                format!("policy `{policy}`: ")
            } else {
                format!("policy `{policy}`, {at}: ")
            }
        });
        reader.push(Problem {
            severity: match problem.severity {
                policy_text::Severity::Error => Severity::Error,
                policy_text::Severity::Warning => Severity::Warning,
            },
            file,
            line: place.line,
            column: place.column,
            message: of_policy + &problem.message + &suggestion.unwrap_or_default(),
            excerpt,
        });
    }
    good
}
