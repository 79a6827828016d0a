//! Points in time and spans as the language counts them: whole milliseconds.
//!
//! The ledger writes milliseconds too, so a counter rebuilt from the ledger is the counter that was.

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// A time in UTC as policy tests write it: `2026-01-31T22:00`, with a `Z` if one likes.
    pub fn utc(text: &str) -> Option<Self> {
        crate::calendar::utc(text.strip_suffix('Z').unwrap_or(text))
    }

    /// The point `millis` later; saturates at the ends of time.
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to `self`; negative if `earlier` is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}
