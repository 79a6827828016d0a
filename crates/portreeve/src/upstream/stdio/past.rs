//! Names that were in use: an answer under one of them may still come, and must not be taken for
//! another's.

use std::collections::{HashSet, VecDeque};

/// How many are remembered.
pub(super) const MAX_PAST: usize = 4_096;

/// The newest ids and tokens of requests that are over.
#[derive(Debug, Default)]
pub(super) struct Past {
    names: HashSet<String>,
    order: VecDeque<String>,
    overflown: bool,
}

impl Past {
    pub(super) fn insert(&mut self, name: String) {
        if self.order.len() >= MAX_PAST
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
            self.overflown = true;
        }
        if self.names.insert(name.clone()) {
            self.order.push_back(name);
        }
    }

    /// Whether some that were over are not known any more.
    pub(super) const fn has_forgotten(&self) -> bool {
        self.overflown
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}
