//! `portreeve config …`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;

use super::Done;
use super::output::{Output, Paint, Tone};
use crate::admin::Failure;
use crate::config::{self, ConfigError, Environment};

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Say what is wrong with a configuration file, its policies and its secrets
    Check {
        #[arg(required_unless_present = "config")]
        file: Option<PathBuf>,
        /// The same, as `up` takes it
        #[arg(long, value_name = "FILE", conflicts_with = "file")]
        config: Option<PathBuf>,
    },
    /// Print the reference of all keys, in Markdown
    Reference,
}

impl Config {
    pub(super) fn run(self, paint: Paint) -> Done {
        match self {
            Self::Check { file, config } => {
                let file = file.or(config).unwrap_or_default();
                check(&file, paint)
            }
            Self::Reference => Ok(Output::text(config::reference())),
        }
    }
}

fn check(file: &std::path::Path, paint: Paint) -> Done {
    match config::load(file, &Environment::system()) {
        Ok(config) => {
            let mut text = String::new();
            for warning in &config.warnings {
                let _ = writeln!(text, "{warning}");
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
        Err(error @ ConfigError::Wrong(_)) => Ok(Output::text(format!("{error}\n")).with_code(1)),
        Err(error @ ConfigError::Unreadable { .. }) => {
            Err(Failure::cannot(error.to_string(), "check the file's name"))
        }
    }
}
