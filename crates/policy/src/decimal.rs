//! Numbers as people write them: exact decimals of at most 38 significant digits.
//!
//! No binary fraction occurs anywhere, so `0.1`, `1e19` and `9007199254740993` are what they say.
//! Sums that need more than 38 digits are rounded up by the operations that say so; nothing else
//! rounds.

use std::cmp::Ordering;
use std::fmt;

/// How many significant digits a number may have.
pub const MAX_DIGITS: u32 = 38;

/// No number needs a larger power of ten, and within it no exponent arithmetic overflows.
const MAX_EXPONENT: i64 = 1_000_000_000;

/// `mantissa` · 10^`exponent`.
///
// INVARIANT: the mantissa has at most 38 digits and no trailing zero, and zero is 0 · 10^0, so that
// equal numbers have equal fields and hash alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i128,
    exponent: i64,
}

/// Why a text has no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    NotANumber,
    TooManyDigits,
    OutOfRange,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "not a number",
            Self::TooManyDigits => "a number of more than 38 significant digits",
            Self::OutOfRange => "a number with an exponent beyond a billion",
        })
    }
}

impl std::error::Error for DecimalError {}

impl Decimal {
    pub const ZERO: Self = Self {
        mantissa: 0,
        exponent: 0,
    };
    pub const ONE: Self = Self {
        mantissa: 1,
        exponent: 0,
    };

