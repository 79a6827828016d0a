//! `path_within`: does an absolute POSIX path lie in one of these directories?
//!
//! Judged on the text alone, after `.`, `..` and doubled slashes are resolved, by components, so
//! that `/srv/database` is not within `/srv/data`. Links on the disk are not followed: a directory
//! in which an agent may create links needs the file server's own protection too.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::{Doubt, Verdict, check_length, strings, write_list};
use crate::json::Value;
use crate::visible::shown;

/// The directories of one condition, each as its components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    directories: Vec<Vec<String>>,
}

impl Spec {
    /// Reads `["/srv/data", "/tmp/agent"]`.
    pub fn compile(value: &Value<'_>) -> Result<Self, String> {
        let texts = strings(value, "directories")?;
        let directories = texts.into_iter().map(read_directory);
        Ok(Self {
            directories: directories.collect::<Result<_, _>>()?,
        })
    }

    /// None: the text is in doubt, and refused wherever it stands.
    pub fn holds(&self, text: &str) -> Option<bool> {
        self.judge(text).ok()
    }

    /// A directory lies within itself.
    pub fn judge(&self, text: &str) -> Verdict {
        let path = normalise(text)?;
        let within = |directory: &Vec<String>| {
            path.len() >= directory.len() && directory.iter().zip(&path).all(|(d, p)| d == p)
        };
        Ok(self.directories.iter().any(within))
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(
            f,
            self.directories.iter().map(|d| format!("/{}", d.join("/"))),
        )
    }
}

/// An author writes a directory in its normal form; any other is probably a mistake.
fn read_directory(text: &str) -> Result<Vec<String>, String> {
    let bad = |why: &str| {
        let text = shown(text);
        format!("{text} {why}; write an absolute path such as `/srv/data`")
    };
    let components = normalise(text).map_err(|doubt| bad(doubt.as_str()))?;
    let normal = format!("/{}", components.join("/"));
    let with_slash = !components.is_empty() && text.strip_suffix('/') == Some(&normal);
    if text != normal && !with_slash {
        return Err(bad("has `.`, `..` or doubled slashes"));
    }
    Ok(components.into_iter().map(str::to_owned).collect())
}

/// The components of the path, `.`, `..` and empty ones resolved; above the root is the root.
pub fn normalise(path: &str) -> Result<Vec<&str>, Doubt> {
    check_length(path)?;
    check_characters(path)?;
    let relative = path
        .strip_prefix('/')
        .ok_or(Doubt("is not an absolute path"))?;
    let mut kept: Vec<&str> = Vec::new();
    let mut climbs = false;
    for component in relative.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                climbs = true;
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    // A variable that is empty, or holds slashes, makes each `..` lead elsewhere.
    if climbs && path.contains('$') {
        return Err(Doubt(
            "has both `..` and a `$` that may stand for any depth",
        ));
    }
    Ok(kept)
}

fn check_characters(path: &str) -> Result<(), Doubt> {
    for c in path.chars() {
        match c {
            '\\' => return Err(Doubt("has a backslash, which some read as a slash")),
            '%' => return Err(Doubt("has a `%`, which some decode")),
            '~' => return Err(Doubt("has a `~`, which some expand")),
            c if c.is_control() => return Err(Doubt("has a control character")),
            c if !c.is_ascii() && disguises_separator(c) => {
                return Err(Doubt(
                    "has a character that some turn into a dot or a slash",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn disguises_separator(c: char) -> bool {
    std::iter::once(c).nfkc().any(|n| "/\\.%~".contains(n))
}
