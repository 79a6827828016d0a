//! The embedded backend: one SQLite file in the data directory.
//!
//! It owns the SQL, the schema's history and the thread that waits for the disk. Each operation is
//! one transaction, made durable before it is answered.

mod approvals;
mod book;
mod declared;
mod grants;
mod labels;
mod migrate;
mod opinion;
mod people;
mod pins;
mod policies;
mod read_only;
mod servers;
#[cfg(test)]
mod tests;
mod worker;
mod written;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portreeve_policy::time::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::approval::{Approval, NewApproval, NoVote, Says};
use super::model::{
    Accepting, Anchor, Change, Declared, Drift, Grant, Judged, NewGrant, NewServer, Owner, Pin,
    PinnedOpinion, PolicyVersion, SeenLabel, Server, Snapshot,
};
use super::person::{NewPerson, Person, Proof};
use super::{
    Answer, Approvals, Asked, Book, Grants, Labels, People, Pins, Policies, Sealer, Servers, Store,
    StoreError,
};
use crate::name::{Label, Name};
use declared::Applying;
use policies::Putting;
use worker::{Db, Worker};

/// The database's name in the data directory.
pub const FILE_NAME: &str = "portreeve.db";

/// A handle to the database; clones share it.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    worker: Worker,
    copy: Option<PathBuf>,
}

impl SqliteStore {
    /// Opens the database, creating or upgrading it as needed. Blocks: it is for the start.
    pub fn open(path: &Path, sealer: Arc<dyn Sealer>) -> Result<Self, StoreError> {
        let (conn, copy) = open(path, migrate::MIGRATIONS)?;
        Ok(Self {
            worker: Worker::start(Db { conn, sealer })?,
            copy,
        })
    }

    /// Opens the database as it is, writing nothing: not even beside it, where that is not possible.
    pub fn open_to_read(path: &Path, sealer: Arc<dyn Sealer>) -> Result<Self, StoreError> {
        Ok(Self {
            worker: Worker::start(Db {
                conn: read_only::open(path)?,
                sealer,
            })?,
            copy: None,
        })
    }

    /// The copy of the database that was left before this start upgraded its schema.
    pub fn copy_before_upgrade(&self) -> Option<&Path> {
        self.copy.as_deref()
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &dyn Sealer) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        self.transact(TransactionBehavior::Deferred, work)
    }

    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &dyn Sealer) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        self.transact(TransactionBehavior::Immediate, work)
    }

    fn transact<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>, &dyn Sealer) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        self.worker.run(move |db| {
            let transaction = db.conn.transaction_with_behavior(behavior)?;
            // Dropped without a commit, a transaction is undone.
            let done = work(&transaction, &*db.sealer)?;
            transaction.commit()?;
            Ok(done)
        })
    }
}

fn open(
    path: &Path,
    migrations: &[migrate::Migration],
) -> Result<(Connection, Option<PathBuf>), StoreError> {
    let cannot = |why: String| StoreError::Open {
        path: path.to_owned(),
        why,
    };
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| cannot(error.to_string()))?;
    let mut db = Connection::open(path).map_err(|error| cannot(error.to_string()))?;
    configure(&db).map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => StoreError::NotOurs {
            path: path.to_owned(),
        },
        _ => cannot(error.to_string()),
    })?;
    let copy = migrate::migrate(&mut db, path, migrations)?;
    Ok((db, copy))
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(Duration::from_secs(5))?;
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // A revoked grant must stay revoked after a power cut.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(())
}

impl Servers for SqliteStore {
    fn servers(&self) -> Answer<Vec<Server>> {
        self.read(|db, sealer| servers::all(db, sealer))
    }

    fn server(&self, name: &Name) -> Answer<Option<Server>> {
        let name = name.clone();
        self.read(move |db, sealer| servers::one(db, sealer, &name))
    }

    fn add_server(&self, server: NewServer, at: Timestamp) -> Answer<Server> {
        self.write(move |db, sealer| servers::add(db, sealer, server, (Owner::Store, at)))
    }

    fn remove_server(&self, name: &Name) -> Answer<Vec<Label>> {
        let name = name.clone();
        self.write(move |db, _| servers::remove(db, &name))
    }
}

impl Policies for SqliteStore {
    fn policies(&self) -> Answer<Vec<PolicyVersion>> {
        self.read(|db, _| policies::newest(db))
    }

    fn policy_history(&self, name: &Name) -> Answer<Vec<PolicyVersion>> {
        let name = name.clone();
        self.read(move |db, _| policies::history(db, &name))
    }

