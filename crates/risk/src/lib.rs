//! Risk verdicts for the tools of MCP servers: definition → class, bits, evidence, policy.
//!
//! Everything here is a pure function of its arguments: no I/O, no clock, no model that is asked at
//! run time, no panic. A definition is text that strangers wrote; it is read and quoted, never
//! followed, and never trusted to make itself look harmless: what it says of itself (annotations)
//! may raise a verdict and never lowers one.
//!
//! - [`judge`] reads a [`Definition`] and gives a [`Verdict`]: one [`Class`], the classes that have
//!   evidence too, flow bits, and the [`Signal`]s it was made from.
//! - [`scan`] looks for poison: text that is meant for the model instead of the people who install
//!   the tool.
//! - [`recommend`] writes the policy that a verdict asks for.
//! - [`assess`] does the first two for a definition as it came from the wire.
//!
//! ```
//! use portreeve_risk::{Class, Definition, judge};
//!
//! let verdict = judge(&Definition::named("cancel_subscription"));
//! assert_eq!(verdict.class, Class::Financial);
//! assert!(verdict.rationale.contains("cancel"));
//! assert_eq!(judge(&Definition::named("cancel_run")).class, Class::Execute);
//! ```
//!
//! How a verdict comes about: [`words`] makes words of names and text; [`lexicon`] knows verbs and
//! what they mean with which object; [`name`], [`sentence`], [`schema`] and [`context`] collect
//! evidence, each from its place; [`weigh`] adds it up; [`rationale`] says it in a sentence.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![expect(
    rustdoc::private_intra_doc_links,
    reason = "the map above is for whoever reads the code"
)]

pub mod recommend;
pub mod scan;

mod bits;
mod context;
mod definition;
mod evidence;
mod lexicon;
mod name;
mod rationale;
mod schema;
mod sentence;
mod verdict;
mod weigh;
mod words;

pub use definition::{Annotations, Definition, NoDefinition};
pub use portreeve_policy::{Bit, Bits, Class, Classes};
pub use verdict::{Confidence, Level, Mark, Place, Signal, Verdict, judge};

use portreeve_policy::json::Value;

/// What is to be known of a definition before it is let in.
#[derive(Clone, Debug)]
pub struct Assessment {
    pub verdict: Verdict,
    pub findings: Vec<scan::Finding>,
}

/// Judges and scans a tool's definition as a server listed it. `others` are names of tools of
/// other servers, which have no business in it.
pub fn assess(
    tree: &Value<'_>,
    server: Option<&str>,
    others: &scan::Names,
) -> Result<Assessment, NoDefinition> {
    let definition = Definition::of_tree(tree, server)?;
    Ok(Assessment {
        verdict: judge(&definition),
        findings: scan::scan(tree, others),
    })
}
