//! When two names are the same to somebody.

use unicode_normalization::UnicodeNormalization;

/// A name with case and compatibility forms folded away (NFKC, then lower case, then NFKC again
/// for what lower-casing composes). Two names with the same fold are the same to some reader.
pub fn fold(name: &str) -> String {
    name.nfkc()
        .flat_map(char::to_lowercase)
        .flat_map(fold_special)
        .nfkc()
        .collect()
}

/// Letters that lower-casing leaves alone although case folding joins them to others.
fn fold_special(letter: char) -> impl Iterator<Item = char> {
    let folded = match letter {
        'ſ' => 's',
        'ς' => 'σ',
        'ß' | 'ẞ' => return ['s', 's'].into_iter().take(2),
        other => other,
    };
    [folded, folded].into_iter().take(1)
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn disguises_fold_to_the_plain_name() {
        for disguise in ["AMOUNT", "ａmount", "Amount", "ＡＭＯＵＮＴ"] {
            assert_eq!(fold(disguise), "amount", "{disguise}");
        }
        assert_eq!(fold("paramſ"), "params");
        assert_eq!(fold("tas\u{212A}"), "task");
        assert_eq!(fold("STRAẞE"), fold("strasse"));
        assert_ne!(fold("amounts"), "amount");
    }
}
