//! Which tools a selector by nature matches, and which of them it may allow.

use crate::document::ToolKind;
use crate::glob::Glob;
use crate::label::Label;
use crate::traits::{Bits, Class, Classes, Traits};

/// The classes that change something; what is unknown may or may not.
const CHANGES: Classes = Classes::NONE
    .with(Class::Write)
    .with(Class::Execute)
    .with(Class::Destructive)
    .with(Class::Financial);

impl ToolKind {
    /// For rules that restrict: any evidence is enough, and what is unknown is everything.
    pub(super) fn may_be(self, traits: &Traits<'_>) -> bool {
        if traits.evidence().contains(Class::Unknown) {
            return true;
        }
        match self {
            Self::Class(class) => traits.evidence().contains(class),
            Self::Changes => traits.evidence().meets(CHANGES),
            Self::Bit(bit) => traits.possible_bits().contains(bit),
        }
    }

    /// For rules that allow: nothing speaks for anything else.
    pub(super) fn surely_is(self, traits: &Traits<'_>) -> bool {
        match self {
            Self::Class(class) => traits.evidence() == Classes::NONE.with(class),
            Self::Changes => traits.evidence().is_within(CHANGES),
            Self::Bit(bit) => {
                !traits.evidence().contains(Class::Unknown)
                    && traits.bits == Some(Bits::NONE.with(bit))
            }
        }
    }

    /// Was something released to the caller that may be of this nature?
    fn may_have_left(self, label: &Label<'_>) -> bool {
        match (self, label) {
            (_, Label::Class(Class::Unknown)) => true,
            (Self::Class(class), Label::Class(left)) => class == *left,
            (Self::Changes, Label::Class(left)) => CHANGES.contains(*left),
            (Self::Bit(bit), Label::Bit(left)) => bit == *left,
            _ => false,
        }
    }
}

/// What a selector comes to where it restricts: in `hide`, and in flow rules.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Name(Box<str>),
    Glob(Glob),
    Kind(ToolKind),
}

impl Target {
    pub(super) fn matches(&self, name: &str, traits: &Traits<'_>) -> bool {
        match self {
            Self::Name(own) => **own == *name,
            Self::Glob(glob) => glob.matches(name),
            Self::Kind(kind) => kind.may_be(traits),
        }
    }

    /// Does the label say that something this selector matches was released?
    pub(super) fn left(&self, label: &Label<'_>) -> bool {
        match (self, label) {
            (Self::Name(own), Label::Tool(name)) => **own == **name,
            (Self::Glob(glob), Label::Tool(name)) => glob.matches(name),
            // What nobody has judged and what has no name of a tool can be anything.
            (Self::Kind(kind), label) => kind.may_have_left(label),
            _ => false,
        }
    }
}
