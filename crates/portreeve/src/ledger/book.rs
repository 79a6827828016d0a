//! The book itself: the open segment and the end of the chain, always under one lock.
//!
//! Owns appending, checkpoints, rotation, and mending the segment after a failed write or sync.
//! Records are staged first and written together: whose record is staged waits for its [`Batch`],
//! which `file` sees to. Leaves waiting for the disk to `commit`, and finding the end of an existing
//! book to `open`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve_policy::time::Timestamp;

use super::batch::Batch;
use super::chain::{Head, Seal};
use super::commit::{Progress, Segment};
use super::line::{Entry, Writer};
use super::lines::{Forward, LINE_MAX};
use super::medium::{Medium, write_all};
use super::segment::SegmentFile;
use super::{CHECKPOINT_EVERY, LedgerError, Rotation};
use crate::clock::Clock;
use crate::hex;
use crate::keys::Keys;

/// A buffer that grew for one huge record is given back.
const BUFFER_KEPT: usize = 1024 * 1024;
/// When so much is staged it is written at once.
const BATCH_FULL: usize = 64 * 1024;
/// How long the book waits after it could not rewrite a distrusted segment.
const MEND_PAUSE_MS: i64 = 1_000;

/// Everything a book is written with.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    pub(super) medium: Arc<dyn Medium>,
    pub(super) keys: Arc<Keys>,
    pub(super) clock: Clock,
    pub(super) progress: Arc<Progress>,
}

/// Where an existing book ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) head: Head,
    pub(super) last_checkpoint: u64,
    /// Bytes of the last segment.
    pub(super) len: u64,
    /// When the last segment was begun.
    pub(super) since: Timestamp,
}

/// Where the chain ends once what is staged is written.
#[derive(Clone, Copy, Debug)]
struct Staged {
    head: Head,
    last_checkpoint: u64,
}

impl Staged {
    const fn nothing_after(end: &End) -> Self {
        Self {
            head: end.head,
            last_checkpoint: end.last_checkpoint,
        }
    }
}

#[derive(Debug)]
pub(super) struct Book {
    tools: Tools,
    key: String,
    dir: PathBuf,
    rotation: Rotation,
    segment: Arc<Segment>,
    end: End,
    writer: Writer,
    /// The lines that are staged.
    buffer: Vec<u8>,
    /// Where the chain ends once they are written.
    staged: Staged,
    batch: Arc<Batch>,
    /// Calls that were begun and have not ended, about: nothing but patience depends on it.
    open_calls: u64,
    /// Bytes behind `end.len` may be left over from a write that failed.
    torn: bool,
    mend_failed: Option<(Timestamp, String)>,
    closed: bool,
}

impl Book {
    pub(super) fn new(
        tools: Tools,
        dir: PathBuf,
        rotation: Rotation,
        segment: Segment,
        end: End,
    ) -> Self {
        Self {
            key: tools.keys.public_key().to_string(),
            tools,
            dir,
            rotation,
            segment: Arc::new(segment),
            end,
            writer: Writer::default(),
            buffer: Vec::new(),
            staged: Staged::nothing_after(&end),
            batch: Arc::default(),
            open_calls: 0,
            torn: false,
            mend_failed: None,
            closed: false,
        }
    }

    pub(super) fn head(&self) -> Head {
        self.end.head
    }

    pub(super) fn last_checkpoint(&self) -> u64 {
        self.end.last_checkpoint
    }

    pub(super) fn segment(&self) -> Arc<Segment> {
        Arc::clone(&self.segment)
    }

    /// Books one record and returns its number. It is with the kernel when this returns.
    ///
    // INVARIANT: an error means the record is not in the chain. Nothing else is either, but perhaps
    // the checkpoint that closed a segment.
    pub(super) fn append(&mut self, entry: &Entry<'_>) -> Result<u64, LedgerError> {
        let seq = self.stage(entry)?;
        self.flush()?;
        Ok(seq)
    }

    /// Puts one record behind those that are to be written next, and returns the number it will have.
    /// It is booked when its batch is written, which somebody has to do: see [`Book::flush`].
    pub(super) fn stage(&mut self, entry: &Entry<'_>) -> Result<u64, LedgerError> {
        if self.closed {
            return Err(LedgerError::Closed);
        }
        if self.buffer.is_empty() {
            self.mend()?;
            if self.rotation_is_due() {
                self.rotate()?;
            }
        }
        let before = self.buffer.len();
        let booked = self.writer.write(&mut self.buffer, self.staged.head, entry);
        let bytes = self.buffer.len() - before;
        if bytes > LINE_MAX {
            self.buffer.truncate(before);
            return Err(LedgerError::TooLarge { bytes });
        }
        self.staged.head = booked;
        if booked.seq + 1 - self.staged.last_checkpoint >= CHECKPOINT_EVERY {
            self.stage_checkpoint();
        }
        match entry {
            Entry::Begin(_) => self.open_calls += 1,
            Entry::Finish(_) => self.open_calls = self.open_calls.saturating_sub(1),
            Entry::Refusal(_) | Entry::Admin(_) | Entry::Checkpoint { .. } => {}
        }
        Ok(booked.seq)
    }