    fn policy(&self, name: &Name, version: Option<u64>) -> Answer<PolicyVersion> {
        let name = name.clone();
        self.read(move |db, _| policies::one(db, &name, version))
    }

    fn put_policy(
        &self,
        name: &Name,
        text: String,
        by: &str,
        at: Timestamp,
    ) -> Answer<PolicyVersion> {
        let (name, by) = (name.clone(), by.to_owned());
        let owner = Owner::Store;
        self.write(move |db, _| {
            let by = by.as_str();
            policies::put(db, &name, &text, Putting { by, at, owner })
        })
    }

    fn remove_policy(&self, name: &Name) -> Answer<()> {
        let name = name.clone();
        self.write(move |db, _| policies::remove(db, &name))
    }
}

impl Grants for SqliteStore {
    fn grants(&self) -> Answer<Vec<Grant>> {
        self.read(|db, _| grants::all(db, false))
    }

    fn grant(&self, label: &Label) -> Answer<Option<Grant>> {
        let label = label.clone();
        self.read(move |db, _| grants::one(db, &label))
    }

    fn create_grant(&self, grant: NewGrant, at: Timestamp) -> Answer<Grant> {
        self.write(move |db, _| grants::add(db, grant, Owner::Store, at))
    }

    fn rotate_grant(&self, label: &Label, token_sha256: String, at: Timestamp) -> Answer<Grant> {
        let label = label.clone();
        self.write(move |db, _| {
            grants::change(db, &label, |_| {
                grants::write_token(db, &label, &token_sha256, at)
            })
        })
    }

    fn revoke_grant(&self, label: &Label, at: Timestamp) -> Answer<Grant> {
        let label = label.clone();
        self.write(move |db, _| grants::change(db, &label, |_| grants::revoke(db, &label, at)))
    }

    fn rewrite_grant(
        &self,
        label: &Label,
        servers: BTreeMap<Name, Option<Name>>,
        shadows: BTreeMap<Name, Name>,
        expires_at: Option<Timestamp>,
    ) -> Answer<Grant> {
        let label = label.clone();
        self.write(move |db, _| {
            grants::change(db, &label, |_| {
                grants::write_end(db, &label, expires_at)?;
                grants::write_servers(db, &label, &servers, &shadows)
            })
        })
    }

    fn remove_grant(&self, label: &Label) -> Answer<()> {
        let label = label.clone();
        self.write(move |db, _| grants::remove(db, &label))
    }
}

impl Pins for SqliteStore {
    fn pins(&self, server: &Name) -> Answer<Vec<Pin>> {
        let server = server.clone();
        self.read(move |db, _| pins::of(db, &server))
    }

    fn accept_first(&self, server: &Name, list: Vec<Judged>, at: Timestamp) -> Answer<bool> {
        let server = server.clone();
        self.write(move |db, _| pins::accept_first(db, &server, list, at))
    }

    fn observe(&self, server: &Name, list: Vec<Judged>, at: Timestamp) -> Answer<Vec<Drift>> {
        let server = server.clone();
        self.write(move |db, _| pins::observe(db, &server, list, at))
    }

    fn accept(&self, server: &Name, which: Accepting, at: Timestamp) -> Answer<Vec<Pin>> {
        let server = server.clone();
        self.write(move |db, _| pins::accept(db, &server, &which, at))
    }

    fn put_opinions(&self, opinions: Vec<PinnedOpinion>) -> Answer<()> {
        self.write(move |db, _| opinions.iter().try_for_each(|one| opinion::put(db, one)))
    }
}

impl Labels for SqliteStore {
    fn labels(&self) -> Answer<Vec<SeenLabel>> {
        self.read(|db, _| labels::all(db))
    }

    fn put_labels(&self, seen: Vec<SeenLabel>) -> Answer<()> {
        self.write(move |db, _| labels::put(db, &seen))
    }

    fn forget_labels(&self, before: Timestamp) -> Answer<usize> {
        self.write(move |db, _| labels::forget(db, before))
    }
}

impl Approvals for SqliteStore {
    fn ask(&self, id: String, new: NewApproval, at: Timestamp) -> Answer<Asked> {
        self.write(move |db, sealer| approvals::ask(db, sealer, (id, new), at))
    }

    fn approval(&self, id: &str) -> Answer<Option<Approval>> {
        let id = id.to_owned();
        self.read(move |db, sealer| approvals::one(db, sealer, &id))
    }

    fn approvals(&self, live_only: bool) -> Answer<Vec<Approval>> {
        self.read(move |db, sealer| approvals::all(db, sealer, live_only))
    }

