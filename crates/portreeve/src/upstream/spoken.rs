//! Which eras a server speaks, as far as it is known.
//!
//! Learnt when the gate itself speaks to the server, and kept until something shows that it has
//! changed. What follows from it is `eras`' affair.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use portreeve_policy::time::Timestamp;

use crate::mcp::revision::Era;

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;
/// How long what was learnt anew is kept, whatever seems to show that it has changed: clients can
/// bring that about, and a server is not asked as often as they like.
const FORGET_AGAIN_MS: i64 = 10_000;

/// What one server is known to speak.
#[derive(Debug, Default)]
pub struct Spoken {
    legacy: Known,
    modern: Known,
    /// When it was last asked in vain. Whoever holds the lock is asking.
    pub(crate) asked: tokio::sync::Mutex<Option<Timestamp>>,
}

#[derive(Debug)]
struct Known {
    speaks: AtomicU8,
    /// When it was last forgotten.
    forgotten: AtomicI64,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            speaks: AtomicU8::new(UNKNOWN),
            forgotten: AtomicI64::new(i64::MIN),
        }
    }
}

impl Spoken {
    /// Whether it speaks an era; nothing if that is not known.
    pub fn knows(&self, era: Era) -> Option<bool> {
        match self.of(era).speaks.load(Ordering::Relaxed) {
            YES => Some(true),
            NO => Some(false),
            _ => None,
        }
    }

    pub fn note(&self, era: Era, speaks: bool) {
        let known = if speaks { YES } else { NO };
        self.of(era).speaks.store(known, Ordering::Relaxed);
    }

    /// It has shown that this may not be as it was.
    pub fn forget(&self, era: Era, now: Timestamp) {
        let known = self.of(era);
        let before = Timestamp(known.forgotten.load(Ordering::Relaxed));
        if !(0..FORGET_AGAIN_MS).contains(&now.since(before)) {
            known.forgotten.store(now.0, Ordering::Relaxed);
            known.speaks.store(UNKNOWN, Ordering::Relaxed);
        }
    }

    const fn of(&self, era: Era) -> &Known {
        match era {
            Era::Legacy => &self.legacy,
            Era::Modern => &self.modern,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_makes_the_gate_ask_at_every_turn() {
        let spoken = Spoken::default();
        let mut asked = 0;
        for second in 0..60 {
            spoken.forget(Era::Modern, Timestamp(second * 1_000));
            if spoken.knows(Era::Modern).is_none() {
                asked += 1;
                spoken.note(Era::Modern, true);
            }
        }
        assert_eq!(asked, 6);
        assert_eq!(spoken.knows(Era::Modern), Some(true));
        assert_eq!(spoken.knows(Era::Legacy), None);
    }
}
