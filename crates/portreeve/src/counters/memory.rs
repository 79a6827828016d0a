//! Counters in this process's memory, with a snapshot file and the ledger behind them.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use portreeve_policy::limits::{self, Charge, Reservation};
use portreeve_policy::time::Timestamp;

use super::side::Both;
use super::{Counters, CountersError, Side};
use crate::ledger::Head;

/// How many counters may live. At a few hundred bytes each this bounds the memory; beyond it new
/// counters are refused, for none is evicted while a charge in it lives.
pub(super) const CAPACITY: usize = 1_000_000;

const FILE: &str = "counters.snapshot";

/// Counters behind a lock that is never held across a wait.
pub struct MemoryCounters {
    counters: Both<Mutex<limits::Counters>>,
    path: PathBuf,
    /// The place in the ledger that the snapshot file agrees with.
    written_at: AtomicU64,
}

impl fmt::Debug for MemoryCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCounters")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl MemoryCounters {
    pub(super) fn new(counters: Both<limits::Counters>, data_dir: &Path, written_at: u64) -> Self {
        let Both { in_force, shadow } = counters;
        Self {
            counters: Both {
                in_force: Mutex::new(in_force),
                shadow: Mutex::new(shadow),
            },
            path: data_dir.join(FILE),
            written_at: AtomicU64::new(written_at),
        }
    }

    /// The last record that a restart does not have to read again.
    pub fn written_at(&self) -> u64 {
        self.written_at.load(Ordering::Acquire)
    }

    /// Takes note that a snapshot reached its file.
    pub fn note_written(&self, seq: u64) {
        self.written_at.fetch_max(seq, Ordering::AcqRel);
    }

    fn lock(&self, side: Side) -> MutexGuard<'_, limits::Counters> {
        // A panic in the middle of counting is impossible by lint; should it happen all the same,
        // charges already made still count.
        let counters = self.counters.of(side);
        counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters as text, with the place in the ledger they agree with. The caller sees to it
    /// that no charge is between being taken and being booked.
    pub fn export(&self, head: Head, now: Timestamp) -> Snapshot {
        let exported = |side| {
            let mut counters = self.lock(side);
            counters.prune(now);
            (!counters.is_empty() || side == Side::InForce).then(|| counters.export())
        };
        let mut text = heading(head);
        text.push_str(&exported(Side::InForce).unwrap_or_default());
        if let Some(shadow) = exported(Side::Shadow) {
            text.push_str(SHADOW);
            text.push_str(&shadow);
        }
        Snapshot {
            seq: head.seq,
            text,
            path: self.path.clone(),
        }
    }
}

/// A snapshot that is still to be written.
#[derive(Debug)]
pub struct Snapshot {
    seq: u64,
    text: String,
    path: PathBuf,
}

impl Snapshot {
    /// The record that the snapshot agrees with.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Replaces the snapshot file, so that a crash leaves the old one or the new one.
    pub fn write(&self) -> io::Result<()> {
        let fresh = self.path.with_extension("snapshot.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&fresh)?;
        file.write_all(self.text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        self.path
            .parent()
            .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    }
}

/// The line before the counters of shadow policies, if there are any. None of theirs looks like it.
const SHADOW: &str = "shadow\n";

fn heading(head: Head) -> String {
    format!("portreeve counters v1\nledger {} {}\n", head.seq, head.hash)
}

/// A snapshot file as it was read: where in the ledger it stands, and its counters.
pub(super) struct Stored {
    pub(super) seq: u64,
    pub(super) hash: String,
    pub(super) counters: Both<limits::Counters>,
}

/// Reads the snapshot, if there is one. One that cannot be read is as good as none: the ledger has
/// everything, and takes longer.
pub(super) fn read(data_dir: &Path) -> Option<Stored> {
    let path = data_dir.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the counters' snapshot cannot be read");
            return None;
        }
    };
    let stored = parse(&text);
    if stored.is_none() {
        tracing::warn!(path = %path.display(), "the counters' snapshot is damaged; counting anew");
    }
    stored
}

fn parse(text: &str) -> Option<Stored> {
    let rest = text.strip_prefix("portreeve counters v1\nledger ")?;
    let (head, counters) = rest.split_once('\n')?;
    let (seq, hash) = head.split_once(' ')?;
    let import = |text: &str| limits::Counters::import(text, CAPACITY).ok();
    let (in_force, shadow) = match counters.split_once("\nshadow\n") {
        Some((in_force, shadow)) => (import(&format!("{in_force}\n"))?, import(shadow)?),
        None => (import(counters)?, limits::Counters::new(CAPACITY)),
    };
    Some(Stored {
        seq: seq.parse().ok()?,
        hash: hash.to_owned(),
        counters: Both { in_force, shadow },
    })
}

impl Counters for MemoryCounters {
    fn reserve<'a>(
        &'a self,
        side: Side,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Reservation, CountersError>> {
        let taken = self.lock(side).reserve(charges, now).map_err(shortfall);
        Box::pin(std::future::ready(taken))
    }

    fn would_reserve<'a>(
        &'a self,
        side: Side,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), CountersError>> {
        let fits = self.lock(side).would_reserve(charges, now);
        Box::pin(std::future::ready(fits.map_err(shortfall)))
    }

    fn refund(&self, side: Side, reservation: Reservation) -> BoxFuture<'_, ()> {
        self.lock(side).refund(reservation);
        Box::pin(std::future::ready(()))
    }
}

fn shortfall((index, shortfall): (usize, limits::Shortfall)) -> CountersError {
    CountersError::Shortfall { index, shortfall }
}
