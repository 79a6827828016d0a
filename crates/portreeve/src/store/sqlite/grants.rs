//! Rows of grants and of the servers they open.

use std::collections::BTreeMap;

use portreeve_policy::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::name::{Label, Name};
use crate::store::StoreError;
use crate::store::model::{Grant, Kind, NewGrant, Owner};

const COLUMNS: &str = "label, identity, token_sha256, expires_at, revoked_at, created_at, \
                       rotated_at, owner";

fn read(row: &Row<'_>) -> rusqlite::Result<Grant> {
    let time = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Timestamp));
    Ok(Grant {
        label: row.get(0)?,
        identity: row.get(1)?,
        token_sha256: row.get(2)?,
        servers: BTreeMap::new(),
        shadows: BTreeMap::new(),
        expires_at: time(3)?,
        revoked_at: time(4)?,
        created_at: Timestamp(row.get(5)?),
        rotated_at: time(6)?,
        owner: row.get(7)?,
    })
}

/// All grants, or those that are not revoked.
pub(super) fn all(db: &Connection, live_only: bool) -> Result<Vec<Grant>, StoreError> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM grants WHERE revoked_at IS NULL OR NOT ?1 ORDER BY label"
    ))?;
    let rows = query.query_map([live_only], read)?;
    let mut grants: BTreeMap<Label, Grant> = BTreeMap::new();
    for row in rows {
        let grant = row?;
        grants.insert(grant.label.clone(), grant);
    }
    let mut query = db.prepare_cached("SELECT label, server, policy, shadow FROM grant_servers")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let label: String = row.get(0)?;
        if let Some(grant) = grants.get_mut(label.as_str()) {
            take_server(grant, row, 1)?;
        }
    }
    Ok(grants.into_values().collect())
}

pub(super) fn one(db: &Connection, label: &Label) -> Result<Option<Grant>, StoreError> {
    let found = db
        .prepare_cached(&format!("SELECT {COLUMNS} FROM grants WHERE label = ?1"))?
        .query_row([label], read)
        .optional()?;
    let Some(mut grant) = found else {
        return Ok(None);
    };
    let mut query =
        db.prepare_cached("SELECT server, policy, shadow FROM grant_servers WHERE label = ?1")?;
    let mut rows = query.query([label])?;
    while let Some(row) = rows.next()? {
        take_server(&mut grant, row, 0)?;
    }
    Ok(Some(grant))
}

/// Adds to a grant the server whose columns begin at `first`.
fn take_server(grant: &mut Grant, row: &Row<'_>, first: usize) -> rusqlite::Result<()> {
    let server: Name = row.get(first)?;
    if let Some(shadow) = row.get(first + 2)? {
        grant.shadows.insert(server.clone(), shadow);
    }
    grant.servers.insert(server, row.get(first + 1)?);
    Ok(())
}

pub(super) fn add(
    db: &Connection,
    grant: NewGrant,
    owner: Owner,
    at: Timestamp,
) -> Result<Grant, StoreError> {
    if one(db, &grant.label)?.is_some() {
        return Err(StoreError::Exists {
            kind: Kind::Grant,
            name: grant.label.into(),
        });
    }
    free_token(db, &grant.label, &grant.token_sha256)?;
    db.execute(
        "INSERT INTO grants (label, identity, token_sha256, expires_at, created_at, owner)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            grant.label,
            grant.identity,
            grant.token_sha256,
            grant.expires_at.map(|at| at.0),
            at.0,
            owner
        ],
    )?;
    write_servers(db, &grant.label, &grant.servers, &grant.shadows)?;
    Ok(Grant {
        label: grant.label,
        identity: grant.identity,
        token_sha256: grant.token_sha256,
        servers: grant.servers,
        shadows: grant.shadows,
        expires_at: grant.expires_at,
        revoked_at: None,
        created_at: at,
        rotated_at: None,
        owner,
    })
}

/// INVARIANT: a token opens one grant.
fn free_token(db: &Connection, label: &Label, sha256: &str) -> Result<(), StoreError> {
    let taken: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM grants WHERE token_sha256 = ?1 AND label <> ?2)",
        )?
        .query_row(params![sha256, label], |row| row.get(0))?;
    if taken {
        let label = label.to_string();
        return Err(StoreError::TokenTaken { label });
    }
    Ok(())
}

pub(super) fn write_servers(
    db: &Connection,
    label: &Label,
    servers: &BTreeMap<Name, Option<Name>>,
    shadows: &BTreeMap<Name, Name>,
) -> Result<(), StoreError> {
    db.execute("DELETE FROM grant_servers WHERE label = ?1", [label])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO grant_servers (label, server, policy, shadow) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (server, policy) in servers {
        insert.execute(params![label, server, policy, shadows.get(server)])?;
    }
    Ok(())
}

pub(super) fn write_end(
    db: &Connection,
    label: &Label,
    expires_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    db.execute(
        "UPDATE grants SET expires_at = ?2 WHERE label = ?1",
        params![label, expires_at.map(|at| at.0)],
    )?;
    Ok(())
}

pub(super) fn write_token(
    db: &Connection,
    label: &Label,
    sha256: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    free_token(db, label, sha256)?;
    db.execute(
        "UPDATE grants SET token_sha256 = ?2, rotated_at = ?3 WHERE label = ?1",
        params![label, sha256, at.0],
    )?;
    Ok(())
}

/// Takes the grant's token away until the caller, in the same transaction, writes another.
pub(super) fn set_token_aside(db: &Connection, label: &Label) -> Result<(), StoreError> {
    // No token's hash begins with a star.
    db.prepare_cached(
        "UPDATE grants SET token_sha256 = '*' || printf('%063d', rowid) WHERE label = ?1",
    )?
    .execute([label])?;
    Ok(())
}

/// A change by a person: the grant must be theirs to change, and not revoked.
pub(super) fn change(
    db: &Connection,
    label: &Label,
    write: impl FnOnce(&Grant) -> Result<(), StoreError>,
) -> Result<Grant, StoreError> {
    let grant = theirs(db, label)?;
    if grant.revoked_at.is_some() {
        let label = label.to_string();
        return Err(StoreError::Revoked { label });
    }
    write(&grant)?;
    one(db, label)?.ok_or_else(|| missing(label))
}

pub(super) fn revoke(db: &Connection, label: &Label, at: Timestamp) -> Result<(), StoreError> {
    db.execute(
        "UPDATE grants SET revoked_at = ?2 WHERE label = ?1",
        params![label, at.0],
    )?;
    Ok(())
}

pub(super) fn remove(db: &Connection, label: &Label) -> Result<(), StoreError> {
    theirs(db, label)?;
    delete(db, label)
}

pub(super) fn delete(db: &Connection, label: &Label) -> Result<(), StoreError> {
    db.execute("DELETE FROM grants WHERE label = ?1", [label])?;
    Ok(())
}

/// A grant that a person may change here.
fn theirs(db: &Connection, label: &Label) -> Result<Grant, StoreError> {
    let grant = one(db, label)?.ok_or_else(|| missing(label))?;
    match grant.owner {
        Owner::Store => Ok(grant),
        Owner::File => Err(StoreError::OwnedByFile {
            kind: Kind::Grant,
            name: label.to_string(),
        }),
    }
}

fn missing(label: &Label) -> StoreError {
    StoreError::Missing {
        kind: Kind::Grant,
        name: label.to_string(),
    }
}
