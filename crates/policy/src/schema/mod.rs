//! A tool's pinned input schema, as far as the policy needs it.
//!
//! It answers four questions: do the arguments satisfy it, do they carry nothing it does not
//! declare, what is the default of a value that is missing, and which spellings of a key are
//! suspicious. What is understood is a subset of JSON Schema 2020-12; `format` and annotations
//! say nothing here. A keyword that is not understood is never skipped: with it in the schema, no
//! call can be found valid.

mod closed;
mod defaults;
mod pattern;
mod read;
mod validate;

use regex::Regex;

use crate::condition::Constant;
use crate::decimal::Decimal;
use crate::fold::FoldedKey;
use crate::json::Value;

pub(crate) use defaults::DefaultOf;
pub(crate) use validate::Invalid;

/// A schema, read once when its definition is pinned.
#[derive(Clone, Debug)]
pub struct Schema {
    nodes: Vec<Node>,
    /// The first thing in it that is not understood.
    obstacle: Option<Box<str>>,
}

/// The place of a subschema in [`Schema::nodes`]; the root is 0.
type NodeId = usize;

/// One subschema. An absent keyword asks nothing.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The schema `false`.
    never: bool,
    types: Option<Types>,
    one_of_values: Option<Vec<Constant>>,
    numbers: Numbers,
    min_length: Option<u64>,
    max_length: Option<u64>,
    pattern: Option<Regex>,
    object: Object,
    array: Array,
    all_of: Vec<NodeId>,
    any_of: Vec<NodeId>,
    one_of: Vec<NodeId>,
    not: Option<NodeId>,
    /// What holds under conditions that are not judged: `if`, `then`, `else`, `dependentSchemas`.
    perhaps: Vec<NodeId>,
    reference: Option<NodeId>,
    default: Option<Value<'static>>,
}

#[derive(Clone, Debug, Default)]
struct Numbers {
    minimum: Option<Decimal>,
    maximum: Option<Decimal>,
    above: Option<Decimal>,
    below: Option<Decimal>,
    multiple_of: Option<Decimal>,
}

#[derive(Clone, Debug, Default)]
struct Object {
    properties: Vec<(FoldedKey, NodeId)>,
    patterns: Vec<(Regex, NodeId)>,
    /// What no name and no pattern declares.
    additional: Option<NodeId>,
    names: Option<NodeId>,
    required: Vec<Box<str>>,
    min: Option<u64>,
    max: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Array {
    prefix: Vec<NodeId>,
    items: Option<NodeId>,
    min: Option<u64>,
    max: Option<u64>,
    unique: bool,
}

/// A set of the words of `type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Types(u8);

impl Node {
    /// Whether it has no subschema for any part of an object or array.
    fn says_nothing_of_parts(&self) -> bool {
        let Object {
            properties,
            patterns,
            additional,
            ..
        } = &self.object;
        let says_nothing_of_members = properties.is_empty() && patterns.is_empty();
        let says_nothing_of_elements = self.array.prefix.is_empty() && self.array.items.is_none();
        says_nothing_of_members && additional.is_none() && says_nothing_of_elements
    }
}

impl Array {
    /// The subschema of the element at `index`.
    fn item_at(&self, index: usize) -> Option<NodeId> {
        self.prefix.get(index).or(self.items.as_ref()).copied()
    }
}

impl Types {
    pub(crate) const WORDS: [&'static str; 7] = [
        "null", "boolean", "number", "integer", "string", "array", "object",
    ];
    const INTEGER: u8 = 1 << 3;

    pub(crate) fn with_word(self, word: &str) -> Option<Self> {
        let index = Self::WORDS.iter().position(|known| *known == word)?;
        Some(Self(self.0 | 1_u8.checked_shl(u32::try_from(index).ok()?)?))
    }

    pub(crate) const fn has_null(self) -> bool {
        self.0 & 1 != 0
    }

    pub(crate) const fn has_string(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    pub(crate) const fn has_integer(self) -> bool {
        self.0 & (1 << 2 | Self::INTEGER) != 0
    }

    /// Is the value of one of these types? Nothing if it is a number beyond reckoning.
    pub(crate) fn hold(self, value: &Value<'_>) -> Option<bool> {
        use crate::json::Kind;
        let bit = match &value.kind {
            Kind::Null => 1,
            Kind::Bool(_) => 1 << 1,
            Kind::Number(text) => {
                let whole = Decimal::parse(text).ok()?.is_whole();
                1 << 2 | if whole { Self::INTEGER } else { 0 }
            }
            Kind::String(_) => 1 << 4,
            Kind::Array(_) => 1 << 5,
            Kind::Object(_) => 1 << 6,
        };
        Some(self.0 & bit != 0)
    }

    /// "a string or null"
    pub(crate) fn in_words(self) -> String {
        let bits = Self::WORDS.iter().enumerate();
        let has =
            |i: usize| u32::try_from(i).is_ok_and(|i| self.0.checked_shr(i).unwrap_or(0) & 1 == 1);
        let words: Vec<&str> = bits
            .filter(|(i, _)| has(*i))
            .map(|(_, word)| *word)
            .collect();
        words.join(" or ")
    }
}

impl Schema {
    /// Reads the value of `inputSchema`. There is always a schema; one that is not understood
    /// finds no call valid.
    pub fn read(schema: &Value<'_>) -> Self {
        read::read(schema)
    }

    /// Why no call can be found valid, if it is so.
    pub fn obstacle(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }
}

#[cfg(test)]
mod tests;