    /// Whether others may want to book soon, so that it pays to wait for them.
    pub(super) const fn is_busy(&self) -> bool {
        self.open_calls > 1
    }

    /// Whether enough is staged that nobody should wait for more.
    pub(super) const fn is_full(&self) -> bool {
        self.buffer.len() >= BATCH_FULL
    }

    /// What the record that was staged last waits for.
    pub(super) fn batch(&self) -> Arc<Batch> {
        Arc::clone(&self.batch)
    }

    /// Whether nothing is staged.
    pub(super) const fn is_settled(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Writes all that is staged, and tells whoever waits for it.
    ///
    // INVARIANT: an error means none of it is in the chain.
    pub(super) fn flush(&mut self) -> Result<(), LedgerError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.mend().and_then(|()| self.write_out());
        if self.buffer.capacity() > BUFFER_KEPT {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        if written.is_err() {
            self.staged = Staged::nothing_after(&self.end);
            self.open_calls = 0;
        }
        std::mem::take(&mut self.batch).is_over(written.clone());
        written
    }

    /// Books a checkpoint now; the way to find out whether the book can be written again.
    pub(super) fn append_checkpoint(&mut self) -> Result<(), LedgerError> {
        if self.closed {
            return Err(LedgerError::Closed);
        }
        self.flush()?;
        self.mend()?;
        self.write_checkpoint()
    }

    /// Ends the book: nothing can be appended afterwards, even if closing it failed.
    pub(super) fn close(&mut self) -> Result<(), LedgerError> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        self.flush()?;
        self.mend()?;
        if self.end.head.seq > self.end.last_checkpoint {
            self.write_checkpoint()?;
        }
        self.sync()
    }

    fn sync(&self) -> Result<(), LedgerError> {
        self.segment.sync().map_err(LedgerError::unavailable)?;
        self.tools.progress.synced(self.end.head.seq);
        Ok(())
    }

    fn write_checkpoint(&mut self) -> Result<(), LedgerError> {
        self.stage_checkpoint();
        self.flush()
    }

    /// Stages the checkpoint that follows what is staged.
    fn stage_checkpoint(&mut self) {
        let before = self.staged.head;
        let seq = before.seq + 1;
        let sig = self.tools.keys.sign(&checkpoint_message(seq, before));
        let entry = Entry::Checkpoint {
            at: self.tools.clock.now(),
            key: &self.key,
            sig: &hex::encode(&sig),
        };
        let head = self.writer.write(&mut self.buffer, before, &entry);
        self.staged = Staged {
            head,
            last_checkpoint: seq,
        };
    }

    /// Writes the buffer; the chain ends at what is staged only if all of it was written.
    fn write_out(&mut self) -> Result<(), LedgerError> {
        let tape = self.segment.tape.as_ref();
        let written = write_all(tape, &self.buffer).and_then(|()| tape.is_named());
        if matches!(written, Ok(true)) {
            self.end.len += self.buffer.len() as u64;
            self.end.head = self.staged.head;
            self.end.last_checkpoint = self.staged.last_checkpoint;
            return Ok(());
        }
        self.torn = true;
        let path = self.segment.path.display();
        let reason = if let Err(error) = written {
            format!("{path} cannot be written: {error}")
        } else {
            self.segment.distrust();
            format!("{path} was removed while it was being written")
        };
        // If this fails too, the next append tries again before it writes.
        let _ = self.cut_back();
        Err(LedgerError::unavailable(reason))
    }

    /// Removes what a failed write left behind the last whole record.
    fn cut_back(&mut self) -> io::Result<()> {
        self.segment.tape.truncate(self.end.len)?;
        self.torn = false;
        Ok(())
    }

    /// Brings the segment back into a state in which a record can follow.
    fn mend(&mut self) -> Result<(), LedgerError> {
        if self.segment.is_distrusted() {
            return self.rewrite();
        }
        if self.torn {
            self.cut_back().map_err(|error| {
                let path = self.segment.path.display();
                LedgerError::unavailable(format!(
                    "{path} holds half a record that cannot be cut off: {error}"
                ))
            })?;
        }
        Ok(())
    }

