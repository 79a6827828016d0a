//! Tasks: work at a server that outlives the call which began it.
//!
//! A server finds a task by its id alone, and sees one client where there are many callers. So a caller
//! sees each id with a seal in front, which only this gate can make. It opens for the grant that the
//! task was begun for, at that server, and for nobody else, also after a restart; and it says which
//! tool began the task, so that what comes of it is held to the rules of its tool.
//!
//! What a server says of tasks unasked, and its list of them, has no seal to go by: [`Begun`] remembers
//! whose the newest tasks are, and what is nobody's that is known goes to nobody.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Visit;
use crate::keys::Keys;
use crate::mcp::kept::MAX_TASK_ID;
use crate::name::{Label, Name};
use crate::{base64, hex};

/// How many tasks are remembered of one grant at one server, and of how many such pairs.
const MAX_REMEMBERED: usize = 256;
const MAX_PAIRS: usize = 10_000;

/// Two hex digits for each of 16 bytes.
const SEAL_LEN: usize = 32;

/// A task as its server knows it, and the tool that began it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub tool: Box<str>,
    pub id: Box<str>,
}

/// What a request has to do with tasks.
#[derive(Clone, Debug, Default)]
pub(super) enum Tasked {
    /// Nothing, unless it begins one.
    #[default]
    No,
    /// It is about this one.
    One(Task),
    /// It lists them.
    All,
}

impl Task {
    /// The id as the visitor sees it.
    pub(super) fn sealed(&self, keys: &Keys, visit: &Visit) -> String {
        let seal = seal(keys, visit, self);
        format!(
            "{seal}.{}.{}",
            base64::encode(self.tool.as_bytes()),
            self.id
        )
    }

    /// The task behind an id that the visitor was given.
    pub(super) fn open(keys: &Keys, visit: &Visit, sealed: &str) -> Option<Self> {
        let (given, rest) = sealed.split_at_checked(SEAL_LEN)?;
        let (tool, id) = rest.strip_prefix('.')?.split_once('.')?;
        let tool = String::from_utf8(base64::decode(tool)?).ok()?;
        if id.len() > MAX_TASK_ID {
            return None;
        }
        let task = Self {
            tool: tool.into(),
            id: id.into(),
        };
        // One text for one task; compared to its end, so that the time it takes tells nothing.
        let expected = task.sealed(keys, visit);
        let (expected_seal, expected_rest) = expected.split_at_checked(SEAL_LEN)?;
        let pairs = given.bytes().zip(expected_seal.bytes());
        let differs = pairs.fold(0, |differs, (a, b)| differs | (a ^ b));
        (differs == 0 && rest == expected_rest).then_some(task)
    }
}

fn seal(keys: &Keys, visit: &Visit, task: &Task) -> String {
    let mut named = Vec::new();
    let (grant, server) = (&visit.caller.grant.label, &visit.server.name);
    for part in [grant.as_ref(), server.as_str(), &task.tool, &task.id] {
        named.extend_from_slice(&(part.len() as u64).to_be_bytes());
        named.extend_from_slice(part.as_bytes());
    }
    let mac = keys.mac("task id", &named);
    hex::encode(mac.first_chunk::<16>().unwrap_or(&[0; 16]))
}

/// Whose the newest tasks are.
#[derive(Debug, Default)]
pub(super) struct Begun(Mutex<HashMap<(Label, Name), VecDeque<Task>>>);

impl Begun {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Label, Name), VecDeque<Task>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, visit: &Visit, task: &Task) {
        if task.id.len() > MAX_TASK_ID {
            return;
        }
        let pair = pair(visit);
        let mut all = self.lock();
        if all.len() >= MAX_PAIRS && !all.contains_key(&pair) {
            return;
        }
        let own = all.entry(pair).or_default();
        if own.contains(task) {
            return;
        }
        if own.len() >= MAX_REMEMBERED {
            own.pop_front();
        }
        own.push_back(task.clone());
    }

    pub(super) fn find(&self, visit: &Visit, id: &str) -> Option<Task> {
        let all = self.lock();
        let own = all.get(&pair(visit))?;
        own.iter().find(|task| &*task.id == id).cloned()
    }
}

fn pair(visit: &Visit) -> (Label, Name) {
    (visit.caller.grant.label.clone(), visit.server.name.clone())
}
