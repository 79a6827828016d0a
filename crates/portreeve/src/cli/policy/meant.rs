//! Which policy is meant by what was said: a file if there is one, else a stored one.

use std::path::{Path, PathBuf};

use super::{read, versioned};
use crate::admin::{Failure, Request, Response};
use crate::cli::desk::{request, unexpected};

/// The text that is meant, and a name to show.
pub(super) fn meant(said: &str, dir: Option<&Path>) -> Result<(String, Vec<u8>), Failure> {
    let path = PathBuf::from(said);
    let is_file =
        (path.exists() && !path.is_dir()) || said.contains('/') || is_json(&path) || said == "-";
    let (name, version) = match versioned(said) {
        Ok(stored) if !is_file => stored,
        _ => return read(&path),
    };
    match request(dir, Request::PolicyShow { name, version })? {
        Response::Policy { policy, text } => {
            let name = format!("{}@{}", policy.name, policy.version);
            Ok((name, text.into_bytes()))
        }
        _ => Err(unexpected()),
    }
}

fn is_json(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "json")
}
