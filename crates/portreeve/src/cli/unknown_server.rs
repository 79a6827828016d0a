//! Whether a server that was sought in the book is one that is known: a misspelled name finds nothing.

use std::sync::Arc;

use super::desk::{block_on, of_dir};
use crate::admin::{Answer, Failure};
use crate::data_dir::DataDir;
use crate::keys::Keys;
use crate::nearest::did_you_mean;
use crate::store::model::Server;
use crate::store::sqlite::SqliteStore;
use crate::store::{Sealer, Servers as _};

/// What is to be said of a server by whose name nothing was found. Nothing where the database cannot
/// be read: a book is read without it.
pub(super) fn note(dir: &DataDir, sought: &str) -> Option<String> {
    let servers = block_on(servers(dir)).ok()?;
    let known: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    if known.contains(&sought) {
        return None;
    }
    let near = did_you_mean(sought, known);
    let of_dir = of_dir(dir.path());
    Some(format!(
        "note: no server is called {sought:?}{near}; `portreeve server list{of_dir}` shows those there are"
    ))
}

async fn servers(dir: &DataDir) -> Result<Vec<Server>, Failure> {
    let keys = Keys::load(dir.path()).map_err(|error| Failure::saying(Answer::Cannot, &error))?;
    let sealer = Arc::new(keys) as Arc<dyn Sealer>;
    let store = SqliteStore::open_to_read(&dir.database(), sealer)?;
    Ok(store.servers().await?)
}
