//! Anchors: the chain's head, kept where whoever shortens the segments doesn't reach.
//!
//! Owns the trait and the places that need no database. The store implements the trait for itself;
//! `keep` says when an anchor is written, `open` and `verify` what it proves.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;

use super::chain::{Anchor, Digest, Head};
use super::commit::lock;
use super::lines::{Backward, Forward};
use crate::clock;

/// A place outside the segments that remembers heads.
pub trait Anchors: Send + Sync + fmt::Debug {
    /// The place's name for people: "the store", "the file /mnt/other/anchors".
    fn name(&self) -> String;

    /// Remembers `anchor`. Resolves when it is durable there.
    fn put(&self, anchor: Anchor) -> BoxFuture<'_, Result<(), AnchorError>>;

    /// The anchor remembered last.
    fn latest(&self) -> BoxFuture<'_, Result<Option<Anchor>, AnchorError>>;

    /// All anchors the place still knows, oldest first. A place that keeps one gives that one.
    fn history(&self) -> BoxFuture<'_, Result<Vec<Anchor>, AnchorError>> {
        Box::pin(async { Ok(self.latest().await?.into_iter().collect()) })
    }
}

/// Why a place can't be asked or told.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the ledger's anchors in {place} can't be {doing}: {reason}")]
pub struct AnchorError {
    pub place: String,
    /// "read" or "written".
    pub doing: &'static str,
    pub reason: String,
}

/// An anchor and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAnchor {
    pub place: String,
    pub anchor: Anchor,
}

impl KnownAnchor {
    /// The newest anchor of each of `places`, for opening.
    pub async fn newest(places: &[Arc<dyn Anchors>]) -> Result<Vec<Self>, AnchorError> {
        let mut known = Vec::new();
        for place in places {
            let latest = place.latest().await?;
            known.extend(latest.map(|anchor| Self::at(place.as_ref(), anchor)));
        }
        Ok(known)
    }

    /// Every anchor that `places` know, for verifying.
    pub async fn all(places: &[Arc<dyn Anchors>]) -> Result<Vec<Self>, AnchorError> {
        let mut known = Vec::new();
        for place in places {
            let history = place.history().await?;
            let named = history.into_iter();
            known.extend(named.map(|anchor| Self::at(place.as_ref(), anchor)));
        }
        Ok(known)
    }

    fn at(place: &dyn Anchors, anchor: Anchor) -> Self {
        Self {
            place: place.name(),
            anchor,
        }
    }
}

/// Anchors in memory: for tests, and for a gate that has no store yet.
#[derive(Debug, Default)]
pub struct MemoryAnchors(Mutex<Option<Anchor>>);

impl Anchors for MemoryAnchors {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn put(&self, anchor: Anchor) -> BoxFuture<'_, Result<(), AnchorError>> {
        *lock(&self.0) = Some(anchor);
        Box::pin(async { Ok(()) })
    }

    fn latest(&self) -> BoxFuture<'_, Result<Option<Anchor>, AnchorError>> {
        let latest = *lock(&self.0);
        Box::pin(async move { Ok(latest) })
    }
}

/// A second place beside the store, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecondPlace {
    File(PathBuf),
}

impl SecondPlace {
    pub fn open(&self) -> Arc<dyn Anchors> {
        match self {
            Self::File(path) => Arc::new(FileAnchor::new(path)),
        }
    }
}

/// A file to which anchors are appended, one JSON object a line: it may be on another machine's
/// disk, and it may be append-only.
#[derive(Debug)]
pub struct FileAnchor {
    path: Arc<Path>,
}

impl FileAnchor {
    pub fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, AnchorError>> {
        let path = Arc::clone(&self.path);
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || work(&path)).await;
            done.map_err(io::Error::other)
                .flatten()
                .map_err(|error| AnchorError {
                    place: self.name(),
                    doing,
                    reason: error.to_string(),
                })
        })
    }
}

impl Anchors for FileAnchor {
    fn name(&self) -> String {
        format!("the file {}", self.path.display())
    }

    fn put(&self, anchor: Anchor) -> BoxFuture<'_, Result<(), AnchorError>> {
        self.ask("written", move |path| append(path, anchor))
    }

    fn latest(&self) -> BoxFuture<'_, Result<Option<Anchor>, AnchorError>> {
        self.ask("read", |path| {
            let Some(mut lines) = present(Backward::open(path))? else {
                return Ok(None);
            };
            while let Some(line) = lines.next_line()? {
                if let Some(anchor) = decode(&line) {
                    return Ok(Some(anchor));
                }
            }
            Ok(None)
        })
    }

    fn history(&self) -> BoxFuture<'_, Result<Vec<Anchor>, AnchorError>> {
        self.ask("read", |path| {
            let mut anchors = Vec::new();
            let Some(mut lines) = present(Forward::open(path))? else {
                return Ok(anchors);
            };
            while let Some(line) = lines.next_line()? {
                anchors.extend(decode(line));
            }
            Ok(anchors)
        })
    }
}

fn present<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn append(path: &Path, anchor: Anchor) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let Anchor { head, at } = anchor;
    // The newline in front ends a line that a crash left half.
    let line = format!(
        "\n{{\"seq\":{},\"hash\":\"{}\",\"at\":\"{}\"}}\n",
        head.seq,
        head.hash,
        clock::rfc3339(at)
    );
    file.write_all(line.as_bytes())?;
    file.sync_data()
}

#[derive(serde::Deserialize)]
struct WrittenAnchor<'a> {
    seq: u64,
    hash: &'a str,
    at: &'a str,
}

/// A line that is no anchor is passed over: it is empty, or a crash left it half.
pub(super) fn decode(line: &[u8]) -> Option<Anchor> {
    let written: WrittenAnchor<'_> = serde_json::from_slice(line).ok()?;
    Some(Anchor {
        head: Head {
            seq: written.seq,
            hash: Digest::from_hex(written.hash)?,
        },
        at: clock::parse_rfc3339(written.at)?,
    })
}
