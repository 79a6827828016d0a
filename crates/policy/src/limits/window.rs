//! Windows as they are written, and spans of time in words.

use crate::decimal::Decimal;
use crate::json::{Kind, Value};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 86_400_000;
const WEEK: u64 = 604_800_000;

/// The longest window: a leap year.
const LONGEST: u64 = 31_622_400_000;

pub(crate) const WORDS: [&str; 5] = ["second", "minute", "hour", "day", "week"];
const SPANS: [u64; 5] = [SECOND, MINUTE, HOUR, DAY, WEEK];

/// Reads a window and answers its milliseconds, or what is wrong with it.
pub(crate) fn read(value: &Value<'_>) -> Result<u64, String> {
    let millis = match &value.kind {
        Kind::Number(text) => Decimal::parse(text)
            .ok()
            .and_then(Decimal::to_u64)
            .and_then(|seconds| seconds.checked_mul(SECOND))
            .ok_or("a window in numbers is a whole number of seconds, as in 60"),
        Kind::String(text) => from_text(text).ok_or(
            "a window is \"second\", \"minute\", \"hour\", \"day\", \"week\", \
             a number of seconds, or as in \"90s\", \"15m\", \"6h\", \"30d\"",
        ),
        _ => Err("a window is a text or a number of seconds"),
    }?;
    if (SECOND..=LONGEST).contains(&millis) {
        Ok(millis)
    } else {
        Err("a window is at least 1 second and at most 366 days".to_owned())
    }
}

/// Reads a span, in words or as seconds, of whatever length.
pub(crate) fn span(value: &Value<'_>) -> Option<u64> {
    match &value.kind {
        Kind::Number(text) => {
            let seconds = Decimal::parse(text).ok()?.to_u64()?;
            Some(seconds.saturating_mul(SECOND))
        }
        Kind::String(text) => from_text(text),
        _ => None,
    }
}

fn from_text(text: &str) -> Option<u64> {
    if let Some((_, span)) = WORDS.iter().zip(SPANS).find(|(word, _)| **word == text) {
        return Some(span);
    }
    let last = text.len().checked_sub(1)?;
    let (digits, unit) = text.split_at_checked(last)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let unit = match unit {
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    // A number too large for us is too large a window: let the bounds say so.
    Some(digits.parse().unwrap_or(u64::MAX).saturating_mul(unit))
}

/// The window that was probably meant by a text that is none: `10m` for "10 minutes".
pub(crate) fn meant(text: &str) -> Option<String> {
    const LONGEST_COUNT: usize = 9;
    let text = text.trim().to_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(end)?;
    let unit = unit.trim_start();
    let known = [&WORDS[..], &["30d", "365d"]].concat();
    let word = known.iter().find(|word| **word == unit).copied();
    let word = word.or_else(|| Some(crate::meant::meant(unit, &known)?.word))?;
    if count.is_empty() || count == "1" {
        return Some(word.to_owned());
    }
    // Months and weeks have no sign of their own, and a very long number is no count of anything.
    let sign = matches!(word, "second" | "minute" | "hour" | "day").then(|| word.get(..1))??;
    (count.len() <= LONGEST_COUNT).then(|| format!("{count}{sign}"))
}

/// A window as a sentence says it: "minute", "90 seconds", "6 hours".
pub(crate) fn in_words(millis: u64) -> String {
    WORDS
        .iter()
        .zip(SPANS)
        .rev()
        .find(|(_, span)| millis >= *span && millis.is_multiple_of(*span))
        .map_or_else(
            || format!("{millis} ms"),
            |(word, span)| match millis.checked_div(span) {
                Some(1) => (*word).to_owned(),
                count => format!("{} {word}s", count.unwrap_or_default()),
            },
        )
}

/// How long to wait, rounded up so that waiting that long is enough.
pub(crate) fn wait_in_words(millis: u64) -> String {
    let (small, unit, large, large_unit) = match millis {
        0..=120_000 => return format!("{} s", millis.div_ceil(SECOND)),
        120_001..=7_200_000 => (SECOND, "s", MINUTE, "min"),
        7_200_001..=172_800_000 => (MINUTE, "min", HOUR, "h"),
        _ => (HOUR, "h", DAY, "d"),
    };
    let rounded = millis.div_ceil(small).saturating_mul(small);
    let whole = rounded.checked_div(large).unwrap_or_default();
    let rest = rounded
        .checked_rem(large)
        .and_then(|rest| rest.checked_div(small))
        .unwrap_or_default();
    if rest == 0 {
        format!("{whole} {large_unit}")
    } else {
        format!("{whole} {large_unit} {rest} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Rules, parse};

    #[test]
    fn windows_are_read() {
        for (text, millis) in [
            ("\"second\"", Some(1_000)),
            ("\"minute\"", Some(60_000)),
            ("\"hour\"", Some(3_600_000)),
            ("\"day\"", Some(86_400_000)),
            ("\"week\"", Some(604_800_000)),
            ("60", Some(60_000)),
            ("6e1", Some(60_000)),
            ("60.0", Some(60_000)),
            ("1", Some(1_000)),
            ("\"90s\"", Some(90_000)),
            ("\"15m\"", Some(900_000)),
            ("\"6h\"", Some(21_600_000)),
            ("\"30d\"", Some(2_592_000_000)),
            ("\"366d\"", Some(31_622_400_000)),
            ("\"367d\"", None),
            ("\"99999999999999999999d\"", None),
            ("0", None),
            ("0.5", None),
            ("-60", None),
            ("1e400", None),
            ("\"0s\"", None),
            ("\"60\"", None),
            ("\"+6h\"", None),
            ("\"1.5h\"", None),
            ("\"6 h\"", None),
            ("\"h\"", None),
            ("\"\"", None),
            ("\"µ\"", None),
            ("\"Minute\"", None),
            ("true", None),
        ] {
            let value = parse(text.as_bytes(), Rules::DOCUMENT).expect("JSON");
            assert_eq!(read(&value).ok(), millis, "{text}");
        }
    }

    #[test]
    fn a_window_in_other_words_is_understood() {
        for (text, expected) in [
            ("minutes", Some("minute")),
            ("Minute", Some("minute")),
            ("1 hour", Some("hour")),
            ("10 minutes", Some("10m")),
            ("10min", Some("10m")),
            ("6 hrs", Some("6h")),
            ("2 days", Some("2d")),
            ("month", Some("30d")),
            ("2 weeks", None),
            ("fortnight", None),
            ("1.5h", None),
            ("1234567890s", None),
            ("60", None),
            ("", None),
        ] {
            assert_eq!(meant(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn spans_have_words() {
        for (millis, window, wait) in [
            (1, "1 ms", "1 s"),
            (1_000, "second", "1 s"),
            (1_001, "1001 ms", "2 s"),
            (60_000, "minute", "60 s"),
            (90_000, "90 seconds", "90 s"),
            (900_000, "15 minutes", "15 min"),
            (901_500, "901500 ms", "15 min 2 s"),
            (21_600_000, "6 hours", "6 h"),
            (21_600_001, "21600001 ms", "6 h 1 min"),
            (86_400_000, "day", "24 h"),
            (604_800_000, "week", "7 d"),
            (2_592_000_000, "30 days", "30 d"),
        ] {
            assert_eq!(in_words(millis), window);
            assert_eq!(wait_in_words(millis), wait);
        }
    }
}
