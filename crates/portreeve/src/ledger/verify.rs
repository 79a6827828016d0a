//! Verifying: does the whole book still say what was written?
//!
//! Reads every segment from end to end and stops at the first record that doesn't fit. Owns the
//! walk; `report` owns the words, `witness` what the anchors say to it. Needs no secret: only the
//! public key, and the anchors.

use std::path::Path;

use serde_json::value::RawValue;

use super::CHECKPOINT_EVERY;
use super::anchor::KnownAnchor;
use super::book::checkpoint_message;
use super::chain::{Head, Seal};
use super::file::{CUT_ACCEPTED, TAIL_TORN};
use super::lines::Forward;
use super::misfit::joined;
use super::read::{Phase, Record};
use super::records::ReadError;
use super::report::{Fault, Report, What};
use super::retain;
use super::segment::{self, SegmentFile};
use super::witness::Witness;
use crate::clock;
use crate::hex;
use crate::keys::PublicKey;

/// What to verify, and against what.
#[derive(Clone, Copy, Debug)]
pub struct Verification<'a> {
    /// The ledger's directory.
    pub dir: &'a Path,
    /// The keys that may have signed.
    pub keys: &'a [PublicKey],
    /// Every anchor known outside.
    pub known: &'a [KnownAnchor],
    /// Stop after this record. Whoever verifies a book that is being written names the last record
    /// that was whole when it began.
    pub through: Option<u64>,
}

/// Verifies the book. An error means it can't be read; what is wrong with it is in the report.
pub fn verify(verification: &Verification<'_>) -> Result<Report, ReadError> {
    let mut walk = Walk {
        verification,
        report: Report::default(),
        witness: Witness::new(verification.known),
        head: Head::EMPTY,
        checkpoint: 0,
    };
    let fault = walk.all_segments()?;
    let Walk {
        mut report,
        witness,
        head,
        ..
    } = walk;
    report.head = head;
    report.anchored = witness.reach();
    let (signed_through, through) = (report.signed_through, verification.through);
    report.fault = fault.or_else(|| witness.objection(head, signed_through, through));
    Ok(report)
}

struct Walk<'a> {
    verification: &'a Verification<'a>,
    report: Report,
    witness: Witness<'a>,
    head: Head,
    /// The last signed checkpoint.
    checkpoint: u64,
}

