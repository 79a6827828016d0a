//! What the author of a text that is not quite JSON most likely did, and what to do about it.
//!
//! The reader says what it found; a person needs to hear what to change. This is for texts that
//! people write: nobody gives advice to a stranger whose message is refused.

mod brackets;
mod language;

use super::error::{JsonError, Trouble};
use brackets::{Bracket, unclosed};

/// A longer word is not repeated.
const LONGEST_WORD: usize = 64;

/// A likely cause, and the byte to point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    pub at: usize,
    pub message: String,
}

/// The likely cause of `error` in `text`, if it is one that people know.
pub fn slip(text: &[u8], error: &JsonError) -> Option<Slip> {
    let here = |message: &str| {
        Some(Slip {
            at: error.at,
            message: message.to_owned(),
        })
    };
    match &error.trouble {
        Trouble::NotUtf8 if text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF") => {
            return here("the text is UTF-16: save it as UTF-8");
        }
        Trouble::NotUtf8 => return here("this is not UTF-8: save the text as UTF-8"),
        Trouble::ByteOrderMark => {
            return here("the text begins with a byte order mark: save it as UTF-8 without one");
        }
        Trouble::DuplicateKey(key) => {
            return here(&format!("the key {key:?} appears twice: keep one"));
        }
        Trouble::Empty | Trouble::NulInKey | Trouble::TooDeep(_) | Trouble::TooMany(_) => {
            return None;
        }
        _ => {}
    }
    let text = std::str::from_utf8(text).ok()?;
    if let Some((at, language)) = language::other_than_json(text) {
        let message = format!("this looks like {language}; what is expected here is JSON");
        return Some(Slip { at, message });
    }
    let place = Around::new(text, error.at)?;
    match &error.trouble {
        Trouble::ControlCharacter if place.rest.starts_with('\t') => {
            here("a tab in a string is written \\t")
        }
        Trouble::ControlCharacter if place.rest.starts_with(['\n', '\r']) => here(
            "the string does not end on its line: close it with \", or write a line break as \\n",
        ),
        Trouble::BadEscape => place.backslash(),
        Trouble::UnexpectedEnd => place.end(),
        Trouble::BadNumber => place.number(),
        Trouble::TrailingData => place.common().or_else(|| place.behind_the_end()),
        Trouble::Unexpected { wanted, .. } => {
            let found = place.common();
            found.or_else(|| place.instead_of(wanted))
        }
        _ => None,
    }
}

/// The text around the byte at which the reader stopped.
struct Around<'t> {
    at: usize,
    /// What stands before, without the white space between.
    before: &'t str,
    rest: &'t str,
    /// Is there white space between?
    spaced: bool,
}

impl<'t> Around<'t> {
    fn new(text: &'t str, at: usize) -> Option<Self> {
        let (before, rest) = text.split_at_checked(at)?;
        let trimmed = before.trim_end();
        Some(Self {
            at,
            before: trimmed,
            rest,
            spaced: trimmed.len() < before.len(),
        })
    }

