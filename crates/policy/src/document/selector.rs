//! Selectors as they are written: which names a rule set is about.

use super::node::not_yet;
use crate::glob::Glob;

/// What a selector says it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// This name, byte for byte.
    Exact(String),
    /// Every name of this form.
    Glob(String),
}

impl Selector {
    /// Reads a selector; the error says why it is none.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if let Some(literal) = text.strip_prefix("\\@") {
            return Ok(Self::Exact(format!("@{literal}")));
        }
        if text.is_empty() {
            return Err("a name is never empty".to_owned());
        }
        if text.starts_with('@') {
            return Err(format!(
                "{}; a literal name that begins with @ is written \"\\\\{text}\"",
                not_yet("a class selector")
            ));
        }
        if !Glob::is_one(text) {
            return Ok(Self::Exact(text.to_owned()));
        }
        if text.len() > Self::LONGEST_GLOB {
            return Err("a selector with * or ? has at most 1024 bytes".to_owned());
        }
        Ok(Self::Glob(text.to_owned()))
    }

    const LONGEST_GLOB: usize = 1_024;
}
