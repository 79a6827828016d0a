//! Runs of bytes of one kind, each looked at once however often it is asked for.

use super::{Found, run};

/// The runs of one text. A run that was asked for is remembered: from every place within it, it ends
/// where it ends.
pub(super) struct Runs<'t> {
    text: &'t str,
    wanted: fn(u8) -> bool,
    known: Found,
    /// How many bytes were looked at.
    pub(super) looked: usize,
}

impl<'t> Runs<'t> {
    pub(super) const fn of(text: &'t str, wanted: fn(u8) -> bool) -> Self {
        Self {
            text,
            wanted,
            known: 0..0,
            looked: 0,
        }
    }

    /// How long the run is that begins at `from`.
    pub(super) fn length(&mut self, from: usize) -> usize {
        if !self.known.contains(&from) {
            let length = run(self.text.get(from..).unwrap_or_default(), self.wanted);
            self.looked = self.looked.saturating_add(length).saturating_add(1);
            self.known = from..from.saturating_add(length);
        }
        self.known.end.saturating_sub(from)
    }
}
