//! Strict JSON (RFC 8259), read once and never rewritten.
//!
//! What a lenient parser takes, two parsers take differently, and a gate that reads one meaning
//! forwards the other. So this reader refuses what is doubtful: duplicate keys (compared after
//! their escapes are resolved), keys with a NUL, lone surrogates, a byte order mark, invalid
//! UTF-8, nesting and sizes beyond the caller's [`Rules`]. Numbers keep their source text; strings
//! are borrowed where they carry no escape; every value knows the bytes it came from.
//!
//! It owns syntax only. What a key means, and which spellings of it are suspicious, is the
//! business of whoever reads the tree.

mod canonical;
mod error;
mod outline;
mod readable;
mod reader;
mod slip;
mod value;

pub use canonical::canonical;
pub use error::{JsonError, Place, Trouble};
pub use outline::{Outlines, RawMember, outline, outline_with};
pub use readable::readable;
pub use reader::plain_length;
pub use slip::{Slip, slip};
pub use value::{Kind, Member, Span, Value, parse, parse_first};

/// The bounds a text must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How deep arrays and objects may nest; a scalar has depth 0.
    pub max_depth: usize,
    /// How many values and members the tree may hold.
    pub max_nodes: usize,
}

impl Rules {
    /// For policy documents.
    pub const DOCUMENT: Self = Self {
        max_depth: 64,
        max_nodes: 4_000_000,
    };
    /// For messages from strangers.
    pub const MESSAGE: Self = Self {
        max_depth: 128,
        max_nodes: 500_000,
    };
}

#[cfg(test)]
mod tests;
