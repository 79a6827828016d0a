//! Which eras a server speaks, as far as it is known.
//!
//! Learnt when the gate itself speaks to the server, and kept until something shows that it has
//! changed. What follows from it is `eras`' affair.

use std::sync::atomic::{AtomicU8, Ordering};

use portreeve_policy::time::Timestamp;

use crate::mcp::revision::Era;

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

/// What one server is known to speak.
#[derive(Debug, Default)]
pub struct Spoken {
    legacy: AtomicU8,
    modern: AtomicU8,
    /// When it was last asked in vain. Whoever holds the lock is asking.
    pub(crate) asked: tokio::sync::Mutex<Option<Timestamp>>,
}

impl Spoken {
    /// Whether it speaks an era; nothing if that is not known.
    pub fn knows(&self, era: Era) -> Option<bool> {
        match self.of(era).load(Ordering::Relaxed) {
            YES => Some(true),
            NO => Some(false),
            _ => None,
        }
    }

    pub fn note(&self, era: Era, speaks: bool) {
        let known = if speaks { YES } else { NO };
        self.of(era).store(known, Ordering::Relaxed);
    }

    /// It has shown that this may not be as it was.
    pub fn forget(&self, era: Era) {
        self.of(era).store(UNKNOWN, Ordering::Relaxed);
    }

    const fn of(&self, era: Era) -> &AtomicU8 {
        match era {
            Era::Legacy => &self.legacy,
            Era::Modern => &self.modern,
        }
    }
}
