//! How far a session's client has come on the free streams of its servers.
//!
//! Events of all servers come on one stream, and a client goes on from the last one's id alone. The
//! positions of a thousand servers do not fit into an id, so they are kept here, and the id is a
//! number. A free stream that was cut is taken up soon: what is older than the newest few hundred
//! events is remembered as one position for each server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::name::Name;

/// How many events can be gone on from.
const MAX_EVENTS: usize = 256;
/// How many servers' positions are kept, and how long an event's id may be. A grant with more
/// servers that give their events ids goes on from the newest with the others.
const MAX_SERVERS: usize = 4_096;
const MAX_ID: usize = 1_024;

/// Where each server's stream is gone on from.
pub(super) type Positions = HashMap<Name, String>;

/// The events that came.
#[derive(Debug, Default)]
pub(super) struct Heard {
    events: Mutex<Events>,
}

#[derive(Debug, Default)]
struct Events {
    last: u64,
    recent: VecDeque<(u64, Name, String)>,
    /// The positions before the oldest recent one.
    before: Positions,
}

impl Heard {
    /// The number of an event that a server calls `id`; nothing if it cannot be gone on from.
    pub(super) fn note(&self, server: &Name, id: &str) -> Option<u64> {
        if id.is_empty() || id.len() > MAX_ID {
            return None;
        }
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.recent.len() >= MAX_EVENTS
            && let Some((_, server, id)) = events.recent.pop_front()
        {
            let known = events.before.contains_key(&server);
            if known || events.before.len() < MAX_SERVERS {
                events.before.insert(server, id);
            }
        }
        events.last += 1;
        let number = events.last;
        events
            .recent
            .push_back((number, server.clone(), id.to_owned()));
        Some(number)
    }

    /// The last event of a server.
    pub(super) fn last_of(&self, server: &Name) -> Option<String> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = events.recent.iter().rev().find(|(_, of, _)| of == server);
        let newest = newest.map(|(.., id)| id);
        newest.or_else(|| events.before.get(server)).cloned()
    }

    /// The positions of all servers when the event with this number was the last one. Nothing if
    /// there is no such event, or it is too old.
    pub(super) fn positions(&self, number: u64) -> Option<Positions> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = events.recent.front().map(|(n, ..)| *n)?;
        if !(oldest..=events.last).contains(&number) {
            return None;
        }
        let mut positions = events.before.clone();
        let seen = events.recent.iter().take_while(|(n, ..)| *n <= number);
        positions.extend(seen.map(|(_, server, id)| (server.clone(), id.clone())));
        Some(positions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    #[test]
    fn every_server_is_gone_on_from_its_own_event() {
        let heard = Heard::default();
        assert_eq!(heard.positions(1), None);
        let first = heard.note(&name("a"), "x").expect("noted");
        let second = heard.note(&name("b"), "x").expect("noted");
        let third = heard.note(&name("a"), "y").expect("noted");
        let at = |number| {
            let positions = heard.positions(number).expect("known");
            let of = |server| positions.get(&name(server)).cloned().unwrap_or_default();
            (of("a"), of("b"))
        };
        assert_eq!(at(first), ("x".into(), String::new()));
        assert_eq!(at(second), ("x".into(), "x".into()));
        assert_eq!(at(third), ("y".into(), "x".into()));
        assert_eq!(heard.positions(third + 1), None);
        assert_eq!(heard.note(&name("a"), ""), None);
    }

    #[test]
    fn what_is_old_is_one_position_for_each_server() {
        let heard = Heard::default();
        heard.note(&name("quiet"), "q");
        for number in 0..MAX_EVENTS {
            heard.note(&name("loud"), &number.to_string());
        }
        assert_eq!(heard.positions(1), None);
        let positions = heard.positions(2).expect("the oldest");
        assert_eq!(positions.get(&name("quiet")).map(String::as_str), Some("q"));
        assert_eq!(positions.get(&name("loud")).map(String::as_str), Some("0"));
    }
}