    fn found(&self) -> Option<char> {
        self.rest.chars().next()
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "it is what every question answers with"
    )]
    fn here(&self, message: impl Into<String>) -> Option<Slip> {
        Some(Slip {
            at: self.at,
            message: message.into(),
        })
    }

    /// The letters, digits and signs that stand here together.
    fn word(&self) -> &'t str {
        let part = |c: char| c.is_alphanumeric() || "_-.@*".contains(c);
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        self.rest.get(..end).unwrap_or_default()
    }

    /// What is a slip wherever it stands.
    fn common(&self) -> Option<Slip> {
        let found = self.found()?;
        if matches!(found, '}' | ']')
            && let Some(before) = self.before.strip_suffix(',')
        {
            return Some(Slip {
                at: before.len(),
                message: format!("trailing comma before `{found}`: remove it"),
            });
        }
        if ["//", "/*", "#"].iter().any(|c| self.rest.starts_with(c)) {
            return self.here("JSON has no comments: remove this one");
        }
        let closes = |bracket: &Bracket| bracket.closing == found;
        match found {
            '\'' | '`' | '“' | '”' | '„' | '‘' | '’' => {
                self.here(format!("strings need double quotes: write \" instead of {found}"))
            }
            '}' | ']' => unclosed(self.before)
                .open
                .last()
                .filter(|open| !closes(open))
                .and_then(|open| {
                    let (opening, closing) = (open.opening, open.closing);
                    let line = open.line;
                    self.here(format!(
                        "the `{opening}` of line {line} is still open here, and `{closing}` closes it, \
                         not `{found}`"
                    ))
                }),
            _ => None,
        }
    }

    fn instead_of(&self, wanted: &str) -> Option<Slip> {
        match wanted {
            "`:`" => self.colon(),
            wanted if wanted.starts_with("`,`") => self.comma(),
            wanted => self.value(wanted == "a string"),
        }
    }

    fn colon(&self) -> Option<Slip> {
        match self.found()? {
            '=' => self.here("a key and its value stand with a `:` between them, not `=`"),
            ',' | '}' => self.here("a key needs a value: `\"key\": value`"),
            _ => self.here("a `:` is missing between the key and its value"),
        }
    }

    /// Something follows a value where a comma is wanted.
    fn comma(&self) -> Option<Slip> {
        let found = self.found()?;
        let touches = !self.spaced;
        if found == ';' {
            return self.here("a `,` stands between members, not `;`");
        }
        if touches && self.before.ends_with('"') && found.is_alphanumeric() {
            return self.here("a quote in a string is written \\\"; here it ends the string");
        }
        if touches && self.before.ends_with(|c: char| c.is_ascii_digit()) {
            return self.here("a number is written with digits alone, as in 1000 or 0.5");
        }
        let begins = |c: char| c.is_alphanumeric() || "\"{[-".contains(c);
        begins(found).then(|| Slip {
            at: self.before.len(),
            message: "a comma is missing here".to_owned(),
        })
    }

    /// Something stands where a value, or a key, is wanted.
    fn value(&self, is_key: bool) -> Option<Slip> {
        let word = self.word();
        match (self.found()?, word.to_ascii_lowercase().as_str()) {
            (',', _) => self.here("a comma with nothing before it: remove it"),
            ('+', _) => self.here("a number is written without `+`"),
            ('.', _) => self.here("a number begins with a digit, as in 0.5"),
            (_, "") => None,
            (_, "true" | "yes" | "on") if !is_key => self.here("JSON writes this `true`"),
            (_, "false" | "no" | "off") if !is_key => self.here("JSON writes this `false`"),
            (_, "null" | "none" | "nil" | "undefined") if !is_key => {
                self.here("JSON writes this `null`")
            }
            (_, "nan" | "infinity") if !is_key => self.here("JSON has no such number"),
            _ if word.len() > LONGEST_WORD => self.here("strings need double quotes"),
            _ => self.here(format!("strings need double quotes: write \"{word}\"")),
        }
    }

    fn number(&self) -> Option<Slip> {
        let digits = self.before.trim_end_matches(|c: char| c.is_ascii_digit());
        let zero = self.before.strip_prefix(digits) == Some("0");
        match self.found() {
            Some('0'..='9') if zero => self.here("a number has no 0 in front: remove it"),
            _ => None,
        }
    }

    fn backslash(&self) -> Option<Slip> {
        match self.rest.chars().nth(1)? {
            'u' => self.here("four hexadecimal digits follow after \\u, as in \\u00e9"),
            '\'' => self.here("this quote needs no backslash: write ' alone"),
            letter if letter.is_control() => {
                self.here("a string cannot go on in the next line: write a line break as \\n")
            }
            letter => self.here(format!(
                "a backslash in a string is written twice: \\\\{letter} for \\{letter}"
            )),
        }
    }

    fn end(&self) -> Option<Slip> {
        let unclosed = unclosed(self.before);
        if let Some(line) = unclosed.string {
            return self.here(format!(
                "the text ends in the string that begins in line {line}: close it with \""
            ));
        }
        let open = unclosed.open.last()?;
        let (opening, closing, line) = (open.opening, open.closing, open.line);
        self.here(format!(
            "the text ends, but the `{opening}` of line {line} is still open: close it with \
             `{closing}`"
        ))
    }

    fn behind_the_end(&self) -> Option<Slip> {
        match self.found()? {
            closing @ ('}' | ']') => self.here(format!(
                "one `{closing}` too many: everything is closed already"
            )),
            ':' | ',' if self.before.trim_start().starts_with('"') => Some(Slip {
                at: 0,
                message: "the whole needs braces around it: `{` here and `}` at the end".to_owned(),
            }),
            _ => self.here("the document ended before this: more than one value is not expected"),
        }
    }
}

#[cfg(test)]
mod tests;
