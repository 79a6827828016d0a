//! Handing the book on: the records as they stand in it, so that the chain stays whole.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::calls::{Filter, calls};
use super::lines::Forward;
use super::records::{ReadError, replay_from};
use super::segment::{self, SegmentFile};

/// Why an export is not whole.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Unread(#[from] ReadError),
    #[error("the export cannot be written: {0}")]
    Unwritten(io::Error),
}

/// Writes every record, or those of the matching calls, and returns how many. Unfiltered, what is
/// written can be verified like the book itself.
pub fn export(
    dir: &Path,
    filter: Option<&Filter>,
    out: &mut dyn Write,
) -> Result<u64, ExportError> {
    let wanted = match filter {
        None => None,
        Some(filter) => Some(
            calls(dir, filter.clone())?
                .map(|call| call.map(|call| call.call_id))
                .collect::<Result<HashSet<_>, _>>()?,
        ),
    };
    let mut records = replay_from(dir, 1)?;
    let mut written = 0;
    while let Some((record, line)) = records.next_with_line()? {
        let call_id = record.call_id.as_deref().unwrap_or_default();
        if wanted
            .as_ref()
            .is_none_or(|wanted| wanted.contains(call_id))
        {
            out.write_all(line).map_err(ExportError::Unwritten)?;
            written += 1;
        }
    }
    Ok(written)
}

/// Follows a book as it grows. Whoever follows asks again after a while; nothing waits here.
#[derive(Debug)]
pub struct Follow {
    dir: PathBuf,
    next: u64,
    open: Option<(SegmentFile, Forward)>,
    /// A line that was still being written when it was read.
    half: Vec<u8>,
}

impl Follow {
    /// Follows from record `next` on.
    pub fn from(dir: &Path, next: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            next: next.max(1),
            open: None,
            half: Vec::new(),
        }
    }

    /// The number of the record that comes next.
    pub(super) const fn next_seq(&self) -> u64 {
        self.next
    }

    /// The next record as it stands in the book, without its newline; `None` if there is none yet.
    pub fn next_line(&mut self) -> Result<Option<String>, ReadError> {
        loop {
            if self.open.is_none() && !self.open_next()? {
                return Ok(None);
            }
            if let Some(line) = self.read()? {
                self.next += 1;
                return Ok(Some(line));
            }
            // A segment is complete when the one after it exists.
            let complete = self
                .open
                .as_ref()
                .is_some_and(|(segment, _)| segment.first < self.next)
                && SegmentFile::new(&self.dir, self.next).path.exists();
            if !complete {
                return Ok(None);
            }
            self.open = None;
        }
    }

    fn open_next(&mut self) -> Result<bool, ReadError> {
        let segments = segment::list(&self.dir).map_err(ReadError::io(&self.dir))?;
        let index = segment::holding(&segments, self.next).unwrap_or(0);
        let Some(segment) = segments.into_iter().nth(index) else {
            return Ok(false);
        };
        let mut lines = Forward::open(&segment.path).map_err(ReadError::io(&segment.path))?;
        self.next = self.next.max(segment.first);
        let passed = lines
            .skip(self.next - segment.first)
            .map_err(ReadError::io(&segment.path))?;
        if passed {
            self.open = Some((segment, lines));
        }
        Ok(passed)
    }

    fn read(&mut self) -> Result<Option<String>, ReadError> {
        let Some((segment, lines)) = &mut self.open else {
            return Ok(None);
        };
        let more = lines.next_line().map_err(ReadError::io(&segment.path))?;
        self.half.extend_from_slice(more.unwrap_or_default());
        Ok(self
            .half
            .strip_suffix(b"\n")
            .map(<[u8]>::to_vec)
            .map(|line| {
                self.half.clear();
                String::from_utf8_lossy(&line).into_owned()
            }))
    }
}
