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
use crate::name::Name;
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

/// INVARIANT: a name that is neither declared nor in the store is an error here, because `up` refuses
/// it (`a_grant_that_names_what_is_nowhere_is_refused_as_up_refuses_it`).
fn against_store(config: CheckedConfig, flag: Option<&Path>) -> Result<Loaded, Failure> {
    let CheckedConfig {
        mut warnings,
        undeclared,
        ..
    } = config.clone();
    if undeclared.is_empty() {
        return Ok(Ok(config));
    }
    let own = config.data_dir.as_deref();
    let own = own.filter(|dir| DataDir::at(*dir).require().is_ok());
    let dir = flag.or(own);
    let added = dir.map_or_else(|| Ok(Vec::new()), added_by_people)?;
    let is_added = |name: &Undeclared| added.contains(&(name.kind, name.name.clone()));
    let nowhere = match dir {
        Some(dir) => format!("; nor did anybody add it in {}", dir.display()),
        None => "; if somebody added it, say where with `--data-dir`".to_owned(),
    };
    let (known, unknown): (Vec<_>, Vec<_>) = undeclared.into_iter().partition(is_added);
    warnings.retain(|problem| known.iter().all(|known| known.problem != *problem));
    for problem in &mut warnings {
        if unknown.iter().any(|unknown| unknown.problem == *problem) {
            problem.severity = Severity::Error;
            problem.message.push_str(&nowhere);
        }
    }
    if unknown.is_empty() {
        return Ok(Ok(CheckedConfig { warnings, ..config }));
    }
    Ok(Err(warnings))
}

/// What a data directory has that no file declared.
fn added_by_people(dir: &Path) -> Result<Vec<(Kind, Name)>, Failure> {
    let by_people = |owner| owner == Owner::Store;
    let mut added = Vec::new();
    let Response::Servers { servers } = request(Some(dir), Request::ServerList)? else {
        return Err(unexpected());
    };
    let servers = servers.into_iter().filter(|it| by_people(it.owner));
    added.extend(servers.map(|it| (Kind::Server, it.name)));
    let Response::Policies { policies } = request(Some(dir), Request::PolicyList)? else {
        return Err(unexpected());
    };
    let policies = policies.into_iter().filter(|it| by_people(it.owner));
    added.extend(policies.map(|it| (Kind::Policy, it.name)));
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