    fn vote(
        &self,
        id: &str,
        person: Person,
        (says, reason): (Says, Option<String>),
        at: Timestamp,
    ) -> Answer<Result<Approval, NoVote>> {
        let id = id.to_owned();
        self.write(move |db, sealer| approvals::vote(db, sealer, &id, (&person, says, reason), at))
    }

    fn withdraw_approval(
        &self,
        id: &str,
        person: Person,
        at: Timestamp,
    ) -> Answer<Result<Approval, NoVote>> {
        let id = id.to_owned();
        self.write(move |db, sealer| approvals::withdraw(db, sealer, (&id, &person), at))
    }

    fn take_approval(&self, id: &str, binding: &str, at: Timestamp) -> Answer<bool> {
        let (id, binding) = (id.to_owned(), binding.to_owned());
        self.write(move |db, _| approvals::take(db, (&id, &binding), at))
    }

    fn give_back_approval(&self, id: &str, params: &str) -> Answer<bool> {
        let (id, params) = (id.to_owned(), params.to_owned());
        self.write(move |db, sealer| approvals::give_back(db, sealer, (&id, &params)))
    }

    fn end_late_approvals(&self, at: Timestamp) -> Answer<Vec<Approval>> {
        self.write(move |db, sealer| approvals::end_late(db, sealer, at))
    }
}

impl People for SqliteStore {
    fn people(&self) -> Answer<Vec<Person>> {
        self.read(|db, _| people::all(db))
    }

    fn person(&self, name: &Label) -> Answer<Option<Person>> {
        let name = name.clone();
        self.read(move |db, _| people::one(db, &name))
    }

    fn person_by_token(&self, sha256: &str) -> Answer<Option<Person>> {
        let sha256 = sha256.to_owned();
        self.read(move |db, _| people::by_token(db, &sha256))
    }

    fn password(&self, name: &Label) -> Answer<Option<String>> {
        let name = name.clone();
        self.read(move |db, _| people::password(db, &name))
    }

    fn add_person(&self, person: NewPerson, at: Timestamp) -> Answer<Person> {
        self.write(move |db, _| people::add(db, person, at))
    }

    fn set_proof(&self, name: &Label, proof: Proof) -> Answer<Person> {
        let name = name.clone();
        self.write(move |db, _| people::set_proof(db, &name, &proof))
    }

    fn remove_person(&self, name: &Label) -> Answer<()> {
        let name = name.clone();
        self.write(move |db, _| people::remove(db, &name))
    }
}

impl Book for SqliteStore {
    fn put_anchor(&self, anchor: Anchor) -> Answer<()> {
        self.write(move |db, _| book::put_anchor(db, &anchor))
    }

    fn anchor(&self) -> Answer<Option<Anchor>> {
        self.read(|db, _| Ok(book::anchors(db, 1)?.pop()))
    }

    fn anchors(&self) -> Answer<Vec<Anchor>> {
        self.read(|db, _| book::anchors(db, book::KEPT))
    }

    fn meta(&self, key: &str) -> Answer<Option<Vec<u8>>> {
        let key = key.to_owned();
        self.read(move |db, _| book::meta(db, &key))
    }

    fn put_meta(&self, key: &str, value: Vec<u8>) -> Answer<()> {
        let key = key.to_owned();
        self.write(move |db, _| book::put_meta(db, &key, &value))
    }
}

impl Store for SqliteStore {
    fn load_all(&self) -> Answer<Snapshot> {
        self.read(|db, sealer| {
            Ok(Snapshot {
                servers: servers::all(db, sealer)?,
                policies: policies::newest(db)?,
                grants: grants::all(db, true)?,
                pins: pins::all(db)?,
            })
        })
    }

    fn preview_declared(&self, declared: Declared, at: Timestamp) -> Answer<Vec<Change>> {
        self.worker.run(move |db| {
            // Never committed: what it did is undone when it is dropped.
            let transaction = db.conn.transaction()?;
            applying(&transaction, &*db.sealer, at).run(&declared)
        })
    }

    fn apply_declared(&self, declared: Declared, at: Timestamp) -> Answer<Vec<Change>> {
        self.write(move |db, sealer| applying(db, sealer, at).run(&declared))
    }

    fn copy_to(&self, path: PathBuf) -> Answer<()> {
        self.worker
            .run(move |db| migrate::copy_database(&db.conn, &path))
    }
}

fn applying<'a>(db: &'a Connection, sealer: &'a dyn Sealer, at: Timestamp) -> Applying<'a> {
    Applying {
        db,
        sealer,
        at,
        changes: Vec::new(),
    }
}
