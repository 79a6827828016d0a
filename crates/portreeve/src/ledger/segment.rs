//! Segments by name: which files belong to the book, and in which order.
//!
//! A segment is called after its first record, so finding a record needs no index.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const ENDING: &str = ".jsonl";
const DIGITS: usize = 20;
/// Numbers as `chain` reads them.
const SEQ_MAX: u64 = 999_999_999_999_999_999;

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentFile {
    pub(super) first: u64,
    pub(super) path: PathBuf,
}

impl SegmentFile {
    pub(super) fn new(dir: &Path, first: u64) -> Self {
        Self {
            first,
            path: dir.join(format!("{first:020}{ENDING}")),
        }
    }

    /// The name for people.
    pub(super) fn name(&self) -> String {
        format!("{:020}{ENDING}", self.first)
    }
}

/// All segments of `dir`, oldest first. A directory that isn't there has none.
pub(super) fn list(dir: &Path) -> io::Result<Vec<SegmentFile>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut segments = Vec::new();
    for entry in entries {
        if let Some(first) = entry?.file_name().to_str().and_then(first_of) {
            segments.push(SegmentFile::new(dir, first));
        }
    }
    segments.sort_unstable_by_key(|segment| segment.first);
    Ok(segments)
}

fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ENDING)?;
    let plain = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    let first = if plain { digits.parse().ok()? } else { 0 };
    (1..=SEQ_MAX).contains(&first).then_some(first)
}

/// Which of `segments` holds record `seq`: the last one that does not start after it.
pub(super) fn holding(segments: &[SegmentFile], seq: u64) -> Option<usize> {
    segments
        .partition_point(|segment| segment.first <= seq)
        .checked_sub(1)
}
