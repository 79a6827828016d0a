//! The verdict, and the one function that makes it.

use portreeve_policy::{Bits, Class, Classes};

use crate::definition::Definition;
use crate::evidence::Collected;
use crate::{bits, context, name, rationale, schema, sentence, weigh};

/// What is said of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub class: Class,
    /// Other classes that have evidence. Rules that restrict look at them too.
    pub also: Classes,
    pub level: Level,
    pub bits: Bits,
    /// What is worth knowing beyond the class and the bits that rules can name.
    pub marks: Vec<Mark>,
    /// The evidence, the weightiest first.
    pub signals: Vec<Signal>,
    pub confidence: Confidence,
    /// Why this class and not its neighbour, for a person.
    pub rationale: String,
}

/// How much harm a call can do at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Low,
    Medium,
    High,
    Critical,
}

impl Level {
    pub const fn of(class: Class) -> Self {
        match class {
            Class::Read => Self::Low,
            Class::Write => Self::Medium,
            Class::Execute | Class::Unknown => Self::High,
            Class::Destructive | Class::Financial => Self::Critical,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What no rule names, and people want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Irreversible,
    SpawnsAgents,
    ChangesAccess,
}

impl Mark {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Irreversible => "irreversible",
            Self::SpawnsAgents => "spawns-agents",
            Self::ChangesAccess => "changes-access",
        }
    }
}

/// In hundredths. It is the share of labelled tools with evidence like this that were right,
/// roughly; not a probability to calculate with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confidence(pub u8);

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The rule that found it, `name.verb` for example.
    pub rule: &'static str,
    pub class: Class,
    pub place: Place,
    /// What was found, in the definition's own words: control characters escaped, cut to a line.
    pub words: String,
    /// What it means, in ours.
    pub meaning: String,
    /// How heavily it counts. Negative evidence speaks against its class.
    pub weight: i32,
}

/// Where evidence stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Name,
    Title,
    Description,
    /// A parameter of the input schema.
    Parameter(String),
    Annotation(&'static str),
    Server,
}

impl Place {
    /// For a sentence: "its name", "the parameter `x`".
    pub fn spoken(&self) -> String {
        match self {
            Self::Name => "the name".to_owned(),
            Self::Title => "the title".to_owned(),
            Self::Description => "the description".to_owned(),
            Self::Parameter(name) => format!("the parameter `{name}`"),
            Self::Annotation(key) => format!("the annotation `{key}`"),
            Self::Server => "the server's name".to_owned(),
        }
    }
}

/// Judges a definition.
pub fn judge(definition: &Definition<'_>) -> Verdict {
    let context = context::of(definition);
    let mut found = Collected::default();
    name::collect(definition, &context, &mut found);
    sentence::collect(definition, &context, &mut found);
    schema::collect(definition, &context, &mut found);
    context::collect(definition, &mut found);
    let weighed = weigh::weigh(&mut found);
    let (bits, marks) = bits::of(definition, &context, &found, &weighed);
    let rationale = rationale::of(&weighed, &found, definition);
    let mut signals = found.into_signals();
    signals.sort_by_key(|signal| std::cmp::Reverse(signal.weight));
    Verdict {
        class: weighed.class,
        also: weighed.also,
        level: Level::of(weighed.class),
        bits,
        marks,
        signals,
        confidence: weighed.confidence,
        rationale,
    }
}
