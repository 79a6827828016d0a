//! From text to tokens, where every dialect asked for draws the same lines.
//!
//! Everything that hides SQL from one reader and shows it to another is decided here: strings and
//! their escapes, comments, quoted names, numbers, operators. Where two readers would draw
//! different lines, there are no tokens but a doubt.

use super::Doubt;
use super::dialect::Dialects;
use super::operators;
use super::quotes::{self, Escapes};
use super::words;

/// What a token is, as far as the grammar needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bare word that is never a name.
    Reserved,
    /// Any other bare word.
    Bare,
    /// A quoted name; in MySQL a text in double quotes counts as one too.
    Quoted,
    Text,
    Number,
    /// `?`, `$1`, `:name`, `@variable`.
    Parameter,
    /// Operators and punctuation.
    Symbol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind,
    /// The word in lower case if the grammar knows it, or the symbol; otherwise empty.
    pub(super) word: &'static str,
    /// As written; of quoted names what is between the quotes.
    pub(super) text: &'s str,
}

impl Token<'_> {
    pub(super) const fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Bare | Kind::Quoted)
    }

    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        !self.word.is_empty() && words.contains(&self.word)
    }
}

/// Bounds what a hostile text costs in the grammar.
const MOST_TOKENS: usize = 4_000;

/// The tokens of a text without its comments.
pub(super) fn tokens(text: &str, dialects: Dialects) -> Result<Vec<Token<'_>>, Doubt> {
    if text.contains('\0') {
        return Err(Doubt("has a NUL character"));
    }
    let mut lexer = Lexer {
        rest: text,
        dialects,
        tokens: Vec::with_capacity(64),
    };
    while let Some(first) = lexer.rest.bytes().next() {
        lexer.step(first)?;
        if lexer.tokens.len() > MOST_TOKENS {
            return Err(Doubt("has more than 4,000 words and signs"));
        }
    }
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    rest: &'s str,
    dialects: Dialects,
    tokens: Vec<Token<'s>>,
}

