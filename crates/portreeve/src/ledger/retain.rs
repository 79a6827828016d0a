//! Retention: old segments leave the book whole, and what is gone stays proven.
//!
//! Before a segment is deleted or moved away, a signed line in `retired.jsonl` says which records
//! it held and with which hash it ended; the first segment that is kept continues that hash. A
//! segment whose chain doesn't hold is evidence and never leaves.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portreeve_policy::time::Timestamp;

use super::chain::{Digest, Head, Seal};
use super::file::FileLedger;
use super::lines::Forward;
use super::read::Record;
use super::records::ReadError;
use super::segment::{self, SegmentFile};
use crate::clock;
use crate::hex;
use crate::keys::{Keys, PublicKey};

pub(super) const FILE: &str = "retired.jsonl";

/// What may leave the book. Without a limit everything stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Segments whose newest record is older leave.
    pub max_age_ms: Option<i64>,
    /// The oldest segments leave while all together are larger.
    pub max_bytes: Option<u64>,
    /// Where they go; deleted if there is none.
    pub archive: Option<PathBuf>,
}

/// A segment that left, as `retired.jsonl` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Retired {
    pub(super) first: u64,
    pub(super) end: Head,
    pub(super) key: PublicKey,
    signed: Vec<u8>,
    sig: [u8; 64],
}

#[derive(serde::Deserialize)]
struct WrittenRetired<'a> {
    first: u64,
    last: u64,
    hash: &'a str,
    key: &'a str,
    sig: &'a str,
}

impl Retired {
    /// Reads a line; `None` if it is not one.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n")?;
        let written: WrittenRetired<'_> = serde_json::from_slice(line).ok()?;
        let ending = format!(",\"sig\":\"{}\"}}", written.sig);
        Some(Self {
            first: written.first,
            end: Head {
                seq: written.last,
                hash: Digest::from_hex(written.hash)?,
            },
            key: PublicKey::from_hex(written.key)?,
            signed: line.strip_suffix(ending.as_bytes())?.to_vec(),
            sig: hex::decode(written.sig.as_bytes())?,
        })
    }

    /// Whether its key signed the line's bytes before `,"sig"`.
    pub(super) fn is_signed(&self) -> bool {
        self.key.verifies(&message(&self.signed), &self.sig)
    }
}

fn message(body: &[u8]) -> Vec<u8> {
    [b"portreeve retired v1\n", body].concat()
}

/// Every line of `retired.jsonl`, read or not, oldest first.
pub(super) fn retired(dir: &Path) -> io::Result<Vec<Option<Retired>>> {
    let mut all = Vec::new();
    let mut lines = match Forward::open(&dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
        opened => opened?,
    };
    while let Some(line) = lines.next_line()? {
        all.push(Retired::parse(line));
    }
    Ok(all)
}

/// Lets old segments of `ledger` leave as `retention` says; returns how many did. Records from
/// `needed_from` on stay, whatever their age: counters are rebuilt from them.
///
/// Reads what leaves from end to end: call it where blocking is allowed.
pub fn retire(
    ledger: &FileLedger,
    keys: &Keys,
    retention: &Retention,
    needed_from: u64,
) -> Result<usize, ReadError> {
    let dir = &ledger.settings().dir;
    let open = ledger.open_segment_path();
    let mut segments = segment::list(dir).map_err(ReadError::io(dir))?;
    let Some(last) = segments.iter().position(|segment| segment.path == open) else {
        return Ok(0);
    };
    segments.truncate(last + 1);
    let mut total = total_bytes(dir).map_err(ReadError::io(dir))?;
    let mut gone = 0;
    for pair in segments.windows(2) {
        let [segment, next] = pair else { break };
        let size = fs::metadata(&segment.path)
            .map_err(ReadError::io(&segment.path))?
            .len();
        let too_much = retention.max_bytes.is_some_and(|max| total > max);
        if !too_much && retention.max_age_ms.is_none() {
            break;
        }
        let checked = Checked::read(segment)?;
        let age = ledger.clock_now().since(checked.newest);
        let too_old = retention.max_age_ms.is_some_and(|max| age > max);
        if checked.end.seq >= needed_from || !(too_much || too_old) {
            break;
        }
        if !checked.continues_in(next)? {
            break;
        }
        prove(dir, segment, &checked, keys, ledger.clock_now())
            .and_then(|()| remove(segment, retention.archive.as_deref()))
            .and_then(|()| File::open(dir)?.sync_all())
            .map_err(ReadError::io(&segment.path))?;
        total = total.saturating_sub(size);
        gone += 1;
    }
    Ok(gone)
}

