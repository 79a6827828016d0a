//! The requests of one client that are being answered, so that it can cancel one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<String, Arc<Notify>>>>);

/// One request; it is forgotten when this is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    all: InFlight,
    id: String,
    cancel: Arc<Notify>,
}

impl InFlight {
    pub(super) fn begin(&self, id: &Value) -> Ticket {
        // As JSON text, in which 1 and "1" differ.
        let ticket = Ticket {
            all: self.clone(),
            id: id.to_string(),
            cancel: Arc::default(),
        };
        self.with(|all| all.insert(ticket.id.clone(), Arc::clone(&ticket.cancel)));
        ticket
    }

    pub(super) fn cancel(&self, id: &Value) {
        if let Some(cancel) = self.with(|all| all.remove(&id.to_string())) {
            cancel.notify_one();
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut HashMap<String, Arc<Notify>>) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ticket {
    pub(super) async fn cancelled(&self) {
        self.cancel.notified().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.all.with(|all| {
            // A client that uses an id twice at once has replaced this entry by another.
            let mine = |known: &Arc<Notify>| Arc::ptr_eq(known, &self.cancel);
            if all.get(&self.id).is_some_and(mine) {
                all.remove(&self.id);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn a_cancel_meets_the_request_of_exactly_that_id() {
        let all = InFlight::default();
        let (number, text) = (all.begin(&json!(1)), all.begin(&json!("1")));
        all.cancel(&json!("1"));
        text.cancelled().await;
        drop((number, text));
        assert_eq!(all.with(|all| all.len()), 0);
        all.cancel(&json!(1));
    }
}
