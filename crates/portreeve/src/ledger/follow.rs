//! The book as it grows, line by line, whatever its lines say.

use std::path::{Path, PathBuf};

use super::chain::Seal;
use super::lines::Forward;
use super::records::ReadError;
use super::segment::{self, SegmentFile};
use super::unreadable::Unreadable;

/// Follows a book as it grows. Whoever follows asks again after a while; nothing waits here.
#[derive(Debug)]
pub struct Follow {
    dir: PathBuf,
    next: u64,
    open: Option<Place>,
}

/// Where the reading is.
#[derive(Debug)]
struct Place {
    segment: SegmentFile,
    lines: Forward,
    /// The number of the record that should stand in the line that is read next.
    at: u64,
    /// A line that was still being written when it was read.
    half: Vec<u8>,
    /// Lines in front of the one that was asked for are passed over.
    passing: bool,
    /// The segment after this one, once it exists; then this one is complete.
    successor: Option<u64>,
}

impl Follow {
    /// Follows from record `next` on.
    pub fn from(dir: &Path, next: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            next: next.max(1),
            open: None,
        }
    }

    /// The next record as it stands in the book, without its newline; `None` if there is none yet.
    pub fn next_line(&mut self) -> Result<Option<String>, ReadError> {
        let line = self.next_bytes()?;
        Ok(line.map(|line| String::from_utf8_lossy(&line).into_owned()))
    }

    /// The same, byte for byte.
    pub(super) fn next_bytes(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        loop {
            if self.open.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let Some(place) = &mut self.open else {
                return Ok(None);
            };
            if let Some((seq, line)) = place.read()? {
                if place.passing && seq < self.next {
                    continue;
                }
                place.passing = false;
                self.next = place.at;
                return Ok(Some(line));
            }
            // What was written before the successor is read once the successor is known.
            if let Some(successor) = place.successor {
                if let Some(line) = place.unfinished() {
                    self.next = self.next.saturating_add(1);
                    return Ok(Some(line));
                }
                // What lines say of their numbers may be forged; where segments begin is their names'.
                // Who waits for a record that is not there yet goes on waiting for it.
                let waits = place.passing && self.next > successor;
                if !waits {
                    self.next = successor;
                }
                self.open = None;
            } else {
                place.successor = successor(&self.dir, &place.segment)?;
                if place.successor.is_none() {
                    return Ok(None);
                }
            }
        }
    }

    /// What is to be told of the line that was handed out last, if it cannot be read.
    pub(super) fn unreadable(&self, why: &serde_json::Error) -> Unreadable {
        Unreadable::new(self.next.saturating_sub(1), &self.segment(), why)
    }

    /// The name of the segment that the last line stands in.
    pub(super) fn segment(&self) -> String {
        let place = self.open.as_ref();
        place.map_or_else(String::new, |place| place.segment.name())
    }

    fn open_next(&mut self) -> Result<bool, ReadError> {
        let segments = segment::list(&self.dir).map_err(ReadError::io(&self.dir))?;
        let index = segment::holding(&segments, self.next).unwrap_or(0);
        let Some(segment) = segments.into_iter().nth(index) else {
            return Ok(false);
        };
        let lines = Forward::open(&segment.path).map_err(ReadError::io(&segment.path))?;
        self.next = self.next.max(segment.first);
        self.open = Some(Place {
            at: segment.first,
            segment,
            lines,
            half: Vec::new(),
            passing: true,
            successor: None,
        });
        Ok(true)
    }
}

impl Place {
    /// The next line that has an end, and its number: that of its seal if it holds, for a changed byte
    /// can make two lines of one, or one of two.
    fn read(&mut self) -> Result<Option<(u64, Vec<u8>)>, ReadError> {
        let more = self.lines.next_line();
        let more = more.map_err(ReadError::io(&self.segment.path))?;
        self.half.extend_from_slice(more.unwrap_or_default());
        if self.half.pop_if(|last| *last == b'\n').is_none() {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.half);
        let seal = Seal::read(&line).filter(Seal::holds);
        let seq = seal.map_or(self.at, |seal| seal.seq);
        self.at = seq.saturating_add(1);
        Ok(Some((seq, line)))
    }

    /// The line without an end that a complete segment ends with.
    fn unfinished(&mut self) -> Option<Vec<u8>> {
        let half = std::mem::take(&mut self.half);
        (!half.is_empty()).then_some(half)
    }
}

fn successor(dir: &Path, segment: &SegmentFile) -> Result<Option<u64>, ReadError> {
    let segments = segment::list(dir).map_err(ReadError::io(dir))?;
    let mut later = segments.into_iter().map(|segment| segment.first);
    Ok(later.find(|first| *first > segment.first))
}
