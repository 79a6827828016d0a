//! `env:NAME` and `file:PATH`: references to secrets, and reading what they refer to.
//!
//! They are understood in the configuration file and in the local command line only. Nothing that
//! comes over a network or the control socket can name a variable or a file.

use std::path::PathBuf;

use super::environment::Environment;
use super::reader::Reader;
use crate::store::model::{Secret, SecretText};

/// A secret that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable `{0}` is not set: set it where portreeve starts")]
    NoVariable(String),
    #[error("cannot read the secret's file {}: {why}", path.display())]
    NoFile { path: PathBuf, why: String },
    #[error("the secret's file {} is empty", path.display())]
    EmptyFile { path: PathBuf },
}

impl SecretError {
    /// The same where the reference was read for whoever typed the command.
    pub fn in_a_shell(&self) -> String {
        match self {
            Self::NoVariable(name) => format!(
                "the environment variable `{name}` is not set: set it in the shell that runs this command"
            ),
            other => other.to_string(),
        }
    }
}

/// What was written for a secret: a reference, or the secret itself.
pub fn parse(written: &str) -> Secret {
    if let Some(name) = written.strip_prefix("env:") {
        Secret::Env(name.to_owned())
    } else if let Some(path) = written.strip_prefix("file:") {
        Secret::File(PathBuf::from(path))
    } else {
        Secret::literal(written)
    }
}

/// Reads the secret. One line break at the end of a file is not part of it.
pub fn resolve(secret: &Secret, environment: &Environment) -> Result<SecretText, SecretError> {
    match secret {
        Secret::Literal(text) => Ok(text.clone()),
        Secret::Env(name) => environment
            .get(name)
            .map(SecretText::new)
            .ok_or_else(|| SecretError::NoVariable(name.clone())),
        Secret::File(path) => {
            let text = super::read_file(path).map_err(|why| SecretError::NoFile {
                path: path.clone(),
                why,
            })?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if text.is_empty() {
                return Err(SecretError::EmptyFile { path: path.clone() });
            }
            Ok(SecretText::new(text))
        }
    }
}

/// A secret in the file: checked to be readable now, kept as a reference if it is one.
pub(super) fn read(
    reader: &mut Reader<'_>,
    (key, at): (&str, usize),
    written: &str,
) -> Option<(Secret, SecretText)> {
    let secret = match parse(written) {
        Secret::File(path) => {
            let path = reader.resolve_path(&path.to_string_lossy());
            reader.files.push(path.clone());
            Secret::File(path)
        }
        other => other,
    };
    if matches!(secret, Secret::Literal(_)) {
        reader.warning(
            at,
            format!(
                "`{key}` holds the secret itself: put it into a variable or a file and write \
                 \"env:NAME\" or \"file:PATH\""
            ),
        );
    }
    match resolve(&secret, reader.environment) {
        Ok(text) => Some((secret, text)),
        Err(error) => {
            reader.error(at, format!("`{key}`: {error}"));
            None
        }
    }
}
