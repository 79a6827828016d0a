//! `portreeve config …`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use serde_json::{Value, json};

use super::desk::{request, unexpected};
use super::output::{Output, Paint, Tone, painted};
use super::{Done, FormatArg};
use crate::admin::{Failure, Request, Response};
use crate::config::Config as CheckedConfig;
use crate::config::{self, ConfigError, Environment, Problem, Severity, Undeclared};
use crate::data_dir::DataDir;
use crate::store::model::{Kind, Owner};

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Say what is wrong with a configuration file, its policies and its secrets
    Check {
        /// The configuration file
        #[arg(required_unless_present = "config")]
        file: Option<PathBuf>,
        /// The same, as `up` takes it
        #[arg(long, value_name = "FILE", conflicts_with = "file")]
        config: Option<PathBuf>,
        /// Where `up` is to keep its state: the file's grants may name what people added there
        /// [default: the file's own `data_dir`]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Print the reference of all keys, in Markdown
    Reference,
}

impl Config {
    pub(super) fn run(self, paint: Paint) -> Done {
        match self {
            Self::Check {
                file,
                config,
                data_dir,
                format,
            } => {
                let file = file.or(config).unwrap_or_default();
                let loaded = load(&file, data_dir.as_deref())?;
                if format.json {
                    checked(&file, loaded)
                } else {
                    Ok(check(&file, loaded, paint))
                }
            }
            Self::Reference => Ok(Output::text(config::reference())),
        }
    }
}

/// The configuration, or all that is wrong with it.
type Loaded = Result<CheckedConfig, Vec<Problem>>;

/// The file as `up` would read it.
fn load(file: &Path, data_dir: Option<&Path>) -> Result<Loaded, Failure> {
    match config::load(file, &Environment::system()) {
        Ok(config) => against_store(config, data_dir),
        Err(ConfigError::Wrong(problems)) => Ok(Err(problems)),
        Err(error @ ConfigError::Unreadable { .. }) => Err(Failure::cannot(
            error.to_string(),
            "name a file that can be read",
        )),
    }
}

/// INVARIANT: what `up` refuses because of the store is an error here: a name that is neither declared
/// nor in the store (`a_grant_that_names_what_is_nowhere_is_refused_as_up_refuses_it`), and one that is
/// declared and was added by a person, too (`a_name_that_a_person_has_taken_is_refused_as_up_refuses_it`).
fn against_store(config: CheckedConfig, flag: Option<&Path>) -> Result<Loaded, Failure> {
    let is_there = |dir: &Path| DataDir::at(dir).require().is_ok();
    let own = config.data_dir.as_deref().filter(|dir| is_there(dir));
    let dir = flag.or(own);
    let added = match dir {
        Some(dir) if !config.undeclared.is_empty() => added_by_people(dir)?,
        // Nothing hangs on it: it may be to come, or somebody else's to read.
        Some(dir) if is_there(dir) => added_by_people(dir).unwrap_or_default(),
        _ => Vec::new(),
    };
    let is_added = |kind, name: &str| added.iter().any(|it| (it.0, it.1.as_str()) == (kind, name));
    let taken = config.declares.iter();
    let mut problems: Vec<Problem> = taken
        .filter(|declares| is_added(declares.kind, &declares.name))
        .map(|declares| declares.problem.clone())
        .collect();
    let nowhere = match dir {
        Some(dir) => format!("; nor did anybody add it in {}", dir.display()),
        None => "; if somebody added it, say where with `--data-dir`".to_owned(),
    };
    problems.extend(config.warnings.iter().filter_map(|warning| {
        let named = |it: &&Undeclared| it.problem == *warning;
        match config.undeclared.iter().find(named) {
            Some(known) if is_added(known.kind, &known.name) => None,
            Some(_) => Some(Problem {
                severity: Severity::Error,
                message: format!("{}{nowhere}", warning.message),
                ..warning.clone()
            }),
            None => Some(warning.clone()),
        }
    }));
    if problems.iter().any(|it| it.severity == Severity::Error) {
        return Ok(Err(problems));
    }
    Ok(Ok(CheckedConfig {
        warnings: problems,
        ..config
    }))
}

/// What a data directory has that no file declared.
fn added_by_people(dir: &Path) -> Result<Vec<(Kind, String)>, Failure> {
    let by_people = |owner| owner == Owner::Store;
    let mut added = Vec::new();
    let Response::Servers { servers } = request(Some(dir), Request::ServerList)? else {
        return Err(unexpected());
    };
    let servers = servers.into_iter().filter(|it| by_people(it.owner));
    added.extend(servers.map(|it| (Kind::Server, it.name.to_string())));
    let Response::Policies { policies } = request(Some(dir), Request::PolicyList)? else {
        return Err(unexpected());
    };
    let policies = policies.into_iter().filter(|it| by_people(it.owner));
    added.extend(policies.map(|it| (Kind::Policy, it.name.to_string())));
    let Response::Grants { grants } = request(Some(dir), Request::GrantList)? else {
        return Err(unexpected());
    };
    let grants = grants.into_iter().filter(|it| by_people(it.owner));
    added.extend(grants.map(|it| (Kind::Grant, it.label.to_string())));
    Ok(added)
}

fn check(file: &Path, loaded: Loaded, paint: Paint) -> Output {
    let config = match loaded {
        Ok(config) => config,
        Err(problems) => return Output::text(shown(&problems, paint)).with_code(1),
    };
    let mut text = shown(&config.warnings, paint);
    if !text.is_empty() {
        text.push('\n');
    }
    let declared = &config.declared;
    let _ = writeln!(
        text,
        "{}: {}: servers: {}, policies: {}, grants: {}",
        file.display(),
        paint.tone(Tone::Good, "ok"),
        declared.servers.len(),
        declared.policies.len(),
        declared.grants.len()
    );
    Output::text(text)
}

/// The problems as a compiler shows them.
pub(super) fn shown(problems: &[Problem], paint: Paint) -> String {
    let show = |problem: &Problem| painted(&problem.show(), paint);
    let all: Vec<String> = problems.iter().map(show).collect();
    all.join("\n")
}

/// The same for programs.
fn checked(file: &Path, loaded: Loaded) -> Done {
    let ok = loaded.is_ok();
    let problems = loaded.map_or_else(|problems| problems, |config| config.warnings);
    let problems: Vec<Value> = problems.iter().map(told).collect();
    let told = json!({ "file": file, "ok": ok, "problems": problems });
    Ok(Output::json(&told)?.with_code(u8::from(!ok)))
}

fn told(problem: &Problem) -> Value {
    json!({
        "severity": problem.severity.to_string(),
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
    })
}
