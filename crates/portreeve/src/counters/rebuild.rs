//! Counters after a restart: the snapshot, and every charge the ledger has booked since.
//!
//! INVARIANT: a restart forgets no charge (`a_restart_forgets_no_charge`).

use std::collections::{HashMap, HashSet};
use std::path::Path;

use portreeve_policy::decimal::Decimal;
use portreeve_policy::limits::{self, CounterKey};
use portreeve_policy::time::Timestamp;

use super::Side;
use super::memory::{self, CAPACITY, MemoryCounters, Stored};
use super::side::Both;
use crate::ledger::{BookedCharge, Phase, ReadError, Record, Replayed, replay_from};

/// How many records before the snapshot are looked through for the beginning of a call whose
/// charges were given back after it.
const LOOK_BACK: u64 = 100_000;

/// What was done to get the counters back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The record the snapshot agreed with; 0 if there was none to begin from.
    pub snapshot_seq: u64,
    /// How many records were read after it.
    pub replayed: u64,
}

/// Why counters cannot be got back. The gate does not start without them: every doubt denies.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(transparent)]
    Ledger(#[from] ReadError),
    #[error("record {seq} of the ledger holds a charge that cannot be read: {charge:?}")]
    Charge { seq: u64, charge: String },
}

impl MemoryCounters {
    /// Reads the snapshot in `data_dir` and replays the ledger in `ledger_dir` from there on.
    pub fn rebuild(
        data_dir: &Path,
        ledger_dir: &Path,
        now: Timestamp,
    ) -> Result<(Self, Rebuilt), RebuildError> {
        let stored = match memory::read(data_dir) {
            Some(stored) if agrees(&stored, ledger_dir)? => stored,
            Some(_) => {
                tracing::warn!(
                    "the counters' snapshot does not belong to this ledger; counting anew"
                );
                Stored::empty()
            }
            None => Stored::empty(),
        };
        let snapshot_seq = stored.seq;
        let mut replay = Replay::new(stored.counters, now);
        replay.run(ledger_dir, snapshot_seq)?;
        let rebuilt = Rebuilt {
            snapshot_seq,
            replayed: replay.records,
        };
        Ok((Self::new(replay.counters, data_dir, snapshot_seq), rebuilt))
    }
}

impl Stored {
    fn empty() -> Self {
        Self {
            seq: 0,
            hash: String::new(),
            counters: Both {
                in_force: limits::Counters::new(CAPACITY),
                shadow: limits::Counters::new(CAPACITY),
            },
        }
    }
}

/// Whether the ledger still has the record that the snapshot was made at.
fn agrees(stored: &Stored, ledger_dir: &Path) -> Result<bool, ReadError> {
    if stored.seq == 0 {
        return Ok(true);
    }
    let mut records = replay_from(ledger_dir, stored.seq)?;
    let record = records.next_record()?;
    Ok(record.is_some_and(|r| r.seq == stored.seq && r.hash.to_string() == stored.hash))
}

/// What one call took: from each counter, how much; and what it would have taken under a shadow.
type Taken = Both<Vec<(CounterKey, Decimal)>>;

struct Replay {
    counters: Both<limits::Counters>,
    now: Timestamp,
    records: u64,
    /// Calls that have begun and not yet ended.
    open: HashMap<String, (Timestamp, Taken)>,
    /// Calls whose charges were given back, and whose beginning was not seen.
    unmatched: HashSet<String>,
}

impl Replay {
    fn new(counters: Both<limits::Counters>, now: Timestamp) -> Self {
        Self {
            counters,
            now,
            records: 0,
            open: HashMap::new(),
            unmatched: HashSet::new(),
        }
    }

