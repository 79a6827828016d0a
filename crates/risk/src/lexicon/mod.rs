//! The lexicon: what verbs do, and to what.
//!
//! The tables are text (`*.txt`), one verb a line, so that they can be read and argued about:
//!
//! ```text
//! cancel   destructive  subscription,plan=financial  @run=execute
//! order*   financial    @info=read
//! manage?  write
//! ```
//!
//! First the verb, its class when nothing more is known, then senses: objects (words, or `@sets` of
//! `objects.txt`, or `~contexts`) and the class that the verb has with any of them; the first that
//! fits counts. `*` marks a word that is a noun as often as a verb; `?` one that says little.
//! A table is read once, at the first use; a test reads every line of it.

mod english;
mod foreign;

pub(crate) use english::{
    Form, Sense, Verb, base, find_exact, is_adverb, is_info, is_strong, makes_noun, set_has,
};
pub(crate) use foreign::{first_verb, is_foreign, name_verb};

use portreeve_policy::Class;

/// How sure a word is to be a verb that means what the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strength {
    Plain,
    /// As often a noun.
    Noun,
    /// Says little of what happens.
    Weak,
}

/// Classes as the tables write them.
pub(crate) fn class(word: &str) -> Option<Class> {
    Class::from_word(word).filter(|class| *class != Class::Unknown)
}
