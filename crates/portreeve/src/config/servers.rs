//! `[servers.NAME]`.

use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::program::{ProgramError, find_program, server_environment};
use super::reader::{Found, Reader, entries, flag, table, text, texts};
use super::{secrets, tree};
use crate::duration;
use crate::name::Name;
use crate::server_url::{self, BUILTIN_DEMO};
use crate::store::model::{Accept, Kind, NewServer, NewTools, Secret, Target};

pub(super) fn read(reader: &mut Reader<'_>, root: &DeTable<'_>) -> Vec<NewServer> {
    let Some(section) = table(root, "servers") else {
        return Vec::new();
    };
    let all: Vec<_> = entries(section).collect();
    all.into_iter()
        .filter_map(|entry| server(reader, entry))
        .collect()
}

fn server(
    reader: &mut Reader<'_>,
    (key, at, value): (&str, usize, &Spanned<DeValue<'_>>),
) -> Option<NewServer> {
    let section = value.get_ref().as_table()?;
    let name = name(reader, key, at);
    reader.declares(at, (Kind::Server, key));
    let private = flag(section, "private").unwrap_or(false);
    let target = target(reader, section, (key, at), private);
    let timeout_ms = timeout(reader, section);
    let word = |key| text(section, key).map(|found| found.value);
    Some(NewServer {
        name: name?,
        target: target?,
        new_tools: match word("new_tools") {
            Some("judge") => NewTools::Judge,
            _ => NewTools::Quarantine,
        },
        accept: match word("accept") {
            Some("manual") => Accept::Manual,
            _ => Accept::First,
        },
        private,
        timeout_ms,
    })
}

/// The name of a section.
pub(super) fn name(reader: &mut Reader<'_>, key: &str, at: usize) -> Option<Name> {
    match Name::new(key) {
        Ok(name) => Some(name),
        Err(error) => {
            reader.error(at, error.to_string());
            None
        }
    }
}

fn timeout(reader: &mut Reader<'_>, section: &DeTable<'_>) -> Option<u64> {
    let found = text(section, "timeout")?;
    match duration::parse(found.value) {
        Ok(span) => u64::try_from(span.as_millis()).ok(),
        Err(error) => {
            reader.error(found.at, format!("`timeout`: {error}"));
            None
        }
    }
}

fn target(
    reader: &mut Reader<'_>,
    section: &DeTable<'_>,
    (key, at): (&str, usize),
    private: bool,
) -> Option<Target> {
    let url = text(section, "url");
    match (url, section.contains_key("command")) {
        (Some(_), true) => {
            let message = format!("`servers.{key}` has both `url` and `command`: keep one");
            reader.error(at, message);
            None
        }
        (None, false) => {
            let message = format!("`servers.{key}` needs `url` or `command`");
            reader.error(at, message);
            None
        }
        (None, true) => command(reader, section, (key, at)),
        (Some(url), false) => http(reader, section, url, (key, private)),
    }
}

/// A key that makes no sense beside the kind of target.
fn misplaced(reader: &mut Reader<'_>, section: &DeTable<'_>, (key, goes_with): (&str, &str)) {
    for (name, at, _) in entries(section) {
        if name == key {
            let message = format!("`{key}` goes with `{goes_with}` only: take it out");
            reader.error(at, message);
        }
    }
}

fn http(
    reader: &mut Reader<'_>,
    section: &DeTable<'_>,
    url: Found<&str>,
    (key, private): (&str, bool),
) -> Option<Target> {
    misplaced(reader, section, ("env", "command"));
    if url.value == BUILTIN_DEMO {
        misplaced(reader, section, ("headers", "an http url"));
        return Some(Target::Demo);
    }
    if url.value.starts_with("builtin:") {
        let message = format!(
            "`servers.{key}.url`: there is no built-in server {:?}; did you mean `{BUILTIN_DEMO}`?",
            url.value
        );
        reader.error(url.at, message);
        return None;
    }
    let checked = server_url::check(url.value, private);
    if let Err(error) = &checked {
        reader.error(url.at, format!("`servers.{key}.url`: {error}"));
    }
    let headers = secrets_of(reader, section, "headers", |name, value| {
        server_url::check_header(name, value)
            .err()
            .map(|e| e.to_string())
    });
    checked.ok().map(|()| Target::Http {
        url: url.value.to_owned(),
        headers,
    })
}

fn command(
    reader: &mut Reader<'_>,
    section: &DeTable<'_>,
    (key, at): (&str, usize),
) -> Option<Target> {
    misplaced(reader, section, ("headers", "url"));
    misplaced(reader, section, ("private", "url"));
    let mut argv: Vec<String> = texts(section, "command")
        .iter()
        .map(|found| found.value.to_owned())
        .collect();
    if let Some(path) = argv.first_mut().filter(|program| program.contains('/')) {
        *path = reader.resolve_path(path).to_string_lossy().into_owned();
    }
    let env = secrets_of(reader, section, "env", |name, value| {
        let good = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
        (!good).then(|| "it is no variable that a program can be given".to_owned())
    });
    if argv.first().is_none_or(String::is_empty) || argv.iter().any(|a| a.contains('\0')) {
        let message = format!("`servers.{key}.command` names no program: write [\"PROGRAM\", …]");
        reader.error(at, message);
        return None;
    }
    let at = section
        .get("command")
        .map_or(at, |value| value.span().start);
    if let Err(error) = program(reader, &argv, &env) {
        if let [one] = argv.as_slice()
            && let Some(words) = tree::as_words(one)
        {
            let message =
                format!("`servers.{key}.command` is one word with blanks in it: write {words}");
            reader.error(at, message);
            return None;
        }
        reader.error(at, format!("`servers.{key}.command`: {error}"));
        return None;
    }
    Some(Target::Command { argv, env })
}

/// Looks for the program, in the PATH that the server would have.
fn program(
    reader: &Reader<'_>,
    argv: &[String],
    env: &[(String, Secret)],
) -> Result<PathBuf, ProgramError> {
    let declared = env.iter().filter_map(|(name, secret)| {
        let value = secrets::resolve(secret, reader.environment).ok()?;
        Some((name.clone(), value.reveal().into()))
    });
    let variables = server_environment(reader.environment, declared);
    find_program(
        argv.first().map(String::as_str).unwrap_or_default(),
        &variables,
    )
}

fn secrets_of(
    reader: &mut Reader<'_>,
    section: &DeTable<'_>,
    key: &str,
    wrong: impl Fn(&str, &str) -> Option<String>,
) -> Vec<(String, Secret)> {
    let Some(values) = table(section, key) else {
        return Vec::new();
    };
    let mut read = Vec::new();
    for (name, at, _) in entries(values) {
        let Some(written) = text(values, name) else {
            continue;
        };
        let shown = format!("{key}.{name}");
        if let Some((secret, value)) = secrets::read(reader, (&shown, written.at), written.value) {
            match wrong(name, value.reveal()) {
                None => read.push((name.to_owned(), secret)),
                Some(why) => reader.error(at, format!("`{shown}`: {why}")),
            }
        }
    }
    read
}
