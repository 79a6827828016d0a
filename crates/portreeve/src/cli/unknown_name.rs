//! Whether a server or a grant that was sought in the book is one that is known: a misspelled name finds
//! nothing.

use std::sync::Arc;

use super::desk::{block_on, of_dir};
use crate::admin::{Answer, Failure};
use crate::data_dir::DataDir;
use crate::keys::Keys;
use crate::nearest::did_you_mean;
use crate::store::model::Kind;
use crate::store::sqlite::SqliteStore;
use crate::store::{Grants as _, Sealer, Servers as _};

/// What is to be said of something by whose name nothing was found. Nothing where the database cannot
/// be read: a book is read without it.
pub(super) fn note(dir: &DataDir, (kind, sought): &(Kind, String)) -> Option<String> {
    let names = block_on(names(dir, *kind)).ok()?;
    if names.contains(sought) {
        return None;
    }
    let known = names.iter().map(String::as_str);
    let near = did_you_mean(sought, known);
    let of_dir = of_dir(dir.path());
    Some(format!(
        "note: no {kind} is called {sought:?}{near}; `portreeve {kind} list{of_dir}` shows those there are"
    ))
}

async fn names(dir: &DataDir, kind: Kind) -> Result<Vec<String>, Failure> {
    let keys = Keys::load(dir.path()).map_err(|error| Failure::saying(Answer::Cannot, &error))?;
    let sealer = Arc::new(keys) as Arc<dyn Sealer>;
    let store = SqliteStore::open_to_read(&dir.database(), sealer)?;
    Ok(if kind == Kind::Grant {
        let grants = store.grants().await?;
        grants.iter().map(|grant| grant.label.to_string()).collect()
    } else {
        let servers = store.servers().await?;
        servers
            .iter()
            .map(|server| server.name.to_string())
            .collect()
    })
}
