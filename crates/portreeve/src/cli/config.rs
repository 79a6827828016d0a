//! `portreeve config …`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;

use serde_json::{Value, json};

use super::output::{Output, Paint, Tone, painted};
use super::{Done, FormatArg};
use crate::admin::Failure;
use crate::config::{self, ConfigError, Environment, Problem};

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
                format,
            } => {
                let file = file.or(config).unwrap_or_default();
                if format.json {
                    checked(&file)
                } else {
                    check(&file, paint)
                }
            }
            Self::Reference => Ok(Output::text(config::reference())),
        }
    }
}

fn check(file: &std::path::Path, paint: Paint) -> Done {
    match config::load(file, &Environment::system()) {
        Ok(config) => {
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
            Ok(Output::text(text))
        }
        Err(ConfigError::Wrong(problems)) => Ok(Output::text(shown(&problems, paint)).with_code(1)),
        Err(error @ ConfigError::Unreadable { .. }) => Err(Failure::cannot(
            error.to_string(),
            "name a file that can be read",
        )),
    }
}

/// The problems as a compiler shows them.
pub(super) fn shown(problems: &[Problem], paint: Paint) -> String {
    let show = |problem: &Problem| painted(&problem.show(), paint);
    let all: Vec<String> = problems.iter().map(show).collect();
    all.join("\n")
}

/// The same for programs.
fn checked(file: &std::path::Path) -> Done {
    let told = |problems: &[Problem]| problems.iter().map(told).collect::<Vec<Value>>();
    match config::load(file, &Environment::system()) {
        Ok(config) => {
            let problems = told(&config.warnings);
            Output::json(&json!({ "file": file, "ok": true, "problems": problems }))
        }
        Err(ConfigError::Wrong(problems)) => {
            let problems = told(&problems);
            let told = json!({ "file": file, "ok": false, "problems": problems });
            Ok(Output::json(&told)?.with_code(1))
        }
        Err(error @ ConfigError::Unreadable { .. }) => Err(Failure::cannot(
            error.to_string(),
            "name a file that can be read",
        )),
    }
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
