//! Opening a database that must not, or cannot, be written to.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::store::StoreError;

pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let plain = Connection::open_with_flags(path, flags()).and_then(readable);
    let opened = match plain {
        // Where no file can be made beside it, SQLite reads it only when told that nobody writes.
        // What still waits in the log would be passed over, so there must be none.
        Err(_) if !has_log(path) => {
            Connection::open_with_flags(frozen(path), flags() | OpenFlags::SQLITE_OPEN_URI)
                .and_then(readable)
        }
        other => other,
    };
    opened.map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => StoreError::NotOurs {
            path: path.to_owned(),
        },
        _ => StoreError::Open {
            path: path.to_owned(),
            why: error.to_string(),
        },
    })
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// SQLite opens lazily: only a question shows whether it can.
fn readable(db: Connection) -> rusqlite::Result<Connection> {
    db.query_row("SELECT count(*) FROM anchors", [], |_| Ok(()))?;
    Ok(db)
}

fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

fn frozen(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                uri.push(char::from(*byte));
            }
            other => {
                let _ = write!(uri, "%{other:02x}");
            }
        }
    }
    uri + "?immutable=1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_database_is_read_under_any_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a ?b#%41.db");
        let db = Connection::open(&path).expect("opened");
        db.execute_batch("CREATE TABLE anchors (id); INSERT INTO anchors VALUES (1)")
            .expect("written");
        drop(db);
        let flags = flags() | OpenFlags::SQLITE_OPEN_URI;
        let frozen = Connection::open_with_flags(frozen(&path), flags).expect("opened");
        readable(frozen).expect("the table is there");
        let opened = open(&path).expect("opened");
        opened
            .execute("INSERT INTO anchors VALUES (2)", [])
            .expect_err("it is not written to");
        let error = open(&dir.path().join("absent.db")).expect_err("there is none");
        assert!(matches!(error, StoreError::Open { .. }), "{error}");
        assert!(!dir.path().join("absent.db").exists());
    }
}
