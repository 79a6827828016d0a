//! What is left of a data directory: whether it is new, or its key or its database is gone.
//!
//! A directory that has a past never gets a new key or an empty database unseen: with the one nothing
//! that was sealed opens, with the other nobody knows any more where the book ended.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Settings;
use super::open::OpenError;
use super::retain;
use super::segment;
use crate::keys::{KeyError, Keys};
use crate::store::sqlite::FILE_NAME;

/// What a data directory holds of its past, before anything in it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    dir: PathBuf,
    database: bool,
    ledger: bool,
}

impl Remains {
    /// Looks at a data directory; its owner does, so that nobody makes it meanwhile.
    pub fn of(data_dir: &Path) -> Result<Self, OpenError> {
        let ledger = Settings::in_data_dir(data_dir).dir;
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        let database = data_dir.join(FILE_NAME);
        Ok(Self {
            dir: data_dir.to_owned(),
            // An empty one is what a crash leaves that came before the first table.
            database: holds(&database).map_err(fail(&database))?,
            ledger: has_records(&ledger).map_err(fail(&ledger))?,
        })
    }

    /// The key that belongs to what is there. Only a new directory gets a new one.
    pub fn key(&self) -> Result<Keys, KeyError> {
        if self.database || self.ledger {
            Keys::load(&self.dir)
        } else {
            Keys::load_or_create(&self.dir)
        }
    }

    /// The database that a ledger with records has lost.
    pub fn lost_store(&self) -> Option<PathBuf> {
        (self.ledger && !self.database).then(|| self.dir.join(FILE_NAME))
    }
}

fn has_records(ledger: &Path) -> io::Result<bool> {
    if holds(&ledger.join(retain::FILE))? {
        return Ok(true);
    }
    for segment in segment::list(ledger)? {
        if holds(&segment.path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether there is a file with something in it.
fn holds(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
