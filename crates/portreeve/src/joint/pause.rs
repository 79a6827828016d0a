//! How long a server whose stream ended is left alone before it is asked again: longer each time that
//! it gives nothing, for every attempt is booked.

use std::time::Duration;

use tokio::time::sleep;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_mins(1);

/// The pause before the next attempt.
#[derive(Debug)]
pub(super) struct Pause(Duration);

impl Pause {
    pub(super) const fn new() -> Self {
        Self(FIRST)
    }

    /// It gave something: the next pause is short again.
    pub(super) const fn was_worth_it(&mut self) {
        self.0 = FIRST;
    }

    pub(super) async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST);
    }
}
