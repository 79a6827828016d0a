//! What the servers of a session ask its client, under ids that no two of them share.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::mcp::message;
use crate::name::Name;

/// How many questions may wait for the client.
const MAX_OPEN: usize = 1_000;

/// A question of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub server: Name,
    /// The server's id of it, as JSON text.
    pub id: String,
    /// The token under which the server wants to hear of progress, as JSON text.
    pub token: Option<String>,
}

/// The questions that wait, by the number that the client knows each by.
#[derive(Debug, Default)]
pub(super) struct Asked {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    questions: BTreeMap<u64, Question>,
}

impl Asked {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a new question; nothing if too many wait.
    pub(super) fn note(&self, question: Question) -> Option<u64> {
        let mut open = self.lock();
        if open.questions.len() >= MAX_OPEN {
            return None;
        }
        open.last = open.last.saturating_add(1);
        let number = open.last;
        open.questions.insert(number, question);
        Some(number)
    }

    /// Takes the question that the client answers.
    pub(super) fn take(&self, number: u64) -> Option<Question> {
        self.lock().questions.remove(&number)
    }

    /// Puts a question back whose answer did not get through.
    pub(super) fn put_back(&self, number: u64, question: Question) {
        self.lock().questions.insert(number, question);
    }

    pub(super) fn get(&self, number: u64) -> Option<Question> {
        self.lock().questions.get(&number).cloned()
    }

    /// Takes the question that the server does not want an answer to any more; its number.
    pub(super) fn given_up(&self, server: &Name, id: &str) -> Option<u64> {
        let id = message::canonical_id(id);
        let mut open = self.lock();
        let same = |q: &Question| q.server == *server && message::canonical_id(&q.id) == id;
        let number = open
            .questions
            .iter()
            .find(|(_, q)| same(q))
            .map(|(n, _)| *n)?;
        open.questions.remove(&number);
        Some(number)
    }

    /// Forgets what a server asked in a session that ended.
    pub(super) fn forget(&self, server: &Name) {
        self.lock().questions.retain(|_, q| q.server != *server);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(server: &str) -> Question {
        Question {
            server: Name::new(server).expect("a name"),
            id: "1".to_owned(),
            token: None,
        }
    }

    #[test]
    fn equal_ids_of_two_servers_are_two_questions() {
        let asked = Asked::default();
        let (a, b) = (asked.note(question("a")), asked.note(question("b")));
        assert_ne!(a, b);
        let b = b.expect("room");
        assert_eq!(asked.given_up(&question("c").server, "1"), None);
        assert_eq!(asked.given_up(&question("a").server, "1"), a);
        assert_eq!(asked.take(b), Some(question("b")));
        assert_eq!(asked.take(b), None);
    }

    #[test]
    fn questions_are_bounded() {
        let asked = Asked::default();
        let numbers: Vec<_> = (0..=MAX_OPEN).map(|_| asked.note(question("a"))).collect();
        assert!(numbers.iter().take(MAX_OPEN).all(Option::is_some));
        assert_eq!(numbers.last(), Some(&None));
        asked.forget(&question("a").server);
        assert!(asked.note(question("b")).is_some());
    }
}
