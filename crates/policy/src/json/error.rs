//! What can be wrong with a text, and where.

use std::fmt;

/// Why a text is not acceptable JSON, and the byte at which that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    pub trouble: Trouble,
    pub at: usize,
}

/// The kinds of trouble, each with what a person needs to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    Empty,
    NotUtf8,
    ByteOrderMark,
    UnexpectedEnd,
    Unexpected { found: char, wanted: &'static str },
    BadNumber,
    BadEscape,
    LoneSurrogate,
    ControlCharacter,
    DuplicateKey(String),
    NulInKey,
    TooDeep(usize),
    TooMany(usize),
    TrailingData,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the text is empty"),
            Self::NotUtf8 => f.write_str("the text is not valid UTF-8"),
            Self::ByteOrderMark => f.write_str("the text begins with a byte order mark"),
            Self::UnexpectedEnd => f.write_str("the text ends in the middle of a value"),
            Self::Unexpected { found, wanted } => {
                write!(f, "found {found:?} where {wanted} was expected")
            }
            Self::BadNumber => f.write_str("not a number as JSON writes them"),
            Self::BadEscape => f.write_str("not an escape that JSON knows"),
            Self::LoneSurrogate => f.write_str("half a surrogate pair stands alone"),
            Self::ControlCharacter => f.write_str("a control character in a string, not escaped"),
            Self::DuplicateKey(key) => write!(f, "the key {key:?} appears twice"),
            Self::NulInKey => f.write_str("a key contains a NUL character"),
            Self::TooDeep(max) => write!(f, "nested deeper than {max} levels"),
            Self::TooMany(max) => write!(f, "more than {max} values"),
            Self::TrailingData => f.write_str("more text follows after the value"),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.trouble, self.at)
    }
}

impl std::error::Error for JsonError {}

/// A place in a text as editors count it: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// The line and column of the byte `at`.
    pub fn of(text: &[u8], at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |i| i.saturating_add(1));
        let lines = memchr::memchr_iter(b'\n', before).count();
        let on_line = before.get(line_start..).unwrap_or_default();
        // Continuation bytes do not begin a character.
        let characters = on_line.iter().filter(|b| (**b & 0xC0) != 0x80).count();
        Self {
            line: lines.saturating_add(1),
            column: characters.saturating_add(1),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
