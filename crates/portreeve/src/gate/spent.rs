//! The ids of a session's requests whose answers can be asked for again.
//!
//! A stream with event ids can be taken up again, and then brings its answer under the request's
//! id, whenever that is. Were the id used for another request meanwhile, the answer would be held
//! to that one's rules: so such an id is used once. Clients count upwards, so whole numbers are
//! kept as ranges.

use std::collections::{BTreeMap, HashSet};

/// How many ranges and other ids one session may have.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Spent {
    /// The first and the last of each range; no two touch.
    ranges: BTreeMap<i64, i64>,
    others: HashSet<String>,
}

impl Spent {
    pub(super) fn is_full(&self) -> bool {
        self.ranges.len() + self.others.len() >= MOST
    }

    pub(super) fn holds(&self, id: &str) -> bool {
        match number(id) {
            Some(id) => self.range_before(id).is_some_and(|(_, last)| id <= last),
            None => self.others.contains(id),
        }
    }

    pub(super) fn note(&mut self, id: &str) {
        let Some(id) = number(id) else {
            self.others.insert(id.to_owned());
            return;
        };
        let (mut first, mut last) = (id, id);
        if let Some((before, end)) = self.range_before(id) {
            if id <= end {
                return;
            }
            if end.checked_add(1) == Some(id) {
                first = before;
            }
        }
        if let Some(next) = id.checked_add(1)
            && let Some(end) = self.ranges.remove(&next)
        {
            last = end;
        }
        self.ranges.insert(first, last);
    }

    fn range_before(&self, id: i64) -> Option<(i64, i64)> {
        let before = self.ranges.range(..=id).next_back();
        before.map(|(first, last)| (*first, *last))
    }
}

/// An id that is written as whole numbers are.
fn number(id: &str) -> Option<i64> {
    id.parse()
        .ok()
        .filter(|number: &i64| number.to_string() == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_held_and_counting_takes_one_range() {
        let mut spent = Spent::default();
        for id in ["3", "1", "\"a\"", "2", "9223372036854775807", "-1", "2"] {
            assert_eq!(
                spent.holds(id),
                id == "2" && spent.ranges.len() == 3,
                "{id}"
            );
            spent.note(id);
            assert!(spent.holds(id), "{id}");
        }
        for id in ["0", "4", "\"1\"", "01", "1.0", "-2"] {
            assert!(!spent.holds(id), "{id}");
        }
        assert_eq!(spent.ranges.len(), 3);
        for id in 10..50_000 {
            spent.note(&id.to_string());
        }
        assert_eq!(spent.ranges.len(), 4);
        assert!(!spent.is_full());
    }
}
