//! The resources that a session's client has subscribed to, so that a session which is opened anew
//! at their server is subscribed again.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::mcp::kept::MAX_URI;
use crate::name::Name;

/// How many subscriptions of one session are renewed, and how long their URIs may be together. A
/// client may hold more; those end with the server's session.
const MAX_WATCHED: usize = 1_000;
const MAX_BYTES: usize = 256 * 1024;

/// Subscriptions, by server and the server's own URI.
#[derive(Debug, Default)]
pub(super) struct Watched {
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    uris: BTreeSet<(Name, String)>,
    bytes: usize,
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, server: &Name, uri: &str) {
        let mut all = self.lock();
        let has_room = all.uris.len() < MAX_WATCHED && all.bytes + uri.len() <= MAX_BYTES;
        if has_room && uri.len() <= MAX_URI && all.uris.insert((server.clone(), uri.to_owned())) {
            all.bytes += uri.len();
        }
    }

    pub(super) fn forget(&self, server: &Name, uri: &str) {
        let mut all = self.lock();
        if all.uris.remove(&(server.clone(), uri.to_owned())) {
            all.bytes -= uri.len();
        }
    }

    /// What is watched at a server.
    pub(super) fn at(&self, server: &Name) -> Vec<String> {
        let all = self.lock();
        let here = all.uris.iter().filter(|(at, _)| at == server);
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

    #[test]
    fn long_uris_do_not_fill_the_memory() {
        let server = Name::new("a").expect("a name");
        let watched = Watched::default();
        watched.note(&server, &"x".repeat(MAX_URI + 1));
        assert!(watched.at(&server).is_empty());
        let long = |number: usize| format!("{number:0MAX_URI$}");
        for number in 0..100 {
            watched.note(&server, &long(number));
        }
        assert_eq!(watched.at(&server).len(), MAX_BYTES / MAX_URI);
        watched.forget(&server, &long(0));
        watched.note(&server, "short");
        assert!(watched.at(&server).contains(&"short".to_owned()));
    }
}
