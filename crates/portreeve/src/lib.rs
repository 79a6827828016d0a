//! Portreeve, the policy gateway for AI agents' tools.
//!
//! One module is one room; `ARCHITECTURE.md` is the map and states the invariants.

pub mod clock;
mod hex;
pub mod keys;
pub mod ledger;
