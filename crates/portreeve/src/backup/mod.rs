//! Backup and restore: the durable state of a data directory as one file.
//!
//! The file is a plain tar archive with a manifest at its end, so that it can be looked into
//! without portreeve. It holds secrets (the key file), so it is its owner's alone. The database is
//! copied first: the anchors in it then never run ahead of the ledger beside it.

mod archive;
mod manifest;
mod restore;
mod tar;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use crate::refused::why;
pub use archive::{Made, write};
pub use restore::{Restored, restore};

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {}", path.display(), why(source))]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {}: {}", path.display(), why(source))]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "the key file {} is missing; a backup without it could not open what is sealed",
        .0.display()
    )]
    NoKey(PathBuf),
    #[error("the database could not be copied: {0}")]
    Database(#[from] crate::store::StoreError),
    #[error("{0} has a name or a size that an archive cannot hold")]
    Unfit(String),
    #[error("{} is not a whole portreeve backup: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("{} is in the backup's format {found}, which this version does not know", path.display())]
    Newer { path: PathBuf, found: u32 },
    #[error("the data directory {} is not empty", .0.display())]
    NotEmpty(PathBuf),
    #[error("the data directory {} cannot be put into place: {}", path.display(), why(source))]
    Place { path: PathBuf, source: io::Error },
}

impl BackupError {
    /// What the person who sees this can do.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Exists(_) => "choose another file; a backup replaces nothing",
            Self::Write { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "make the folder first, or name a file in one that exists"
            }
            Self::Write { .. } => "check the disk, and whether you may write to that folder",
            Self::Read { .. } => "check that the file exists and is yours to read",
            Self::NoKey(_) => {
                "put the file back, from an earlier backup for instance; nothing was written"
            }
            Self::Database(_) | Self::Unfit(_) => "nothing was written",
            Self::Damaged { .. } => "use another backup; nothing was restored",
            Self::Newer { .. } => "restore it with the version that made it",
            Self::NotEmpty(_) => "move it away first, or name another with --data-dir",
            Self::Place { .. } => "choose a directory that can be renamed, not a mount point",
        }
    }
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Write {
        path: path.clone(),
        source,
    }
}

fn read_error(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Read {
        path: path.clone(),
        source,
    }
}
