//! The written form: a policy document as its author typed it, checked word by word.
//!
//! Reading goes on after a problem, so that all of them are told at once. What the words mean
//! together is decided where the document becomes a policy; here each is only understood.

mod limit;
mod locate;
mod node;
mod root;
mod rules;
mod selector;

pub(crate) use limit::{WrittenCost, WrittenLimit};
pub(crate) use root::{Entry, PolicyDocument, Verdict, read};
pub(crate) use rules::{Action, WrittenRules};
pub(crate) use selector::Selector;

#[cfg(test)]
mod tests;
