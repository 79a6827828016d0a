//! Names for calls: unique for the life of the ledger, short, and in order within one process.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::rand::{SecureRandom, SystemRandom};

/// The name of one call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallId(String);

impl CallId {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives out call ids: some letters that belong to this start of the gate, then a count.
#[derive(Debug)]
pub(super) struct CallIds {
    start: String,
    next: AtomicU64,
}

impl CallIds {
    /// Fails only if the system has no randomness.
    pub(super) fn new() -> Result<Self, ring::error::Unspecified> {
        let mut seed = [0_u8; 8];
        SystemRandom::new().fill(&mut seed)?;
        // Fifty bits: ten letters.
        let start = base32(u64::from_le_bytes(seed) >> 14, 10);
        Ok(Self {
            start,
            next: AtomicU64::new(1),
        })
    }

    pub(super) fn next(&self) -> CallId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        CallId(format!("{}{}", self.start, base32(count, 4)))
    }
}

/// Crockford's letters, at least `width` of them.
fn base32(mut value: u64, width: usize) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut letters = Vec::with_capacity(13);
    while value > 0 || letters.len() < width {
        let letter = LETTERS.get((value & 31) as usize).copied().unwrap_or(b'0');
        letters.push(char::from(letter));
        value >>= 5;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_unique() {
        let ids = CallIds::new().unwrap();
        let given: std::collections::HashSet<CallId> = (0..5_000).map(|_| ids.next()).collect();
        assert_eq!(given.len(), 5_000);
        assert!(given.iter().all(|id| id.as_str().len() == 14));
        assert_eq!(base32(32 * 32 * 32 * 32, 4), "10000");
    }
}
