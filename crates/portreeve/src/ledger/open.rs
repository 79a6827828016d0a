//! Opening: finding where the book ends, and whether that is where it should end.
//!
//! Reads the last segment's tail only, so that a large book opens as fast as a small one; the whole
//! chain is `verify`'s work. A line that a crash left half is cut off and kept beside the book. What
//! can't be a crash's doing (a record that doesn't fit, a head behind its anchor) is an error: the
//! gate does not go on from a book that was cut, unless a person accepts it, and that is booked.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use portreeve_policy::time::Timestamp;

use super::CHECKPOINT_EVERY;
use super::anchor::KnownAnchor;
use super::book::End;
use super::chain::{Digest, Head, Seal};
use super::lines::Backward;
use super::loss::Loss;
use super::medium::{Medium, write_all};
use super::segment::{self, SegmentFile};
use super::tail::{self, Tail};
use crate::clock::{self, Clock};
use crate::keys::PublicKey;

/// What the outside knows of the book, and what the operator says to it.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// The newest anchor of every place that has one.
    pub known: Vec<KnownAnchor>,
    /// Go on although something is missing or changed. It is booked.
    pub accept_cut: bool,
    /// The database that should have known where the book ends, if it is gone.
    pub lost_store: Option<PathBuf>,
}

/// What was found on opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    pub head: Head,
    /// A record that a crash left unfinished; it was cut off.
    pub torn: Option<Torn>,
    /// What the operator accepted, in words.
    pub accepted: Vec<String>,
}

/// Bytes that were cut off the book's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The record that would have stood there.
    pub seq: u64,
    pub bytes: u64,
    /// Where the bytes are kept.
    pub kept: PathBuf,
    /// An anchor proves that the record had been whole.
    pub anchored: bool,
}

const WAY_OUT: &str = "`portreeve ledger verify` shows what is wrong; put the ledger directory back from \
     a backup, or go on without what is missing: `portreeve up --accept-ledger-cut` gives it up, rate \
     limits forget the calls that stood in it, and the ledger says from then on that it was cut";

const NO_WAY_ON: &str = "`portreeve ledger verify` shows what is wrong; put the ledger directory back from \
     a backup, which is the only way on: `--accept-ledger-cut` gives up the ledger's end, and here what \
     comes before its last segment is missing or changed";

/// Why the book can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the ledger can't be opened: {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "the ledger was cut: it ends with record {}, and {} knew record {} at {}",
        head.seq, anchor.place, anchor.anchor.head.seq, clock::rfc3339(anchor.anchor.at)
    )]
    CutTail {
        anchor: KnownAnchor,
        head: Head,
        loss: Box<Loss>,
    },
    #[error(
        "the ledger was rewritten: {} knew record {} at {} with another hash than it has now",
        anchor.place, anchor.anchor.head.seq, clock::rfc3339(anchor.anchor.at)
    )]
    Rewritten { anchor: KnownAnchor },
    #[error("the ledger was changed: record {seq} in {segment} does not fit")]
    Altered {
        segment: String,
        seq: u64,
        /// What is given up by going on; where that is not known, nobody can go on.
        loss: Option<Box<Loss>>,
    },
    #[error("the ledger's segments before {segment} are gone, and it holds no record")]
    Headless { segment: String },
    #[error(
        "the database {} is missing, though the ledger has records: servers, policies, grants and \
         the knowledge of where the ledger ends were in it", database.display()
    )]
    StoreLost { database: PathBuf },
    #[error("the ledger's checkpoints are signed with another key ({theirs}) than {ours}")]
    ForeignKey { theirs: PublicKey, ours: PublicKey },
}

impl OpenError {
    /// What the person who sees this can do.
    pub fn advice(&self) -> String {
        match self {
            Self::Io { .. } => "check the disk, and whose the directory is".to_owned(),
            Self::StoreLost { .. } => "put it back from a backup, or begin with an empty one: \
                `portreeve up --accept-ledger-cut`. Nobody can tell then whether the ledger was cut, \
                and it says from then on that the database was gone"
                .to_owned(),
            Self::ForeignKey { .. } => {
                "restore the data directory's `key` file that belongs to this ledger".to_owned()
            }
            // Whatever a person accepts: these are found before anything is given up.
            Self::Altered { loss: None, .. } | Self::Headless { .. } => NO_WAY_ON.to_owned(),
            Self::Rewritten { .. } | Self::Altered { .. } | Self::CutTail { .. } => {
                match self.loss() {
                    Some(loss) => format!("{WAY_OUT}. {loss}"),
                    None => WAY_OUT.to_owned(),
                }
            }
        }
    }

