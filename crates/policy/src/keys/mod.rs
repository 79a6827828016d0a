//! The tables of keys: what an object of the language may hold, and what each member is about.
//!
//! The readers of policies and of policy tests know their keys from these tables, and the JSON Schemas
//! for editors are made from the same ones, so a key cannot be in one and not in the other. A shape
//! says what can be said of a value by itself; what values mean together is the readers' business.

mod schema;

pub(crate) use schema::schema;

/// The keys an object may have.
///
// INVARIANT: any other key is an error; a rule that is silently ignored would be worse than none.
#[derive(Debug)]
pub(crate) struct Keys {
    /// What such an object is called in the schema.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) known: &'static [Key],
}

/// One member.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) needed: bool,
    pub(crate) shape: Shape,
    pub(crate) about: &'static str,
}

/// What a value looks like.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Whatever JSON has.
    Any,
    Text,
    /// A text that is not empty.
    Filled,
    /// A text that a regex describes, and more must hold of it.
    Like(&'static str),
    Flag,
    /// A number, 0 or more.
    Amount,
    /// Any number.
    Number,
    /// A whole number between bounds.
    Whole(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of words that are listed elsewhere.
    Listed(fn() -> Vec<String>),
    /// This value only.
    True,
    Object(&'static Keys),
    /// An object that has exactly one of these of its members.
    OneOf(&'static Keys, &'static [&'static str]),
    List(&'static Shape),
    /// With at least one element.
    FilledList(&'static Shape),
    /// Keys of the author's own.
    Map(&'static Shape),
    /// Selectors of tools, and what is said of them.
    Tools(&'static Shape),
    /// Selectors of what has no class and no schema: rule sets without `validate`.
    Others(&'static Keys),
    Either(&'static [Shape]),
    /// A condition: a test of an operator's, or others nested.
    Condition(&'static Conditions),
}

/// What conditions are made of.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(crate) keys: &'static Keys,
    /// The members of a test.
    pub(crate) test: &'static [&'static str],
    pub(crate) operators: &'static [Operator],
}

/// An operator's word and what its value looks like.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) word: &'static str,
    pub(crate) value: Shape,
    pub(crate) about: &'static str,
}

impl Key {
    pub(crate) const fn new(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self {
            name,
            needed: false,
            shape,
            about,
        }
    }

    pub(crate) const fn needed(self) -> Self {
        Self {
            needed: true,
            ..self
        }
    }
}

impl Keys {
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.known.iter().any(|known| known.name == key)
    }

    pub(crate) fn words(&self) -> Vec<&'static str> {
        self.known.iter().map(|key| key.name).collect()
    }

    /// The keys that must be there.
    pub(crate) fn needed(&self) -> impl Iterator<Item = &'static str> {
        let needed = self.known.iter().filter(|key| key.needed);
        needed.map(|key| key.name)
    }
}

/// A span of time in words: `90s`, `15m`, `6h`, `30d`, or a unit.
pub(crate) const SPAN: Shape = Shape::Either(&[
    Shape::Like("^([0-9]+[smhd]|second|minute|hour|day|week)$"),
    Shape::Amount,
]);

/// A text that a selector could be.
pub(crate) const SELECTOR: Shape = Shape::Either(&[
    Shape::Like("^[^@]"),
    Shape::Listed(crate::document::kind_words),
]);
