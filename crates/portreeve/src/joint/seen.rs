//! The cut names that were seen in lists, beside the table: prompts have no pins from which a table
//! could be made, and a new tool that its server's setting leaves to the policy may have none yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::merge::Kind;
use super::names;
use crate::name::Name;

/// How many are remembered.
const MAX_NAMES: usize = 10_000;
/// A longer name is not remembered; its server cannot expect clients to use it.
const MAX_LENGTH: usize = 4 * 1024;

/// What cut names stand for.
#[derive(Debug, Default)]
pub(super) struct Seen {
    known: Mutex<HashMap<(Kind, String), (Name, String)>>,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Kind, String), (Name, String)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a thing that a server lists.
    pub(super) fn note(&self, kind: Kind, server: &Name, thing: &str) {
        let name = names::joined(server.as_str(), thing);
        if !names::is_shortened(&name) || thing.len() > MAX_LENGTH {
            return;
        }
        let mut known = self.lock();
        if known.len() >= MAX_NAMES {
            // Those that are still asked for are found again.
            known.clear();
        }
        known.insert((kind, name), (server.clone(), thing.to_owned()));
    }

    pub(super) fn get(&self, kind: Kind, name: &str) -> Option<(Name, String)> {
        self.lock().get(&(kind, name.to_owned())).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_names_are_remembered_and_bounded() {
        let seen = Seen::default();
        let server = Name::new("a__b").expect("a name");
        seen.note(Kind::Prompts, &server, "x");
        let name = names::joined("a__b", "x");
        let found = Some((server.clone(), "x".to_owned()));
        assert_eq!(seen.get(Kind::Prompts, &name), found);
        assert_eq!(seen.get(Kind::Tools, &name), None);
        seen.note(Kind::Tools, &Name::new("a").expect("a name"), "x");
        assert_eq!(seen.get(Kind::Tools, "a__x"), None, "the table has it");
        for number in 0..=MAX_NAMES {
            seen.note(Kind::Tools, &server, &number.to_string());
        }
        assert!(seen.lock().len() <= MAX_NAMES);
    }
}
