//! Addresses and numbers of people.

use super::Found;

/// Everything with the form of a mail address: something, `@`, a domain with a dot.
pub(super) fn emails(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (at, _) in text.match_indices('@') {
        let taken = found.last().map_or(0, |last| last.end);
        let local = |c: char| c.is_alphanumeric() || "._%+-!#$&'*/=?^`{|}~".contains(c);
        let before = text.get(taken..at).unwrap_or_default();
        let name = before.trim_end_matches(local).len();
        let start = taken.saturating_add(name);
        let after = text.get(at.saturating_add(1)..).unwrap_or_default();
        if let (true, Some(length)) = (start < at, domain(after)) {
            found.push(start..at.saturating_add(1).saturating_add(length));
        }
    }
    found
}

/// How long the domain at the beginning of the text is, if there is one with a dot in it.
fn domain(text: &str) -> Option<usize> {
    let inside = |c: char| c.is_alphanumeric() || c == '-' || c == '.';
    let whole = text
        .len()
        .saturating_sub(text.trim_start_matches(inside).len());
    let domain = text.get(..whole)?.trim_end_matches(['.', '-']);
    let (host, top) = domain.rsplit_once('.')?;
    let is_top = top.chars().count() >= 2 && !top.contains(|c: char| c.is_ascii_digit());
    (is_top && !host.is_empty()).then_some(domain.len())
}

/// Numbers with a `+` and 8 to 15 digits, and ten-digit numbers in groups, as in (555) 123-4567.
pub(super) fn phones(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut before = None;
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let begins = match byte {
            b'+' | b'(' => true,
            b'0'..=b'9' => {
                !before.is_some_and(|b: u8| b.is_ascii_alphanumeric() || b".-_/".contains(&b))
            }
            _ => false,
        };
        before = Some(byte);
        if !begins || at < from {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        if let Some(length) = phone(rest) {
            from = at.saturating_add(length);
            found.push(at..from);
        }
    }
    found
}

/// The most digits of a number, and of what may stand between two of them.
const MOST_DIGITS: usize = 15;
const WIDEST_GAP: usize = 8;

/// How long the phone number at the beginning of the text is.
fn phone(text: &str) -> Option<usize> {
    let number = digits_in_groups(text)?;
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let groups = number
        .split(|c: char| !c.is_ascii_digit())
        .filter(|g| !g.is_empty());
    let sizes: Vec<usize> = groups.map(str::len).collect();
    let is_international = text.starts_with('+') && (8..=MOST_DIGITS).contains(&digits);
    let is_grouped = matches!(*sizes, [3, 3, 4] | [1, 3, 3, 4]);
    let follows = text.get(number.len()..)?;
    let ends = !follows.starts_with(|c: char| c.is_alphanumeric());
    ((is_international || is_grouped) && ends).then_some(number.len())
}

/// What the text begins with as far as it may be a number: to the last digit, but not past more
/// digits than a number has.
//
// INVARIANT: the look is a short one, for a text may be nothing but beginnings.
fn digits_in_groups(text: &str) -> Option<&str> {
    let (mut end, mut digits) = (0, 0_usize);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' if digits > MOST_DIGITS => break,
            b'0'..=b'9' => {
                digits = digits.saturating_add(1);
                end = at.saturating_add(1);
            }
            b'+' | b'(' | b')' | b'-' | b'.' | b' ' | b'/'
                if at.saturating_sub(end) < WIDEST_GAP => {}
            _ => break,
        }
    }
    text.get(..end)
}
