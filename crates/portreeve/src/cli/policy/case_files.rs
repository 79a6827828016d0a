//! Finding files of policy tests and the policies they name.

use std::path::{Path, PathBuf};

use portreeve_policy::Policy;
use portreeve_policy::cases::{CaseFile, Form, PolicySource};
use portreeve_policy::json::{Rules, parse};

use super::read;
use crate::admin::Failure;
use crate::policy_text::{Problem, sendable};

/// A file that was named, or that a folder held.
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// A folder holds other files, too; a file that was named is meant.
    pub(super) named: bool,
}

/// The files under `paths`, those of a folder by name.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            walk(path, &mut found)?;
            if found.len() == before {
                return Err(Failure::usage(
                    format!("there is no YAML or JSON file under {}", path.display()),
                    "name a file of policy tests, or a folder that holds some",
                ));
            }
        } else {
            found.push(Found {
                path: path.clone(),
                named: true,
            });
        }
    }
    Ok(found)
}

/// Links to folders are not followed, and folders that hide are not entered.
fn walk(folder: &Path, found: &mut Vec<Found>) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::cannot(
            format!("cannot read {}: {error}", folder.display()),
            "check the folder's name and permissions",
        )
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        entries.push((entry.path(), entry.file_type().map_err(cannot)?.is_dir()));
    }
    entries.sort();
    for (path, is_folder) in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_folder {
            if !name.starts_with('.') {
                walk(&path, found)?;
            }
        } else if form(&path).is_some() && path.is_file() {
            found.push(Found { path, named: false });
        }
    }
    Ok(())
}

fn form(path: &Path) -> Option<Form> {
    match path.extension()?.to_str()? {
        "json" => Some(Form::Json),
        "yaml" | "yml" => Some(Form::Yaml),
        _ => None,
    }
}

/// A file of cases, ready to be run.
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) text: Vec<u8>,
    pub(super) cases: CaseFile,
    pub(super) policy: Policy,
}

/// Why a file is not run.
pub(super) enum Trouble {
    /// It is a policy, and nobody said that it is a file of cases.
    Policy,
    /// It is no file of cases, and nobody said that it is.
    Another,
    /// It, or the policy it names, cannot be read.
    Unreadable(Failure),
    /// What is wrong with the file of this name and text.
    Bad {
        name: String,
        text: Vec<u8>,
        problems: Vec<Problem>,
    },
}

/// Reads a file and its policy.
pub(super) fn load(found: &Found) -> Result<Loaded, Trouble> {
    let (name, text) = read(&found.path).map_err(Trouble::Unreadable)?;
    let form = form(&found.path).unwrap_or(Form::Yaml);
    let is_other = !CaseFile::recognise(&text, form);
    if found.named && is_other && is_policy(&text) {
        let what = format!("{name} is a policy, and no file of policy tests");
        let advice =
            format!("`portreeve policy check {name}` reads it; tests name it as their `policy`");
        return Err(Trouble::Unreadable(Failure::usage(what, advice)));
    }
    if !found.named && is_other {
        return Err(if is_policy(&text) {
            Trouble::Policy
        } else {
            Trouble::Another
        });
    }
    let cases = match CaseFile::read(&text, form) {
        Ok(cases) => cases,
        Err(problems) => {
            let problems = sendable(problems);
            return Err(Trouble::Bad {
                name,
                text,
                problems,
            });
        }
    };
    let policy = policy(&cases, &found.path)?;
    Ok(Loaded {
        name,
        text,
        cases,
        policy,
    })
}

/// Whether a text says of itself that it is a policy, right or wrong.
fn is_policy(text: &[u8]) -> bool {
    let tree = parse(text, Rules::DOCUMENT);
    tree.is_ok_and(|tree| tree.get("version").is_some() && tree.get("default").is_some())
}

/// The whole language, also what this version of the gate does not carry out.
fn policy(cases: &CaseFile, of: &Path) -> Result<Policy, Trouble> {
    let relative = match &cases.policy {
        PolicySource::Inline(policy) => return Ok((**policy).clone()),
        PolicySource::File(relative) => relative,
    };
    let path = of.parent().unwrap_or(Path::new("")).join(relative);
    let (name, text) = read(&path).map_err(|failure| {
        let advice = format!(
            "{} names it; the path is relative to that file",
            of.display()
        );
        Trouble::Unreadable(Failure::cannot(failure.what, advice))
    })?;
    match portreeve_policy::compile(&text) {
        Ok(checked) => Ok(checked.policy),
        Err(problems) => {
            let problems = sendable(problems);
            Err(Trouble::Bad {
                name,
                text,
                problems,
            })
        }
    }
}