fn total_bytes(dir: &Path) -> io::Result<u64> {
    let mut total = 0;
    for segment in segment::list(dir)? {
        total += fs::metadata(&segment.path)?.len();
    }
    Ok(total)
}

/// A segment whose chain holds from its first line to its last.
struct Checked {
    end: Head,
    newest: Timestamp,
}

impl Checked {
    fn read(segment: &SegmentFile) -> Result<Self, ReadError> {
        let mut lines = Forward::open(&segment.path).map_err(ReadError::io(&segment.path))?;
        let mut expected = segment.first;
        let mut end: Option<Head> = None;
        let mut newest = Timestamp::default();
        let damaged = |seq, what: &str| ReadError::Damaged {
            segment: segment.name(),
            seq,
            what: format!("{what}; the segment is kept as evidence"),
        };
        while lines.advance().map_err(ReadError::io(&segment.path))? {
            let line = lines.line();
            let seal = line.strip_suffix(b"\n").and_then(Seal::read);
            let seal = seal
                .filter(|seal| seal.holds() && seal.seq == expected)
                .filter(|seal| end.is_none_or(|before| seal.follows(before)))
                .ok_or_else(|| damaged(expected, "it does not fit"))?;
            let record = Record::parse(line).map_err(|_| damaged(expected, "it is no record"))?;
            newest = newest.max(record.at);
            end = Some(seal.head());
            expected += 1;
        }
        let end = end.ok_or_else(|| damaged(expected, "the segment is empty"))?;
        Ok(Self { end, newest })
    }

    /// Whether `next` begins where this one ends. A segment stays while nothing follows it: the
    /// book is continued from its last record.
    fn continues_in(&self, next: &SegmentFile) -> Result<bool, ReadError> {
        let mut lines = Forward::open(&next.path).map_err(ReadError::io(&next.path))?;
        let Some(line) = lines.next_line().map_err(ReadError::io(&next.path))? else {
            return Ok(false);
        };
        let seal = line.strip_suffix(b"\n").and_then(Seal::read);
        match seal {
            Some(seal) if seal.follows(self.end) => Ok(true),
            _ => Err(ReadError::Damaged {
                segment: next.name(),
                seq: next.first,
                what: "it does not continue the segment before; both are kept as evidence".into(),
            }),
        }
    }
}

/// Appends the signed line, unless an earlier attempt got that far.
fn prove(
    dir: &Path,
    segment: &SegmentFile,
    checked: &Checked,
    keys: &Keys,
    now: Timestamp,
) -> io::Result<()> {
    if retired(dir)?.iter().flatten().any(|r| r.end == checked.end) {
        return Ok(());
    }
    let body = format!(
        "{{\"first\":{},\"last\":{},\"hash\":\"{}\",\"at\":\"{}\",\"key\":\"{}\"",
        segment.first,
        checked.end.seq,
        checked.end.hash,
        clock::rfc3339(now),
        keys.public_key(),
    );
    let sig = hex::encode(&keys.sign(&message(body.as_bytes())));
    let path = dir.join(FILE);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)?;
    // A crash may have left half a line, which proves nothing.
    let written = fs::read(&path)?;
    let whole = memchr::memrchr(b'\n', &written).map_or(0, |newline| newline + 1);
    file.set_len(whole as u64)?;
    file.write_all(format!("{body},\"sig\":\"{sig}\"}}\n").as_bytes())?;
    file.sync_all()?;
    File::open(dir)?.sync_all()
}

fn remove(segment: &SegmentFile, archive: Option<&Path>) -> io::Result<()> {
    let Some(archive) = archive else {
        return fs::remove_file(&segment.path);
    };
    fs::create_dir_all(archive)?;
    let target = archive.join(segment.name());
    if fs::rename(&segment.path, &target).is_ok() {
        return File::open(archive)?.sync_all();
    }
    // Another file system: whole there before it is gone here.
    let arriving = target.with_extension("arriving");
    fs::copy(&segment.path, &arriving)?;
    File::open(&arriving)?.sync_all()?;
    fs::rename(&arriving, &target)?;
    File::open(archive)?.sync_all()?;
    fs::remove_file(&segment.path)
}
