//! Requests without a valid grant: counted per source and minute, so that strangers cannot fill
//! the ledger.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// How many sources are told apart; the others are counted together.
const MAX_SOURCES: usize = 100;

/// What was counted since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub sources: Vec<(IpAddr, u64)>,
    pub others: u64,
}

/// The counts of the running minute.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    counts: Mutex<(HashMap<IpAddr, u64>, u64)>,
}

impl Strangers {
    pub(super) fn note(&self, source: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (sources, others) = &mut *counts;
        if sources.len() < MAX_SOURCES || sources.contains_key(&source) {
            *sources.entry(source).or_default() += 1;
        } else {
            *others += 1;
        }
    }

    /// Takes the counts, most frequent first, and begins anew.
    pub(super) fn take(&self) -> Counted {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (sources, others) = std::mem::take(&mut *counts);
        let mut sources: Vec<(IpAddr, u64)> = sources.into_iter().collect();
        sources.sort_by_key(|(source, count)| (std::cmp::Reverse(*count), *source));
        Counted { sources, others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_bounded_and_nothing_is_lost() {
        let strangers = Strangers::default();
        for i in 0..=255_u8 {
            strangers.note(IpAddr::from([10, 0, 0, i]));
        }
        strangers.note(IpAddr::from([10, 0, 0, 0]));
        let counted = strangers.take();
        assert_eq!(counted.sources.len(), MAX_SOURCES);
        assert_eq!(counted.sources[0], (IpAddr::from([10, 0, 0, 0]), 2));
        assert_eq!(counted.others, 156);
        assert_eq!(strangers.take(), Counted::default());
    }
}
