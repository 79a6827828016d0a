//! The book from its end to its beginning, line by line, and whether each line fits the one before.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::chain::{Head, Seal};
use super::lines::Backward;
use super::misfit::{Misfit, joined};
use super::read::Record;
use super::records::ReadError;
use super::report::What;
use super::segment::{self, SegmentFile};
use super::unreadable::Unreadable;

/// The lines of all segments from the last to the first. Reads one line further back than it has
/// handed out, to know what the last one should continue.
#[derive(Debug)]
pub(super) struct BookBackward {
    earlier: Vec<SegmentFile>,
    open: Option<(SegmentFile, Arc<str>, Backward)>,
    ahead: Option<Read>,
}

/// A line with its newline, and the segment it stands in.
type Read = (Vec<u8>, Arc<str>);

/// One line of the book.
#[derive(Debug)]
pub(super) struct BookLine {
    /// With its newline.
    pub(super) bytes: Vec<u8>,
    segment: Arc<str>,
    what: Option<What>,
    /// The number that follows that of the line before.
    due: Option<u64>,
}

impl BookLine {
    /// What the line says; `reached` is the record after it.
    pub(super) fn record(&self, reached: Option<u64>) -> Result<Record<'_>, Unreadable> {
        Record::parse(&self.bytes).map_err(|why| {
            let by_next = || reached.map(|seq| seq.saturating_sub(1));
            let seq = self.due.or_else(by_next).unwrap_or(1);
            Unreadable::new(seq, &self.segment, &why)
        })
    }

    /// What does not fit in it, given its number.
    pub(super) fn misfit(&self, seq: u64) -> Option<Misfit> {
        let what = self.what.clone()?;
        Some(Misfit::new(seq, &self.segment, what))
    }
}

impl BookBackward {
    pub(super) fn open(dir: &Path) -> Result<Self, ReadError> {
        let mut lines = Self {
            earlier: segment::list(dir).map_err(ReadError::io(dir))?,
            open: None,
            ahead: None,
        };
        lines.ahead = lines.read()?;
        Ok(lines)
    }

    /// The line before. A line without an end is still being written, and passed over.
    pub(super) fn next_line(&mut self) -> Result<Option<BookLine>, ReadError> {
        let Some((bytes, segment)) = self.ahead.take() else {
            return Ok(None);
        };
        self.ahead = self.read()?;
        let before = self.ahead.as_ref().and_then(|(line, _)| stated_head(line));
        Ok(Some(BookLine {
            what: joined(bare(&bytes), before).err(),
            due: before.map(|head| head.seq.saturating_add(1)),
            bytes,
            segment,
        }))
    }

    fn read(&mut self) -> Result<Option<Read>, ReadError> {
        loop {
            if let Some((segment, name, lines)) = &mut self.open {
                match lines.next_line().map_err(ReadError::io(&segment.path))? {
                    Some(line) if line.ends_with(b"\n") => {
                        return Ok(Some((line, Arc::clone(name))));
                    }
                    Some(_) => continue,
                    None => self.open = None,
                }
            }
            let Some(segment) = self.earlier.pop() else {
                return Ok(None);
            };
            match Backward::open(&segment.path) {
                Ok(lines) => self.open = Some((segment.clone(), segment.name().into(), lines)),
                // Retired since the directory was listed; so are all before it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(ReadError::io(&segment.path)(error)),
            }
        }
    }
}

/// What a line says its number and hash are.
fn stated_head(line: &[u8]) -> Option<Head> {
    Seal::read(bare(line)).map(|seal| seal.head())
}

fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}
