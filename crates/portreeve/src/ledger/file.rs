//! The ledger of one data directory, on files.
//!
//! Puts `open`, `book` and `commit` together behind the [`Ledger`] trait, and keeps the account of
//! the ledger's health. One process owns the directory; its lock is taken elsewhere.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::future::BoxFuture;
use portreeve_policy::time::Timestamp;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::anchor::{AnchorError, Anchors};
use super::book::{Book, Tools, create_segment};
use super::chain::{Anchor, Head};
use super::commit::{self, Durable, Progress, Requests, Segment, lock};
use super::line::Entry;
use super::medium::{Disk, Medium};
use super::open::{self, Found, OpenError, Opened, Opening};
use super::record::{AdminAct, Begin, Finish, Refusal};
use super::{Booked, Durability, Ledger, LedgerError, Settings};
use crate::clock::{Clock, rfc3339};
use crate::keys::Keys;

/// Who books what the ledger itself does.
pub(super) const SELF: &str = "portreeve";
/// The act that says a person accepted a cut book.
pub(super) const CUT_ACCEPTED: &str = "ledger.cut_accepted";
/// The act that says an unfinished record was cut off.
pub(super) const TAIL_TORN: &str = "ledger.tail_torn";

/// The ledger in `DATA_DIR/ledger`.
#[derive(Debug)]
pub struct FileLedger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    clock: Clock,
    book: Mutex<Book>,
    progress: Arc<Progress>,
    requests: Requests,
    health: Health,
    checkpoints: watch::Sender<u64>,
}

impl FileLedger {
    /// Opens the ledger, or begins it.
    pub fn open(
        settings: Settings,
        keys: Arc<Keys>,
        clock: Clock,
        opening: &Opening,
    ) -> Result<(Self, Opened), OpenError> {
        Self::open_on(
            &(Arc::new(Disk) as Arc<dyn Medium>),
            settings,
            (keys, clock),
            opening,
        )
    }

    pub(super) fn open_on(
        medium: &Arc<dyn Medium>,
        settings: Settings,
        (keys, clock): (Arc<Keys>, Clock),
        opening: &Opening,
    ) -> Result<(Self, Opened), OpenError> {
        let dir = settings.dir.clone();
        let fail = |source| OpenError::Io {
            path: dir.clone(),
            source,
        };
        let found = open::examine(&dir, &clock, keys.public_key())?;
        let objections = found.objections(&dir, &opening.known);
        let lost = opening.lost_store.clone();
        let lost = lost.map(|database| OpenError::StoreLost { database });
        let mut refused = lost.into_iter().chain(objections).peekable();
        if !opening.accept_cut
            && let Some(objection) = refused.next()
        {
            return Err(objection);
        }
        let accepted: Vec<OpenError> = refused.collect();
        open::sweep(&dir).map_err(fail)?;
        let torn = found
            .cut(medium.as_ref(), &dir, &opening.known)
            .map_err(fail)?;
        let segment = open_segment(medium.as_ref(), &dir, &found).map_err(fail)?;
        // What an earlier process left with the kernel counts as durable from here on.
        segment
            .sync()
            .map_err(|reason| fail(std::io::Error::other(reason)))?;
        let progress = Arc::new(Progress::starting_at(found.end.head.seq));
        let tools = Tools {
            medium: Arc::clone(medium),
            keys,
            clock: clock.clone(),
            progress: Arc::clone(&progress),
        };
        let book = Book::new(tools, dir.clone(), settings.rotation, segment, found.end);
        let ledger = Self::start(settings, clock, book, progress).map_err(fail)?;
        let opened = ledger.book_findings(torn, &accepted).map_err(fail)?;
        Ok((ledger, opened))
    }

