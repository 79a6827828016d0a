//! Group commit: one thread that makes records last for all who wait.
//!
//! Owns the open segment's trust and the account of what is on disk. `book` decides what is
//! written; this decides when it may be called durable.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::medium::Tape;

/// How long a record may take to get on disk before its call is refused.
const SYNC_DEADLINE: Duration = Duration::from_secs(30);

/// Locks even if another thread panicked inside: what is guarded here is always whole between two
/// statements, and a gate that can't book must say so rather than panic in turn.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) path: PathBuf,
    pub(super) tape: Box<dyn Tape>,
    /// One sync at a time: the system reports a failed one to one caller only.
    syncing: Mutex<()>,
    distrusted: AtomicBool,
}

impl Segment {
    pub(super) fn new(first: u64, path: PathBuf, tape: Box<dyn Tape>) -> Self {
        Self {
            first,
            path,
            tape,
            syncing: Mutex::new(()),
            distrusted: AtomicBool::new(false),
        }
    }

    /// Makes what was written last.
    ///
    /// After a failure the system may have dropped the bytes and will report success the next
    /// time, so a file that failed once is never asked again: `book` rewrites it into a new one.
    pub(super) fn sync(&self) -> Result<(), String> {
        let _one = lock(&self.syncing);
        if self.is_distrusted() {
            return Err(format!(
                "{} could not be synced before",
                self.path.display()
            ));
        }
        self.tape.sync().map_err(|error| {
            self.distrust();
            format!("{} cannot be synced: {error}", self.path.display())
        })
    }

    pub(super) fn distrust(&self) {
        self.distrusted.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_distrusted(&self) -> bool {
        self.distrusted.load(Ordering::SeqCst)
    }
}

/// How far the book is on disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Durable {
    pub(super) through: u64,
    /// Records up to this one were waiting when a sync failed.
    failed_through: u64,
    reason: Arc<str>,
    pub(super) closed: bool,
}

/// The account of [`Durable`], for those who wait.
#[derive(Debug)]
pub(super) struct Progress(watch::Sender<Durable>);

impl Progress {
    pub(super) fn starting_at(seq: u64) -> Self {
        Self(watch::Sender::new(Durable {
            through: seq,
            ..Durable::default()
        }))
    }

    pub(super) fn synced(&self, seq: u64) {
        self.0
            .send_modify(|durable| durable.through = durable.through.max(seq));
    }

    fn failed(&self, seq: u64, reason: &str) {
        self.0.send_modify(|durable| {
            durable.failed_through = durable.failed_through.max(seq);
            durable.reason = reason.into();
        });
    }

    pub(super) fn closed(&self) {
        self.0.send_modify(|durable| durable.closed = true);
    }

    pub(super) fn watch(&self) -> watch::Receiver<Durable> {
        self.0.subscribe()
    }

    /// Waits until record `seq` is on disk, or a sync that should have brought it there failed.
    pub(super) async fn wait_for(&self, seq: u64) -> Result<(), String> {
        let mut watch = self.watch();
        let settled =
            watch.wait_for(|durable| durable.through >= seq || durable.failed_through >= seq);
        let settled = timeout(SYNC_DEADLINE, settled)
            .await
            .map_err(|_| format!("the disk did not answer within {SYNC_DEADLINE:?}"))?
            .map_err(|_| "the ledger's commit thread is gone".to_owned())?;
        if settled.through >= seq {
            Ok(())
        } else {
            Err(settled.reason.to_string())
        }
    }
}

/// Asks the commit thread for work.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: Mutex<Requested>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Requested {
    sync: bool,
    stop: bool,
}

impl Requests {
    pub(super) fn sync(&self) {
        lock(&self.state).sync = true;
        self.wake.notify_one();
    }

    pub(super) fn stop(&self) {
        lock(&self.state).stop = true;
        self.wake.notify_one();
    }

    /// Blocks until a sync is wanted; false when it is time to end.
    fn next(&self) -> bool {
        let idle = |state: &mut Requested| !state.sync && !state.stop;
        let mut state = self
            .wake
            .wait_while(lock(&self.state), idle)
            .unwrap_or_else(PoisonError::into_inner);
        // Whoever still waits is served before the end.
        std::mem::take(&mut state.sync)
    }
}

/// The commit thread: serves [`Requests`] until told to stop. `written` names the segment and the
/// last record in it; all who wait for a record up to that one are served by one sync.
pub(super) fn run(
    requests: &Requests,
    progress: &Progress,
    written: impl Fn() -> (Arc<Segment>, u64),
    failed: impl Fn(&str),
) {
    while requests.next() {
        let (segment, seq) = written();
        match segment.sync() {
            Ok(()) => progress.synced(seq),
            Err(reason) => {
                failed(&reason);
                progress.failed(seq, &reason);
            }
        }
    }
}
