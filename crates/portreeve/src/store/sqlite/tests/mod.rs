//! The backend against real files.

mod declared;
mod grants;
mod pins;
mod schema;
mod servers;

use std::sync::Arc;

use portreeve_policy::time::Timestamp;
use tempfile::TempDir;

use super::{FILE_NAME, SqliteStore};
use crate::name::{Label, Name};
use crate::store::Answer;
use crate::store::model::{Accept, NewGrant, NewServer, NewTools, Secret, Target};
use crate::store::seal::tests::Masking;

/// A database in a directory of its own.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self { dir }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join(FILE_NAME)
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path(), Arc::new(Masking(0x5a))).expect("a store")
    }
}

fn wait<T>(answer: Answer<T>) -> Result<T, super::StoreError> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(answer)
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn label(text: &str) -> Label {
    Label::new(text).expect("a label")
}

const NOON: Timestamp = Timestamp(1_795_000_000_000);

fn http_server(called: &str, url: &str, headers: &[(&str, Secret)]) -> NewServer {
    let headers = headers
        .iter()
        .map(|(key, secret)| ((*key).to_owned(), secret.clone()))
        .collect();
    NewServer {
        name: name(called),
        target: Target::Http {
            url: url.to_owned(),
            headers,
        },
        new_tools: NewTools::Quarantine,
        accept: Accept::First,
        private: false,
        timeout_ms: None,
    }
}

fn grant(called: &str, hash_digit: char, servers: &[(&str, Option<&str>)]) -> NewGrant {
    NewGrant {
        label: label(called),
        identity: None,
        token_sha256: hash_digit.to_string().repeat(64),
        servers: servers
            .iter()
            .map(|(server, policy)| (name(server), policy.map(name)))
            .collect(),
        shadows: std::collections::BTreeMap::new(),
        expires_at: None,
    }
}