    fn start(
        settings: Settings,
        clock: Clock,
        book: Book,
        progress: Arc<Progress>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            settings,
            clock,
            checkpoints: watch::Sender::new(book.last_checkpoint()),
            book: Mutex::new(book),
            progress,
            requests: Requests::default(),
            health: Health::default(),
        });
        let served = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("ledger-commit".to_owned())
            .spawn(move || served.commit())?;
        Ok(Self { shared })
    }

    /// Books what opening found, so that the book itself tells of its wounds.
    fn book_findings(
        &self,
        torn: Option<open::Torn>,
        accepted: &[OpenError],
    ) -> std::io::Result<Opened> {
        let mut opened = Opened {
            torn,
            ..Opened::default()
        };
        if let Some(torn) = &opened.torn {
            if let Some(lines) = torn.misfits {
                tracing::error!(seq = torn.seq, lines, kept = %torn.kept.display(),
                    "lines that do not fit the book were set aside");
            } else if torn.anchored {
                tracing::error!(seq = torn.seq, kept = %torn.kept.display(),
                    "a record that an anchor proves to have been whole is torn: it was damaged after it was written");
            } else {
                tracing::warn!(seq = torn.seq, bytes = torn.bytes, kept = %torn.kept.display(),
                    "a record that a crash left unfinished was cut off");
            }
            let file = torn.kept.file_name().unwrap_or_default().to_string_lossy();
            let detail = serde_json::json!({
                "seq": torn.seq, "bytes": torn.bytes, "kept": file, "anchored": torn.anchored,
                "misfits": torn.misfits,
            });
            self.book_act(TAIL_TORN, &detail)?;
        }
        let mut lost = None;
        for objection in accepted {
            tracing::error!(%objection, "accepted by the operator");
            self.book_act(CUT_ACCEPTED, &acceptance(objection))?;
            // What follows the last record that is left is given up once, whoever misses it.
            let after = objection.loss().map(|loss| loss.after);
            opened.accepted.push(objection.accepted(after != lost));
            lost = after.or(lost);
        }
        if !accepted.is_empty() {
            // An acceptance that is not signed explains nothing to whoever verifies.
            let signed = lock(&self.shared.book).append_checkpoint();
            signed.map_err(std::io::Error::other)?;
        }
        opened.head = self.head();
        Ok(opened)
    }

    fn book_act(&self, act: &str, detail: &serde_json::Value) -> std::io::Result<()> {
        let detail = RawValue::from_string(detail.to_string())?;
        let act = AdminAct {
            at: self.shared.clock.now(),
            actor: SELF,
            act,
            subject: "ledger",
            detail: Some(&detail),
        };
        self.shared
            .append(&Entry::Admin(&act))
            .map_err(std::io::Error::other)?;
        Ok(())
    }

    /// Resolves when everything booked so far is on disk, whatever the durability.
    pub async fn sync(&self) -> Result<Head, LedgerError> {
        let head = self.head();
        self.shared.wait_for_disk(head.seq).await?;
        Ok(head)
    }

    /// Tells `place` the head, once it is on disk: an anchor never knows more than the disk does.
    pub async fn anchor(&self, place: &dyn Anchors) -> Result<Anchor, AnchorError> {
        let head = self.sync().await.map_err(|error| AnchorError {
            place: place.name(),
            doing: "written",
            reason: error.to_string(),
        })?;
        let at = self.shared.clock.now();
        let anchor = Anchor { head, at };
        place.put(anchor).await?;
        Ok(anchor)
    }

    /// If the ledger is unhealthy, tries whether it can be written again. Without this a gate that
    /// gets no calls because it is unhealthy would never find out.
    pub async fn probe(&self) -> Result<(), LedgerError> {
        if self.healthy().is_ok() {
            return Ok(());
        }
        let probed = self.with_book(Book::append_checkpoint).await;
        self.shared.judge(probed)
    }

    /// Does what may take a disk's time where blocking is allowed.
    async fn with_book(
        &self,
        work: impl FnOnce(&mut Book) -> Result<(), LedgerError> + Send + 'static,
    ) -> Result<(), LedgerError> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&mut lock(&shared.book)))
            .await
            .unwrap_or_else(|error| Err(LedgerError::unavailable(error.to_string())))
    }

    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(super) fn clock_now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(super) fn open_segment_path(&self) -> PathBuf {
        lock(&self.shared.book).segment().path.clone()
    }

    pub(super) fn checkpoints(&self) -> watch::Receiver<u64> {
        self.shared.checkpoints.subscribe()
    }

    pub(super) fn progress(&self) -> watch::Receiver<Durable> {
        self.shared.progress.watch()
    }
}

impl Drop for FileLedger {
    fn drop(&mut self) {
        self.shared.requests.stop();
    }
}

impl Ledger for FileLedger {
    fn begin<'a>(&'a self, begin: Begin<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>> {
        Box::pin(async move { self.shared.book(&Entry::Begin(&begin)).await })
    }

    fn finish<'a>(&'a self, finish: Finish<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>> {
        Box::pin(async move {
            let seq = self
                .shared
                .append_with_others(&Entry::Finish(&finish))
                .await?;
            Ok(Booked { seq })
        })
    }

    fn refuse<'a>(&'a self, refusal: Refusal<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>> {
        Box::pin(async move { self.shared.book(&Entry::Refusal(&refusal)).await })
    }

    fn admin<'a>(&'a self, act: AdminAct<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>> {
        Box::pin(async move { self.shared.book(&Entry::Admin(&act)).await })
    }

    /// What is staged is written first: who asks while no call is between being charged and being
    /// booked must not find a charge before its record (`the_head_has_what_was_staged`).
    fn head(&self) -> Head {
        drop(WriteBatch(&self.shared));
        lock(&self.shared.book).head()
    }

    fn healthy(&self) -> Result<(), String> {
        self.shared.health.get()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(async move {
            let closed = self.with_book(Book::close).await;
            self.shared.progress.closed();
            closed
        })
    }
}

impl Shared {
    // INVARIANT: an `Ok` means the record is durable as configured.
    async fn book(&self, entry: &Entry<'_>) -> Result<Booked, LedgerError> {
        let seq = self.append_with_others(entry).await?;
        if self.settings.durability == Durability::Disk {
            self.wait_for_disk(seq).await?;
        }
        Ok(Booked { seq })
    }