impl<'s> Lexer<'s> {
    fn step(&mut self, first: u8) -> Result<(), Doubt> {
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0C => drop(self.cut(1)),
            b'(' => self.symbol("("),
            b')' => self.symbol(")"),
            b',' => self.symbol(","),
            b';' => self.symbol(";"),
            b'.' if !self.digit_follows() => self.symbol("."),
            b'.' | b'0'..=b'9' => self.number()?,
            b'[' | b']' => self.bracket(first)?,
            b'\'' => self.string(Escapes::of_strings(self.dialects))?,
            b'"' => self.double_quoted()?,
            b'`' => self.back_quoted()?,
            b'$' => self.dollar()?,
            b'@' | b'?' | b':' if self.is_parameter(first) => self.parameter(first)?,
            b'-' if self.rest.starts_with("--") => self.line_comment()?,
            b'/' if self.rest.starts_with("/*") => self.block_comment()?,
            b'#' if self.is_only(Dialects::MYSQL) => self.comment_to_line_end()?,
            _ if operators::is_part(first) => self.operator()?,
            _ if self.rest.starts_with(is_word_start) => self.word()?,
            _ => {
                return Err(Doubt(
                    "has a character that SQL does not have outside quotes",
                ));
            }
        }
        Ok(())
    }

    fn is_only(&self, dialect: Dialects) -> bool {
        self.dialects.within(dialect)
    }

    /// Takes `len` bytes off the front.
    fn cut(&mut self, len: usize) -> &'s str {
        let (front, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        front
    }

    fn push(&mut self, kind: Kind, word: &'static str, text: &'s str) {
        self.tokens.push(Token { kind, word, text });
    }

    fn symbol(&mut self, symbol: &'static str) {
        let text = self.cut(symbol.len());
        self.push(Kind::Symbol, symbol, text);
    }

    /// PostgreSQL subscripts with what SQLite quotes names with.
    fn bracket(&mut self, first: u8) -> Result<(), Doubt> {
        if self.is_only(Dialects::POSTGRES) {
            self.symbol(if first == b'[' { "[" } else { "]" });
            return Ok(());
        }
        if first == b'[' && self.is_only(Dialects::SQLITE) {
            let end = self.rest.find(']').ok_or(quotes::NOT_CLOSED)?;
            let quoted = self.cut(end.saturating_add(1));
            let name = quoted.strip_prefix('[').and_then(|q| q.strip_suffix(']'));
            self.push(Kind::Quoted, "", name.unwrap_or_default());
            return Ok(());
        }
        Err(Doubt("has brackets, which dialects read differently"))
    }

    fn string(&mut self, escapes: Escapes) -> Result<(), Doubt> {
        let len = quotes::length(self.rest, '\'', escapes)?;
        let text = self.cut(len);
        self.push(Kind::Text, "", text);
        Ok(())
    }

    fn double_quoted(&mut self) -> Result<(), Doubt> {
        if self.dialects == Dialects::ALL {
            return Err(Doubt(
                "has double quotes, which hold a name for some and a string for others; set `dialect`",
            ));
        }
        let escapes = if self.is_only(Dialects::MYSQL) {
            Escapes::Doubtful
        } else {
            Escapes::None
        };
        self.quoted_name('"', escapes)
    }

    fn back_quoted(&mut self) -> Result<(), Doubt> {
        if self.dialects.has(Dialects::POSTGRES) {
            return Err(Doubt("has a backquote, which not every dialect knows"));
        }
        self.quoted_name('`', Escapes::None)
    }

    fn quoted_name(&mut self, quote: char, escapes: Escapes) -> Result<(), Doubt> {
        let len = quotes::length(self.rest, quote, escapes)?;
        let quoted = self.cut(len);
        let inside = quoted
            .strip_prefix(quote)
            .and_then(|q| q.strip_suffix(quote));
        self.push(Kind::Quoted, "", inside.unwrap_or_default());
        Ok(())
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.rest.as_bytes().get(at).copied()
    }

    fn digit_follows(&self) -> bool {
        self.byte(1).is_some_and(|b| b.is_ascii_digit())
    }

    /// `1`, `1.5`, `.5`, `1e-3`; what some read as a number and others as a number and a name is
    /// in doubt.
    fn number(&mut self) -> Result<(), Doubt> {
        let hex = ["0x", "0X"].iter().any(|p| self.rest.starts_with(p));
        if hex && self.dialects.has(Dialects::POSTGRES) {
            return Err(Doubt("has a number in hex, which not every dialect knows"));
        }
        let mut len = if hex {
            2_usize.saturating_add(run(self.rest.get(2..), |b| b.is_ascii_hexdigit()))
        } else {
            self.decimal_length()
        };
        let after = self.rest.get(len..).unwrap_or_default();
        if !hex && after.starts_with(['e', 'E']) {
            let sign = usize::from(after.get(1..).is_some_and(|a| a.starts_with(['+', '-'])));
            let digits = run(after.get(1_usize.saturating_add(sign)..), |b| {
                b.is_ascii_digit()
            });
            if digits > 0 {
                len = len
                    .saturating_add(1)
                    .saturating_add(sign)
                    .saturating_add(digits);
            }
        }
        let text = self.cut(len);
        if self.rest.starts_with(|c| is_word_part(c) || c == '.') || text.ends_with(['x', 'X']) {
            return Err(Doubt("has a number that runs into a word"));
        }
        self.push(Kind::Number, "", text);
        Ok(())
    }

    fn decimal_length(&self) -> usize {
        let whole = run(Some(self.rest), |b| b.is_ascii_digit());
        let after = self.rest.get(whole..).unwrap_or_default();
        match after.strip_prefix('.') {
            Some(fraction) => {
                let digits = run(Some(fraction), |b| b.is_ascii_digit());
                whole.saturating_add(1).saturating_add(digits)
            }
            None => whole,
        }
    }

    /// PostgreSQL's `$1` and `$tag$ … $tag$`.
    fn dollar(&mut self) -> Result<(), Doubt> {
        if !self.is_only(Dialects::POSTGRES) {
            return Err(Doubt("has a `$`, which not every dialect reads alike"));
        }
        let digits = run(self.rest.get(1..), |b| b.is_ascii_digit());
        if digits > 0 {
            let text = self.cut(digits.saturating_add(1));
            if self.rest.starts_with(is_word_part) {
                return Err(Doubt("has a number that runs into a word"));
            }
            self.push(Kind::Parameter, "", text);
            return Ok(());
        }
        let len = quotes::dollar_length(self.rest)?;
        let text = self.cut(len);
        self.push(Kind::Text, "", text);
        Ok(())
    }

    fn is_parameter(&self, first: u8) -> bool {
        match first {
            b'@' => self.is_only(Dialects::MYSQL) || self.is_only(Dialects::SQLITE),
            b'?' => self.is_only(Dialects::MYSQL | Dialects::SQLITE),
            _ => self.is_only(Dialects::SQLITE),
        }
    }

    fn parameter(&mut self, first: u8) -> Result<(), Doubt> {
        let global = first == b'@' && self.is_only(Dialects::MYSQL) && self.rest.starts_with("@@");
        let sign = if global { 2 } else { 1 };
        let numbered = first == b'?';
        let part = |b: u8| match b {
            b'0'..=b'9' => !numbered || self.is_only(Dialects::SQLITE),
            b'.' => global,
            _ => !numbered && (b == b'_' || b.is_ascii_alphabetic()),
        };
        let name = run(self.rest.get(sign..), part);
        if name == 0 && !numbered {
            return Err(Doubt("has a parameter without a name"));
        }
        let text = self.cut(sign.saturating_add(name));
        if self
            .rest
            .starts_with(|c: char| is_word_part(c) || "'\"`:(".contains(c))
        {
            return Err(Doubt("has a parameter that runs into something else"));
        }
        self.push(Kind::Parameter, "", text);
        Ok(())
    }

    /// MySQL needs white space after the dashes; without it, it subtracts twice.
    fn line_comment(&mut self) -> Result<(), Doubt> {
        let next = self.byte(2);
        let spaced = next.is_none_or(|b| b.is_ascii_whitespace());
        if !spaced && self.dialects.has(Dialects::MYSQL) {
            return Err(Doubt(
                "has `--` without a space, a comment to some and two minus signs to others",
            ));
        }
        self.comment_to_line_end()
    }

    /// A lone carriage return ends the line for PostgreSQL only.
    fn comment_to_line_end(&mut self) -> Result<(), Doubt> {
        let len = self.rest.find('\n').unwrap_or(self.rest.len());
        let comment = self.cut(len);
        let inside = comment.strip_suffix('\r').unwrap_or(comment);
        if inside.contains('\r') || (inside.len() < comment.len() && self.rest.is_empty()) {
            return Err(Doubt("has a carriage return in a comment"));
        }
        Ok(())
    }

    fn block_comment(&mut self) -> Result<(), Doubt> {
        let inside = self.rest.get(2..).unwrap_or_default();
        if inside.starts_with(['!', '+']) || inside.starts_with("M!") || inside.starts_with("m!") {
            return Err(Doubt("has a comment that some execute or take as a hint"));
        }
        let len = inside
            .find("*/")
            .ok_or(Doubt("has a comment that is not closed"))?;
        if inside.get(..len).is_some_and(|c| c.contains("/*")) || inside.starts_with('/') {
            return Err(Doubt("has nested comments, which only some read"));
        }
        self.cut(len.saturating_add(4));
        Ok(())
    }

    fn operator(&mut self) -> Result<(), Doubt> {
        let len = operators::length(self.rest, self.dialects);
        let text = self.cut(len);
        let operator = operators::find(text, self.dialects)?;
        self.push(Kind::Symbol, operator, text);
        Ok(())
    }

    fn word(&mut self) -> Result<(), Doubt> {
        let len = self
            .rest
            .find(|c| !is_word_part(c))
            .unwrap_or(self.rest.len());
        let text = self.cut(len);
        match self.rest.bytes().next() {
            Some(b'\'') => return self.prefixed_string(text),
            Some(b'"' | b'`') => {
                return Err(Doubt("has a word that runs into a quote"));
            }
            Some(b'&')
                if text.eq_ignore_ascii_case("u")
                    && self.rest.get(1..2).is_some_and(|q| "'\"".contains(q)) =>
            {
                return Err(Doubt("has Unicode escapes, which only PostgreSQL reads"));
            }
            _ => {}
        }
        let (kind, word) = words::find(text);
        self.push(kind, word, text);
        Ok(())
    }

    /// `x'ff'` everywhere; `e'…'`, `b'…'` and `n'…'` where they are known.
    fn prefixed_string(&mut self, prefix: &str) -> Result<(), Doubt> {
        let lower = prefix.to_ascii_lowercase();
        let only_postgres = self.is_only(Dialects::POSTGRES);
        match lower.as_str() {
            "e" if only_postgres => return self.string(Escapes::Backslash),
            "n" if only_postgres || self.is_only(Dialects::MYSQL) => {
                return self.string(Escapes::Doubtful);
            }
            "b" if only_postgres || self.is_only(Dialects::MYSQL) => {}
            "x" => {}
            _ => return Err(Doubt("has a word that runs into a quote")),
        }
        self.string(Escapes::None)?;
        let quoted = self.tokens.last().map_or("", |t| t.text);
        let digits = quoted.strip_prefix('\'').and_then(|q| q.strip_suffix('\''));
        let whole = |d: &str| lower == "b" || d.len().is_multiple_of(2);
        let such = |d: &str| d.bytes().all(|b| b.is_ascii_hexdigit());
        if digits.is_some_and(|d| such(d) && whole(d)) {
            Ok(())
        } else {
            Err(Doubt("has a binary string that holds no digits"))
        }
    }
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && c.is_alphanumeric())
}

fn is_word_part(c: char) -> bool {
    is_word_start(c) || c.is_ascii_digit() || c == '$'
}

/// How many bytes at the front are such.
fn run(text: Option<&str>, such: impl Fn(u8) -> bool) -> usize {
    text.map_or(0, |t| t.bytes().take_while(|b| such(*b)).count())
}
