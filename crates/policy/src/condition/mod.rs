//! Conditions: questions about a call whose answer is true, false, or an error.
//!
//! A condition is compiled once: `not` is pushed to the leaves, constants are read, patterns
//! compiled. It is asked for every call, and answers the same way whatever the order of its parts.
//! What becomes of the answer is the business of the rule that asked.

mod constant;
mod leaf;
mod look;
mod test;
mod truth;
mod words;

pub(crate) use constant::Constant;
pub(crate) use leaf::{Leaf, Purpose};
pub(crate) use look::Scene;
pub(crate) use test::{Order, Test};
pub(crate) use truth::Truth;

use crate::path::Path;

/// One condition, without a `not` but at its leaves.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Leaf(Leaf),
    Any(Vec<Self>),
    All(Vec<Self>),
}

impl Condition {
    /// The answer, for a rule with this purpose.
    // The recursion is bounded by the nesting of the document.
    pub(crate) fn answer(&self, scene: &Scene<'_>, purpose: Purpose) -> Truth {
        match self {
            Self::Leaf(leaf) => leaf.answer(scene, purpose),
            Self::Any(parts) => Truth::any(parts.iter().map(|part| part.answer(scene, purpose))),
            Self::All(parts) => all(parts, scene, purpose),
        }
    }

    /// Every path it follows.
    pub(crate) fn paths<'c>(&'c self, out: &mut Vec<&'c Path>) {
        match self {
            Self::Leaf(leaf) => out.push(leaf.path()),
            Self::Any(parts) | Self::All(parts) => {
                for part in parts {
                    part.paths(out);
                }
            }
        }
    }
}

/// The conjunction that a list of conditions is.
pub(crate) fn all(conditions: &[Condition], scene: &Scene<'_>, purpose: Purpose) -> Truth {
    Truth::all(conditions.iter().map(|part| part.answer(scene, purpose)))
}

#[cfg(test)]
mod tests;
