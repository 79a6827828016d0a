//! The policy language, version 1: document → compiled policy → decision.
//!
//! Everything here is a pure function of its arguments. The crate owns the meaning of a policy and
//! nothing else: no I/O, no clock, no async, no global state, no panic. Whoever calls it brings the
//! facts of the call, the time, and the readings of the counters, and carries out what it answers.
//!
//! [`compile`] turns a text into a [`Policy`] or into all its [`Problem`]s; [`Policy::decide`]
//! turns [`Facts`] into a [`Decision`]; [`limits`] keeps the counters that a decision charges.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod decimal;
pub mod json;
pub mod limits;
pub mod time;

mod decision;
mod document;
mod facts;
mod fold;
mod glob;
mod path;
mod policy;
mod problem;
mod uri;

pub use decision::{Admission, Decision, Refusal, Rule, refusal};
pub use facts::{Facts, Pin, ServerRequest, Subject, ToolFacts};
pub use policy::{Checked, Policy, compile};
pub use problem::{Problem, Severity};
