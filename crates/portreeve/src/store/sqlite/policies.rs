//! Rows of policies and their versions.

use portreeve_policy::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::written::signed;
use crate::name::Name;
use crate::store::StoreError;
use crate::store::model::{Kind, Owner, PolicyVersion};

const SELECT: &str = "SELECT name, version, text, created_at, by, owner \
                      FROM policy_versions JOIN policies USING (name)";

fn read(row: &Row<'_>) -> rusqlite::Result<PolicyVersion> {
    Ok(PolicyVersion {
        name: row.get(0)?,
        version: row.get::<_, i64>(1)?.unsigned_abs(),
        text: row.get(2)?,
        created_at: Timestamp(row.get(3)?),
        by: row.get(4)?,
        owner: row.get(5)?,
    })
}

/// The newest version of every live policy.
pub(super) fn newest(db: &Connection) -> Result<Vec<PolicyVersion>, StoreError> {
    let mut query = db.prepare_cached(&format!(
        "{SELECT} WHERE live AND version =
             (SELECT max(version) FROM policy_versions AS v WHERE v.name = policies.name)
         ORDER BY name"
    ))?;
    let rows = query.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn history(db: &Connection, name: &Name) -> Result<Vec<PolicyVersion>, StoreError> {
    let mut query = db.prepare_cached(&format!("{SELECT} WHERE name = ?1 ORDER BY version"))?;
    let rows = query.query_map([name], read)?;
    let versions: Vec<_> = rows.collect::<Result<_, _>>()?;
    if versions.is_empty() {
        return Err(missing(name));
    }
    Ok(versions)
}

pub(super) fn one(
    db: &Connection,
    name: &Name,
    version: Option<u64>,
) -> Result<PolicyVersion, StoreError> {
    let newest = latest(db, name)?.ok_or_else(|| missing(name))?;
    let Some(version) = version.filter(|wanted| *wanted != newest.version) else {
        return Ok(newest);
    };
    let mut query = db.prepare_cached(&format!("{SELECT} WHERE name = ?1 AND version = ?2"))?;
    let found = match signed(version) {
        Ok(signed) => query.query_row(params![name, signed], read).optional()?,
        Err(_) => None,
    };
    found.ok_or_else(|| StoreError::NoSuchVersion {
        name: name.to_string(),
        version,
    })
}

/// The newest version, also of a policy that is not live.
pub(super) fn latest(db: &Connection, name: &Name) -> Result<Option<PolicyVersion>, StoreError> {
    Ok(db
        .prepare_cached(&format!(
            "{SELECT} WHERE name = ?1 ORDER BY version DESC LIMIT 1"
        ))?
        .query_row([name], read)
        .optional()?)
}

/// The owner of the name, if the policy is live.
pub(super) fn owner(db: &Connection, name: &Name) -> Result<Option<Owner>, StoreError> {
    Ok(db
        .prepare_cached("SELECT owner FROM policies WHERE name = ?1 AND live")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

/// What is written besides the text.
#[derive(Clone, Copy)]
pub(super) struct Putting<'a> {
    pub(super) by: &'a str,
    pub(super) at: Timestamp,
    pub(super) owner: Owner,
}

/// A person's text. A name that the file owns is refused.
pub(super) fn put(
    db: &Connection,
    name: &Name,
    text: &str,
    putting: Putting<'_>,
) -> Result<PolicyVersion, StoreError> {
    if owner(db, name)? == Some(Owner::File) {
        return Err(StoreError::OwnedByFile {
            kind: Kind::Policy,
            name: name.to_string(),
        });
    }
    write(db, name, text, putting)
}

/// Makes the policy live under its owner, with this text as the newest version.
pub(super) fn write(
    db: &Connection,
    name: &Name,
    text: &str,
    putting: Putting<'_>,
) -> Result<PolicyVersion, StoreError> {
    db.execute(
        "INSERT INTO policies (name, owner, live) VALUES (?1, ?2, 1)
         ON CONFLICT (name) DO UPDATE SET owner = ?2, live = 1",
        params![name, putting.owner],
    )?;
    let newest = latest(db, name)?;
    if let Some(same) = newest.as_ref().filter(|newest| newest.text == text) {
        return Ok(same.clone());
    }
    let version = newest.map_or(0, |newest| newest.version).saturating_add(1);
    db.execute(
        "INSERT INTO policy_versions (name, version, text, created_at, by)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![name, signed(version)?, text, putting.at.0, putting.by],
    )?;
    Ok(PolicyVersion {
        name: name.clone(),
        version,
        text: text.to_owned(),
        created_at: putting.at,
        by: putting.by.to_owned(),
        owner: putting.owner,
    })
}

pub(super) fn remove(db: &Connection, name: &Name) -> Result<(), StoreError> {
    match owner(db, name)? {
        None => return Err(missing(name)),
        Some(Owner::File) => {
            return Err(StoreError::OwnedByFile {
                kind: Kind::Policy,
                name: name.to_string(),
            });
        }
        Some(Owner::Store) => {}
    }
    let users = users(db, name)?;
    if !users.is_empty() {
        return Err(StoreError::InUse {
            kind: Kind::Policy,
            name: name.to_string(),
            users: users.join(", "),
        });
    }
    withdraw(db, name)
}

/// Takes the policy out of use; its versions stay.
pub(super) fn withdraw(db: &Connection, name: &Name) -> Result<(), StoreError> {
    db.execute("UPDATE policies SET live = 0 WHERE name = ?1", [name])?;
    Ok(())
}

fn users(db: &Connection, name: &Name) -> Result<Vec<String>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT label, server FROM grant_servers JOIN grants USING (label)
         WHERE (policy = ?1 OR shadow = ?1) AND revoked_at IS NULL ORDER BY label, server",
    )?;
    let rows = query.query_map([name], |row| {
        let (label, server): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(format!("the grant `{label}` on `{server}`"))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn missing(name: &Name) -> StoreError {
    StoreError::Missing {
        kind: Kind::Policy,
        name: name.to_string(),
    }
}
