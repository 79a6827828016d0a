//! What the anchors say to a book: which they confirm, and which they contradict.
//!
//! A contradiction that a person accepted on opening, and that the book therefore tells itself, is
//! explained; every other is a fault.

use portreeve_policy::time::Timestamp;
use serde_json::value::RawValue;

use super::anchor::KnownAnchor;
use super::chain::{Digest, Head};
use super::report::{Fault, What};

#[derive(Debug)]
pub(super) struct Witness<'a> {
    /// By number, smallest first.
    known: Vec<&'a KnownAnchor>,
    /// How many of `known` the walk has passed.
    passed: usize,
    confirmed: Option<&'a KnownAnchor>,
    contradicted: Vec<&'a KnownAnchor>,
    accepted: Vec<Accepted>,
}

#[derive(Debug, serde::Deserialize)]
struct Acceptance<'a> {
    anchor_seq: u64,
    anchor_hash: &'a str,
    cut_after: Option<u64>,
}

#[derive(Debug)]
struct Accepted {
    /// The record that says so.
    seq: u64,
    at: Timestamp,
    anchor: Head,
    cut_after: Option<u64>,
}

impl Accepted {
    /// The anchor named, and every older one of a record that was cut off with it.
    fn explains(&self, known: &KnownAnchor) -> bool {
        let anchor = known.anchor;
        let cut_off = self.cut_after.is_some_and(|after| {
            let cut_off = anchor.head.seq > after && anchor.head.seq <= self.anchor.seq;
            cut_off && anchor.at <= self.at
        });
        anchor.head == self.anchor || cut_off
    }
}

impl<'a> Witness<'a> {
    pub(super) fn new(known: &'a [KnownAnchor]) -> Self {
        let mut known: Vec<_> = known.iter().collect();
        known.sort_by_key(|known| known.anchor.head.seq);
        Self {
            known,
            passed: 0,
            confirmed: None,
            contradicted: Vec::new(),
            accepted: Vec::new(),
        }
    }

    /// The book begins after `end`: what is older can't be confirmed any more.
    pub(super) fn starts_after(&mut self, end: Head) {
        while self
            .next()
            .is_some_and(|known| known.anchor.head.seq < end.seq)
        {
            self.passed += 1;
        }
        self.saw(end);
    }

    pub(super) fn saw(&mut self, head: Head) {
        while let Some(known) = self.next()
            && known.anchor.head.seq <= head.seq
        {
            self.passed += 1;
            if known.anchor.head == head {
                self.confirmed = Some(known);
            } else if known.anchor.head.seq > 0 {
                self.contradicted.push(known);
            }
        }
    }

    fn next(&self) -> Option<&'a KnownAnchor> {
        self.known.get(self.passed).copied()
    }

    pub(super) fn accepted(&mut self, (seq, at): (u64, Timestamp), detail: &RawValue) {
        let Ok(acceptance) = serde_json::from_str::<Acceptance<'_>>(detail.get()) else {
            return;
        };
        if let Some(hash) = Digest::from_hex(acceptance.anchor_hash) {
            self.accepted.push(Accepted {
                seq,
                at,
                anchor: Head {
                    seq: acceptance.anchor_seq,
                    hash,
                },
                cut_after: acceptance.cut_after,
            });
        }
    }

    /// The newest anchor the book agrees with.
    pub(super) fn reach(&self) -> Option<KnownAnchor> {
        self.confirmed.cloned()
    }

    /// The first contradiction that nobody accepted. Only what is signed counts as accepted: who
    /// writes another book in the place of this one could write the consent into it too.
    pub(super) fn objection(
        &self,
        head: Head,
        signed_through: u64,
        through: Option<u64>,
    ) -> Option<Fault> {
        let signed = || self.accepted.iter().filter(|a| a.seq <= signed_through);
        let unexplained =
            |known: &&&KnownAnchor| !signed().any(|accepted| accepted.explains(known));
        if let Some(known) = self.contradicted.iter().find(unexplained) {
            return Some(Fault {
                segment: String::new(),
                line: 0,
                seq: known.anchor.head.seq,
                what: What::Rewritten((*known).clone()),
            });
        }
        // A walk that was told where to stop can't miss what comes later.
        let beyond = |known: &&&KnownAnchor| {
            known.anchor.head.seq > head.seq
                && through.is_none_or(|through| known.anchor.head.seq <= through)
        };
        let mut newest_first = self.known.iter().rev().filter(beyond).filter(unexplained);
        newest_first.next().map(|known| Fault {
            segment: String::new(),
            line: 0,
            seq: head.seq + 1,
            what: What::CutTail {
                anchor: (*known).clone(),
                last: head.seq,
            },
        })
    }
}
