//! Progress of one call, sent beside its answer to a caller that gave a token.

use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Where the notifications of one call go; nowhere without a token.
#[derive(Debug, Default)]
pub(super) struct Progress {
    to: Option<(Value, mpsc::Sender<Value>)>,
    last: Option<usize>,
}

impl Progress {
    pub(super) const fn new(token: Value, to: mpsc::Sender<Value>) -> Self {
        Self {
            to: Some((token, to)),
            last: None,
        }
    }

    /// Reports, if it is more than was reported before: the protocol wants progress to increase.
    pub(super) async fn report(&mut self, done: usize, total: usize, message: &str) {
        let Some((token, to)) = &self.to else { return };
        if self.last.is_some_and(|last| last >= done) {
            return;
        }
        self.last = Some(done);
        let params = json!({
            "progressToken": token, "progress": done, "total": total, "message": message,
        });
        let note = json!({
            "jsonrpc": "2.0", "method": "notifications/progress", "params": params,
        });
        // A caller that has gone hears nothing; its call ends by itself.
        let _ = to.send(note).await;
    }
}
