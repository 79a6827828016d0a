//! The written form: a policy document as its author typed it, checked word by word.
//!
//! Reading goes on after a problem, so that all of them are told at once. What the words mean
//! together is decided where the document becomes a policy; here each is only understood.

mod condition;
mod flow;
mod guard;
mod limit;
mod locate;
mod node;
mod operator;
mod results;
mod root;
mod rules;
mod selector;
mod special;
mod test;
mod write;

pub(crate) use condition::WrittenCondition;
pub(crate) use flow::WrittenFlow;
pub(crate) use guard::{DEFAULT_HOLD_MS, DEFAULT_TIMEOUT_MS, WrittenApproval, WrittenGuard};
pub(crate) use limit::{WrittenCost, WrittenLimit};
pub(crate) use locate::pointer_at;
pub(crate) use results::{WrittenDetector, WrittenRedaction};
pub use root::schema;
pub(crate) use root::{DOCUMENT, Entry, PolicyDocument, Verdict, document, read};
pub(crate) use rules::{Action, Validate, WrittenRules};
pub(crate) use selector::{Selector, ToolKind, kind_words};
pub(crate) use write::normal;

#[cfg(test)]
pub(crate) mod tests;
