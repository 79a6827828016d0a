//! Rows of labels: what callers have seen, for flow rules.

use portreeve_policy::time::Timestamp;
use rusqlite::{Connection, params};

use crate::store::StoreError;
use crate::store::model::SeenLabel;

pub(super) fn all(db: &Connection) -> Result<Vec<SeenLabel>, StoreError> {
    let mut query = db.prepare_cached("SELECT subject, label, at FROM labels")?;
    let rows = query.query_map([], |row| {
        Ok(SeenLabel {
            subject: row.get(0)?,
            label: row.get(1)?,
            at: Timestamp(row.get(2)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// INVARIANT: an earlier time never takes the place of a later one.
pub(super) fn put(db: &Connection, seen: &[SeenLabel]) -> Result<(), StoreError> {
    let mut insert = db.prepare_cached(
        "INSERT INTO labels (subject, label, at) VALUES (?1, ?2, ?3)
         ON CONFLICT (subject, label) DO UPDATE SET at = max(at, excluded.at)",
    )?;
    for SeenLabel { subject, label, at } in seen {
        insert.execute(params![subject, label, at.0])?;
    }
    Ok(())
}

pub(super) fn forget(db: &Connection, before: Timestamp) -> Result<usize, StoreError> {
    Ok(db
        .prepare_cached("DELETE FROM labels WHERE at < ?1")?
        .execute([before.0])?)
}
