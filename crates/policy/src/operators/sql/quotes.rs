//! Where a quoted text ends.

use super::Doubt;
use super::dialect::Dialects;

pub(super) const NOT_CLOSED: Doubt = Doubt("has a quote that is not closed");

/// What a backslash does between quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// It is a letter like others.
    None,
    /// It takes away the meaning of what follows.
    Backslash,
    /// That hangs on a setting or on the dialect, so both readings must end at the same place.
    Doubtful,
}

impl Escapes {
    /// In plain strings: `standard_conforming_strings` and `NO_BACKSLASH_ESCAPES` are settings.
    pub(super) fn of_strings(dialects: Dialects) -> Self {
        if dialects.within(Dialects::SQLITE) {
            Self::None
        } else {
            Self::Doubtful
        }
    }
}

/// The bytes of the quoted text at the front, quotes included. A doubled quote is one inside.
pub(super) fn length(text: &str, quote: char, escapes: Escapes) -> Result<usize, Doubt> {
    let to_quote = || scan(text, quote, false);
    let past_escapes = || scan(text, quote, true);
    match escapes {
        Escapes::None => to_quote().ok_or(NOT_CLOSED),
        Escapes::Backslash => past_escapes().ok_or(NOT_CLOSED),
        Escapes::Doubtful => {
            let end = to_quote().ok_or(NOT_CLOSED)?;
            let has_backslash = text.get(..end).is_some_and(|t| t.contains('\\'));
            if has_backslash && past_escapes() != Some(end) {
                return Err(Doubt(
                    "has a backslash before a quote, which settings decide about",
                ));
            }
            Ok(end)
        }
    }
}

fn scan(text: &str, quote: char, backslash: bool) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if backslash && c == '\\' {
            chars.next()?;
        } else if c == quote {
            let doubled = chars.peek().is_some_and(|(_, next)| *next == quote);
            if !doubled {
                return at.checked_add(1);
            }
            chars.next();
        }
    }
    None
}

/// The bytes of `$tag$ … $tag$` at the front.
pub(super) fn dollar_length(text: &str) -> Result<usize, Doubt> {
    let doubt = Doubt("has a `$` that quotes nothing");
    let tag = text.strip_prefix('$').and_then(|t| t.split_once('$'));
    let (tag, inside) = tag.ok_or(doubt)?;
    let starts_well = !tag.starts_with(|c: char| c.is_ascii_digit());
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !starts_well || !tag.chars().all(letter) {
        return Err(doubt);
    }
    let quote_len = tag.len().saturating_add(2);
    let quote = text.get(..quote_len).ok_or(doubt)?;
    let end = inside.find(quote).ok_or(NOT_CLOSED)?;
    Ok(end.saturating_add(quote_len).saturating_add(quote_len))
}
