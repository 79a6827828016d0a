//! The tasks that the client runs for servers: each is that server's business alone.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::name::Name;

/// How many tasks of one session are known: the newest.
const MAX_TASKS: usize = 1_000;
const MAX_ID: usize = 1_024;

/// Tasks by the client's ids, oldest first.
#[derive(Debug, Default)]
pub(super) struct Lent {
    tasks: Mutex<VecDeque<(String, Name)>>,
}

impl Lent {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Name)>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client runs a task for a server. Whose an id is already, it stays.
    pub(super) fn note(&self, server: &Name, task: &str) {
        let mut tasks = self.lock();
        if task.len() > MAX_ID || tasks.iter().any(|(known, _)| known == task) {
            return;
        }
        if tasks.len() >= MAX_TASKS {
            tasks.pop_front();
        }
        tasks.push_back((task.to_owned(), server.clone()));
    }

    /// For which server the client runs it.
    pub(super) fn owner(&self, task: &str) -> Option<Name> {
        let tasks = self.lock();
        let known = tasks.iter().find(|(known, _)| known == task);
        known.map(|(_, owner)| owner.clone())
    }

    /// A task is over.
    pub(super) fn forget(&self, task: &str) {
        self.lock().retain(|(known, _)| known != task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_one_servers() {
        let name = |text| Name::new(text).expect("a name");
        let lent = Lent::default();
        lent.note(&name("a"), "1");
        lent.note(&name("b"), "1");
        assert_eq!(lent.owner("1"), Some(name("a")));
        lent.forget("1");
        assert_eq!(lent.owner("1"), None);
        for number in 0..=MAX_TASKS {
            lent.note(&name("a"), &number.to_string());
        }
        assert_eq!(lent.owner("0"), None);
        assert_eq!(lent.owner(&MAX_TASKS.to_string()), Some(name("a")));
    }
}
