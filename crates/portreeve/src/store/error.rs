//! What can go wrong with the store, said for the person who must act: what happened is the
//! error's text, what to do about it is its [`StoreError::advice`].

use std::path::PathBuf;

use super::model::{Kind, Owner};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{} was written by a newer portreeve (schema {found}; this one knows up to {known})",
        path.display()
    )]
    Newer {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    #[error("{} is not a portreeve database", path.display())]
    NotOurs { path: PathBuf },
    #[error("cannot open the database {}: {why}", path.display())]
    Open { path: PathBuf, why: String },
    #[error("the {kind} `{name}` exists already")]
    Exists { kind: Kind, name: String },
    #[error("there is no {kind} named `{name}`")]
    Missing { kind: Kind, name: String },
    #[error("there is no version {version} of the policy `{name}`")]
    NoSuchVersion { name: String, version: u64 },
    #[error("the {kind} `{name}` is declared in the configuration file")]
    OwnedByFile { kind: Kind, name: String },
    #[error(
        "the configuration file declares what was added by hand under the same name: {}",
        listed(names, |(kind, name)| format!("the {kind} `{name}`"))
    )]
    OwnedByStore { names: Vec<(Kind, String)> },
    #[error("the {kind} `{name}` is still used by {users}")]
    InUse {
        kind: Kind,
        name: String,
        users: String,
    },
    #[error("there is no approval {id}")]
    NoSuchApproval { id: String },
    #[error("too many calls of the grant `{grant}` wait for people already")]
    TooManyWait { grant: String },
    #[error("the grant `{label}` is revoked")]
    Revoked { label: String },
    #[error("the grant `{label}` has the same token as another grant")]
    TokenTaken { label: String },
    #[error("no tool named `{tool}` is known on the server `{server}`")]
    NoSuchTool { server: String, tool: String },
    #[error("the definition of `{tool}` on `{server}` changed while it was being looked at")]
    Moved { server: String, tool: String },
    #[error("a stored secret of the server `{server}` cannot be opened with this key file")]
    Unsealable { server: String },
    #[error("the database holds something unreadable in {what}")]
    Corrupt { what: String },
    #[error("the database does not answer: {0}")]
    Unavailable(String),
}

fn listed<T>(all: &[T], word: impl Fn(&T) -> String) -> String {
    let words: Vec<String> = all.iter().map(word).collect();
    words.join(", ")
}

impl StoreError {
    /// The name of what is to be added belongs to something that is there.
    pub fn taken(kind: Kind, name: impl Into<String>, by: Owner) -> Self {
        let name = name.into();
        match by {
            Owner::File => Self::OwnedByFile { kind, name },
            Owner::Store => Self::Exists { kind, name },
        }
    }

    /// What the person who sees this can do.
    pub fn advice(&self) -> String {
        match self {
            Self::Newer { .. } => {
                "run the newer version, or restore a backup made before the upgrade".to_owned()
            }
            Self::NotOurs { .. } => "choose another data directory with --data-dir".to_owned(),
            Self::Open { .. } => "check the file's owner and the disk".to_owned(),
            Self::Exists { kind, name } => format!(
                "choose another name, or run `{}` first",
                kind.removing_command(name)
            ),
            Self::Missing { kind, .. } => format!("`portreeve {kind} list` shows those there are"),
            Self::NoSuchVersion { name, .. } => {
                format!("`portreeve policy list {name}` shows its versions")
            }
            Self::OwnedByFile { .. } => {
                "change it there; the file is read again when it changes".to_owned()
            }
            Self::OwnedByStore { names } => format!(
                "run {} (with the same --data-dir), or choose other names in the file",
                listed(names, |(kind, name)| format!(
                    "`{}`",
                    kind.removing_command(name)
                ))
            ),
            Self::InUse { .. } => "change or remove that first".to_owned(),
            Self::NoSuchApproval { .. } => {
                "`portreeve approvals list --all` shows those there are".to_owned()
            }
            Self::TooManyWait { .. } => {
                "decide some of them: `portreeve approvals list`".to_owned()
            }
            Self::Revoked { label } => {
                format!("create another grant; `portreeve grant remove {label}` frees the label")
            }
            Self::TokenTaken { .. } => "give each grant its own token".to_owned(),
            Self::NoSuchTool { server, .. } => {
                format!("`portreeve server tools {server}` shows what is known")
            }
            Self::Moved { server, .. } => {
                format!("look again with `portreeve server tools {server}`")
            }
            Self::Unsealable { .. } => {
                "restore the key file and the database from one backup".to_owned()
            }
            Self::Corrupt { .. } => "restore a backup".to_owned(),
            Self::Unavailable(_) => "check the disk and the data directory".to_owned(),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
