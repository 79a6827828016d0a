//! The hash chain: how a record is tied to the one before it.
//!
//! Owns the fixed ending of every line, `,"prev":"…","hash":"…"}`, and what it proves. Works on
//! bytes: whether the rest of a line is a sensible record is `record_read`'s question.

use std::fmt;

use portreeve_policy::time::Timestamp;
use ring::digest::{SHA256, digest};

use crate::hex;

const PREV: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b",\"hash\":\"";
const DIGEST_LEN: usize = 64;
/// `,"prev":"` + digest + `"`
const PREV_LEN: usize = PREV.len() + DIGEST_LEN + 1;
/// `,"hash":"` + digest + `"}`
const HASH_LEN: usize = HASH.len() + DIGEST_LEN + 2;

/// A SHA-256 digest.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What the first record names as the hash before it.
    pub const ZERO: Self = Self([0; 32]);

    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut digest_bytes = [0; 32];
        for (to, from) in digest_bytes.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
            *to = *from;
        }
        Self(digest_bytes)
    }

    /// Reads 64 lower-case hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode(text.as_bytes()).map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::encode(&self.0).fmt(f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where the chain ends: the last record's number and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub seq: u64,
    pub hash: Digest,
}

impl Head {
    /// The head of a book without a record.
    pub const EMPTY: Self = Self {
        seq: 0,
        hash: Digest::ZERO,
    };
}

/// A head as it was known at some time, kept outside the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub head: Head,
    pub at: Timestamp,
}

/// Ends the unfinished record that starts at `start`: writes prev and hash, and the newline.
pub(super) fn close_line(out: &mut Vec<u8>, start: usize, prev: Digest) -> Digest {
    out.extend_from_slice(PREV);
    hex::encode_into(out, &prev.0);
    out.push(b'"');
    let hash = Digest::of(out.get(start..).unwrap_or_default());
    out.extend_from_slice(HASH);
    hex::encode_into(out, &hash.0);
    out.extend_from_slice(b"\"}\n");
    hash
}

/// What ties one line into the chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seal<'a> {
    pub(super) seq: u64,
    pub(super) prev: Digest,
    pub(super) hash: Digest,
    body: &'a [u8],
}

impl<'a> Seal<'a> {
    /// Reads the fixed parts of a line given without its newline. `None` if it has not their shape.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let (body, ending) = line.split_at_checked(line.len().checked_sub(HASH_LEN)?)?;
        let hash = ending.strip_prefix(HASH)?.strip_suffix(b"\"}")?;
        let (_, prev) = body.split_at_checked(body.len().checked_sub(PREV_LEN)?)?;
        let prev = prev.strip_prefix(PREV)?.strip_suffix(b"\"")?;
        Some(Self {
            seq: read_seq(line)?,
            prev: Digest(hex::decode(prev)?),
            hash: Digest(hex::decode(hash)?),
            body,
        })
    }

    /// Whether the bytes are those the hash was made of.
    pub(super) fn holds(&self) -> bool {
        Digest::of(self.body) == self.hash
    }

    pub(super) fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: self.hash,
        }
    }

    pub(super) fn follows(&self, before: Head) -> bool {
        self.prev == before.hash && Some(self.seq) == before.seq.checked_add(1)
    }
}

/// At most 18 digits: no book gets there, and sums with it can't overflow.
fn read_seq(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let digits = rest.get(..rest.iter().take(19).position(|b| *b == b',')?)?;
    let plain = digits.first().is_some_and(|b| matches!(b, b'1'..=b'9'));
    let text = str::from_utf8(digits).ok()?;
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_closed_and_no_other_way() {
        let mut line = b"{\"seq\":7,\"x\":\",\\\"hash\\\":\"".to_vec();
        let hash = close_line(&mut line, 0, Digest::of(b"before"));
        let bare = line.strip_suffix(b"\n").unwrap();
        let seal = Seal::read(bare).unwrap();
        assert!(seal.holds());
        assert_eq!(
            (seal.seq, seal.prev, seal.hash),
            (7, Digest::of(b"before"), hash)
        );
        assert!(seal.follows(Head {
            seq: 6,
            hash: Digest::of(b"before")
        }));
        for at in 0..bare.len() {
            for bit in 0..8 {
                let mut changed = bare.to_vec();
                changed[at] ^= 1 << bit;
                let still = Seal::read(&changed).is_some_and(|seal| seal.holds());
                assert!(!still, "byte {at}, bit {bit}");
            }
        }
    }
}