    /// How much is given up by going on.
    pub(super) fn loss(&self) -> Option<&Loss> {
        match self {
            Self::CutTail { loss, .. } => Some(loss),
            Self::Altered { loss, .. } => loss.as_deref(),
            _ => None,
        }
    }

    /// What was accepted, and how much was given up by it.
    pub(super) fn accepted(&self) -> String {
        match self.loss() {
            Some(loss) => format!("{self}. {loss}"),
            None => self.to_string(),
        }
    }
}

/// The state of a book's files, before anything is touched.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) segment: SegmentFile,
    pub(super) fresh: bool,
    pub(super) end: End,
    /// Bytes behind the last whole record, and whether a crash can explain them.
    pub(super) excess: u64,
    pub(super) altered: bool,
    /// Lines in those bytes.
    excess_lines: u64,
    /// When the last record that fits was booked.
    last_at: Option<Timestamp>,
}

/// Looks at the end of the book in `dir`.
pub(super) fn examine(dir: &Path, clock: &Clock, ours: PublicKey) -> Result<Found, OpenError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(fail(dir))?;
    let mut segments = segment::list(dir).map_err(fail(dir))?;
    let Some(last) = segments.pop() else {
        return Ok(Found {
            segment: SegmentFile::new(dir, 1),
            fresh: true,
            end: End {
                head: Head::EMPTY,
                last_checkpoint: 0,
                len: 0,
                since: clock.now(),
            },
            excess: 0,
            altered: false,
            excess_lines: 0,
            last_at: None,
        });
    };
    let (before, before_at) = head_before(&last, segments.last())?;
    let tail = Tail::scan(&last, before).map_err(fail(&last.path))?;
    if let Some(theirs) = tail.signed_by
        && theirs != ours
    {
        return Err(OpenError::ForeignKey { theirs, ours });
    }
    let head = tail.head.or(before).ok_or_else(|| OpenError::Headless {
        segment: last.name(),
    })?;
    let since = tail::first_time(&last).map_err(fail(&last.path))?;
    Ok(Found {
        fresh: false,
        end: End {
            head,
            last_checkpoint: tail.last_checkpoint.unwrap_or(
                // Too far back to be seen: the next record gets one.
                head.seq.saturating_sub(CHECKPOINT_EVERY - 1),
            ),
            len: tail.whole,
            since: since.unwrap_or_else(|| clock.now()),
        },
        excess: tail.excess,
        altered: tail.altered,
        excess_lines: tail.excess_lines,
        last_at: tail.last_at.or(before_at),
        segment: last,
    })
}

/// The head that the last segment continues and its time, where that can be known without retired
/// segments.
fn head_before(
    last: &SegmentFile,
    previous: Option<&SegmentFile>,
) -> Result<(Option<Head>, Option<Timestamp>), OpenError> {
    let Some(previous) = previous else {
        return Ok(((last.first == 1).then_some(Head::EMPTY), None));
    };
    let line = Backward::open(&previous.path)
        .and_then(|mut lines| lines.next_line())
        .map_err(|source| OpenError::Io {
            path: previous.path.clone(),
            source,
        })?
        .unwrap_or_default();
    let seal = line.strip_suffix(b"\n").and_then(Seal::read);
    match seal.filter(Seal::holds) {
        Some(seal) if seal.seq + 1 == last.first => Ok((Some(seal.head()), tail::time_of(&line))),
        _ => Err(OpenError::Altered {
            segment: previous.name(),
            seq: last.first.saturating_sub(1),
            loss: None,
        }),
    }
}

