//! Records that cannot be read at all: their line is no JSON, or does not say what a record says.
//!
//! Whoever reads the book for people goes past them and tells of them. Counters are rebuilt from a
//! book without any: `records` stops at the first.

use std::fmt;

use serde::Serialize;

/// So many are told one by one.
const TOLD: usize = 20;

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The number of the record that should stand there.
    pub seq: u64,
    pub segment: String,
    #[serde(rename = "unreadable")]
    pub why: String,
}

impl Unreadable {
    pub(super) fn new(seq: u64, segment: &str, why: &serde_json::Error) -> Self {
        // A record is one line: what is of use is how far into it.
        let why = why.to_string().replace(" at line 1 column ", " at byte ");
        // It may quote the record, which must not print a line of its own.
        let shown = |c: char| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                c.to_string()
            }
        };
        let why: String = why.chars().map(shown).collect();
        Self {
            seq: seq.max(1),
            segment: segment.to_owned(),
            why,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, segment, why } = self;
        write!(f, "record {seq} in {segment} cannot be read: {why}")
    }
}

/// All that were met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreadables {
    pub count: u64,
    /// The first ones, in the order in which they were met.
    pub told: Vec<Unreadable>,
}

impl Unreadables {
    pub(super) fn note(&mut self, unreadable: Unreadable) {
        self.count = self.count.saturating_add(1);
        if self.told.len() < TOLD {
            self.told.push(unreadable);
        }
    }

    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}
