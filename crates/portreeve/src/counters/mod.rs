//! The counters behind limits: asked and charged in one step.
//!
//! The arithmetic is the policy crate's. This room owns where counters live and how they outlive
//! the process; a fleet's backend answers over the network, so every method is a future.

mod memory;
mod rebuild;
mod side;

use std::fmt;

use futures_util::future::BoxFuture;
use portreeve_policy::limits::{Charge, Reservation, Shortfall};
use portreeve_policy::time::Timestamp;

pub use memory::MemoryCounters;
pub use rebuild::{RebuildError, Rebuilt};
pub use side::Side;

/// Why charges were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountersError {
    /// The limit of the charge at `index` does not hold.
    #[error("a limit does not hold")]
    Shortfall { index: usize, shortfall: Shortfall },
    #[error("the counters cannot be asked: {0}")]
    Unavailable(String),
}

/// Counters as the gate uses them.
pub trait Counters: Send + Sync + fmt::Debug {
    /// Takes all charges or none, in one step that no other call can come between.
    fn reserve<'a>(
        &'a self,
        side: Side,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Reservation, CountersError>>;

    /// Whether [`Counters::reserve`] would take the charges now. Nothing is taken meanwhile.
    fn would_reserve<'a>(
        &'a self,
        side: Side,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), CountersError>>;

    /// Gives charges back to their own time: the call surely never reached its server.
    fn refund(&self, side: Side, reservation: Reservation) -> BoxFuture<'_, ()>;
}
