//! The sessions of the older era. Nothing depends on having one; one that is named must exist.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::demo::in_flight::InFlight;

/// Of more sessions than this the oldest ends.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    by_id: HashMap<String, Arc<Session>>,
    order: VecDeque<String>,
}

/// What belongs to one client between its handshake and its farewell.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) in_flight: InFlight,
    listens: AtomicBool,
    ended: watch::Sender<bool>,
}

/// The right to the session's only stream; given back when dropped.
#[derive(Debug)]
pub(super) struct Listening(Arc<Session>);

impl Sessions {
    /// A new session's id; nothing if the system has no random numbers.
    pub(super) fn begin(&self) -> Option<String> {
        let id = format!("{:032x}", u128::from_be_bytes(crate::demo::random_bytes()?));
        self.with(|all| {
            if all.order.len() >= MOST {
                let oldest = all.order.pop_front();
                end(oldest.and_then(|oldest| all.by_id.remove(&oldest)));
            }
            all.order.push_back(id.clone());
            all.by_id.insert(id.clone(), Arc::default());
        });
        Some(id)
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.with(|all| all.by_id.get(id).cloned())
    }

    /// Ends a session and its stream; says whether there was one.
    pub(super) fn end(&self, id: &str) -> bool {
        let ended = self.with(|all| {
            all.order.retain(|known| known != id);
            all.by_id.remove(id)
        });
        end(ended)
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut All) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn end(session: Option<Arc<Session>>) -> bool {
    session.is_some_and(|session| {
        session.ended.send_replace(true);
        true
    })
}

impl Session {
    /// One stream at a time, as no message may be sent on two.
    pub(super) fn listen(self: &Arc<Self>) -> Option<Listening> {
        let busy = self.listens.swap(true, Ordering::SeqCst);
        (!busy).then(|| Listening(Arc::clone(self)))
    }
}

impl Listening {
    /// Returns when the session has ended.
    pub(super) async fn ended(&self) {
        let mut ended = self.0.ended.subscribe();
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listens.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_has_one_stream_and_ends_with_it() {
        let sessions = Sessions::default();
        let id = sessions.begin().unwrap();
        let session = sessions.get(&id).unwrap();
        let stream = session.listen().unwrap();
        assert!(session.listen().is_none());
        assert!(sessions.end(&id));
        stream.ended().await;
        drop(stream);
        assert!(session.listen().is_some());
        assert!(sessions.get(&id).is_none());
        assert!(!sessions.end(&id));
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let sessions = Sessions::default();
        let first = sessions.begin().unwrap();
        for _ in 1..MOST {
            sessions.begin().unwrap();
        }
        assert!(sessions.get(&first).is_some());
        sessions.begin().unwrap();
        assert!(sessions.get(&first).is_none());
    }
}
