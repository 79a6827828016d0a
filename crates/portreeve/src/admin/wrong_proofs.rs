//! Wrong passwords and tokens in the book: each of the first, and then their number, so that whoever
//! guesses leaves a trace and cannot fill the ledger.

use std::sync::{Mutex, PoisonError};

use portreeve_policy::time::Timestamp;
use serde_json::json;

use super::effects::AdminAct;
use super::office::Office;
use crate::name::Label;

/// So many are booked one by one in a minute.
const ONE_BY_ONE: u32 = 10;
const MINUTE_MS: i64 = 60_000;

/// The running minute.
#[derive(Debug)]
pub(super) struct WrongProofs(Mutex<Minute>);

#[derive(Debug)]
struct Minute {
    since: Timestamp,
    booked: u32,
    /// Those that no record has told of yet.
    untold: u64,
}

impl Default for WrongProofs {
    fn default() -> Self {
        Self(Mutex::new(Minute {
            since: Timestamp(0),
            booked: 0,
            untold: 0,
        }))
    }
}

impl WrongProofs {
    /// Counts one; how many came before it untold, if it is to be booked.
    fn note(&self, now: Timestamp) -> Option<u64> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !(0..MINUTE_MS).contains(&now.since(minute.since)) {
            (minute.since, minute.booked) = (now, 0);
        }
        if minute.booked == ONE_BY_ONE {
            minute.untold = minute.untold.saturating_add(1);
            return None;
        }
        minute.booked += 1;
        Some(std::mem::take(&mut minute.untold))
    }
}

impl Office {
    /// Books that somebody did not prove to be who they said.
    ///
    /// INVARIANT: neither what was given as the proof is booked, nor a name that is nobody's: it may be
    /// a password in the wrong place (`a_wrong_proof_is_booked_without_the_secret`).
    pub(super) async fn note_wrong_proof(&self, how: &'static str, whose: Option<&Label>) {
        let Some(untold) = self.wrong_proofs.note(self.clock.now()) else {
            return;
        };
        let act = AdminAct {
            actor: "somebody".to_owned(),
            act: "person.unauthenticated",
            subject: whose.map_or_else(|| "(nobody)".to_owned(), ToString::to_string),
            detail: json!({ "with": how, "not_booked_before": untold }),
        };
        // Whoever asked is refused all the same.
        if let Err(error) = self.effects.book(act).await {
            tracing::warn!(%error, "a wrong password or token was not booked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_records_and_none_is_forgotten() {
        let wrong = WrongProofs::default();
        let noted: Vec<_> = (0..15).map(|_| wrong.note(Timestamp(MINUTE_MS))).collect();
        assert_eq!(noted.iter().flatten().count(), 10);
        assert_eq!(wrong.note(Timestamp(2 * MINUTE_MS - 1)), None);
        assert_eq!(wrong.note(Timestamp(2 * MINUTE_MS)), Some(6));
        assert_eq!(wrong.note(Timestamp(2 * MINUTE_MS)), Some(0));
    }
}
