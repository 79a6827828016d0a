//! Numbers from the input, two at a time, held against digits compared by hand.

use std::cmp::Ordering;

use portreeve_policy::decimal::{Decimal, DecimalError};

use super::super::conditions::Exact;

pub fn check(text: &str) {
    let (a, b) = text.split_once('\n').unwrap_or((text, text));
    let (Ok(a_read), Ok(b_read)) = (read(a), read(b)) else {
        return;
    };
    assert_eq!(a_read.cmp(&b_read), b_read.cmp(&a_read).reverse());
    assert_eq!(a_read.cmp(&b_read) == Ordering::Equal, a_read == b_read);
    assert_eq!(a_read.negated().negated(), a_read);
    assert_eq!(a_read.checked_add(b_read), b_read.checked_add(a_read));
    assert_eq!(a_read.add_up(b_read), b_read.add_up(a_read));
    match a_read.checked_add(b_read) {
        Some(sum) => {
            assert_eq!(a_read.add_up(b_read), sum);
            assert_eq!(sum.checked_sub(b_read), Some(a_read));
        }
        // Rounded up, a sum is never less than either of two that are not negative.
        None if !a_read.is_negative() && !b_read.is_negative() => {
            assert!(a_read.add_up(b_read) >= a_read.max(b_read));
        }
        None => {}
    }
    if let (Some(a), Some(b)) = (near(a), near(b)) {
        assert_eq!(a_read.cmp(&b_read), a.order(&b));
    }
}

/// The number; it reads the same again from its own spelling.
fn read(text: &str) -> Result<Decimal, DecimalError> {
    let number = Decimal::parse(text)?;
    assert_eq!(Decimal::parse(&number.to_string()), Ok(number), "{text:?}");
    if let Some(exact) = near(text) {
        assert_eq!(exact.is_zero(), number.is_zero(), "{text:?}");
        assert_eq!(exact.negative, number.is_negative(), "{text:?}");
        assert_eq!(exact.power >= 0, number.is_whole(), "{text:?}");
    } else if let Some((_, power)) = text.split_once(['e', 'E'])
        && power.parse::<i32>().is_ok_and(|power| power.abs() < 1_000)
    {
        panic!("a number that has too many digits was read: {text:?}");
    }
    Ok(number)
}

/// The number by hand, unless its power would fill the memory.
fn near(text: &str) -> Option<Exact> {
    Exact::read(text).filter(|exact| exact.power.abs() < 10_000)
}
