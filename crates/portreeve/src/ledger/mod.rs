//! The ledger: the append-only, hash-chained book of calls and administrative acts.
//!
//! Owns the record's written form, appending, checkpoints, anchors, opening after a crash, reading,
//! verifying and retention. Leaves to others what a call is (`gate`), where anchors are stored
//! (`store`), and who may read.
//!
//! ```text
//! record → line → book → medium        what is said, its bytes, the chain, the file
//!                 commit               when it is on disk
//! open, tail, retain, keep                 the life of the directory
//! lines → read → replay, backward → query, follow → export, verify
//! ```
//!
//! What holds: an append that fails refuses the call (there is no fail-open switch); the begin of
//! a call is durable before its future resolves; a begin without a finish reads as *unknown*;
//! nothing that was booked can be changed or taken away without `verify` saying so.

mod acts;
mod anchor;
mod anchor_file;
mod backward;
mod batch;
mod book;
mod calls;
mod chain;
mod commit;
mod ended;
mod ending;
mod export;
mod file;
mod follow;
mod in_store;
mod keep;
mod line;
mod lines;
mod loss;
mod medium;
mod misfit;
mod open;
mod read;
mod record;
mod records;
mod remains;
mod report;
mod retain;
mod segment;
mod tail;
mod target;
#[cfg(test)]
mod tests;
mod unreadable;
mod verify;
mod witness;

use std::fmt;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

pub use acts::{BookedAct, acts};
pub use anchor::{AnchorError, Anchors, FileAnchor, KnownAnchor, MemoryAnchors, SecondPlace};
pub use anchor_file::AnchorLines;
pub use calls::{
    ANSWERS, BookedCall, BookedEntry, CallEnd, Calls, Filter, Found, OUTCOMES, ShadowVerdict,
    UNKNOWN, calls, entries, last_seq, query, tail,
};
pub use chain::{Anchor, Digest, Head};
pub use ended::EndOfCall;
pub use ending::CallsByEnd;
pub use export::{ExportError, Exported, export};
pub use file::FileLedger;
pub use follow::Follow;
pub use in_store::StoreAnchors;
pub use keep::{Cadence, keep_anchored, keep_probing};
pub use loss::Loss;
pub use misfit::{Misfit, Misfits};
pub use open::{OpenError, Opened, Opening, Torn};
pub use read::{BookedCharge, BookedShadow, Phase, Record, Text};
pub use record::{
    ARG_KEYS_MAX, AdminAct, Answer, Arguments, Begin, Call, Charge, Ended, Finish, PolicyRef,
    Refusal, Refused, Shadow, Shadowed,
};
pub use records::{ReadError, Records, Replayed, replay_from};
pub use remains::Remains;
pub use report::{Fault, Report, What};
pub use retain::{Retention, retire};
pub use target::{Target, shown};
pub use unreadable::{Unreadable, Unreadables};
pub use verify::{Verification, verify};

/// A signed checkpoint stands at least every so many records.
pub const CHECKPOINT_EVERY: u64 = 1_000;

/// Where records are booked. A backend may answer over the network.
///
/// Every future resolves when the record is durable as configured, or with an error; the caller
/// then refuses the call. After an error the record may still turn out to be in the book (a sync
/// that failed is not a record that is gone); a begin then reads as unknown, which is true.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Books that a call is about to be forwarded.
    fn begin<'a>(&'a self, begin: Begin<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>>;

    /// Books how a begun call ended. The kernel has it when this resolves, whatever the durability:
    /// the call happened, and if the power's end takes this with it, it reads as unknown. Nobody
    /// should wait for the disk to be told so.
    fn finish<'a>(&'a self, finish: Finish<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>>;

    /// Books a call that is not forwarded.
    fn refuse<'a>(&'a self, refusal: Refusal<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>>;

    /// Books an administrative act.
    fn admin<'a>(&'a self, act: AdminAct<'a>) -> BoxFuture<'a, Result<Booked, LedgerError>>;

    /// The end of the chain as far as this process knows it.
    fn head(&self) -> Head;

    /// Whether the last attempt to book succeeded; if not, why, for a person.
    fn healthy(&self) -> Result<(), String>;

    /// Ends the book with a checkpoint, on disk. Nothing can be booked afterwards.
    fn close(&self) -> BoxFuture<'_, Result<(), LedgerError>>;
}

/// A record that is in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    pub seq: u64,
}

/// Why something was not booked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("the ledger can't be written, so calls are refused: {reason}")]
    Unavailable { reason: String },
    #[error("the record would take {bytes} bytes, more than a line of the ledger may have")]
    TooLarge { bytes: usize },
    #[error("the ledger is closed: the gateway is stopping")]
    Closed,
}

impl LedgerError {
    fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable {
            reason: reason.into(),
        }
    }
}

/// When a record counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When the kernel has it: it survives the end of this process.
    #[default]
    Kernel,
    /// When it is on disk: it survives the end of the machine's power.
    Disk,
}

/// When a new segment is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub bytes: u64,
    pub age_ms: i64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024 * 1024,
            age_ms: 24 * 60 * 60 * 1_000,
        }
    }
}

/// How the ledger of one data directory is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub dir: PathBuf,
    pub durability: Durability,
    pub rotation: Rotation,
}

impl Settings {
    /// The defaults, in `DATA_DIR/ledger`.
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self {
            dir: data_dir.join("ledger"),
            durability: Durability::default(),
            rotation: Rotation::default(),
        }
    }
}
