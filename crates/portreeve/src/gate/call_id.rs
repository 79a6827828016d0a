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
        let mut start = String::new();
        base32(&mut start, u64::from_le_bytes(seed) >> 14, 10);
        Ok(Self {
            start,
            next: AtomicU64::new(1),
        })
    }

    pub(super) fn next(&self) -> CallId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut name = String::with_capacity(self.start.len() + LETTERS_OF_A_COUNT);
        name.push_str(&self.start);
        base32(&mut name, count, 4);
        CallId(name)
    }
}

/// No count of 64 bits takes more letters.
const LETTERS_OF_A_COUNT: usize = 13;

/// Appends the value in Crockford's letters, at least `width` of them.
fn base32(out: &mut String, value: u64, width: usize) {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let needed = (u64::BITS - value.leading_zeros()).div_ceil(5) as usize;
    for place in (0..needed.max(width)).rev() {
        let letter = value.checked_shr(5 * u32::try_from(place).unwrap_or(u32::MAX));
        let letter = (letter.unwrap_or(0) & 31) as usize;
        out.push(char::from(LETTERS.get(letter).copied().unwrap_or(b'0')));
    }
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
        for (value, width, text) in [
            (32 * 32 * 32 * 32, 4, "10000"),
            (0, 4, "0000"),
            (33, 1, "11"),
        ] {
            let mut out = String::new();
            base32(&mut out, value, width);
            assert_eq!(out, text);
        }
        let mut longest = String::new();
        base32(&mut longest, u64::MAX, 4);
        assert_eq!((longest.len(), &longest[..2]), (LETTERS_OF_A_COUNT, "fz"));
    }
}
