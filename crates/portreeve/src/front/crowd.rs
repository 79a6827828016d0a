//! How many requests of one grant are answered at a time, so that no grant can take all there is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::name::Label;

/// The requests that are being answered, by grant.
#[derive(Debug)]
pub(super) struct Crowd {
    max: usize,
    inside: Mutex<HashMap<Label, usize>>,
}

impl Crowd {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            inside: Mutex::default(),
        })
    }

    /// A place for one more request of this grant, or nothing if it has all its places taken.
    pub(super) fn enter(self: &Arc<Self>, grant: &Label) -> Option<Place> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let count = inside.entry(grant.clone()).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Place {
            crowd: Arc::clone(self),
            grant: grant.clone(),
        })
    }
}

/// A request's place; dropped with its answer.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    grant: Label,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self
            .crowd
            .inside
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Who has nobody inside is forgotten: the map is no longer than the requests are many.
        if let Some(count) = inside.get_mut(&self.grant) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.grant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_grant_does_not_take_anothers_place() {
        let (a, b) = (Label::new("a").unwrap(), Label::new("b").unwrap());
        let crowd = Crowd::new(2);
        let first = crowd.enter(&a).unwrap();
        let second = crowd.enter(&a).unwrap();
        assert!(crowd.enter(&a).is_none());
        assert!(crowd.enter(&b).is_some());
        drop(first);
        assert!(crowd.enter(&a).is_some());
        drop(second);
        assert!(crowd.inside.lock().unwrap().is_empty());
    }
}
