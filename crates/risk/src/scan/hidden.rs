//! What is in a text and not to be seen.

use super::finding::{Finding, Weight};
use super::skeleton::{mixed_word, styled, tagged};
use super::texts::Text;

#[expect(
    clippy::too_many_lines,
    reason = "a list of what can be hidden, one after the other"
)]
pub(super) fn look(text: &Text<'_>, findings: &mut Vec<Finding>) {
    if text.text.is_ascii() && !text.text.contains(|c: char| c.is_control()) {
        blanks(text, findings);
        return;
    }
    let mut add = |rule, weight, words: &str, meaning| {
        findings.push(Finding::of(rule, weight, &text.pointer, words, meaning));
    };
    let tags: String = without_flags(text.text)
        .chars()
        .filter_map(tagged)
        .collect();
    if !tags.is_empty() {
        add(
            "hidden.tags",
            Weight::Clear,
            &tags,
            "text in tag characters, which nobody sees and models read",
        );
    }
    if let Some(words) = around(text.text, |c| matches!(c, '\u{202d}' | '\u{202e}')) {
        add(
            "hidden.bidi",
            Weight::Clear,
            words,
            "characters that turn the reading direction over",
        );
    } else if let Some(words) = around(
        text.text,
        |c| matches!(c, '\u{202a}'..='\u{202c}' | '\u{2066}'..='\u{2069}'),
    ) {
        let rtl = text
            .text
            .chars()
            .any(|c| matches!(c, '\u{590}'..='\u{8ff}'));
        let weight = if rtl { Weight::Hint } else { Weight::Sign };
        add(
            "hidden.bidi",
            weight,
            words,
            "characters that steer the reading direction",
        );
    }
    if let Some(words) = around(text.text, |c| c == '\u{1b}' || c == '\u{9b}') {
        add(
            "hidden.ansi",
            Weight::Clear,
            words,
            "an escape sequence: a terminal shows something else",
        );
    } else if let Some(words) = around(text.text, |c| {
        c.is_control() && !matches!(c, '\n' | '\r' | '\t')
    }) {
        add("hidden.control", Weight::Sign, words, "control characters");
    }
    let (inside, words) = zero_width(text.text);
    if inside > 0 {
        let weight = if inside > 3 || text.is_name {
            Weight::Clear
        } else {
            Weight::Sign
        };
        add(
            "hidden.zero-width",
            weight,
            words,
            "invisible characters inside of words",
        );
    }
    if let Some(word) = mixed_word(text.text) {
        let weight = if text.is_name {
            Weight::Clear
        } else {
            Weight::Sign
        };
        add(
            "hidden.look-alikes",
            weight,
            word,
            "letters of two scripts that look alike, in one word",
        );
    }
    let letters: String = text.text.chars().filter(|c| styled(*c).is_some()).collect();
    if letters.chars().count() > 7 {
        add(
            "hidden.styled",
            Weight::Sign,
            &letters,
            "words in letters made for mathematics",
        );
    }
    blanks(text, findings);
}

/// The flags of England, Scotland and Wales are written with tag characters.
fn without_flags(text: &str) -> String {
    let mut out = String::new();
    let mut in_flag = false;
    for c in text.chars() {
        in_flag = c == '\u{1f3f4}' || (in_flag && tagged(c).is_some());
        if !in_flag {
            out.push(c);
        }
    }
    out
}

/// Zero-width characters between letters, where no script needs them.
fn zero_width(text: &str) -> (usize, &str) {
    let mut count = 0_usize;
    let mut first = None;
    let mut last = ' ';
    for (at, c) in text.char_indices() {
        let hides = matches!(
            c,
            '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{180e}'
        ) || (matches!(c, '\u{200c}' | '\u{200d}') && last.is_ascii_alphanumeric());
        if hides
            && (last.is_ascii_alphanumeric()
                || matches!(last, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}'))
        {
            count = count.saturating_add(1);
            first = first.or(Some(at));
        }
        last = c;
    }
    (count, first.map(|at| near(text, at)).unwrap_or_default())
}

/// The words around the first character that is looked for.
fn around(text: &str, wanted: impl Fn(char) -> bool) -> Option<&str> {
    text.find(wanted).map(|at| near(text, at))
}

fn near(text: &str, at: usize) -> &str {
    let from = text.floor_char_boundary(at.saturating_sub(20));
    let to = text.ceil_char_boundary(at.saturating_add(40).min(text.len()));
    text.get(from..to).unwrap_or_default()
}

/// Text pushed out of sight by blanks or empty lines.
fn blanks(text: &Text<'_>, findings: &mut Vec<Finding>) {
    const LINES: usize = 25;
    const BLANKS: usize = 150;
    let (mut lines, mut blanks) = (0_usize, 0_usize);
    for (at, c) in text.text.char_indices() {
        match c {
            '\n' => lines = lines.saturating_add(1),
            ' ' | '\t' | '\r' | '\u{a0}' => blanks = blanks.saturating_add(1),
            _ => {
                if lines >= LINES || blanks >= BLANKS {
                    let words = text.text.get(at..).unwrap_or_default();
                    let meaning = "text pushed out of sight by blanks";
                    findings.push(Finding::of(
                        "hidden.far",
                        Weight::Sign,
                        &text.pointer,
                        words,
                        meaning,
                    ));
                    return;
                }
                (lines, blanks) = (0, 0);
            }
        }
    }
}
