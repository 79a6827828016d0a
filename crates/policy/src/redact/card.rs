//! Payment card numbers: 13 to 19 digits, perhaps in groups, whose last digit checks the others.

use super::Found;

const FEWEST: usize = 13;
const MOST: usize = 19;

pub(super) fn find(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(start) = next_digit(text, rest) {
        let (digits, end) = grouped_digits(text, start);
        rest = end;
        found.extend(card_in(&digits).map(|(first, last)| first..last));
    }
    found
}

/// Where the next digit stands.
fn next_digit(text: &str, from: usize) -> Option<usize> {
    let offset = text
        .as_bytes()
        .get(from..)?
        .iter()
        .position(u8::is_ascii_digit)?;
    Some(from.saturating_add(offset))
}

/// Digits with at most one space or hyphen between two of them, each with its place, and the end.
fn grouped_digits(text: &str, start: usize) -> (Vec<(u8, usize)>, usize) {
    let mut digits: Vec<(u8, usize)> = Vec::new();
    let mut gap = false;
    let mut end = start;
    for (at, byte) in text.bytes().enumerate().skip(start) {
        match byte {
            b'0'..=b'9' => {
                digits.push((byte.wrapping_sub(b'0'), at));
                gap = false;
                end = at.saturating_add(1);
            }
            b' ' | b'-' if !gap => gap = true,
            _ => break,
        }
    }
    (digits, end)
}

/// The longest card number of whole groups, as bytes from and to.
fn card_in(digits: &[(u8, usize)]) -> Option<(usize, usize)> {
    for length in (FEWEST..=MOST.min(digits.len())).rev() {
        for (start, window) in digits.windows(length).enumerate() {
            let (Some((_, first)), Some((_, last))) = (window.first(), window.last()) else {
                continue;
            };
            let end = last.saturating_add(1);
            let before = start.checked_sub(1).and_then(|i| digits.get(i));
            let after = digits.get(start.saturating_add(length));
            // Within a group, one number in ten would pass the check by chance.
            let is_whole = before.is_none_or(|(_, at)| at.saturating_add(1) < *first)
                && after.is_none_or(|(_, at)| end < *at);
            if is_whole && is_checked(window) {
                return Some((*first, end));
            }
        }
    }
    None
}

/// The check by Luhn, and not zeros only.
fn is_checked(digits: &[(u8, usize)]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(
            |(i, (digit, _))| match (i.is_multiple_of(2), u32::from(*digit)) {
                (true, digit) => digit,
                (false, digit @ 0..=4) => digit.saturating_mul(2),
                (false, digit) => digit.saturating_mul(2).saturating_sub(9),
            },
        )
        .sum();
    sum > 0 && sum.is_multiple_of(10)
}
