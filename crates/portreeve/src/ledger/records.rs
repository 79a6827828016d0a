//! Records in order, from any number on: what counters are rebuilt from at start.
//!
//! Finds the segment by its name and passes over lines without reading them. Checks that no record
//! is left out and that every one can be read; hashes and signatures are `verify`'s question.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use super::ended::EndOfCall;
use super::lines::Forward;
use super::read::Record;
use super::segment::{self, SegmentFile};

/// Why the book can't be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the ledger can't be read: {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "the ledger is damaged at record {seq} in {segment} ({what}): run `portreeve ledger verify`"
    )]
    Damaged {
        segment: String,
        seq: u64,
        what: String,
    },
}

impl ReadError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// The records of `dir` from number `seq` on, oldest first. Where older ones are retired it begins
/// with the first that is kept.
pub fn replay_from(dir: &Path, seq: u64) -> Result<Records, ReadError> {
    let mut segments = segment::list(dir).map_err(ReadError::io(dir))?;
    let start = segment::holding(&segments, seq).unwrap_or(0);
    let mut segments: VecDeque<_> = segments.split_off(start.min(segments.len())).into();
    let Some(first) = segments.pop_front() else {
        return Ok(Records::empty());
    };
    let mut records = Records {
        expected: first.first,
        open: Some(Open::new(first)?),
        later: segments,
    };
    records.skip_to(seq)?;
    Ok(records)
}

/// A record as a replay wants it.
#[derive(Debug)]
pub enum Replayed<'a> {
    End(EndOfCall<'a>),
    Record(Box<Record<'a>>),
}

/// A lending iterator: each record borrows from the line it was read from.
#[derive(Debug)]
pub struct Records {
    open: Option<Open>,
    later: VecDeque<SegmentFile>,
    expected: u64,
}

#[derive(Debug)]
struct Open {
    file: SegmentFile,
    lines: Forward,
}

impl Open {
    fn new(file: SegmentFile) -> Result<Self, ReadError> {
        let lines = Forward::open(&file.path).map_err(ReadError::io(&file.path))?;
        Ok(Self { file, lines })
    }

    /// The record of the line that was gone to, if it is the one that is expected.
    fn record(&self, expected: &mut u64) -> Result<Record<'_>, ReadError> {
        let seq = *expected;
        let damaged = |what: String| ReadError::Damaged {
            segment: self.file.name(),
            seq,
            what,
        };
        let line = self.lines.line();
        let record = Record::parse(line).map_err(|error| damaged(error.to_string()))?;
        if record.seq != seq {
            return Err(damaged(format!(
                "record {} stands in its place",
                record.seq
            )));
        }
        *expected = seq.saturating_add(1);
        Ok(record)
    }
}

impl Records {
    fn empty() -> Self {
        Self {
            open: None,
            later: VecDeque::new(),
            expected: 1,
        }
    }

    /// The next record, or `None` at the end of the book. A line that is still being written is not
    /// a record yet.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        Ok(self.next_with_line()?.map(|(record, _)| record))
    }

    /// The next record as a replay wants it: the end of a call is not read further than to know it.
    pub fn next_replayed(&mut self) -> Result<Option<Replayed<'_>>, ReadError> {
        if !self.advance()? {
            return Ok(None);
        }
        let Some(open) = &self.open else {
            return Ok(None);
        };
        match EndOfCall::know(open.lines.line()) {
            Some(end) if end.seq == self.expected => {
                self.expected = self.expected.saturating_add(1);
                Ok(Some(Replayed::End(end)))
            }
            _ => {
                let record = open.record(&mut self.expected)?;
                Ok(Some(Replayed::Record(Box::new(record))))
            }
        }
    }

    /// The next record and the line it was read from, with its newline.
    pub fn next_with_line(&mut self) -> Result<Option<(Record<'_>, &[u8])>, ReadError> {
        if !self.advance()? {
            return Ok(None);
        }
        let Some(open) = &self.open else {
            return Ok(None);
        };
        let record = open.record(&mut self.expected)?;
        Ok(Some((record, open.lines.line())))
    }

    /// Goes to the next whole line, in the next segment if need be.
    fn advance(&mut self) -> Result<bool, ReadError> {
        loop {
            let Some(open) = &mut self.open else {
                return Ok(false);
            };
            let more = open
                .lines
                .advance()
                .map_err(ReadError::io(&open.file.path))?;
            if more && open.lines.line().ends_with(b"\n") {
                return Ok(true);
            }
            match self.later.pop_front() {
                None => return Ok(false),
                Some(_) if more => {
                    return Err(ReadError::Damaged {
                        segment: open.file.name(),
                        seq: self.expected,
                        what: "the line is not finished".to_owned(),
                    });
                }
                Some(next) => self.open = Some(Open::new(next)?),
            }
        }
    }

    fn skip_to(&mut self, seq: u64) -> Result<(), ReadError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let count = seq.saturating_sub(open.file.first);
        open.lines
            .skip(count)
            .map_err(ReadError::io(&open.file.path))?;
        self.expected += count;
        Ok(())
    }
}
