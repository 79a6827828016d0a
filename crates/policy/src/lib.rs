//! The policy language, version 1: document → compiled policy → decision.
//!
//! Everything here is a pure function of its arguments. The crate owns the meaning of a policy and
//! nothing else: no I/O, no clock, no async, no global state, no panic. Whoever calls it brings the
//! facts of the call, the time, and the readings of the counters, and carries out what it answers.
//!
//! [`compile`] turns a text into a [`Policy`] or into all its [`Problem`]s; [`Policy::decide`]
//! turns [`Facts`] into a [`Decision`]; [`limits`] keeps the counters that a decision charges.
//!
//! ```
//! use portreeve_policy::limits::Counters;
//! use portreeve_policy::time::Timestamp;
//! use portreeve_policy::{Decision, Facts, Pin, Subject, ToolFacts, compile};
//!
//! let text = r#"{"version": "1", "default": "deny", "tools": {"deploy": {
//!     "rate_limit": {"max": 1, "window": "hour"}}}}"#;
//! let policy = compile(text.as_bytes()).map_err(|problems| problems[0].clone())?.policy;
//! let mut counters = Counters::new(1_000);
//! let call = |now| Facts {
//!     subject: Subject::Tool(ToolFacts::new("deploy", Pin::Pinned)),
//!     server: "runs",
//!     grant: "ci",
//!     identity: "ci@example.com",
//!     client: None,
//!     args: None,
//!     labels: &[],
//!     now: Timestamp(now),
//! };
//! let Decision::Allow(admission) = policy.decide(&call(0), &counters) else {
//!     panic!("the policy names the tool")
//! };
//! let _kept = counters.reserve(&admission.charges, Timestamp(0)).expect("nothing came between");
//! let Decision::Deny(refusal) = policy.decide(&call(1), &counters) else {
//!     panic!("one an hour is reached")
//! };
//! assert_eq!(refusal.rule.as_str(), "/tools/deploy/rate_limit");
//! # Ok::<(), portreeve_policy::Problem>(())
//! ```

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod cases;
pub mod decimal;
pub mod json;
pub mod limits;
pub mod operators;
pub mod time;

mod calendar;
mod compare;
mod condition;
mod decision;
mod document;
mod facts;
mod fold;
mod glob;
mod keys;
mod label;
mod meant;
mod path;
mod policy;
mod problem;
mod redact;
mod schema;
mod traits;
mod uri;
mod visible;

pub use compare::{Change, ChangeKind, Comparison, Shift, compare};
pub use decision::{Admission, Asking, Decision, Need, Refusal, Rule, refusal};
pub use document::schema as document_schema;
pub use facts::{Client, Facts, Pin, ServerRequest, Subject, ToolFacts};
pub use fold::fold;
pub use label::{BadLabel, Held, Label};
pub use policy::{Checked, Effect, Explanation, Finding, Policy, compile, normal_form};
pub use problem::{Problem, Severity};
pub use redact::{Redaction, ResultLimit, ResultRules};
pub use schema::Schema;
pub use traits::{Bit, Bits, Class, Classes, Traits};
