//! Rows of anchors and of the meta table.

use rusqlite::{Connection, OptionalExtension, params};

use super::written::signed;
use crate::store::StoreError;
use crate::store::model::Anchor;

/// How many anchors are kept. The newest counts; the older ones help to say where a cut was made.
pub(super) const KEPT: i64 = 256;

pub(super) fn put_anchor(db: &Connection, anchor: &Anchor) -> Result<(), StoreError> {
    let newest = anchors(db, 1)?.pop();
    if newest.is_some_and(|newest| newest.seq == anchor.seq && newest.hash == anchor.hash) {
        return Ok(());
    }
    db.prepare_cached("INSERT INTO anchors (seq, hash, at) VALUES (?1, ?2, ?3)")?
        .execute(params![signed(anchor.seq)?, anchor.hash, anchor.at])?;
    db.prepare_cached(
        "DELETE FROM anchors WHERE id <=
             (SELECT id FROM anchors ORDER BY id DESC LIMIT 1 OFFSET ?1)",
    )?
    .execute([KEPT])?;
    Ok(())
}

/// The newest anchors, oldest first.
pub(super) fn anchors(db: &Connection, newest: i64) -> Result<Vec<Anchor>, StoreError> {
    let mut query =
        db.prepare_cached("SELECT seq, hash, at FROM anchors ORDER BY id DESC LIMIT ?1")?;
    let rows = query.query_map([newest], |row| {
        Ok(Anchor {
            seq: row.get::<_, i64>(0)?.unsigned_abs(),
            hash: row.get(1)?,
            at: row.get(2)?,
        })
    })?;
    let mut anchors: Vec<Anchor> = rows.collect::<Result<_, _>>()?;
    anchors.reverse();
    Ok(anchors)
}

pub(super) fn meta(db: &Connection, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(db
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

pub(super) fn put_meta(db: &Connection, key: &str, value: &[u8]) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute(params![key, value])?;
    Ok(())
}
