//! The rooms that state lives in, opened over one data directory: key, store, ledger.
//!
//! Both the running gate and a command that works while no gate runs need exactly these.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::NodeError;
use crate::clock::Clock;
use crate::keys::Keys;
use crate::ledger::{
    Anchors, Durability, FileLedger, KnownAnchor, OpenError, Opened, Opening, Remains, Rotation,
    SecondPlace, Settings, StoreAnchors,
};
use crate::store::Store;
use crate::store::sqlite::{FILE_NAME, SqliteStore};

/// How a house is opened.
#[derive(Clone, Debug)]
pub struct HouseOptions {
    /// The data directory; the caller holds its lock.
    pub data_dir: PathBuf,
    pub clock: Clock,
    pub durability: Durability,
    pub rotation: Rotation,
    pub second_place: Option<SecondPlace>,
    /// Go on although the ledger was cut. It is booked.
    pub accept_cut: bool,
}

impl HouseOptions {
    /// The defaults over a directory.
    pub fn new(data_dir: impl Into<PathBuf>, clock: Clock) -> Self {
        Self {
            data_dir: data_dir.into(),
            clock,
            durability: Durability::default(),
            rotation: Rotation::default(),
            second_place: None,
            accept_cut: false,
        }
    }
}

/// Key, store and ledger of one data directory.
#[derive(Debug)]
pub struct House {
    pub keys: Arc<Keys>,
    pub store: Arc<dyn Store>,
    pub ledger: Arc<FileLedger>,
    pub clock: Clock,
    pub opened: Opened,
    /// Where the ledger's head is remembered.
    pub anchors: Vec<Arc<dyn Anchors>>,
    path: PathBuf,
}

impl House {
    pub async fn open(options: HouseOptions) -> Result<Self, NodeError> {
        let path = options.data_dir.clone();
        let remains = Remains::of(&path)?;
        let keys = Arc::new(remains.key()?);
        let lost_store = remains.lost_store();
        // Before an empty one is made, which the next start would take for the one that was lost.
        if let Some(database) = lost_store.clone().filter(|_| !options.accept_cut) {
            return Err(OpenError::StoreLost { database }.into());
        }
        let store = open_store(&path, &keys).await?;
        let mut anchors: Vec<Arc<dyn Anchors>> =
            vec![Arc::new(StoreAnchors::new(Arc::clone(&store)))];
        anchors.extend(options.second_place.as_ref().map(SecondPlace::open));
        let known = KnownAnchor::newest(&anchors).await?;
        let opening = Opening {
            known,
            accept_cut: options.accept_cut,
            lost_store,
        };
        let settings = Settings {
            durability: options.durability,
            rotation: options.rotation,
            ..Settings::in_data_dir(&path)
        };
        let (signer, clock) = (Arc::clone(&keys), options.clock.clone());
        let opening = move || FileLedger::open(settings, signer, clock, &opening);
        let (ledger, opened) = tokio::task::spawn_blocking(opening)
            .await
            .map_err(NodeError::task)??;
        let (ledger, clock) = (Arc::new(ledger), options.clock);
        Ok(Self {
            keys,
            store,
            ledger,
            clock,
            opened,
            anchors,
            path,
        })
    }

    /// The data directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

async fn open_store(path: &Path, keys: &Arc<Keys>) -> Result<Arc<dyn Store>, NodeError> {
    let (file, sealer) = (path.join(FILE_NAME), Arc::clone(keys));
    let opening = move || SqliteStore::open(&file, sealer);
    let store = tokio::task::spawn_blocking(opening)
        .await
        .map_err(NodeError::task)??;
    if let Some(copy) = store.copy_before_upgrade() {
        tracing::info!(copy = %copy.display(), "the database was upgraded; its old state is kept");
    }
    Ok(Arc::new(store))
}
