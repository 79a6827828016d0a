//! What is known of a tool's nature: its risk classes and what it does with data.
//!
//! The words come from the verdict that is stored with the pinned definition. Nothing is judged
//! here, only counted: what is not known counts as everything.

use crate::schema::Schema;

/// What a tool can do to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Read,
    Write,
    Execute,
    Destructive,
    Financial,
    Unknown,
}

impl Class {
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::Write,
        Self::Execute,
        Self::Destructive,
        Self::Financial,
        Self::Unknown,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Execute => "execute",
            Self::Destructive => "destructive",
            Self::Financial => "financial",
            Self::Unknown => "unknown",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

/// What a tool does with the data that passes through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bit {
    ReadsPrivate,
    ReadsUntrusted,
    Egress,
    Secret,
    Bulk,
    Local,
}

impl Bit {
    pub const ALL: [Self; 6] = [
        Self::ReadsPrivate,
        Self::ReadsUntrusted,
        Self::Egress,
        Self::Secret,
        Self::Bulk,
        Self::Local,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadsPrivate => "reads-private",
            Self::ReadsUntrusted => "reads-untrusted",
            Self::Egress => "egress",
            Self::Secret => "secret",
            Self::Bulk => "bulk",
            Self::Local => "local",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bit| bit.as_str() == word)
    }
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Classes(u8);

/// A set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bits(u8);

macro_rules! small_set {
    ($set:ident of $member:ident) => {
        impl $set {
            pub const NONE: Self = Self(0);

            pub const fn with(self, member: $member) -> Self {
                Self(self.0 | 1 << member as u8)
            }

            pub const fn contains(self, member: $member) -> bool {
                self.0 & (1 << member as u8) != 0
            }

            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            pub fn iter(self) -> impl Iterator<Item = $member> {
                $member::ALL.into_iter().filter(move |m| self.contains(*m))
            }
        }

        impl FromIterator<$member> for $set {
            fn from_iter<I: IntoIterator<Item = $member>>(members: I) -> Self {
                members.into_iter().fold(Self::NONE, Self::with)
            }
        }
    };
}

small_set!(Classes of Class);
small_set!(Bits of Bit);

impl Classes {
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

impl Bits {
    pub const ALL: Self = Self(0b11_1111);
}

/// What is known of a tool's definition beyond its name.
#[derive(Clone, Copy, Debug)]
pub struct Traits<'a> {
    /// The verdict.
    pub class: Class,
    /// Other classes that some evidence speaks for.
    pub also: Classes,
    /// Nothing if they are not known: the tool counts as having them all.
    pub bits: Option<Bits>,
    /// The pinned input schema, if it is known.
    pub schema: Option<&'a Schema>,
}

impl Traits<'_> {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        class: Class::Unknown,
        also: Classes::NONE,
        bits: None,
        schema: None,
    };

    /// Every class that anything speaks for.
    pub(crate) const fn evidence(&self) -> Classes {
        self.also.with(self.class)
    }

    /// Every bit the tool may have.
    pub(crate) fn possible_bits(&self) -> Bits {
        match (self.class, self.bits) {
            (Class::Unknown, _) | (_, None) => Bits::ALL,
            (_, Some(bits)) => bits,
        }
    }
}

impl Default for Traits<'_> {
    fn default() -> Self {
        Self::UNKNOWN
    }
}