    /// Reads a number as JSON writes them.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let literal = Literal::read(text).ok_or(DecimalError::NotANumber)?;
        let mut magnitude: u128 = 0;
        let mut significant: u32 = 0;
        let mut zeros: u32 = 0;
        for digit in literal.digits() {
            if digit == 0 {
                zeros = zeros.saturating_add(u32::from(magnitude != 0));
                continue;
            }
            let shift = zeros.saturating_add(1);
            significant = significant.saturating_add(shift);
            if significant > MAX_DIGITS {
                return Err(DecimalError::TooManyDigits);
            }
            magnitude = power_of_ten(shift)
                .and_then(|scale| magnitude.checked_mul(scale))
                .and_then(|scaled| scaled.checked_add(u128::from(digit)))
                .ok_or(DecimalError::TooManyDigits)?;
            zeros = 0;
        }
        if magnitude == 0 {
            return Ok(Self::ZERO);
        }
        let exponent = literal
            .exponent_of_last_digit()
            .and_then(|e| e.checked_add(i64::from(zeros)))
            .filter(|e| e.abs() <= MAX_EXPONENT)
            .ok_or(DecimalError::OutOfRange)?;
        Self::normal(literal.negative, magnitude, exponent).ok_or(DecimalError::TooManyDigits)
    }

    pub const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub const fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// Does it have no fraction?
    pub const fn is_whole(self) -> bool {
        self.exponent >= 0
    }

    /// Is it a whole number of times `unit`? Nothing if that cannot be reckoned.
    pub fn is_multiple_of(self, unit: Self) -> Option<bool> {
        if self.is_zero() || unit.is_zero() {
            return Some(self.is_zero());
        }
        let exponent = self.exponent.min(unit.exponent);
        let (own, unit) = (self.scaled_to(exponent)?, unit.scaled_to(exponent)?);
        own.checked_rem(unit).map(|rest| rest == 0)
    }

    /// The same number with the other sign.
    pub const fn negated(self) -> Self {
        Self {
            mantissa: self.mantissa.saturating_neg(),
            exponent: self.exponent,
        }
    }

    /// The exact sum, or nothing if it needs more than 38 digits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.scaled_to(exponent)?, other.scaled_to(exponent)?);
        if self.is_negative() == other.is_negative() {
            return Self::normal(self.is_negative(), a.checked_add(b)?, exponent);
        }
        let negative = if a >= b {
            self.is_negative()
        } else {
            other.is_negative()
        };
        Self::normal(negative, a.abs_diff(b), exponent)
    }

    /// The exact difference, or nothing if it needs more than 38 digits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(other.negated())
    }

    /// The sum of two numbers that are not negative, rounded up where it needs more than 38 digits.
    pub fn add_up(self, other: Self) -> Self {
        if let Some(exact) = self.checked_add(other) {
            return exact;
        }
        let (large, small) = if self >= other {
            (self, other)
        } else {
            (other, self)
        };
        // With all 38 digits spent on the large one, the small one is rounded up to its last.
        let spare = MAX_DIGITS.saturating_sub(digits_of(large.magnitude()));
        let exponent = large.exponent.saturating_sub(i64::from(spare));
        let sum = large
            .scaled_to(exponent)
            .and_then(|a| a.checked_add(small.rounded_up_to(exponent)))
            .unwrap_or(u128::MAX);
        Self::normal(false, sum, exponent)
            .or_else(|| Self::normal(false, sum.div_ceil(10), exponent.saturating_add(1)))
            .unwrap_or(large)
    }

    /// The difference of two numbers that are not negative: never negative, and never less than
    /// the true difference.
    pub fn sub_up(self, other: Self) -> Self {
        if other >= self {
            return Self::ZERO;
        }
        self.checked_sub(other).unwrap_or(self)
    }

    /// The number as a whole number, if it is one and fits.
    pub fn to_u64(self) -> Option<u64> {
        let magnitude = u64::try_from(self.mantissa).ok()?;
        let power = u32::try_from(self.exponent).ok()?;
        magnitude.checked_mul(10_u64.checked_pow(power)?)
    }

    const fn magnitude(self) -> u128 {
        self.mantissa.unsigned_abs()
    }

    /// The magnitude in units of 10^`exponent`, which is no larger than its own exponent.
    fn scaled_to(self, exponent: i64) -> Option<u128> {
        if self.is_zero() {
            return Some(0);
        }
        let shift = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        self.magnitude().checked_mul(power_of_ten(shift)?)
    }

    /// The magnitude in units of 10^`exponent`, a part of a unit counting as one.
    fn rounded_up_to(self, exponent: i64) -> u128 {
        if let Some(exact) = self.scaled_to(exponent) {
            return exact;
        }
        u32::try_from(exponent.saturating_sub(self.exponent))
            .ok()
            .and_then(power_of_ten)
            .map_or(1, |unit| self.magnitude().div_ceil(unit))
    }

    fn normal(negative: bool, magnitude: u128, exponent: i64) -> Option<Self> {
        if magnitude == 0 {
            return Some(Self::ZERO);
        }
        let (magnitude, zeros) = without_trailing_zeros(magnitude);
        let exponent = exponent.checked_add(zeros)?;
        if digits_of(magnitude) > MAX_DIGITS {
            return None;
        }
        let mantissa = i128::try_from(magnitude).ok()?;
        Some(Self {
            mantissa: if negative {
                mantissa.saturating_neg()
            } else {
                mantissa
            },
            exponent,
        })
    }

    fn cmp_magnitude(self, other: Self) -> Ordering {
        if self.exponent == other.exponent {
            return self.magnitude().cmp(&other.magnitude());
        }
        let top = |d: Self| {
            d.exponent
                .saturating_add(i64::from(digits_of(d.magnitude())))
        };
        top(self).cmp(&top(other)).then_with(|| {
            // Equal length from the top: bringing both to the smaller exponent keeps 38 digits.
            let exponent = self.exponent.min(other.exponent);
            self.scaled_to(exponent).cmp(&other.scaled_to(exponent))
        })
    }
}

