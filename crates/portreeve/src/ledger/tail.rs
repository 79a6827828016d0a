//! The end of a segment: the last record that fits, and what stands behind it.
//!
//! Tells what a crash leaves (half a record at the very end) from what it can't leave (a whole line
//! that doesn't fit, or half a line with records behind it). `open` decides what follows from that.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use portreeve_policy::time::Timestamp;

use super::chain::{Head, Seal};
use super::lines::{Forward, LINE_MAX};
use super::read::{Phase, Record};
use super::segment::SegmentFile;
use crate::keys::PublicKey;

/// How much of the last segment is proven at start.
const WINDOW: u64 = 4 * 1024 * 1024;

/// The time of a segment's first record.
pub(super) fn first_time(segment: &SegmentFile) -> io::Result<Option<Timestamp>> {
    let mut lines = Forward::open(&segment.path)?;
    let first = lines.next_line()?;
    Ok(first.and_then(time_of))
}

/// The time of a record.
pub(super) fn time_of(line: &[u8]) -> Option<Timestamp> {
    Record::parse(line).ok().map(|record| record.at)
}

/// What the end of a segment says.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) head: Option<Head>,
    pub(super) last_checkpoint: Option<u64>,
    pub(super) signed_by: Option<PublicKey>,
    /// Bytes up to the last record that fits.
    pub(super) whole: u64,
    pub(super) excess: u64,
    pub(super) altered: bool,
    /// Lines behind the last record that fits.
    pub(super) excess_lines: u64,
    /// The time of the last record that fits.
    pub(super) last_at: Option<Timestamp>,
}

enum Judged {
    Fits(Head),
    /// Half a record, as a crash leaves it.
    Torn,
    /// A whole line that is not what was written.
    Altered,
}

impl Tail {
    pub(super) fn scan(segment: &SegmentFile, before: Option<Head>) -> io::Result<Self> {
        let (start, window) = read_window(&segment.path)?;
        let mut tail = Self {
            whole: start,
            ..Self::default()
        };
        let mut last = if start == 0 { before } else { None };
        if start == 0 {
            tail.last_checkpoint = Some(segment.first - 1);
        }
        let mut lines = window.split_inclusive(|byte| *byte == b'\n');
        let mut last_fitting: &[u8] = &[];
        for line in lines.by_ref() {
            match judge(line, last) {
                Judged::Fits(head) => {
                    tail.whole += line.len() as u64;
                    tail.note_checkpoint(line);
                    (last, last_fitting) = (Some(head), line);
                    tail.head = last;
                    continue;
                }
                Judged::Torn => {}
                Judged::Altered => tail.altered = true,
            }
            tail.excess_lines = 1 + lines.clone().count() as u64;
            // A crash tears the end of a file, not its middle.
            tail.altered |= lines.any(is_authentic);
            break;
        }
        tail.last_at = time_of(last_fitting);
        tail.excess = start + window.len() as u64 - tail.whole;
        Ok(tail)
    }

    fn note_checkpoint(&mut self, line: &[u8]) {
        if memchr::memmem::find(line, b"\"phase\":\"checkpoint\"").is_none() {
            return;
        }
        let Ok(record) = Record::parse(line) else {
            return;
        };
        if record.phase == Phase::Checkpoint {
            self.last_checkpoint = Some(record.seq);
            self.signed_by = record.key.as_deref().and_then(PublicKey::from_hex);
        }
    }
}

/// The file's last bytes from the start of a line on, and where that is.
fn read_window(path: &Path) -> io::Result<(u64, Vec<u8>)> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut size = WINDOW;
    loop {
        let start = len.saturating_sub(size);
        let mut window = vec![0; usize::try_from(len - start).map_err(io::Error::other)?];
        file.read_exact_at(&mut window, start)?;
        if start == 0 {
            return Ok((0, window));
        }
        // The last byte is left out: a newline there begins no line.
        let inner = window.split_last().map_or(&[][..], |(_, rest)| rest);
        if let Some(newline) = memchr::memchr(b'\n', inner) {
            let rest = window.split_off(newline + 1);
            return Ok((start + newline as u64 + 1, rest));
        }
        if size > LINE_MAX as u64 * 2 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its last line is longer than a line may be",
            ));
        }
        size *= 2;
    }
}

fn judge(line: &[u8], before: Option<Head>) -> Judged {
    let Some(bare) = line.strip_suffix(b"\n") else {
        return Judged::Torn;
    };
    match Seal::read(bare) {
        Some(seal) if seal.holds() => match before {
            Some(before) if !seal.follows(before) => Judged::Altered,
            _ => Judged::Fits(seal.head()),
        },
        _ if serde_json::from_slice::<serde::de::IgnoredAny>(bare).is_ok() => Judged::Altered,
        _ => Judged::Torn,
    }
}

fn is_authentic(line: &[u8]) -> bool {
    let seal = line.strip_suffix(b"\n").and_then(Seal::read);
    seal.is_some_and(|seal| seal.holds())
}
