//! Acts that were booked and not done.
//!
//! An act is booked before it is done; where it then fails, a record `act.failed` follows. Whoever reads
//! the book gets both as one: the act, and why it was not done. Read singly, the act would say that
//! something happened that did not.

use serde::Deserialize;

use super::acts::BookedAct;

/// What stands in the book for an act that failed.
const FAILED: &str = "act.failed";

/// Failures whose act is still further back in a book that is read backward.
#[derive(Debug, Default)]
pub(super) struct Undone {
    failures: Vec<(BookedAct, Failed)>,
}

/// The detail of such a record.
#[derive(Debug, Deserialize)]
struct Failed {
    act: String,
    why: String,
}

impl Undone {
    /// The act with what became of it; `None` for a failure, which is told with its act.
    pub(super) fn join(&mut self, mut act: BookedAct) -> Option<BookedAct> {
        if let Some(failed) = Failed::of(&act) {
            self.failures.push((act, failed));
            return None;
        }
        let is_its = |(failure, failed): &(BookedAct, Failed)| {
            failed.act == act.act && failure.subject == act.subject && failure.actor == act.actor
        };
        // The failure read last is the earliest: the nearest behind the act.
        if let Some(at) = self.failures.iter().rposition(is_its) {
            let (failure, failed) = self.failures.remove(at);
            act.not_done = Some(failed.why);
            // A doubt about either record is one about both.
            act.misfit = act.misfit.or(failure.misfit);
        }
        Some(act)
    }

    /// A failure whose act is not in the book any more, or cannot be read: it stands for itself.
    pub(super) fn left(&mut self) -> Option<BookedAct> {
        self.failures.pop().map(|(failure, _)| failure)
    }
}

impl Failed {
    fn of(act: &BookedAct) -> Option<Self> {
        let detail = act.detail.as_ref().filter(|_| act.act == FAILED)?;
        serde_json::from_str(detail.get()).ok()
    }
}