impl Found {
    /// What stands against going on, worst first.
    pub(super) fn objections(&self, dir: &Path, known: &[KnownAnchor]) -> Vec<OpenError> {
        let mut objections = Vec::new();
        if self.altered {
            objections.push(OpenError::Altered {
                segment: self.segment.name(),
                seq: self.end.head.seq + 1,
                loss: Some(Box::new(Loss {
                    records: self.excess_lines,
                    after: self.end.head.seq,
                    since: self.last_at,
                    set_aside: true,
                })),
            });
        }
        let mut newest_first: Vec<_> = known.iter().collect();
        newest_first.sort_by_key(|known| std::cmp::Reverse(known.anchor.head.seq));
        for known in newest_first {
            objections.extend(self.contradicts(dir, known));
        }
        objections
    }

    fn contradicts(&self, dir: &Path, known: &KnownAnchor) -> Option<OpenError> {
        let anchored = known.anchor.head;
        if anchored.seq > self.end.head.seq {
            return Some(OpenError::CutTail {
                anchor: known.clone(),
                head: self.end.head,
                loss: Box::new(Loss {
                    records: anchored.seq - self.end.head.seq,
                    after: self.end.head.seq,
                    since: self.last_at,
                    set_aside: false,
                }),
            });
        }
        match hash_of(dir, anchored.seq) {
            Ok(Some(hash)) if hash != anchored.hash => Some(OpenError::Rewritten {
                anchor: known.clone(),
            }),
            // What is older than the first segment is retired, and proven by its own signature.
            Ok(_) => None,
            Err(source) => Some(OpenError::Io {
                path: dir.to_owned(),
                source,
            }),
        }
    }

    /// Cuts the excess off, keeping its bytes beside the book.
    pub(super) fn cut(
        &self,
        medium: &dyn Medium,
        dir: &Path,
        known: &[KnownAnchor],
    ) -> io::Result<Option<Torn>> {
        if self.excess == 0 {
            return Ok(None);
        }
        let seq = self.end.head.seq + 1;
        let (kept, tape) = create_torn(medium, dir, seq)?;
        let file = File::open(&self.segment.path)?;
        let mut chunk = vec![0; 256 * 1024];
        let mut at = self.end.len;
        loop {
            let read = file.read_at(&mut chunk, at)?;
            if read == 0 {
                break;
            }
            write_all(tape.as_ref(), chunk.get(..read).unwrap_or_default())?;
            at += read as u64;
        }
        tape.sync()?;
        medium.sync_dir(dir)?;
        let segment = medium.append_to(&self.segment.path)?;
        segment.truncate(self.end.len)?;
        segment.sync()?;
        Ok(Some(Torn {
            seq,
            bytes: at - self.end.len,
            kept,
            anchored: known.iter().any(|known| known.anchor.head.seq >= seq),
        }))
    }
}

fn create_torn(
    medium: &dyn Medium,
    dir: &Path,
    seq: u64,
) -> io::Result<(PathBuf, Box<dyn super::medium::Tape>)> {
    let mut name = format!("torn-{seq:020}.bin");
    for again in 2_u32.. {
        let path = dir.join(&name);
        match medium.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                name = format!("torn-{seq:020}-{again}.bin");
            }
            created => return created.map(|tape| (path, tape)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The hash of record `seq`, looked for from the end of its segment; `None` if it isn't there.
fn hash_of(dir: &Path, seq: u64) -> io::Result<Option<Digest>> {
    let segments = segment::list(dir)?;
    let Some(segment) = segment::holding(&segments, seq).and_then(|at| segments.get(at)) else {
        return Ok(None);
    };
    let mut lines = Backward::open(&segment.path)?;
    while let Some(line) = lines.next_line()? {
        match line.strip_suffix(b"\n").and_then(Seal::read) {
            Some(seal) if seal.seq == seq => {
                // A hash that is not that of its bytes proves nothing.
                return Ok(Some(if seal.holds() {
                    seal.hash
                } else {
                    Digest::ZERO
                }));
            }
            Some(seal) if seal.seq < seq => return Ok(Some(Digest::ZERO)),
            _ => {}
        }
    }
    Ok(None)
}

/// Removes what a rewriting that was interrupted left.
pub(super) fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "rewrite") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
