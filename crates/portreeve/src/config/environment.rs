//! The process's environment: the only place that reads it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Names the data directory when no `--data-dir` does.
pub const DATA_DIR_VARIABLE: &str = "PORTREEVE_DATA_DIR";

/// Holds the grant's token for `portreeve stdio`.
pub const TOKEN_VARIABLE: &str = "PORTREEVE_TOKEN";

/// Where variables come from; a test brings its own.
#[derive(Clone, Debug)]
pub struct Environment(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Given(Arc<BTreeMap<String, OsString>>),
}

impl Environment {
    /// The process's own.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// These variables and no others.
    pub fn given<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let owned = variables.map(|(name, value)| (name.to_owned(), value.into()));
        Self(Source::Given(Arc::new(owned.into_iter().collect())))
    }

    /// The variable as it is; an empty one counts as absent.
    pub fn get_os(&self, name: &str) -> Option<OsString> {
        let value = match &self.0 {
            Source::System => from_system(name),
            Source::Given(variables) => variables.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The variable, if it is text.
    pub fn get(&self, name: &str) -> Option<String> {
        self.get_os(name)?.into_string().ok()
    }

    /// The data directory that the environment names.
    pub fn data_dir(&self) -> Option<PathBuf> {
        self.get_os(DATA_DIR_VARIABLE).map(PathBuf::from)
    }

    /// The token of whoever decides about calls that wait.
    pub fn approver_token(&self) -> Option<String> {
        self.get("PORTREEVE_APPROVER_TOKEN")
            .filter(|token| !token.is_empty())
    }

    /// The grant's token, with which this process calls a gateway.
    pub fn token(&self) -> Option<String> {
        self.get(TOKEN_VARIABLE)
    }

    /// Whether people asked programs not to use colours (<https://no-color.org>).
    pub fn no_color(&self) -> bool {
        self.get_os("NO_COLOR").is_some() || self.get("TERM").as_deref() == Some("dumb")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the environment is read"
)]
fn from_system(name: &str) -> Option<OsString> {
    // A name with `=` or NUL is no name of a variable; asking for one may panic on some platforms.
    let valid = !name.is_empty() && !name.contains(['=', '\0']);
    valid.then(|| std::env::var_os(name)).flatten()
}
