//! The resources that a session's client has subscribed to, so that a session which is opened anew
//! at their server is subscribed again.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::name::Name;

/// How many subscriptions of one session are renewed. A client may hold more; those end with the
/// server's session.
const MAX_WATCHED: usize = 1_000;

/// Subscriptions, by server and the server's own URI.
#[derive(Debug, Default)]
pub(super) struct Watched {
    all: Mutex<BTreeSet<(Name, String)>>,
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Name, String)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, server: &Name, uri: &str) {
        let mut all = self.lock();
        if all.len() < MAX_WATCHED {
            all.insert((server.clone(), uri.to_owned()));
        }
    }

    pub(super) fn forget(&self, server: &Name, uri: &str) {
        self.lock().remove(&(server.clone(), uri.to_owned()));
    }

    /// What is watched at a server.
    pub(super) fn at(&self, server: &Name) -> Vec<String> {
        let all = self.lock();
        let here = all.iter().filter(|(at, _)| at == server);
        here.map(|(_, uri)| uri.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_is_known_by_server_and_bounded() {
        let name = |text| Name::new(text).expect("a name");
        let watched = Watched::default();
        watched.note(&name("a"), "x");
        watched.note(&name("b"), "x");
        watched.note(&name("a"), "x");
        assert_eq!(watched.at(&name("a")), ["x"]);
        watched.forget(&name("a"), "x");
        assert!(watched.at(&name("a")).is_empty());
        for number in 0..=MAX_WATCHED {
            watched.note(&name("c"), &number.to_string());
        }
        assert_eq!(watched.at(&name("c")).len(), MAX_WATCHED - 1);
    }
}
