//! Conditions in words, for the agent that was refused and for people.

use super::{Condition, Constant, Leaf, Order, Purpose, Scene, Test, Truth};
use crate::visible::{shown, visible};

/// Longer values are cut: the policy itself can be looked at.
const LONGEST: usize = 120;

impl Condition {
    /// "`args.amount` is at most 100"
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Leaf(leaf) => leaf.in_words(),
            Self::Any(parts) => listed(parts, " or "),
            Self::All(parts) => listed(parts, " and "),
        }
    }

    /// Why the answer is no clear one: the trouble with a value, or that it is missing.
    pub(crate) fn trouble(&self, scene: &Scene<'_>, purpose: Purpose) -> Option<String> {
        match self {
            Self::Leaf(leaf) => leaf.trouble(scene, purpose),
            Self::Any(parts) | Self::All(parts) => {
                parts.iter().find_map(|part| part.trouble(scene, purpose))
            }
        }
    }

    /// What each of its parts was found to be, for people.
    pub(crate) fn findings(&self, scene: &Scene<'_>, purpose: Purpose) -> String {
        let parts = match self {
            Self::Leaf(leaf) => {
                let words = leaf.in_words();
                let answer = match leaf.answer(scene, purpose) {
                    Truth::True => "true".to_owned(),
                    Truth::False => "false".to_owned(),
                    Truth::Error(_) => "cannot be told".to_owned(),
                };
                let trouble = leaf.trouble(scene, purpose);
                let why = trouble.map_or_else(String::new, |why| format!(", for {why}"));
                return format!("{words}: {answer}{why}");
            }
            Self::Any(parts) => ("any of", parts),
            Self::All(parts) => ("all of", parts),
        };
        let (word, parts) = parts;
        let told: Vec<String> = parts.iter().map(|p| p.findings(scene, purpose)).collect();
        format!("{word} ({})", told.join("; "))
    }
}

fn listed(parts: &[Condition], between: &str) -> String {
    let words: Vec<String> = parts.iter().map(Condition::in_words).collect();
    format!("({})", words.join(between))
}

impl Leaf {
    fn in_words(&self) -> String {
        let path = shown(self.path().as_str());
        format!("{path} {}", self.test().in_words(self.is_negated()))
    }

    fn trouble(&self, scene: &Scene<'_>, purpose: Purpose) -> Option<String> {
        let path = shown(self.path().as_str());
        if let Truth::Error(trouble) = self.answer(scene, purpose) {
            return Some(format!("{path} {}", trouble.in_words()));
        }
        let expected = matches!(self.test(), Test::Exists);
        (!expected && self.finds_nothing(scene)).then(|| format!("{path} is missing"))
    }
}

impl Test {
    fn in_words(&self, negated: bool) -> String {
        let (holds, fails, value) = match self {
            Self::Exists => ("is there", "is missing", String::new()),
            Self::Equals(constant) => ("is", "is not", cut(&constant.to_string())),
            Self::OneOf(constants) => ("is one of", "is none of", list(constants)),
            Self::Ordered(order, bound) => {
                let (holds, fails) = order.words();
                (holds, fails, bound.to_string())
            }
            Self::Regex(regex) => (
                "has a match for",
                "has no match for",
                quoted(regex.as_str()),
            ),
            Self::Matches { source, .. } | Self::Glob { source, .. } => {
                ("matches", "does not match", quoted(source))
            }
            Self::Contains(constant) => {
                ("contains", "does not contain", cut(&constant.to_string()))
            }
            Self::StartsWith(text) => ("starts with", "does not start with", quoted(text)),
            Self::EndsWith(text) => ("ends with", "does not end with", quoted(text)),
            Self::LengthLte(most) => (
                "has a length of at most",
                "is longer than",
                most.to_string(),
            ),
            Self::LengthGte(least) => (
                "has a length of at least",
                "is shorter than",
                least.to_string(),
            ),
            Self::TypeIs(types) => ("has the type", "has not the type", types.in_words()),
            Self::Special(special) => ("satisfies", "does not satisfy", cut(&special.to_string())),
        };
        let verb = if negated { fails } else { holds };
        format!("{verb} {value}").trim_end().to_owned()
    }
}

impl Order {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Lt => ("is below", "is not below"),
            Self::Lte => ("is at most", "is above"),
            Self::Gt => ("is above", "is at most"),
            Self::Gte => ("is at least", "is below"),
        }
    }
}

fn list(constants: &[Constant]) -> String {
    const MOST: usize = 5;
    let mut words: Vec<String> = constants
        .iter()
        .take(MOST)
        .map(ToString::to_string)
        .collect();
    if constants.len() > MOST {
        words.push("…".to_owned());
    }
    cut(&words.join(", "))
}

fn quoted(text: &str) -> String {
    cut(&format!("{text:?}"))
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    visible(&short)
}