    fn append(&self, entry: &Entry<'_>) -> Result<u64, LedgerError> {
        let mut book = lock(&self.book);
        let appended = book.append(entry);
        self.after_writing(book);
        self.judge(appended)
    }

    /// Appends a record in one write with those of other calls that are under way at this moment.
    /// The first of them writes for all, after the others had their turn.
    async fn append_with_others(&self, entry: &Entry<'_>) -> Result<u64, LedgerError> {
        let (seq, batch, is_first) = {
            let mut book = lock(&self.book);
            let is_first = book.is_settled();
            let staged = book.stage(entry);
            if staged.is_err() || !book.is_busy() || book.is_full() {
                let written = book.flush();
                self.after_writing(book);
                // What the disk did to the others is told first.
                return self.judge(written.and(staged));
            }
            (staged?, book.batch(), is_first)
        };
        if is_first {
            let duty = WriteBatch(self);
            tokio::task::yield_now().await;
            drop(duty);
        }
        batch.written().await.map(|()| seq)
    }

    /// Tells of a new checkpoint.
    fn after_writing(&self, book: MutexGuard<'_, Book>) {
        let checkpoint = book.last_checkpoint();
        drop(book);
        if *self.checkpoints.borrow() != checkpoint {
            self.checkpoints.send_replace(checkpoint);
        }
    }

    fn judge<T>(&self, result: Result<T, LedgerError>) -> Result<T, LedgerError> {
        match &result {
            Ok(_) => self.health.recovered(),
            Err(LedgerError::Unavailable { reason }) => self.health.fell_ill(reason),
            Err(LedgerError::TooLarge { .. } | LedgerError::Closed) => {}
        }
        result
    }

    async fn wait_for_disk(&self, seq: u64) -> Result<(), LedgerError> {
        if self.progress.watch().borrow().through < seq {
            self.requests.sync();
        }
        let waited = self.progress.wait_for(seq).await;
        waited.map_err(|reason| {
            self.health.fell_ill(&reason);
            LedgerError::unavailable(reason)
        })
    }

    /// The commit thread's life.
    fn commit(&self) {
        let written = || {
            let book = lock(&self.book);
            (book.segment(), book.head().seq)
        };
        let failed = |reason: &str| self.health.fell_ill(reason);
        commit::run(&self.requests, &self.progress, written, failed);
    }
}

/// The duty of whoever staged the first record of a batch. Dropped on every way out, so that the
/// others do not wait in vain when its own caller goes away.
struct WriteBatch<'a>(&'a Shared);

impl Drop for WriteBatch<'_> {
    fn drop(&mut self) {
        let mut book = lock(&self.0.book);
        if book.is_settled() {
            return;
        }
        let written = book.flush();
        self.0.after_writing(book);
        // Whoever waits is told by the batch; this is for the account of the ledger's health.
        self.0.judge(written).ok();
    }
}

/// Whether the last attempt succeeded. Its own lock, so that asking never waits for a disk.
#[derive(Debug, Default)]
struct Health(Mutex<Option<String>>);

impl Health {
    fn get(&self) -> Result<(), String> {
        lock(&self.0).clone().map_or(Ok(()), Err)
    }

    fn fell_ill(&self, reason: &str) {
        let before = lock(&self.0).replace(reason.to_owned());
        if before.as_deref() != Some(reason) {
            tracing::error!(reason, "the ledger can't be written; calls are refused");
        }
    }

    fn recovered(&self) {
        if lock(&self.0).take().is_some() {
            tracing::info!("the ledger can be written again");
        }
    }
}

fn open_segment(
    medium: &dyn Medium,
    dir: &std::path::Path,
    found: &Found,
) -> std::io::Result<Segment> {
    if found.fresh {
        return create_segment(medium, dir, &found.segment);
    }
    let tape = medium.append_to(&found.segment.path)?;
    let path = found.segment.path.clone();
    Ok(Segment::new(found.segment.first, path, tape))
}

/// What is booked of an accepted objection: `verify` reads the anchor back from it.
fn acceptance(objection: &OpenError) -> serde_json::Value {
    let found = objection.to_string();
    let mut detail = match objection {
        OpenError::CutTail { anchor, head, .. } => serde_json::json!({
            "found": found,
            "anchor_seq": anchor.anchor.head.seq,
            "anchor_hash": anchor.anchor.head.hash.to_string(),
            "cut_after": head.seq,
        }),
        OpenError::Rewritten { anchor } => serde_json::json!({
            "found": found,
            "anchor_seq": anchor.anchor.head.seq,
            "anchor_hash": anchor.anchor.head.hash.to_string(),
        }),
        _ => serde_json::json!({ "found": found }),
    };
    if let (Some(loss), Some(members)) = (objection.loss(), detail.as_object_mut()) {
        members.insert("lost_records".to_owned(), loss.records.into());
        let since = loss.since.map(rfc3339);
        members.insert("lost_since".to_owned(), since.into());
    }
    detail
}