    fn run(&mut self, ledger_dir: &Path, snapshot_seq: u64) -> Result<(), RebuildError> {
        let mut records = replay_from(ledger_dir, snapshot_seq.saturating_add(1))?;
        while let Some(replayed) = records.next_replayed()? {
            self.records += 1;
            match replayed {
                Replayed::End(end) => drop(self.open.remove(end.call_id)),
                Replayed::Record(record) => self.take(&record)?,
            }
        }
        if !self.unmatched.is_empty() {
            self.look_back(ledger_dir, snapshot_seq)?;
        }
        Ok(())
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), RebuildError> {
        let Some(call_id) = &record.call_id else {
            return Ok(());
        };
        match record.phase {
            Phase::Begin if !(record.charges.is_empty() && record.shadow_charges().is_empty()) => {
                let taken = self.restore(record)?;
                self.open.insert(call_id.to_string(), (record.at, taken));
            }
            // A refused call may have taken of a shadow that would have let it pass.
            Phase::Finish if record.is_refusal() => drop(self.restore(record)?),
            Phase::Finish => {
                let begun = self.open.remove(&**call_id);
                if record.refunded {
                    match begun {
                        Some((at, taken)) => self.give_back(at, &taken),
                        None => drop(self.unmatched.insert(call_id.to_string())),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts a booked call's charges that still matter.
    fn restore(&mut self, record: &Record<'_>) -> Result<Taken, RebuildError> {
        let mut taken = Taken::default();
        for charge in &record.charges {
            let read = read_charge(record.seq, charge)?;
            self.count(record.at, read, (Side::InForce, &mut taken));
        }
        for charge in record.shadow_charges() {
            // A shadow stops nothing, not even a start.
            if let Ok(read) = read_charge(record.seq, charge) {
                self.count(record.at, read, (Side::Shadow, &mut taken));
            }
        }
        Ok(taken)
    }

    fn count(
        &mut self,
        at: Timestamp,
        (key, amount, window_ms): (CounterKey, Decimal, u64),
        (side, taken): (Side, &mut Taken),
    ) {
        let window = i64::try_from(window_ms).unwrap_or(i64::MAX);
        if at.plus(window) > self.now {
            let counters = self.counters.of_mut(side);
            counters.restore(&key, at, amount, window_ms);
            taken.of_mut(side).push((key, amount));
        }
    }

    fn give_back(&mut self, at: Timestamp, taken: &Taken) {
        for side in [Side::InForce, Side::Shadow] {
            for (key, amount) in taken.of(side) {
                self.counters.of_mut(side).give_back(key, at, *amount);
            }
        }
    }

    /// Finds the beginnings that lie before the snapshot, which has their charges.
    fn look_back(&mut self, ledger_dir: &Path, snapshot_seq: u64) -> Result<(), RebuildError> {
        let from = snapshot_seq.saturating_sub(LOOK_BACK).max(1);
        let mut records = replay_from(ledger_dir, from)?;
        while let Some(record) = records.next_record()? {
            if record.seq > snapshot_seq || self.unmatched.is_empty() {
                break;
            }
            let Some(call_id) = &record.call_id else {
                continue;
            };
            if record.phase != Phase::Begin || !self.unmatched.remove(&**call_id) {
                continue;
            }
            self.give_back(record.at, &booked(&record)?);
        }
        Ok(())
    }
}

/// What a record says its call took.
fn booked(record: &Record<'_>) -> Result<Taken, RebuildError> {
    let pair = |charge| {
        let (key, amount, _) = read_charge(record.seq, charge)?;
        Ok::<_, RebuildError>((key, amount))
    };
    let shadow = record.shadow_charges().iter().map(pair);
    Ok(Both {
        in_force: record.charges.iter().map(pair).collect::<Result<_, _>>()?,
        shadow: shadow.filter_map(Result::ok).collect(),
    })
}

fn read_charge(
    seq: u64,
    BookedCharge(key, amount, window_ms): &BookedCharge<'_>,
) -> Result<(CounterKey, Decimal, u64), RebuildError> {
    let unreadable = || RebuildError::Charge {
        seq,
        charge: format!("{key} {amount}"),
    };
    let key = key.parse().map_err(|_| unreadable())?;
    let amount = Decimal::parse(amount).map_err(|_| unreadable())?;
    Ok((key, amount, *window_ms))
}
