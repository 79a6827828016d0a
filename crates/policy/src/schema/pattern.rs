//! Patterns of JSON Schema (ECMA-262) in the dialect that matches in linear time.
//!
//! Where the two mean different things, the pattern is rewritten to mean what the schema's author
//! meant, or it is not understood.

use regex::{Regex, RegexBuilder};

/// More would be a program, not a pattern.
const LARGEST: usize = 1 << 20;

pub(super) fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(&translate(pattern)?)
        .size_limit(LARGEST)
        .build()
        .ok()
}

/// `\d`, `\w` and `\b` know ASCII only, and a class holds neither classes nor set operators.
fn translate(pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len());
    let mut in_class = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => escape(chars.next()?, in_class, &mut out)?,
            '[' if in_class => out.push_str("\\["),
            '[' => {
                in_class = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // An empty class means different things to different readers.
                if chars.peek() == Some(&']') {
                    return None;
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' | '-' if in_class && chars.peek() == Some(&c) => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn escape(c: char, in_class: bool, out: &mut String) -> Option<()> {
    let known = match (c, in_class) {
        ('d', true) => "0-9",
        ('d', false) => "[0-9]",
        ('D', _) => "[^0-9]",
        ('w', true) => "0-9A-Za-z_",
        ('w', false) => "[0-9A-Za-z_]",
        ('W', _) => "[^0-9A-Za-z_]",
        ('b', false) => "(?-u:\\b)",
        ('B', false) => "(?-u:\\B)",
        ('s' | 'S' | 't' | 'n' | 'r' | 'f' | 'v' | 'u' | 'x' | 'p' | 'P', _) => {
            out.push('\\');
            out.push(c);
            return Some(());
        }
        (c, _) if c.is_ascii_punctuation() => {
            out.push('\\');
            out.push(c);
            return Some(());
        }
        _ => return None,
    };
    out.push_str(known);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_their_authors_meant() {
        for (pattern, text, matches) in [
            ("^\\d+$", "12", true),
            ("^\\d+$", "١٢", false),
            ("^[\\w-]+$", "a_b-1", true),
            ("^[\\w-]+$", "é", false),
            ("^\\W$", "é", true),
            ("\\bcat\\b", "a cat", true),
            ("^[[a]+$", "[a[", true),
            ("a$", "a\n", false),
            ("^a\\/b$", "a/b", true),
            ("^\\u0041$", "A", true),
            ("b", "abc", true),
        ] {
            let regex = compile(pattern).unwrap_or_else(|| panic!("{pattern}"));
            assert_eq!(regex.is_match(text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn what_has_no_counterpart_is_not_understood() {
        for pattern in [
            "(?=a)",
            "(a)\\1",
            "[]",
            "[^]",
            "[a&&b]",
            "[a--b]",
            "\\cA",
            "a\\",
            "(",
            "(?:a{1000}){1000}",
        ] {
            assert!(compile(pattern).is_none(), "{pattern}");
        }
    }
}