    /// Replaces a distrusted segment by a copy of itself in a new file, proven by its hashes.
    ///
    /// Nothing that was booked is given up: a caller may have been told it is booked, and in a
    /// chain a record can't be taken back without anyone noticing. If the copy can't be proven the
    /// book stays shut.
    fn rewrite(&mut self) -> Result<(), LedgerError> {
        let now = self.tools.clock.now();
        if let Some((failed, reason)) = &self.mend_failed
            && (0..MEND_PAUSE_MS).contains(&now.since(*failed))
        {
            return Err(LedgerError::unavailable(reason.clone()));
        }
        match self.copy_segment() {
            Ok(segment) => {
                self.segment = Arc::new(segment);
                self.torn = false;
                self.mend_failed = None;
                self.tools.progress.synced(self.end.head.seq);
                let path = self.segment.path.display();
                tracing::warn!(%path, "the ledger's segment was rewritten into a new file");
                Ok(())
            }
            Err(error) => {
                let path = self.segment.path.display();
                let reason = format!("{path} cannot be rewritten into a new file: {error}");
                self.mend_failed = Some((now, reason.clone()));
                Err(LedgerError::unavailable(reason))
            }
        }
    }

    fn copy_segment(&self) -> io::Result<Segment> {
        let path = &self.segment.path;
        let fresh = path.with_extension("rewrite");
        match self.tools.medium.remove(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let tape = self.tools.medium.create(&fresh)?;
        let mut chunk = vec![0; 256 * 1024];
        let mut copied = 0;
        while copied < self.end.len {
            let left = usize::try_from(self.end.len - copied).unwrap_or(usize::MAX);
            let size = left.min(chunk.len());
            let wanted = chunk.get_mut(..size).unwrap_or_default();
            let read = self.segment.tape.read_at(wanted, copied)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            write_all(tape.as_ref(), chunk.get(..read).unwrap_or_default())?;
            copied += read as u64;
        }
        tape.sync()?;
        self.prove_copy(&fresh)?;
        self.tools.medium.rename(&fresh, path)?;
        self.tools.medium.sync_dir(&self.dir)?;
        Ok(Segment::new(self.segment.first, path.clone(), tape))
    }

    fn prove_copy(&self, copy: &Path) -> io::Result<()> {
        let broken = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "booked records read back changed",
            )
        };
        let mut lines = Forward::open(copy)?;
        let mut head: Option<Head> = None;
        while let Some(line) = lines.next_line()? {
            let seal = line.strip_suffix(b"\n").and_then(Seal::read);
            let seal = seal.filter(Seal::holds).ok_or_else(broken)?;
            if head.is_some_and(|before| !seal.follows(before)) {
                return Err(broken());
            }
            head = Some(seal.head());
        }
        let whole = self.end.len == 0 || head == Some(self.end.head);
        if whole { Ok(()) } else { Err(broken()) }
    }

    fn rotation_is_due(&self) -> bool {
        let written = self.end.head.seq >= self.segment.first;
        let age = self.tools.clock.now().since(self.end.since);
        written && (self.end.len >= self.rotation.bytes || age >= self.rotation.age_ms)
    }

    /// Closes the segment with a checkpoint and begins the next. The old one is on disk before the
    /// new one exists, so at most the last segment can ever be torn.
    fn rotate(&mut self) -> Result<(), LedgerError> {
        if self.end.head.seq > self.end.last_checkpoint {
            self.write_checkpoint()?;
        }
        self.sync()?;
        let next = SegmentFile::new(&self.dir, self.end.head.seq + 1);
        let segment =
            create_segment(self.tools.medium.as_ref(), &self.dir, &next).map_err(|error| {
                let path = next.path.display();
                LedgerError::unavailable(format!("{path} cannot be created: {error}"))
            })?;
        self.segment = Arc::new(segment);
        self.end.len = 0;
        self.end.since = self.tools.clock.now();
        Ok(())
    }
}

/// Begins a segment. A file of that name without a byte is one whose creation was not completed.
pub(super) fn create_segment(
    medium: &dyn Medium,
    dir: &Path,
    file: &SegmentFile,
) -> io::Result<Segment> {
    let tape = match medium.create(&file.path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if std::fs::metadata(&file.path)?.len() > 0 {
                return Err(error);
            }
            medium.append_to(&file.path)?
        }
        created => created?,
    };
    medium.sync_dir(dir)?;
    Ok(Segment::new(file.first, file.path.clone(), tape))
}

/// What a checkpoint signs: its own number and the hash of the record before it.
pub(super) fn checkpoint_message(seq: u64, before: Head) -> Vec<u8> {
    format!("portreeve checkpoint v1\n{seq}\n{}", before.hash).into_bytes()
}
