//! Selectors as they are written: which names a rule set is about.

use crate::glob::Glob;
use crate::traits::{Bit, Class};

/// What a selector says it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// This name, byte for byte.
    Exact(String),
    /// Every name of this form.
    Glob(String),
    /// Every tool of this nature.
    Kind(ToolKind),
}

/// The nature of a tool, as a selector names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ToolKind {
    Class(Class),
    /// Anything but reading.
    Changes,
    Bit(Bit),
}

/// Why a text is no selector, and the nearest words that would be one.
pub(super) struct NoSelector {
    pub(super) message: String,
    pub(super) words: Vec<String>,
}

impl ToolKind {
    fn from_word(word: &str) -> Option<Self> {
        if word == "changes" {
            return Some(Self::Changes);
        }
        let class = Class::from_word(word).map(Self::Class);
        class.or_else(|| Bit::from_word(word).map(Self::Bit))
    }

    fn words() -> Vec<String> {
        let classes = Class::ALL.map(Class::as_str);
        let bits = Bit::ALL.map(Bit::as_str);
        let words = classes.into_iter().chain(["changes"]).chain(bits);
        words.map(|word| format!("@{word}")).collect()
    }
}

/// The selectors that are about a tool's nature.
pub(crate) fn kind_words() -> Vec<String> {
    ToolKind::words()
}

impl Selector {
    /// Reads a selector.
    pub(super) fn read(text: &str) -> Result<Self, NoSelector> {
        if let Some(literal) = text.strip_prefix("\\@") {
            return Ok(Self::Exact(format!("@{literal}")));
        }
        let plain = |message: &str| NoSelector {
            message: message.to_owned(),
            words: Vec::new(),
        };
        if text.is_empty() {
            return Err(plain("a name is never empty"));
        }
        if let Some(word) = text.strip_prefix('@') {
            return ToolKind::from_word(word)
                .map(Self::Kind)
                .ok_or_else(|| NoSelector {
                    message: format!(
                        "{text:?} is no class of tools; \
                         a literal name that begins with @ is written \"\\\\{text}\""
                    ),
                    words: ToolKind::words(),
                });
        }
        if !Glob::is_one(text) {
            return Ok(Self::Exact(text.to_owned()));
        }
        if text.len() > Self::LONGEST_GLOB {
            return Err(plain("a selector with * or ? has at most 1024 bytes"));
        }
        Ok(Self::Glob(text.to_owned()))
    }

    const LONGEST_GLOB: usize = 1_024;
}
