//! Rows of people.

use portreeve_policy::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::name::Label;
use crate::store::StoreError;
use crate::store::model::Kind;
use crate::store::person::{NewPerson, Person, Proof};

const COLUMNS: &str =
    "name, role, identities, password IS NOT NULL, token_sha256 IS NOT NULL, created_at";

fn read(row: &Row<'_>) -> rusqlite::Result<Person> {
    let identities: String = row.get(2)?;
    Ok(Person {
        name: row.get(0)?,
        role: row.get(1)?,
        identities: serde_json::from_str(&identities).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                2,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })?,
        has_password: row.get(3)?,
        has_token: row.get(4)?,
        created_at: Timestamp(row.get(5)?),
    })
}

pub(super) fn all(db: &Connection) -> Result<Vec<Person>, StoreError> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM people ORDER BY name"))?;
    let rows = query.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn one(db: &Connection, name: &Label) -> Result<Option<Person>, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM people WHERE name = ?1");
    Ok(db
        .prepare_cached(&query)?
        .query_row([name], read)
        .optional()?)
}

/// Who has this token.
pub(super) fn by_token(db: &Connection, sha256: &str) -> Result<Option<Person>, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM people WHERE token_sha256 = ?1");
    Ok(db
        .prepare_cached(&query)?
        .query_row([sha256], read)
        .optional()?)
}

/// What the person's password is compared with.
pub(super) fn password(db: &Connection, name: &Label) -> Result<Option<String>, StoreError> {
    let found = db
        .prepare_cached("SELECT password FROM people WHERE name = ?1")?
        .query_row([name], |row| row.get::<_, Option<String>>(0))
        .optional()?;
    Ok(found.flatten())
}

pub(super) fn add(db: &Connection, new: NewPerson, at: Timestamp) -> Result<Person, StoreError> {
    if one(db, &new.name)?.is_some() {
        let (kind, name) = (Kind::User, new.name.to_string());
        return Err(StoreError::Exists { kind, name });
    }
    let identities = serde_json::to_string(&new.identities)
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    db.execute(
        "INSERT INTO people (name, role, identities, password, token_sha256, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            new.name,
            new.role,
            identities,
            new.proof.password,
            new.proof.token_sha256,
            at.0
        ],
    )?;
    Ok(Person {
        name: new.name,
        role: new.role,
        identities: new.identities,
        has_password: new.proof.password.is_some(),
        has_token: new.proof.token_sha256.is_some(),
        created_at: at,
    })
}

/// Replaces what is given; the rest stays.
pub(super) fn set_proof(
    db: &Connection,
    name: &Label,
    proof: &Proof,
) -> Result<Person, StoreError> {
    db.execute(
        "UPDATE people SET password = coalesce(?2, password),
                           token_sha256 = coalesce(?3, token_sha256)
         WHERE name = ?1",
        params![name, proof.password, proof.token_sha256],
    )?;
    one(db, name)?.ok_or_else(|| missing(name))
}

pub(super) fn remove(db: &Connection, name: &Label) -> Result<(), StoreError> {
    match db.execute("DELETE FROM people WHERE name = ?1", [name])? {
        0 => Err(missing(name)),
        _ => Ok(()),
    }
}

fn missing(name: &Label) -> StoreError {
    StoreError::Missing {
        kind: Kind::User,
        name: name.to_string(),
    }
}
