//! The end of an ordinary call, known by its first bytes: what a replay of a book meets most, and
//! needs nothing of but whose end it is.
//!
//! Only the spelling that `line` writes is known here; every other line is read as JSON.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// A record that a forwarded call ended and that its charges stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndOfCall<'a> {
    pub seq: u64,
    pub call_id: &'a str,
}

const CALL_ID: &[u8] = b",\"call_id\":\"";
/// What follows the id in the end of a call that was begun; a refusal names its grant here.
const FINISH: &[u8] = b"\",\"phase\":\"finish\",\"outcome\":\"";
/// `,"at":"` and a time to the millisecond.
const AT_LEN: usize = b",\"at\":\"2026-11-20T07:43:15.123Z\"".len();
/// Built once: a book has millions of lines.
static REFUNDED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"refunded\":"));
const LONGEST_SEQ: usize = 18;
const LONGEST_ID: usize = 128;

impl<'a> EndOfCall<'a> {
    /// Knows a line, given with its newline. `None`: it is something else, or spelled otherwise.
    pub(super) fn know(line: &'a [u8]) -> Option<Self> {
        if !line.ends_with(b"\"}\n") {
            return None;
        }
        let rest = line.strip_prefix(b"{\"seq\":")?;
        let digits = rest.iter().take(LONGEST_SEQ + 1).position(|b| *b == b',')?;
        let (seq, rest) = rest.split_at_checked(digits)?;
        let (at, rest) = rest.split_at_checked(AT_LEN)?;
        if !(at.starts_with(b",\"at\":\"") && at.ends_with(b"Z\"")) {
            return None;
        }
        let rest = rest.strip_prefix(CALL_ID)?;
        let end = rest.iter().take(LONGEST_ID).position(|b| *b == b'"')?;
        let (call_id, rest) = rest.split_at_checked(end)?;
        let rest = rest.strip_prefix(FINISH)?;
        // A quote within a string has a backslash in front, so this is a member and no text.
        let given_back = REFUNDED.find(rest).is_some();
        if given_back || call_id.contains(&b'\\') {
            return None;
        }
        Some(Self {
            seq: str::from_utf8(seq).ok()?.parse().ok()?,
            call_id: str::from_utf8(call_id).ok()?,
        })
    }
}
