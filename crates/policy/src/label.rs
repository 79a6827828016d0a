//! What a caller has seen, for flow rules.
//!
//! Whatever a call releases to its caller leaves labels: the call's classes, its bits, its name.
//! Whoever releases it writes them down, with the time, before the first byte goes out; the policy
//! only reads them again.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::facts::{Subject, ToolFacts};
use crate::time::Timestamp;
use crate::traits::{Bit, Bits, Class, Classes};

/// One thing a released result says of what its caller knows since.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label<'a> {
    /// [`Class::Unknown`] stands for every class and every bit.
    Class(Class),
    Bit(Bit),
    /// The tool's name, on whatever server.
    Tool(Cow<'a, str>),
}

/// A label and when it was last set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held<'a> {
    pub label: Label<'a>,
    pub at: Timestamp,
}

impl Label<'_> {
    /// The labels that a release to the caller sets.
    pub fn of<'s>(subject: &Subject<'s>) -> Vec<Label<'s>> {
        match subject {
            Subject::Tool(tool) => Self::of_tool(tool),
            // Nobody has judged what stands in a resource or a prompt.
            Subject::Resource { .. }
            | Subject::Prompt { .. }
            | Subject::Method { .. }
            | Subject::ServerRequest(_) => {
                Self::written(Classes::NONE.with(Class::Unknown), Bits::ALL).collect()
            }
        }
    }

    fn of_tool<'s>(tool: &ToolFacts<'s>) -> Vec<Label<'s>> {
        let traits = &tool.traits;
        let mut labels = vec![Label::Tool(Cow::Borrowed(tool.name))];
        labels.extend(Self::written(traits.evidence(), traits.possible_bits()));
        labels
    }

    fn written<'s>(classes: Classes, bits: Bits) -> impl Iterator<Item = Label<'s>> {
        let classes = classes.iter().map(Label::Class);
        classes.chain(bits.iter().map(Label::Bit))
    }

    pub fn into_owned(self) -> Label<'static> {
        match self {
            Self::Class(class) => Label::Class(class),
            Self::Bit(bit) => Label::Bit(bit),
            Self::Tool(name) => Label::Tool(Cow::Owned(name.into_owned())),
        }
    }
}

/// `class:read`, `bit:egress`, `tool:get_mail`: the form in which labels are kept.
impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => write!(f, "class:{}", class.as_str()),
            Self::Bit(bit) => write!(f, "bit:{}", bit.as_str()),
            Self::Tool(name) => write!(f, "tool:{name}"),
        }
    }
}

/// The text is no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLabel;

impl fmt::Display for BadLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label is class:CLASS, bit:BIT or tool:NAME")
    }
}

impl std::error::Error for BadLabel {}

impl FromStr for Label<'static> {
    type Err = BadLabel;

    fn from_str(text: &str) -> Result<Self, BadLabel> {
        let (kind, word) = text.split_once(':').ok_or(BadLabel)?;
        match kind {
            "class" => Class::from_word(word).map(Label::Class),
            "bit" => Bit::from_word(word).map(Label::Bit),
            "tool" => Some(Label::Tool(Cow::Owned(word.to_owned()))),
            _ => None,
        }
        .ok_or(BadLabel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Pin;
    use crate::traits::Traits;

    fn told(labels: &[Label<'_>]) -> String {
        let words: Vec<String> = labels.iter().map(ToString::to_string).collect();
        words.join(" ")
    }

    #[test]
    fn what_is_not_known_leaves_every_label() {
        const EVERY_BIT: &str =
            "bit:reads-private bit:reads-untrusted bit:egress bit:secret bit:bulk bit:local";
        let known = Traits {
            class: Class::Read,
            also: Classes::NONE.with(Class::Write),
            bits: Some(Bits::NONE.with(Bit::ReadsUntrusted)),
            schema: None,
        };
        let no_bits = Traits {
            bits: None,
            ..known
        };
        for (traits, expected) in [
            (
                known,
                "tool:t class:read class:write bit:reads-untrusted".to_owned(),
            ),
            (
                no_bits,
                format!("tool:t class:read class:write {EVERY_BIT}"),
            ),
            (Traits::UNKNOWN, format!("tool:t class:unknown {EVERY_BIT}")),
        ] {
            let tool = ToolFacts::new("t", Pin::Pinned).with(traits);
            assert_eq!(told(&Label::of(&Subject::Tool(tool))), expected);
        }
        let resource = Label::of(&Subject::Resource { uri: "file:///a" });
        assert_eq!(told(&resource), format!("class:unknown {EVERY_BIT}"));
    }

    #[test]
    fn labels_are_read_as_they_are_written() {
        for text in ["class:unknown", "bit:egress", "tool:a:b"] {
            let label: Label<'_> = text.parse().expect("a label");
            assert_eq!(label.to_string(), text);
        }
        for text in ["", "class", "class:Read", "bit:none", "server:x"] {
            assert_eq!(text.parse::<Label<'_>>(), Err(BadLabel), "{text}");
        }
    }
}
