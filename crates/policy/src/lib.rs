//! The policy language, version 1: document → compiled policy → decision.
//!
//! Everything here is a pure function of its arguments. The crate owns the meaning of a policy and
//! nothing else: no I/O, no clock, no async, no global state, no panic. Whoever calls it brings the
//! facts of the call, the time, and the readings of the counters, and carries out what it answers.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod decimal;
pub mod json;
pub mod time;
