//! What can go wrong with the store, said for the person who must act.

use std::path::PathBuf;

use super::model::Kind;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{} was written by a newer portreeve (schema {found}; this one knows up to {known}): \
         run the newer version, or restore a backup made before the upgrade", path.display()
    )]
    Newer {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    #[error("{} is not a portreeve database: choose another data directory", path.display())]
    NotOurs { path: PathBuf },
    #[error("cannot open the database {}: {why}", path.display())]
    Open { path: PathBuf, why: String },
    #[error("the {kind} `{name}` exists already: choose another name, or run `{}` first", .kind.removing_command(.name))]
    Exists { kind: Kind, name: String },
    #[error("there is no {kind} named `{name}`")]
    Missing { kind: Kind, name: String },
    #[error("there is no version {version} of the policy `{name}`")]
    NoSuchVersion { name: String, version: u64 },
    #[error(
        "the {kind} `{name}` is declared in the configuration file: change it there \
         (the file is read again when it changes)"
    )]
    OwnedByFile { kind: Kind, name: String },
    #[error(
        "the configuration file declares the {kind} `{name}`, but one of that name was added by hand: \
         run `{}`, or choose another name in the file", .kind.removing_command(.name)
    )]
    OwnedByStore { kind: Kind, name: String },
    #[error("the {kind} `{name}` is still used by {users}: change or remove that first")]
    InUse {
        kind: Kind,
        name: String,
        users: String,
    },
    #[error("the grant `{label}` is revoked: create another one")]
    Revoked { label: String },
    #[error("the grant `{label}` has the same token as another grant: give each its own")]
    TokenTaken { label: String },
    #[error("no tool named `{tool}` is known on the server `{server}`")]
    NoSuchTool { server: String, tool: String },
    #[error(
        "the definition of `{tool}` on `{server}` changed while it was being looked at: look again"
    )]
    Moved { server: String, tool: String },
    #[error("the ledger's anchor stands at {stored} already, record {offered} cannot replace it")]
    AnchorBehind { stored: u64, offered: u64 },
    #[error(
        "a stored secret of the server `{server}` cannot be opened: \
         the key file does not belong to this database; restore both from one backup"
    )]
    Unsealable { server: String },
    #[error("the database holds something unreadable in {what}: restore a backup")]
    Corrupt { what: String },
    #[error("the database does not answer: {0}")]
    Unavailable(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
