//! The cursor that walks the text: tokens, and skipping whole values without building them.

use std::borrow::Cow;

use super::error::{JsonError, Trouble};

/// A position in a text that is known to be UTF-8.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// What a value begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    Object,
    Array,
    String,
    Number,
    Word(&'static str),
}

impl<'a> Reader<'a> {
    /// Checks the encoding and stands before the first value.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(bytes).map_err(|e| JsonError {
            trouble: Trouble::NotUtf8,
            at: e.valid_up_to(),
        })?;
        Self::of(text)
    }

    /// Stands before the first value.
    pub(super) fn of(text: &'a str) -> Result<Self, JsonError> {
        if text.starts_with('\u{feff}') {
            return Err(JsonError {
                trouble: Trouble::ByteOrderMark,
                at: 0,
            });
        }
        let mut reader = Self { text, at: 0 };
        reader.skip_space();
        if reader.at == text.len() {
            return Err(JsonError {
                trouble: Trouble::Empty,
                at: 0,
            });
        }
        Ok(reader)
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    pub(super) const fn error(&self, trouble: Trouble) -> JsonError {
        JsonError {
            trouble,
            at: self.at,
        }
    }

    fn unexpected(&self, wanted: &'static str) -> JsonError {
        match self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
        {
            Some(found) => self.error(Trouble::Unexpected { found, wanted }),
            None => self.error(Trouble::UnexpectedEnd),
        }
    }

    /// Takes `byte` if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.step();
        }
        there
    }

    pub(super) fn expect(&mut self, byte: u8, wanted: &'static str) -> Result<(), JsonError> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.unexpected(wanted))
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn finish(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.error(Trouble::TrailingData))
        }
    }

    pub(super) fn lead(&self) -> Result<Lead, JsonError> {
        Ok(match self.peek() {
            Some(b'{') => Lead::Object,
            Some(b'[') => Lead::Array,
            Some(b'"') => Lead::String,
            Some(b'-' | b'0'..=b'9') => Lead::Number,
            Some(b't') => Lead::Word("true"),
            Some(b'f') => Lead::Word("false"),
            Some(b'n') => Lead::Word("null"),
            _ => return Err(self.unexpected("a value")),
        })
    }

    pub(super) fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at = self.at.saturating_add(word.len());
            return Ok(());
        }
        Err(self.unexpected("true, false or null"))
    }

    /// A number, kept as it is written.
    pub(super) fn number(&mut self) -> Result<&'a str, JsonError> {
        let from = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.step();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.step();
            }
            self.digits()?;
        }
        if matches!(
            self.peek(),
            Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
        ) {
            return Err(self.error(Trouble::BadNumber));
        }
        Ok(self.slice(from, self.at))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.step();
        }
        if self.at == from {
            Err(self.error(Trouble::BadNumber))
        } else {
            Ok(())
        }
    }

    /// A string with its escapes resolved; borrowed if it has none.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"', "a string")?;
        let from = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let plain = self.slice(from, self.at);
            self.step();
            return Ok(Cow::Borrowed(plain));
        }
        let mut decoded = String::from(self.slice(from, self.at));
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    return Ok(Cow::Owned(decoded));
                }
                Some(b'\\') => decoded.push(self.escape()?),
                Some(_) => return Err(self.error(Trouble::ControlCharacter)),
                None => return Err(self.error(Trouble::UnexpectedEnd)),
            }
            let from = self.at;
            self.skip_plain();
            decoded.push_str(self.slice(from, self.at));
        }
    }

    /// Walks over a string without keeping it, checking as strictly as [`Reader::string`].
    pub(super) fn skip_string(&mut self) -> Result<(), JsonError> {
        self.expect(b'"', "a string")?;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    return Ok(());
                }
                Some(b'\\') => {
                    self.escape()?;
                }
                Some(_) => return Err(self.error(Trouble::ControlCharacter)),
                None => return Err(self.error(Trouble::UnexpectedEnd)),
            }
        }
    }

    /// Moves to the next quote, backslash, control character or the end.
    fn skip_plain(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at = self.at.saturating_add(plain_length(rest));
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let from = self.at;
        self.step();
        let letter = self
            .peek()
            .ok_or_else(|| self.error(Trouble::UnexpectedEnd))?;
        self.step();
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(from),
            _ => {
                return Err(JsonError {
                    trouble: Trouble::BadEscape,
                    at: from,
                });
            }
        })
    }

    fn unicode_escape(&mut self, from: usize) -> Result<char, JsonError> {
        let lone = || JsonError {
            trouble: Trouble::LoneSurrogate,
            at: from,
        };
        let first = self.four_hex(from)?;
        if !(0xD800..=0xDFFF).contains(&first) {
            return char::from_u32(first).ok_or_else(lone);
        }
        if first >= 0xDC00 || !self.take(b'\\') || !self.take(b'u') {
            return Err(lone());
        }
        let second = self.four_hex(from)?;
        let low = second
            .checked_sub(0xDC00)
            .filter(|low| *low < 0x400)
            .ok_or_else(lone)?;
        let high = first.wrapping_sub(0xD800);
        char::from_u32(0x1_0000_u32.wrapping_add((high << 10) | low)).ok_or_else(lone)
    }

    fn four_hex(&mut self, from: usize) -> Result<u32, JsonError> {
        let bad = JsonError {
            trouble: Trouble::BadEscape,
            at: from,
        };
        let end = self.at.saturating_add(4);
        let digits = self.text.get(self.at..end).ok_or_else(|| bad.clone())?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad);
        }
        self.at = end;
        u32::from_str_radix(digits, 16).map_err(|_| bad)
    }
}

/// How many bytes there are before the first that stands in no JSON string as it is: a quote, a
/// backslash or a control character. Looked at eight at a time, and in longer strings as many as a vector
/// register holds, for long results are mostly string.
pub fn plain_length(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let special = special_bytes(u64::from_le_bytes(*chunk));
        if special != 0 {
            // The lowest marked byte is exact; marks above it may be carried over.
            let plain = (special.trailing_zeros() / 8) as usize;
            return bytes.len().saturating_sub(rest.len()).saturating_add(plain);
        }
        rest = after;
        while let Some((lane, after)) = rest.split_first_chunk::<LANE>()
            && all_plain(lane)
        {
            rest = after;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1F);
    let plain = rest.iter().position(is_special).unwrap_or(rest.len());
    bytes.len().saturating_sub(rest.len()).saturating_add(plain)
}

/// How many bytes of a string are looked at together; compilers know vectors of this size.
const LANE: usize = 32;

/// Whether nothing in here ends or interrupts a string. Without branches, so that it becomes vectors.
fn all_plain(bytes: &[u8; LANE]) -> bool {
    let special =
        |byte: u8| u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\');
    bytes.iter().fold(0, |any, &byte| any | special(byte)) == 0
}

/// Marks (high bit set) the bytes of `word` that end a plain stretch of a string.
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    const fn zero_bytes(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word & HIGHS
    }
    let control = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word & HIGHS;
    let quote = zero_bytes(word ^ ONES.wrapping_mul(b'"' as u64));
    let backslash = zero_bytes(word ^ ONES.wrapping_mul(b'\\' as u64));
    control | quote | backslash
}
