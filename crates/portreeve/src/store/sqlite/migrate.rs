//! The schema and its history: which version a database has, and how it gets to the newest.
//!
//! `PRAGMA user_version` counts the migrations that were applied. A migration never changes once it
//! was released; a new one is appended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::store::StoreError;

/// One step of the schema's history.
pub(super) struct Migration {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_start",
        sql: include_str!("migrations/0001_start.sql"),
    },
    Migration {
        name: "0002_tool_nature",
        sql: include_str!("migrations/0002_tool_nature.sql"),
    },
    Migration {
        name: "0003_flow_labels",
        sql: include_str!("migrations/0003_flow_labels.sql"),
    },
    Migration {
        name: "0004_shadow",
        sql: include_str!("migrations/0004_shadow.sql"),
    },
    Migration {
        name: "0005_people",
        sql: include_str!("migrations/0005_people.sql"),
    },
    Migration {
        name: "0006_opinions",
        sql: include_str!("migrations/0006_opinions.sql"),
    },
];

/// Marks the file as ours (`PRAGMA application_id`): "prv1".
const APPLICATION_ID: i32 = 0x7072_7631;

/// Brings the database at `path` to the newest schema. Before the first step away from an older
/// schema a copy is left beside it; its path is returned.
pub(super) fn migrate(
    db: &mut Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<Option<PathBuf>, StoreError> {
    let found = version(db)?;
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    check_ours(db, path, found)?;
    if found > known {
        let path = path.to_owned();
        return Err(StoreError::Newer { path, found, known });
    }
    if found == known {
        return Ok(None);
    }
    let copy = if found == 0 {
        None
    } else {
        Some(copy_aside(db, path, found)?)
    };
    for (step, migration) in (1u32..).zip(migrations) {
        if step > found {
            apply(db, step, migration)?;
        }
    }
    Ok(copy)
}

fn apply(db: &mut Connection, step: u32, migration: &Migration) -> Result<(), StoreError> {
    let transaction = db.transaction()?;
    transaction.execute_batch(migration.sql).map_err(|error| {
        StoreError::Unavailable(format!(
            "the migration {} failed and was undone: {error}",
            migration.name
        ))
    })?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", step)?;
    transaction.commit()?;
    Ok(())
}

fn version(db: &Connection) -> Result<u32, StoreError> {
    Ok(db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// A database with tables but without our mark belongs to another program.
fn check_ours(db: &Connection, path: &Path, found: u32) -> Result<(), StoreError> {
    let id: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let fresh = found == 0 && id == 0 && tables == 0;
    if fresh || id == APPLICATION_ID {
        Ok(())
    } else {
        let path = path.to_owned();
        Err(StoreError::NotOurs { path })
    }
}

fn copy_aside(db: &Connection, path: &Path, found: u32) -> Result<PathBuf, StoreError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".v{found}-backup"));
    let copy = path.with_file_name(name);
    match fs::remove_file(&copy) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(cannot_copy(&copy, &error));
        }
        _ => {}
    }
    copy_database(db, &copy)?;
    Ok(copy)
}

/// A consistent copy into a new file that only the owner may read.
pub(super) fn copy_database(db: &Connection, to: &Path) -> Result<(), StoreError> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(to)
        .and_then(|file| file.set_permissions(fs::Permissions::from_mode(0o600)))
        .map_err(|error| cannot_copy(to, &error))?;
    let mut target = Connection::open(to)?;
    let backup = rusqlite::backup::Backup::new(db, &mut target)?;
    // All pages in one step: the copy is of one moment.
    match backup.step(-1)? {
        rusqlite::backup::StepResult::Done => {}
        other => {
            return Err(StoreError::Unavailable(format!(
                "copying the database stopped: {other:?}"
            )));
        }
    }
    drop(backup);
    // A copy is one file: without a write-ahead log beside it.
    target.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    target.close().map_err(|(_, error)| error)?;
    fs::File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(|error| cannot_copy(to, &error))
}

fn cannot_copy(to: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot write the copy {}: {error}", to.display()))
}
