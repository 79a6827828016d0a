//! What `verify` found, in words for a person.

use std::fmt;

use super::anchor::KnownAnchor;
use super::chain::Head;
use crate::clock;
use crate::keys::PublicKey;

/// The outcome of verifying a book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub records: u64,
    pub segments: u64,
    pub checkpoints: u64,
    /// The first record kept; what is older was retired, and is proven.
    pub first: u64,
    /// The last record that fits.
    pub head: Head,
    /// Up to here a signature proves the records.
    pub signed_through: u64,
    /// The newest outside anchor the book agrees with.
    pub anchored: Option<KnownAnchor>,
    /// What the book says of its own wounds: torn tails, cuts a person accepted.
    pub notes: Vec<String>,
    /// The first thing that doesn't fit.
    pub fault: Option<Fault>,
}

impl Report {
    /// Whether everything fits.
    pub const fn holds(&self) -> bool {
        self.fault.is_none()
    }
}

/// The first thing that doesn't fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file; empty when it is about what is not there.
    pub segment: String,
    /// Counted from 1.
    pub line: u64,
    /// The record that should stand there.
    pub seq: u64,
    pub what: What,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The bytes are not those that were hashed.
    Changed,
    /// The line hasn't a record's shape.
    NoRecord,
    /// The line has no end.
    Unfinished,
    /// Records are left out.
    Missing { found: u64 },
    /// An earlier record stands here.
    OutOfPlace { found: u64 },
    /// It names another hash as the one before.
    Detached,
    /// A checkpoint's signature is not that of the records before it.
    BadSignature,
    /// A checkpoint is signed with a key nobody trusts.
    ForeignKey { key: PublicKey },
    /// More records without a checkpoint than the writer ever leaves.
    NoCheckpoint { since: u64 },
    /// A segment that has a successor ends without a checkpoint.
    NotClosed,
    /// A segment is called after another record than its first.
    Misnamed { begins: u64 },
    /// The oldest records are gone and nothing proves what they were.
    NoBeginning,
    /// Retired segments are proven, and nothing follows them.
    NothingLeft,
    /// A line of `retired.jsonl` is not what was signed.
    BadRetirement,
    /// An anchor knows records the book doesn't have.
    CutTail { anchor: KnownAnchor, last: u64 },
    /// An anchor knows a record with another hash.
    Rewritten(KnownAnchor),
}

impl What {
    /// What is to say of a record that is there, where nothing more is known.
    pub(super) const fn words(&self) -> Option<&'static str> {
        Some(match self {
            Self::Changed => "its bytes do not match its hash: changed after it was written",
            Self::NoRecord => "the line is not a record: changed after it was written",
            Self::Unfinished => {
                "the line is not finished: cut off in its middle, or a crash while it was written"
            }
            Self::Detached => "it does not continue the record before: one of both was replaced",
            Self::BadSignature => {
                "the checkpoint's signature does not fit: the records before it were rewritten, or \
                 the signature was changed"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seq, before) = (self.seq, self.seq.saturating_sub(1));
        let place = format!("in {}, line {}", self.segment, self.line);
        if let Some(words) = self.what.words() {
            return write!(f, "record {seq} {place}: {words}");
        }
        match &self.what {
            What::Missing { found } if *found == seq + 1 => write!(
                f,
                "record {seq} is missing: {before} is followed by {found} {place}"
            ),
            What::Missing { found } => write!(
                f,
                "records {seq} to {} are missing: {before} is followed by {found} {place}",
                found - 1
            ),
            What::OutOfPlace { found } => write!(
                f,
                "record {seq} was expected {place}, but record {found} stands there: repeated, \
                 inserted or moved"
            ),
            What::ForeignKey { key } => write!(
                f,
                "record {seq} {place}: the checkpoint is signed with an unknown key, {key}"
            ),
            What::NoCheckpoint { since } => write!(
                f,
                "record {seq} {place}: no signed checkpoint since record {since}: the records after \
                 it are not the gateway's"
            ),
            What::NotClosed => write!(
                f,
                "{} ends at record {seq} without a signed checkpoint, though another segment follows",
                self.segment
            ),
            What::Misnamed { begins } => write!(
                f,
                "{} is called after another record than its first, which is {begins}",
                self.segment
            ),
            What::NoBeginning => write!(
                f,
                "the book begins with record {seq} in {}, and no signed line in retired.jsonl says \
                 what became of records 1 to {before}",
                self.segment
            ),
            What::BadRetirement => write!(
                f,
                "retired.jsonl, line {}: it is not what was signed: changed after it was written",
                self.line
            ),
            What::NothingLeft => write!(
                f,
                "the tail is cut: retired.jsonl proves records up to {before}, and none follows"
            ),
            What::CutTail { anchor, last } => write!(
                f,
                "the tail is cut: {} knew record {} at {}, the last record present is {last}: at \
                 least {} missing",
                anchor.place,
                anchor.anchor.head.seq,
                clock::rfc3339(anchor.anchor.at),
                counted(anchor.anchor.head.seq.saturating_sub(*last))
            ),
            What::Rewritten(anchor) => write!(
                f,
                "record {seq} has another hash than {} knew at {}: the book was rewritten",
                anchor.place,
                clock::rfc3339(anchor.anchor.at)
            ),
            _ => write!(f, "record {seq} {place} does not fit"),
        }
    }
}

fn counted(records: u64) -> String {
    let plural = if records == 1 { "" } else { "s" };
    format!("{records} record{plural}")
}

impl Report {
    /// What the signatures prove, and against whom.
    fn signatures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.checkpoints == 0 {
            return writeln!(f, ", no signed checkpoint yet");
        }
        let plural = if self.checkpoints == 1 { "" } else { "s" };
        let (count, through) = (self.checkpoints, self.signed_through);
        writeln!(
            f,
            ", {count} signed checkpoint{plural}, the last over record {through}\n\
             \x20 proven: up to record {through} nothing was changed, put in or left out, unless by \
             somebody who has this gate's `key` file"
        )
    }

    /// What the anchors prove, and what they cannot know.
    fn anchors(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(known) = &self.anchored else {
            return writeln!(
                f,
                "no anchor outside the book confirms any record\n\
                 \x20 not proven: that nothing was cut off at the end"
            );
        };
        let (seq, at) = (known.anchor.head.seq, clock::rfc3339(known.anchor.at));
        writeln!(
            f,
            "anchored outside the book up to record {seq} ({}, {at})\n\
             \x20 proven: up to record {seq} the book is the one that was known at that time, and is \
             not cut, unless by somebody who can write there too\n\
             \x20 not proven: that nothing which was booked after that time was cut off",
            known.place
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = self.segments;
        let plural = if segments == 1 { "" } else { "s" };
        if let Some(fault) = &self.fault {
            write!(f, "BROKEN: {fault}\nwhat fits before that: ")?;
        }
        write!(f, "{} in {segments} segment{plural}", counted(self.records))?;
        self.signatures(f)?;
        if self.first > 1 {
            writeln!(f, "records 1 to {} are retired and proven", self.first - 1)?;
        }
        self.anchors(f)?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        match &self.fault {
            Some(_) => Ok(()),
            None => write!(f, "the book holds"),
        }
    }
}
