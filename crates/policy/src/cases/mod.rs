//! Policy tests: files of calls, each with the answer it must get, in virtual time.
//!
//! A file is a tree of JSON values whose numbers keep their source text; how the tree is read from
//! YAML or JSON, and where the policy it names is found, is the caller's business. Nothing here
//! waits: time is what the file says it is.

mod file;
mod reader;
mod run;

pub use file::{CaseFile, Expected};
pub use run::{CaseResult, Got, Mismatch, run};

#[cfg(test)]
mod tests;
