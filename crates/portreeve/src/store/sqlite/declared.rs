//! Making the rows that the configuration file owns equal to what it declares.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_policy::time::Timestamp;
use rusqlite::Connection;

use super::policies::Putting;
use super::{grants, policies, servers};
use crate::name::{Label, Name};
use crate::store::model::{Change, Declared, Fate, Grant, Kind, NewGrant, Owner};
use crate::store::{Sealer, StoreError};

/// Who a file's policies are by.
const BY: &str = "configuration file";

/// One run over all kinds, inside the caller's transaction.
pub(super) struct Applying<'a> {
    pub(super) db: &'a Connection,
    pub(super) sealer: &'a dyn Sealer,
    pub(super) at: Timestamp,
    pub(super) changes: Vec<Change>,
}

impl Applying<'_> {
    pub(super) fn run(mut self, declared: &Declared) -> Result<Vec<Change>, StoreError> {
        self.no_collisions(declared)?;
        self.servers(declared)?;
        self.policies(declared)?;
        self.grants(declared)?;
        Ok(self.changes)
    }

    /// Every name that a person has taken already, in the order in which they can be removed.
    fn no_collisions(&self, declared: &Declared) -> Result<(), StoreError> {
        let mut names = Vec::new();
        for new in &declared.grants {
            let old = grants::one(self.db, &new.label)?;
            if old.is_some_and(|old| old.owner == Owner::Store) {
                names.push((Kind::Grant, new.label.to_string()));
            }
        }
        for new in &declared.servers {
            let old = servers::one(self.db, self.sealer, &new.name)?;
            if old.is_some_and(|old| old.owner == Owner::Store) {
                names.push((Kind::Server, new.name.to_string()));
            }
        }
        for (name, _) in &declared.policies {
            if policies::owner(self.db, name)? == Some(Owner::Store) {
                names.push((Kind::Policy, name.to_string()));
            }
        }
        if names.is_empty() {
            Ok(())
        } else {
            Err(StoreError::OwnedByStore { names })
        }
    }

    fn note(&mut self, kind: Kind, name: &str, fate: Fate) {
        let name = name.to_owned();
        self.changes.push(Change { kind, name, fate });
    }

    fn servers(&mut self, declared: &Declared) -> Result<(), StoreError> {
        let names: BTreeSet<&Name> = declared.servers.iter().map(|server| &server.name).collect();
        for old in servers::all(self.db, self.sealer)? {
            if old.owner == Owner::File && !names.contains(&old.name) {
                servers::delete(self.db, &old.name)?;
                self.note(Kind::Server, &old.name, Fate::Removed);
            }
        }
        for new in &declared.servers {
            match servers::one(self.db, self.sealer, &new.name)? {
                None => {
                    servers::add(self.db, self.sealer, new.clone(), (Owner::File, self.at))?;
                    self.note(Kind::Server, &new.name, Fate::Added);
                }
                Some(old) if old.owner == Owner::Store => {
                    return Err(owned_by_store(Kind::Server, &new.name));
                }
                Some(old) if old.configuration() != *new => {
                    servers::reconfigure(self.db, self.sealer, new)?;
                    self.note(Kind::Server, &new.name, Fate::Changed);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn policies(&mut self, declared: &Declared) -> Result<(), StoreError> {
        let names: BTreeSet<&Name> = declared.policies.iter().map(|(name, _)| name).collect();
        for old in policies::newest(self.db)? {
            if old.owner == Owner::File && !names.contains(&old.name) {
                policies::withdraw(self.db, &old.name)?;
                self.note(Kind::Policy, &old.name, Fate::Removed);
            }
        }
        let putting = Putting {
            by: BY,
            at: self.at,
            owner: Owner::File,
        };
        for (name, text) in &declared.policies {
            let before = match policies::owner(self.db, name)? {
                Some(Owner::Store) => return Err(owned_by_store(Kind::Policy, name)),
                Some(Owner::File) => policies::latest(self.db, name)?,
                None => None,
            };
            let after = policies::write(self.db, name, text, putting)?;
            match before {
                None => self.note(Kind::Policy, name, Fate::Added),
                Some(before) if before.version != after.version => {
                    self.note(Kind::Policy, name, Fate::Changed);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn grants(&mut self, declared: &Declared) -> Result<(), StoreError> {
        let mut olds: BTreeMap<Label, Grant> = grants::all(self.db, false)?
            .into_iter()
            .map(|grant| (grant.label.clone(), grant))
            .collect();
        self.clear_the_way(&olds, declared)?;
        for new in &declared.grants {
            match olds.remove(&new.label) {
                None => {
                    grants::add(self.db, new.clone(), Owner::File, self.at)?;
                    self.note(Kind::Grant, &new.label, Fate::Added);
                }
                Some(old) if old.owner == Owner::Store => {
                    return Err(owned_by_store(Kind::Grant, &new.label));
                }
                Some(old) if !same(&old, new) => {
                    self.rewrite_grant(&old, new)?;
                    self.note(Kind::Grant, &new.label, Fate::Changed);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Grants that are declared no more go, and tokens that change are set aside, so that a token
    /// can move from one declared grant to another in one run.
    fn clear_the_way(
        &mut self,
        olds: &BTreeMap<Label, Grant>,
        declared: &Declared,
    ) -> Result<(), StoreError> {
        let wanted: BTreeMap<&Label, &str> = declared
            .grants
            .iter()
            .map(|grant| (&grant.label, grant.token_sha256.as_str()))
            .collect();
        for old in olds.values().filter(|old| old.owner == Owner::File) {
            match wanted.get(&old.label) {
                None => {
                    grants::delete(self.db, &old.label)?;
                    self.note(Kind::Grant, &old.label, Fate::Removed);
                }
                Some(token) if *token != old.token_sha256 => {
                    grants::set_token_aside(self.db, &old.label)?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn rewrite_grant(&self, old: &Grant, new: &NewGrant) -> Result<(), StoreError> {
        self.db.execute(
            "UPDATE grants SET identity = ?2, expires_at = ?3 WHERE label = ?1",
            rusqlite::params![new.label, new.identity, new.expires_at.map(|at| at.0)],
        )?;
        if old.token_sha256 != new.token_sha256 {
            grants::write_token(self.db, &new.label, &new.token_sha256, self.at)?;
        }
        grants::write_servers(self.db, &new.label, &new.servers, &new.shadows)
    }
}

fn same(old: &Grant, new: &NewGrant) -> bool {
    old.identity == new.identity
        && old.token_sha256 == new.token_sha256
        && old.servers == new.servers
        && old.shadows == new.shadows
        && old.expires_at == new.expires_at
}

fn owned_by_store(kind: Kind, name: &str) -> StoreError {
    let names = vec![(kind, name.to_owned())];
    StoreError::OwnedByStore { names }
}
