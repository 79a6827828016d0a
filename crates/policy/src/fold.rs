//! When are two spellings of a key suspiciously alike?
//!
//! A server that reads `Amount` where the rule reads `amount` undoes the rule. Two keys that are
//! equal only after case folding and NFKC are such a pair.

use unicode_normalization::UnicodeNormalization as _;

/// A key as it is written, with its folded form at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoldedKey {
    exact: Box<str>,
    /// Nothing where only the letter case can differ.
    folded: Option<Box<str>>,
}

impl FoldedKey {
    pub(crate) fn new(exact: &str) -> Self {
        Self {
            exact: exact.into(),
            folded: (!exact.is_ascii()).then(|| fold(exact).into()),
        }
    }

    pub(crate) const fn exact(&self) -> &str {
        &self.exact
    }

    /// Is `key` another spelling of this one?
    pub(crate) fn is_imitated_by(&self, key: &str) -> bool {
        if key == &*self.exact {
            return false;
        }
        if key.is_ascii() && self.exact.is_ascii() {
            return key.eq_ignore_ascii_case(&self.exact);
        }
        match &self.folded {
            Some(folded) => fold(key) == **folded,
            None => fold(key).eq_ignore_ascii_case(&self.exact),
        }
    }
}

/// Upper case first, then lower case: `ß` meets `SS`, and long, final and dotless letters meet
/// their plain forms. That is coarser than Unicode's own folding, on the side of refusing.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_are_told_from_other_keys() {
        for (name, key, imitates) in [
            ("amount", "amount", false),
            ("amount", "Amount", true),
            ("amount", "AMOUNT", true),
            ("amount", "amounts", false),
            ("amount", "ａｍｏｕｎｔ", true),
            ("key", "\u{212A}ey", true),
            ("class", "cla\u{df}", true),
            ("size", "\u{17f}ize", true),
            ("fi", "\u{fb01}", true),
            ("straße", "STRASSE", true),
            ("é", "e\u{301}", true),
            ("id", "ıd", true),
            ("amount", "amоunt", false), // a Cyrillic letter is another letter
        ] {
            assert_eq!(
                FoldedKey::new(name).is_imitated_by(key),
                imitates,
                "{name} {key}"
            );
        }
    }
}
