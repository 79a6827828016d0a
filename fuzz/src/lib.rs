//! What each fuzz target holds of an input, whatever the input is.
//!
//! A target's body is a plain function that panics when a property does not hold. The fuzzer calls
//! it with what it invents; the integration tests compile this very file and call it with every
//! seed and every finding (`crates/portreeve/tests/it/findings.rs`).

pub mod conditions;
pub mod configuration;
pub mod envelope;
pub mod http_framing;
mod json;
pub mod ledger_line;
pub mod limits;
pub mod operators;
pub mod policy_document;
mod room;
pub mod sse;
mod tape;
pub mod upstream_answer;

/// A target's body.
pub type Check = fn(&[u8]);

/// Every target by its name, which is also its folder's under `seeds` and `findings`.
pub const TARGETS: &[(&str, Check)] = &[
    ("conditions", conditions::check),
    ("configuration", configuration::check),
    ("envelope", envelope::check),
    ("http_framing", http_framing::check),
    ("ledger_line", ledger_line::check),
    ("limits", limits::check),
    ("operators", operators::check),
    ("policy_document", policy_document::check),
    ("sse", sse::check),
    ("upstream_answer", upstream_answer::check),
];
