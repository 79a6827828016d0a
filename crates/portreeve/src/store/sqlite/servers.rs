//! Rows of servers.

use portreeve_policy::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::written::{TargetSeal, signed};
use crate::name::{Label, Name};
use crate::store::model::{Kind, NewServer, Owner, Server, Target};
use crate::store::{Sealer, StoreError};

const COLUMNS: &str = "name, target, new_tools, accept, private, timeout_ms, owner, revision, \
                       created_at, first_list_accepted";

/// A row whose secrets are still sealed: with the target's text beside what stands for it.
fn read(row: &Row<'_>) -> rusqlite::Result<(Server, String)> {
    let server = Server {
        name: row.get(0)?,
        target: Target::Demo,
        new_tools: row.get(2)?,
        accept: row.get(3)?,
        private: row.get(4)?,
        timeout_ms: row.get::<_, Option<i64>>(5)?.map(i64::unsigned_abs),
        owner: row.get(6)?,
        revision: row.get::<_, i64>(7)?.unsigned_abs(),
        created_at: Timestamp(row.get(8)?),
        first_list_accepted: row.get(9)?,
    };
    Ok((server, row.get(1)?))
}

fn open(sealer: &dyn Sealer, read: (Server, String)) -> Result<Server, StoreError> {
    let (mut server, target) = read;
    let name = server.name.clone();
    server.target = TargetSeal {
        sealer,
        server: &name,
    }
    .read(&target)?;
    Ok(server)
}

pub(super) fn all(db: &Connection, sealer: &dyn Sealer) -> Result<Vec<Server>, StoreError> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM servers ORDER BY name"))?;
    let rows = query.query_map([], read)?;
    rows.map(|row| open(sealer, row?)).collect()
}

pub(super) fn one(
    db: &Connection,
    sealer: &dyn Sealer,
    name: &Name,
) -> Result<Option<Server>, StoreError> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM servers WHERE name = ?1"))?;
    let row = query.query_row([name], read).optional()?;
    row.map(|row| open(sealer, row)).transpose()
}

pub(super) fn owner(db: &Connection, name: &Name) -> Result<Option<Owner>, StoreError> {
    Ok(db
        .prepare_cached("SELECT owner FROM servers WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

pub(super) fn add(
    db: &Connection,
    sealer: &dyn Sealer,
    server: NewServer,
    (owner, at): (Owner, Timestamp),
) -> Result<Server, StoreError> {
    if self::owner(db, &server.name)?.is_some() {
        return Err(StoreError::Exists {
            kind: Kind::Server,
            name: server.name.into(),
        });
    }
    let seal = TargetSeal {
        sealer,
        server: &server.name,
    };
    db.execute(
        "INSERT INTO servers (name, target, new_tools, accept, private, timeout_ms, owner,
                              revision, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)",
        params![
            server.name,
            seal.write(&server.target)?,
            server.new_tools,
            server.accept,
            server.private,
            server.timeout_ms.map(signed).transpose()?,
            owner,
            at.0
        ],
    )?;
    Ok(Server {
        name: server.name,
        target: server.target,
        new_tools: server.new_tools,
        accept: server.accept,
        private: server.private,
        timeout_ms: server.timeout_ms,
        owner,
        revision: 1,
        created_at: at,
        first_list_accepted: false,
    })
}

/// Gives an existing server another configuration, and with it the next revision.
pub(super) fn reconfigure(
    db: &Connection,
    sealer: &dyn Sealer,
    server: &NewServer,
) -> Result<(), StoreError> {
    let seal = TargetSeal {
        sealer,
        server: &server.name,
    };
    db.execute(
        "UPDATE servers SET target = ?2, new_tools = ?3, accept = ?4, private = ?5,
                            timeout_ms = ?6, revision = revision + 1
         WHERE name = ?1",
        params![
            server.name,
            seal.write(&server.target)?,
            server.new_tools,
            server.accept,
            server.private,
            server.timeout_ms.map(signed).transpose()?
        ],
    )?;
    Ok(())
}

/// Removes a server that a person added. A grant that the file declares may not lose it here.
pub(super) fn remove(db: &Connection, name: &Name) -> Result<Vec<Label>, StoreError> {
    let named = || (Kind::Server, name.to_string());
    match owner(db, name)? {
        None => {
            let (kind, name) = named();
            return Err(StoreError::Missing { kind, name });
        }
        Some(Owner::File) => {
            let (kind, name) = named();
            return Err(StoreError::OwnedByFile { kind, name });
        }
        Some(Owner::Store) => {}
    }
    let users = users(db, name)?;
    if let Some((label, _)) = users.iter().find(|(_, owner)| *owner == Owner::File) {
        return Err(StoreError::InUse {
            kind: Kind::Server,
            name: name.to_string(),
            users: format!("the grant `{label}` in the configuration file"),
        });
    }
    // INVARIANT: a server added later under the same name is not open to the grants of this one.
    db.execute("DELETE FROM grant_servers WHERE server = ?1", [name])?;
    delete(db, name)?;
    Ok(users.into_iter().map(|(label, _)| label).collect())
}

/// The row and its pins; grants keep the name.
pub(super) fn delete(db: &Connection, name: &Name) -> Result<(), StoreError> {
    db.execute("DELETE FROM servers WHERE name = ?1", [name])?;
    Ok(())
}

fn users(db: &Connection, name: &Name) -> Result<Vec<(Label, Owner)>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT label, owner FROM grant_servers JOIN grants USING (label)
         WHERE server = ?1 ORDER BY label",
    )?;
    let rows = query.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
