//! Limits at work: what a call owes, and the counters that know what is left.
//!
//! A [`Charge`] is what one limit asks of one call; [`Counters`] keeps the charges of a window and
//! says whether one more fits. Time is an argument, and where counters live (this memory, another
//! machine's) is the caller's choice: it answers through [`Readings`].

mod charge;
mod counters;
mod key;
mod lot;
mod meter;
mod snapshot;
pub(crate) mod window;

pub use charge::{Charge, Readings, Shortfall, Why};
pub use counters::{Booked, Counters, Reservation};
pub use key::{BadKey, CounterKey, Scope};
pub use snapshot::BadSnapshot;
