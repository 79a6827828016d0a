//! Spans of time as people write them: `90s`, `15m`, `6h`, `30d`, `2w`.

use std::time::Duration;

/// Why a text is no span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub struct BadDuration(pub String);

impl BadDuration {
    fn said(&self) -> String {
        let text = &self.0;
        let number = text.strip_suffix(['s', 'm', 'h', 'd', 'w']);
        let digits = number.map(|number| number.strip_prefix('-').unwrap_or(number));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        match digits {
            Some(digits) if is_number(digits) && (text.starts_with('-') || is_zero(digits)) => {
                format!("{text:?} must be longer than 0")
            }
            _ => format!(
                "{text:?} is not a span of time: write a whole number and a unit, such as `90s`, `15m`, \
                 `6h`, `30d` or `2w`"
            ),
        }
    }
}

/// Reads a whole number of seconds, minutes, hours, days or weeks; zero is none.
pub fn parse(text: &str) -> Result<Duration, BadDuration> {
    let bad = || BadDuration(text.to_owned());
    let unit = text.chars().last().ok_or_else(bad)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(bad()),
    };
    let number = text.strip_suffix(unit).ok_or_else(bad)?;
    let all_digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = if all_digits {
        number.parse().map_err(|_| bad())?
    } else {
        return Err(bad());
    };
    // A thousand years and more are a slip, and would not fit a time in milliseconds.
    count
        .checked_mul(seconds)
        .filter(|total| (1..=31_536_000_000).contains(total))
        .map(Duration::from_secs)
        .ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_nonsense_is_not() {
        for (text, seconds) in [
            ("1s", 1),
            ("15m", 900),
            ("6h", 21_600),
            ("30d", 2_592_000),
            ("2w", 1_209_600),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in [
            "",
            "s",
            "5",
            "0s",
            "-1s",
            "1.5h",
            "+1h",
            "1y",
            "99999999999999999999d",
            "40000000000s",
            "1 h",
            "é",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for (text, says) in [
            ("0s", "must be longer than 0"),
            ("-1h", "must be longer than 0"),
            ("-h", "is not a span of time"),
            ("-1y", "is not a span of time"),
        ] {
            let said = parse(text).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        }
    }
}
