//! How words and targets are written in rows, and read back.
//!
//! A secret is sealed with the server, the place it is sent to and its own name beside it, so a
//! sealed value that is moved to another server or origin opens no more.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

use crate::hex;
use crate::name::{Label, Name};
use crate::parts;
use crate::store::approval::State;
use crate::store::model::{Accept, NewTools, Owner, Secret, Target};
use crate::store::person::Role;
use crate::store::{Sealer, StoreError};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenTarget {
    Http {
        url: String,
        headers: Vec<(String, WrittenSecret)>,
    },
    Command {
        argv: Vec<String>,
        env: Vec<(String, WrittenSecret)>,
    },
    Demo,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenSecret {
    Sealed(String),
    Env(String),
    File(std::path::PathBuf),
}

/// Seals and opens the secrets of one server.
pub(super) struct TargetSeal<'a> {
    pub(super) sealer: &'a dyn Sealer,
    pub(super) server: &'a str,
}

impl TargetSeal<'_> {
    pub(super) fn write(&self, target: &Target) -> Result<String, StoreError> {
        let written = match target {
            Target::Http { url, headers } => WrittenTarget::Http {
                url: url.clone(),
                headers: self.seal_all(headers, url)?,
            },
            Target::Command { argv, env } => WrittenTarget::Command {
                argv: argv.clone(),
                env: self.seal_all(env, &argv.join("\0"))?,
            },
            Target::Demo => WrittenTarget::Demo,
        };
        serde_json::to_string(&written).map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    pub(super) fn read(&self, text: &str) -> Result<Target, StoreError> {
        let written = serde_json::from_str(text).map_err(|_| StoreError::Corrupt {
            what: format!("the target of the server `{}`", self.server),
        })?;
        Ok(match written {
            WrittenTarget::Http { url, headers } => Target::Http {
                headers: self.open_all(headers, &url)?,
                url,
            },
            WrittenTarget::Command { argv, env } => Target::Command {
                env: self.open_all(env, &argv.join("\0"))?,
                argv,
            },
            WrittenTarget::Demo => Target::Demo,
        })
    }

    fn seal_all(
        &self,
        secrets: &[(String, Secret)],
        place: &str,
    ) -> Result<Vec<(String, WrittenSecret)>, StoreError> {
        let seal = |(key, secret): &(String, Secret)| {
            let written = match secret {
                Secret::Literal(text) => {
                    let sealed = self
                        .sealer
                        .seal(&self.aad(place, key), text.reveal().as_bytes())
                        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
                    WrittenSecret::Sealed(hex::encode(&sealed))
                }
                Secret::Env(name) => WrittenSecret::Env(name.clone()),
                Secret::File(path) => WrittenSecret::File(path.clone()),
            };
            Ok((key.clone(), written))
        };
        secrets.iter().map(seal).collect()
    }

    fn open_all(
        &self,
        written: Vec<(String, WrittenSecret)>,
        place: &str,
    ) -> Result<Vec<(String, Secret)>, StoreError> {
        let open = |(key, secret): (String, WrittenSecret)| {
            let secret =
                match secret {
                    WrittenSecret::Sealed(hex) => self
                        .open(&hex, &self.aad(place, &key))
                        .ok_or_else(|| StoreError::Unsealable {
                            server: self.server.to_owned(),
                        })?,
                    WrittenSecret::Env(name) => Secret::Env(name),
                    WrittenSecret::File(path) => Secret::File(path),
                };
            Ok((key, secret))
        };
        written.into_iter().map(open).collect()
    }

    fn open(&self, sealed: &str, aad: &[u8]) -> Option<Secret> {
        let plain = self.sealer.open(aad, &hex::decode_all(sealed)?).ok()?;
        Some(Secret::literal(String::from_utf8(plain).ok()?))
    }

    fn aad(&self, place: &str, key: &str) -> Vec<u8> {
        parts::joined(&["portreeve server secret 1", self.server, place, key])
    }
}

/// A word of ours in a column of text.
macro_rules! word_column {
    ($type:ty, $($value:path => $word:literal),+ $(,)?) => {
        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(match self { $($value => $word,)+ }.into())
            }
        }
        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                match value.as_str()? {
                    $($word => Ok($value),)+
                    _ => Err(FromSqlError::InvalidType),
                }
            }
        }
    };
}

word_column!(Owner, Owner::Store => "store", Owner::File => "file");
word_column!(NewTools, NewTools::Quarantine => "quarantine", NewTools::Judge => "judge");
word_column!(
    State,
    State::Waiting => "waiting",
    State::Approved => "approved",
    State::Denied => "denied",
    State::Expired => "expired",
    State::Used => "used",
);
word_column!(
    Role,
    Role::Admin => "admin",
    Role::PolicyManager => "policy_manager",
    Role::Approver => "approver",
    Role::Viewer => "viewer",
);
word_column!(Accept, Accept::First => "first", Accept::Manual => "manual");

macro_rules! name_column {
    ($type:ty) => {
        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }
        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                Self::new(value.as_str()?).map_err(|error| FromSqlError::Other(Box::new(error)))
            }
        }
    };
}

name_column!(Name);
name_column!(Label);

/// SQLite's integers are signed; ours beyond that do not happen, and are refused if they do.
pub(super) fn signed(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Unavailable(format!("{value} is out of range")))
}