impl Walk<'_> {
    fn all_segments(&mut self) -> Result<Option<Fault>, ReadError> {
        let dir = self.verification.dir;
        let segments = segment::list(dir).map_err(ReadError::io(dir))?;
        if let Some(fault) = self.start(segments.first())? {
            return Ok(Some(fault));
        }
        for (index, segment) in segments.iter().enumerate() {
            let last = index + 1 == segments.len();
            if let Some(fault) = self.segment(segment, last)? {
                return Ok(Some(fault));
            }
            if self.is_through() {
                break;
            }
        }
        Ok(None)
    }

    fn is_through(&self) -> bool {
        self.verification
            .through
            .is_some_and(|through| self.head.seq >= through)
    }

    /// Finds the head that the first kept segment must continue.
    fn start(&mut self, first: Option<&SegmentFile>) -> Result<Option<Fault>, ReadError> {
        let dir = self.verification.dir;
        let retired = retain::retired(dir).map_err(ReadError::io(dir))?;
        for (index, line) in retired.iter().enumerate() {
            let trusted = line.as_ref().is_some_and(|retired| {
                self.verification.keys.contains(&retired.key) && retired.is_signed()
            });
            if !trusted {
                return Ok(Some(Fault {
                    segment: "retired.jsonl".to_owned(),
                    line: index as u64 + 1,
                    seq: 0,
                    what: What::BadRetirement,
                }));
            }
        }
        let mut retired = retired.into_iter().flatten();
        let Some(first) = first else {
            return Ok(retired.next_back().map(|retired| Fault {
                segment: String::new(),
                line: 0,
                seq: retired.end.seq + 1,
                what: What::NothingLeft,
            }));
        };
        self.report.first = first.first;
        if first.first <= 1 {
            return Ok(None);
        }
        match retired.find(|retired| retired.end.seq + 1 == first.first) {
            Some(proof) => {
                self.head = proof.end;
                self.checkpoint = proof.end.seq;
                self.witness.starts_after(proof.end);
                Ok(None)
            }
            None => Ok(Some(Fault {
                segment: first.name(),
                line: 1,
                seq: first.first,
                what: What::NoBeginning,
            })),
        }
    }

    fn segment(&mut self, segment: &SegmentFile, last: bool) -> Result<Option<Fault>, ReadError> {
        self.report.segments += 1;
        let mut lines = Forward::open(&segment.path).map_err(ReadError::io(&segment.path))?;
        let mut number = 0;
        while lines.advance().map_err(ReadError::io(&segment.path))? {
            number += 1;
            let checked = if number == 1 {
                name_fits(segment, lines.line()).and_then(|()| self.line(lines.line()))
            } else {
                self.line(lines.line())
            };
            if let Err(what) = checked {
                return Ok(Some(Fault {
                    segment: segment.name(),
                    line: number,
                    seq: self.head.seq + 1,
                    what,
                }));
            }
            if self.is_through() {
                return Ok(None);
            }
        }
        if !last && self.checkpoint != self.head.seq {
            return Ok(Some(Fault {
                segment: segment.name(),
                line: number,
                seq: self.head.seq,
                what: What::NotClosed,
            }));
        }
        Ok(None)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), What> {
        let bare = line.strip_suffix(b"\n").ok_or(What::Unfinished)?;
        let head = joined(bare, Some(self.head))?;
        let record = Record::parse(bare).map_err(|_| What::NoRecord)?;
        self.checkpoint(&record)?;
        self.note(&record);
        self.report.records += 1;
        self.head = head;
        self.witness.saw(self.head);
        Ok(())
    }

    fn checkpoint(&mut self, record: &Record<'_>) -> Result<(), What> {
        if record.phase != Phase::Checkpoint {
            let unsigned = record.seq - self.checkpoint;
            return if unsigned < CHECKPOINT_EVERY {
                Ok(())
            } else {
                Err(What::NoCheckpoint {
                    since: self.checkpoint,
                })
            };
        }
        let key = record.key.as_deref().and_then(PublicKey::from_hex);
        let key = key.ok_or(What::BadSignature)?;
        if !self.verification.keys.contains(&key) {
            return Err(What::ForeignKey { key });
        }
        let sig: Option<[u8; 64]> = record
            .sig
            .as_deref()
            .and_then(|sig| hex::decode(sig.as_bytes()));
        let message = checkpoint_message(record.seq, self.head);
        if !sig.is_some_and(|sig| key.verifies(&message, &sig)) {
            return Err(What::BadSignature);
        }
        self.checkpoint = record.seq;
        self.report.checkpoints += 1;
        self.report.signed_through = self.head.seq;
        Ok(())
    }

    /// What the book says of its own wounds.
    fn note(&mut self, record: &Record<'_>) {
        let (Some(act), Some(detail)) = (record.act.as_deref(), record.detail) else {
            return;
        };
        if act == CUT_ACCEPTED {
            self.witness.accepted((record.seq, record.at), detail);
        }
        if act == CUT_ACCEPTED || act == TAIL_TORN {
            let (seq, at) = (record.seq, clock::rfc3339(record.at));
            let meaning = if act == CUT_ACCEPTED {
                "a person went on with a book that was not whole"
            } else if is_of_misfits(detail) {
                "lines that did not fit were set aside"
            } else {
                "a record that was not finished was cut off"
            };
            let note = format!("record {seq} of {at}: {meaning} ({act} {})", detail.get());
            self.report.notes.push(note);
        }
    }
}

/// Whether what was cut off were whole lines, by the record that says so.
fn is_of_misfits(detail: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Cut {
        misfits: Option<u64>,
    }
    serde_json::from_str(detail.get()).is_ok_and(|cut: Cut| cut.misfits.is_some())
}

/// A segment is called after its first record.
fn name_fits(segment: &SegmentFile, line: &[u8]) -> Result<(), What> {
    let seal = line.strip_suffix(b"\n").and_then(Seal::read);
    match seal {
        Some(seal) if seal.holds() && seal.seq != segment.first => {
            Err(What::Misnamed { begins: seal.seq })
        }
        _ => Ok(()),
    }
}
