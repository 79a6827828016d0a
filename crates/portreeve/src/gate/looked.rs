//! When a server's definitions were last held against its pins.

use std::sync::atomic::{AtomicI64, Ordering};

use portreeve_policy::time::Timestamp;

/// How long what was seen is relied on while calls are made. A server that changes a definition and
/// tells nobody is found out with the first call after that.
const GOOD_FOR_MS: i64 = 10_000;

const NEVER: i64 = i64::MIN;

#[derive(Debug)]
pub(super) struct Looked {
    at: AtomicI64,
    /// When somebody last went to look.
    gone: AtomicI64,
}

impl Default for Looked {
    fn default() -> Self {
        Self {
            at: AtomicI64::new(NEVER),
            gone: AtomicI64::new(NEVER),
        }
    }
}

/// What has to be done before a tool is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It was looked at a moment ago, or somebody is looking.
    Recent,
    /// It is some time ago, and this caller is the one to look again.
    Again,
    /// Nobody has looked since this process began or the server was configured as it is.
    First,
}

impl Looked {
    pub(super) fn is_due(&self, now: Timestamp) -> Look {
        let at = self.at.load(Ordering::Acquire);
        let gone = self.gone.load(Ordering::Relaxed);
        let is_recent = |then: i64| (0..GOOD_FOR_MS).contains(&now.since(Timestamp(then)));
        if at == NEVER {
            Look::First
        } else if is_recent(at) || is_recent(gone) {
            Look::Recent
        } else {
            let (set, now) = (Ordering::Relaxed, now.0);
            match self.gone.compare_exchange(gone, now, set, set) {
                Ok(_) => Look::Again,
                Err(_) => Look::Recent,
            }
        }
    }

    pub(super) fn has_been(&self) -> bool {
        self.at.load(Ordering::Acquire) != NEVER
    }

    pub(super) fn note(&self, now: Timestamp) {
        self.at.store(now.0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_looks_when_it_is_time() {
        let looked = Looked::default();
        let due = |ms| looked.is_due(Timestamp(ms));
        assert_eq!(
            (due(0), due(0)),
            (Look::First, Look::First),
            "all of them wait"
        );
        looked.note(Timestamp(0));
        assert_eq!(due(9_999), Look::Recent);
        assert_eq!((due(10_000), due(10_000)), (Look::Again, Look::Recent));
        assert_eq!(due(19_999), Look::Recent, "it was tried a moment ago");
        assert_eq!(due(20_000), Look::Again, "in vain");
        looked.note(Timestamp(20_001));
        assert_eq!(due(20_002), Look::Recent);
        assert_eq!(
            due(-5),
            Look::Again,
            "a clock that was set back hides nothing"
        );
    }
}
