//! The office when no gate runs: this process owns the data directory for one request.

use std::fmt;
use std::sync::Arc;

use serde_json::value::to_raw_value;
use tokio::sync::Mutex;

use super::effects::{AdminAct, Booker, Doing, Offline};
use super::failure::{Answer, Failure};
use super::office::Office;
use crate::clock::Clock;
use crate::data_dir::{DataDir, Ownership};
use crate::keys::Keys;
use crate::ledger::{
    self, FileLedger, KnownAnchor, Ledger as _, OpenError, Opening, Remains, Settings, StoreAnchors,
};
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

/// An office of one's own, with the right to it.
#[derive(Debug)]
pub struct LocalOffice {
    pub office: Arc<Office>,
    book: Arc<LocalBook>,
    ownership: Ownership,
}

impl LocalOffice {
    /// Opens what the directory holds. The ledger is opened only when something is booked.
    pub fn open(dir: &DataDir, ownership: Ownership, clock: Clock) -> Result<Self, Failure> {
        let cannot = |error: &dyn fmt::Display| Failure::saying(Answer::Cannot, &error);
        let told = |error: OpenError| Failure::cannot(error.to_string(), error.advice());
        let remains = Remains::of(dir.path()).map_err(told)?;
        let keys = Arc::new(remains.key().map_err(|error| cannot(&error))?);
        if let Some(database) = remains.lost_store() {
            return Err(told(OpenError::StoreLost { database }));
        }
        let sealer = Arc::clone(&keys) as Arc<dyn crate::store::Sealer>;
        let store = Arc::new(SqliteStore::open(&dir.database(), sealer)?) as Arc<dyn Store>;
        let book = Arc::new(LocalBook {
            settings: Settings::in_data_dir(dir.path()),
            keys,
            clock: clock.clone(),
            anchors: StoreAnchors::new(Arc::clone(&store)),
            ledger: Mutex::new(None),
        });
        let booker = Arc::clone(&book) as Arc<dyn Booker>;
        let effects = Arc::new(Offline::new(booker));
        Ok(Self {
            office: Arc::new(Office::new(store, effects, clock, dir.path().to_owned())),
            book,
            ownership,
        })
    }

    /// Ends the ledger, if it was opened, and anchors its head. The directory is still owned.
    pub async fn close(self) -> Result<Ownership, Failure> {
        let closed = self.book.close().await;
        closed.map(|()| self.ownership).map_err(|why| {
            Failure::cannot(
                format!("it was done and booked, but the ledger could not be closed: {why}"),
                "run `portreeve ledger verify`",
            )
        })
    }
}

#[derive(Debug)]
struct LocalBook {
    settings: Settings,
    keys: Arc<Keys>,
    clock: Clock,
    anchors: StoreAnchors,
    ledger: Mutex<Option<FileLedger>>,
}

impl LocalBook {
    async fn open(&self) -> Result<FileLedger, String> {
        let places = [Arc::new(self.anchors.clone()) as Arc<dyn ledger::Anchors>];
        let known = KnownAnchor::newest(&places).await;
        let opening = Opening {
            known: known.map_err(|error| error.to_string())?,
            accept_cut: false,
            lost_store: None,
        };
        let (settings, keys) = (self.settings.clone(), Arc::clone(&self.keys));
        FileLedger::open(settings, keys, self.clock.clone(), &opening)
            .map(|(ledger, _)| ledger)
            .map_err(|error| format!("{error}; {}", error.advice()))
    }

    async fn write(&self, act: &AdminAct) -> Result<(), String> {
        let mut open = self.ledger.lock().await;
        let ledger = match open.take() {
            Some(ledger) => ledger,
            None => self.open().await?,
        };
        let ledger = open.insert(ledger);
        let detail = to_raw_value(&act.detail).map_err(|error| error.to_string())?;
        let booked = ledger.admin(ledger::AdminAct {
            at: self.clock.now(),
            actor: &act.actor,
            act: act.act,
            subject: &act.subject,
            detail: Some(&detail),
        });
        booked.await.map(drop).map_err(|error| error.to_string())
    }

    async fn close(&self) -> Result<(), String> {
        let Some(ledger) = self.ledger.lock().await.take() else {
            return Ok(());
        };
        ledger.close().await.map_err(|error| error.to_string())?;
        let anchored = ledger.anchor(&self.anchors).await;
        anchored.map(drop).map_err(|error| error.to_string())
    }
}

impl Booker for LocalBook {
    fn book(&self, act: AdminAct) -> Doing<'_, ()> {
        Box::pin(async move { self.write(&act).await })
    }
}
