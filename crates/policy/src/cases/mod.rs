//! Policy tests: files of calls, each with the answer it must get, in virtual time.
//!
//! A file is YAML or JSON whose numbers keep their source text; where it and the policy it names
//! are found is the caller's business. Nothing here waits: time is what the file says it is.

mod file;
mod reader;
mod run;
mod table;
mod yaml;

pub use file::{CaseFile, Expected, Form, PolicySource, Stated};
pub use run::{CallResult, CaseResult, Got, Mismatch, run};
pub use table::schema;

#[cfg(test)]
mod tests;
