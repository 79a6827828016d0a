//! Secrets by what stands before them: the value after `password=`, `"token": "` and their like.
//!
//! A text may be nothing but such words, so what stands after one of them is not looked at again
//! for the next.

use super::run::Runs;
use super::secret::SHORTEST;
use super::{Found, run};

/// Words after which a secret stands, with `=` or `:` between.
const WORDS: [&str; 17] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "client_secret",
    "secret_key",
    "passphrase",
    "credential",
    "credentials",
    "db_pass",
    "authorization",
];

/// A word of its own only before `=`: `bypass=` and `pass: all tests` are none.
const SHORT_WORD: &str = "pass";

pub(super) fn find(text: &str) -> Vec<Found> {
    let mut values = Values::of(text);
    values.find();
    values.found
}

/// The values in one text.
struct Values<'t> {
    text: &'t str,
    plain: Runs<'t>,
    found: Vec<Found>,
    /// How many bytes between quotes were looked at.
    quoted: usize,
}

const fn is_plain(byte: u8) -> bool {
    let ends = matches!(
        byte,
        b'"' | b'\''
            | b'`'
            | b','
            | b';'
            | b'<'
            | b'>'
            | b'('
            | b')'
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'&'
    );
    byte.is_ascii_graphic() && !ends || byte >= 0x80
}

impl<'t> Values<'t> {
    const fn of(text: &'t str) -> Self {
        Self {
            text,
            plain: Runs::of(text, is_plain),
            found: Vec::new(),
            quoted: 0,
        }
    }

    fn find(&mut self) {
        let lower = self.text.to_ascii_lowercase();
        let places = WORDS
            .iter()
            .flat_map(|word| lower.match_indices(word))
            .chain(short_words(&lower));
        for (start, word) in places {
            let value = self.value_after(start.saturating_add(word.len()));
            self.found
                .extend(value.filter(|value| value.len() >= SHORTEST));
        }
    }

    /// The value that `= value`, `": "value"` or `: Bearer value` gives, if that stands at `at`.
    fn value_after(&mut self, at: usize) -> Option<Found> {
        // With `\`: JSON in a string of JSON.
        let at = self.past(at, b"\"'\\");
        let at = self.past(at, b" \t");
        let after = self.text.get(at..)?.strip_prefix([':', '='])?;
        let at = self.text.len().saturating_sub(after.len());
        let at = self.past(at, b" \t");
        let rest = self.text.get(at..)?;
        let quoted = quoted(rest);
        self.quoted = self.quoted.saturating_add(quoted.looked);
        if let Some(value) = quoted.value {
            let start = at.saturating_add(value.start);
            return Some(past_scheme(self.text, start)..at.saturating_add(value.end));
        }
        let at = past_scheme(self.text, self.past(at, b" \t\"'"));
        Some(at..at.saturating_add(self.plain.length(at)))
    }

    fn past(&self, at: usize, set: &'static [u8]) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at.saturating_add(run(rest, |byte| set.contains(&byte)))
    }
}

fn short_words(lower: &str) -> impl Iterator<Item = (usize, &str)> {
    lower.match_indices(SHORT_WORD).filter(|(start, word)| {
        let (before, rest) = lower.split_at_checked(*start).unwrap_or_default();
        let rest = rest.get(word.len()..).unwrap_or_default();
        rest.starts_with('=') && !before.ends_with(|c: char| c.is_ascii_alphanumeric())
    })
}

fn past_scheme(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let schemes = ["Bearer ", "bearer ", "Basic ", "basic ", "Token ", "token "];
    let scheme = schemes.into_iter().find(|scheme| rest.starts_with(scheme));
    at.saturating_add(scheme.map_or(0, str::len))
}

/// Quotes are escaped in strings in strings; not deeper than three.
const MOST_ESCAPES: usize = 7;

/// What stands between quotes, if anything does, and how far was looked for the second one.
#[derive(Default)]
struct Quoted {
    value: Option<Found>,
    looked: usize,
}

/// What stands between a quote and its like, on one line, if the text begins with a quote.
fn quoted(text: &str) -> Quoted {
    let escapes = run(text, |b| b == b'\\');
    let start = escapes.saturating_add(1);
    let quote = text
        .get(escapes..start)
        .and_then(|quote| quote.chars().next());
    let quote = quote.filter(|c| matches!(c, '"' | '\''));
    let (Some(quote), Some(value)) = (quote, text.get(start..)) else {
        return Quoted::default();
    };
    if escapes > MOST_ESCAPES || value.starts_with([' ', '\t', quote]) {
        return Quoted::default();
    }
    let mut before: usize = 0;
    let mut looked = 0;
    for (at, char) in value.char_indices() {
        looked = at;
        match char {
            '\n' | '\r' => break,
            '\\' => before = before.saturating_add(1),
            c if c == quote => {
                // After an even number of them, it is the backslashes that are escaped.
                let closes = if escapes == 0 {
                    before.is_multiple_of(2)
                } else {
                    before <= escapes
                };
                if closes {
                    // An escaped quote's own backslashes are not part of the value.
                    let own = if escapes == 0 { 0 } else { before };
                    let end = start.saturating_add(at).saturating_sub(own);
                    let value = Some(start..end);
                    return Quoted { value, looked };
                }
                before = 0;
            }
            _ => before = 0,
        }
    }
    Quoted {
        value: None,
        looked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // INVARIANT: the same text is not looked at again for every word in it.
    #[test]
    fn words_after_words_are_looked_at_once() {
        for piece in [
            "password=",
            "token=password:",
            "password=\"",
            "password='token=\"",
            "secret=\\\"",
            "secret=\\\\\\\"token=\\\"",
            "pwd=\"a\\\"",
            "pass=é",
            "password = Bearer ",
        ] {
            let text = piece.repeat(20_000);
            let mut values = Values::of(&text);
            values.find();
            let looked = values.plain.looked + values.quoted;
            let most = 2 * (WORDS.len() + 1) * text.len();
            assert!(looked <= most, "{piece}: {looked} of {}", text.len());
        }
    }
}
