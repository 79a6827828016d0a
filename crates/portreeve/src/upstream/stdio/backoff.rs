//! How soon a server that died is started again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Stopwatch;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_mins(1);
/// After so long without a death, what was before is forgotten.
const QUIET: Duration = Duration::from_mins(5);

/// The deaths of one server's processes.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    last: Mutex<Option<Death>>,
}

#[derive(Clone, Debug)]
struct Death {
    since: Stopwatch,
    /// How many in a row.
    count: u32,
    words: String,
}

/// How long to wait before the next start, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub left: Duration,
    pub deaths: u32,
    /// What is known of the last death.
    pub last: String,
}

impl Backoff {
    /// A process died. One that had answered got on its feet, so it begins a new row: who makes his
    /// own session's process crash must not keep others from theirs.
    pub(super) fn died(&self, words: &str, had_answered: bool) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |death: &&Death| !had_answered && death.since.elapsed() < QUIET;
        let before = last.as_ref().filter(recent);
        *last = Some(Death {
            count: before.map_or(1, |death| death.count.saturating_add(1)),
            since: Stopwatch::start(),
            words: words.to_owned(),
        });
    }

    /// What keeps the server from being started now, if anything does.
    pub(super) fn wait(&self) -> Option<Wait> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let death = last.as_ref()?;
        let left = delay(death.count).checked_sub(death.since.elapsed())?;
        Some(Wait {
            left,
            deaths: death.count,
            last: death.words.clone(),
        })
    }
}

/// Twice as long after each death.
fn delay(deaths: u32) -> Duration {
    let doubled = deaths.saturating_sub(1).min(16);
    FIRST.saturating_mul(1 << doubled).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_death_doubles_the_wait_up_to_a_cap() {
        let delays: Vec<u128> = [1, 2, 3, 10, 11, 1_000]
            .map(|n| delay(n).as_millis())
            .to_vec();
        assert_eq!(delays, [100, 200, 400, 51_200, 60_000, 60_000]);
    }

    #[test]
    fn who_never_died_is_started_at_once() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(), None);
        for _ in 0..5 {
            backoff.died("exit code 1", false);
        }
        let wait = backoff.wait().expect("five deaths in a row");
        assert_eq!((wait.deaths, wait.last.as_str()), (5, "exit code 1"));
        assert!(wait.left <= Duration::from_millis(1_600));
        backoff.died("exit code 2", true);
        let deaths = backoff.wait().map_or(1, |wait| wait.deaths);
        assert_eq!(deaths, 1, "it had been on its feet");
    }
}
