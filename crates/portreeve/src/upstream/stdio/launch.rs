//! What a stdio server is started with.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::super::UpstreamError;
use crate::config::{self, Environment, find_program, server_environment};
use crate::store::model::Secret;

/// A command with everything it needs, its secrets read.
#[derive(Clone, PartialEq, Eq)]
pub struct Launch {
    argv: Vec<String>,
    variables: Vec<(String, OsString)>,
    /// Values that must not be seen in a log, should the server write them there.
    secrets: Vec<String>,
}

impl fmt::Debug for Launch {
    /// Arguments may hold what nobody should read, and variables do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Launch({:?})", self.argv.first())
    }
}

/// Shorter values are words that a log is full of.
const SHORTEST_SECRET: usize = 8;

impl Launch {
    /// Reads the secrets that the server's variables name.
    pub fn new(
        argv: &[String],
        declared: &[(String, Secret)],
        environment: &Environment,
    ) -> Result<Self, UpstreamError> {
        let mut variables: Vec<(String, OsString)> = Vec::new();
        let mut secrets = Vec::new();
        for (name, secret) in declared {
            let value = config::resolve(secret, environment).map_err(|error| {
                UpstreamError::Unusable(format!("its variable {name:?} cannot be set: {error}"))
            })?;
            if value.reveal().len() >= SHORTEST_SECRET {
                secrets.push(value.reveal().to_owned());
            }
            variables.push((name.clone(), value.reveal().into()));
        }
        Ok(Self {
            argv: argv.to_vec(),
            variables: server_environment(environment, variables),
            secrets,
        })
    }

    /// The program's file, looked for now: it may have been installed since.
    pub(super) fn program(&self) -> Result<PathBuf, UpstreamError> {
        let program = self.argv.first().map(String::as_str).unwrap_or_default();
        find_program(program, &self.variables)
            .map_err(|error| UpstreamError::Unusable(error.to_string()))
    }

    /// Whether there is such a program.
    pub fn check(&self) -> Result<(), UpstreamError> {
        self.program().map(drop)
    }

    pub(super) fn arguments(&self) -> &[String] {
        self.argv.get(1..).unwrap_or_default()
    }

    pub(super) fn variables(&self) -> &[(String, OsString)] {
        &self.variables
    }

    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }
}