impl From<u32> for Decimal {
    fn from(n: u32) -> Self {
        Self::normal(false, u128::from(n), 0).unwrap_or(Self::ZERO)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.mantissa.signum().cmp(&other.mantissa.signum()) {
            Ordering::Equal if self.is_zero() => Ordering::Equal,
            Ordering::Equal if self.is_negative() => other.cmp_magnitude(*self),
            Ordering::Equal => self.cmp_magnitude(*other),
            unequal => unequal,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The one spelling of the number: equal numbers, equal text.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exponent == 0 {
            // A whole number is spelled as it is; none of 128 bits is too long for that.
            return self.mantissa.fmt(f);
        }
        let digits = self.magnitude().to_string();
        f.write_str(&spell(self.is_negative(), &digits, self.exponent))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}

/// The canonical spelling of a JSON number of any length.
///
/// Only a number whose exponent itself is beyond reckoning keeps the spelling it came with.
pub(crate) fn canonical_number(text: &str) -> String {
    let Some(literal) = Literal::read(text) else {
        return text.to_owned();
    };
    // Nearly all numbers are written as people write them.
    literal.plain().unwrap_or_else(|| reckoned(text, &literal))
}

fn reckoned(text: &str, literal: &Literal<'_>) -> String {
    let all: String = literal
        .digits()
        .filter_map(|d| char::from_digit(u32::from(d), 10))
        .collect();
    let digits = all.trim_start_matches('0').trim_end_matches('0');
    if digits.is_empty() {
        return "0".to_owned();
    }
    let zeros = all.len().saturating_sub(all.trim_end_matches('0').len());
    let exponent = literal
        .exponent_of_last_digit()
        .and_then(|e| e.checked_add(i64::try_from(zeros).ok()?));
    match exponent {
        Some(exponent) => spell(literal.negative, digits, exponent),
        None => text.to_owned(),
    }
}

/// Numbers of so many digits are spelled without an exponent.
const PLAIN: i64 = 40;

/// Plain where that is readable, else with an exponent.
fn spell(negative: bool, digits: &str, exponent: i64) -> String {
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let point = count.saturating_add(exponent);
    let zeros = |n: i64| "0".repeat(usize::try_from(n).unwrap_or(0));
    let sign = if negative { "-" } else { "" };
    let split = |at: i64| {
        let at = usize::try_from(at).unwrap_or(0);
        digits.split_at_checked(at).unwrap_or((digits, ""))
    };
    if exponent >= 0 && point <= PLAIN {
        format!("{sign}{digits}{}", zeros(exponent))
    } else if exponent < 0 && point > 0 {
        let (whole, fraction) = split(point);
        format!("{sign}{whole}.{fraction}")
    } else if exponent < 0 && point > -6 {
        format!("{sign}0.{}{digits}", zeros(point.saturating_neg()))
    } else {
        let (first, rest) = split(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{dot}{rest}e{}", point.saturating_sub(1))
    }
}

/// The parts of a number's source text.
struct Literal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: &'a str,
}

impl<'a> Literal<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |r| (true, r));
        let (number, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if leading_zero || ![whole, fraction, unsigned].into_iter().all(all_digits) {
            return None;
        }
        Some(Self {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    /// The canonical spelling of a number without an exponent and beyond one: as it is, without zeros
    /// at the end of its fraction.
    fn plain(&self) -> Option<String> {
        let length = i64::try_from(self.whole.len()).ok()?;
        if self.exponent != "0" || self.whole == "0" || length > PLAIN {
            return None;
        }
        let fraction = self.fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if self.negative { "-" } else { "" };
        Some([sign, self.whole, point, fraction].concat())
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole
            .bytes()
            .chain(self.fraction.bytes())
            .map(|b| b.wrapping_sub(b'0'))
    }

    fn exponent_of_last_digit(&self) -> Option<i64> {
        let written: i64 = self.exponent.parse().ok()?;
        written.checked_sub(i64::try_from(self.fraction.len()).ok()?)
    }
}

/// Strips the zeros and counts them; nearly all numbers are small, and small ones divide quickly.
fn without_trailing_zeros(magnitude: u128) -> (u128, i64) {
    let (mut magnitude, mut zeros) = (magnitude, 0_i64);
    while u64::try_from(magnitude).is_err() && magnitude.is_multiple_of(10) {
        magnitude = magnitude.wrapping_div(10);
        zeros = zeros.saturating_add(1);
    }
    let Ok(mut small) = u64::try_from(magnitude) else {
        return (magnitude, zeros);
    };
    while small != 0 && small.is_multiple_of(10) {
        small = small.wrapping_div(10);
        zeros = zeros.saturating_add(1);
    }
    (u128::from(small), zeros)
}

const fn power_of_ten(power: u32) -> Option<u128> {
    10_u128.checked_pow(power)
}

const fn digits_of(magnitude: u128) -> u32 {
    match magnitude.checked_ilog10() {
        Some(log) => log.saturating_add(1),
        None => 0,
    }
}

#[cfg(test)]
mod tests;
