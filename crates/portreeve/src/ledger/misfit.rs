//! Records that do not fit their chain, as whoever reads the book for something else meets them.
//!
//! Cheap, and only as far as was read: that each line has the hash of its bytes and continues the
//! one before. Signatures, anchors and the rest of the book are `verify`'s.

use std::fmt;

use super::chain::{Head, Seal};
use super::report::What;

/// Whether a line, given without its newline, has the hash of its bytes and continues `before`, where
/// that is known.
pub(super) fn joined(line: &[u8], before: Option<Head>) -> Result<Head, What> {
    let seal = Seal::read(line).ok_or(What::NoRecord)?;
    if !seal.holds() {
        return Err(What::Changed);
    }
    let before = if seal.seq == 1 {
        Some(before.unwrap_or(Head::EMPTY))
    } else {
        before
    };
    let Some(before) = before else {
        return Ok(seal.head());
    };
    let expected = before.seq.saturating_add(1);
    if seal.seq > expected {
        return Err(What::Missing { found: seal.seq });
    }
    if seal.seq < expected {
        return Err(What::OutOfPlace { found: seal.seq });
    }
    if seal.prev != before.hash {
        return Err(What::Detached);
    }
    Ok(seal.head())
}

/// A record that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    pub seq: u64,
    segment: String,
    what: What,
}

impl Misfit {
    pub(super) fn new(seq: u64, segment: &str, what: What) -> Self {
        let segment = segment.to_owned();
        Self { seq, segment, what }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, segment, what } = self;
        let words = what.words().unwrap_or(match what {
            What::Missing { .. } => "records in front of it are missing",
            _ => "it does not stand in its place: repeated, inserted or moved",
        });
        write!(f, "record {seq} in {segment}: {words}")
    }
}

/// All that were met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misfits {
    pub count: u64,
    /// The one that stands first in the book.
    pub first: Option<Misfit>,
}

impl Misfits {
    /// Notes one, if there is one, and returns its words.
    pub(super) fn note(&mut self, misfit: Option<Misfit>) -> Option<String> {
        let misfit = misfit?;
        let words = misfit.to_string();
        self.count = self.count.saturating_add(1);
        let is_first = self
            .first
            .as_ref()
            .is_none_or(|first| misfit.seq <= first.seq);
        if is_first {
            self.first = Some(misfit);
        }
        Some(words)
    }
}
