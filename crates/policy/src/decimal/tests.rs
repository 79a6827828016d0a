//! Cases, and agreement with sums of plain integers.

use proptest::prelude::*;

use super::*;

fn d(text: &str) -> Decimal {
    Decimal::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn numbers_are_what_they_say() {
    for (text, canonical) in [
        ("0", "0"),
        ("-0", "0"),
        ("0e999999999999999999999", "0"),
        ("1.0", "1"),
        ("100", "100"),
        ("1e2", "100"),
        ("1E+2", "100"),
        ("0.10", "0.1"),
        ("-12.50", "-12.5"),
        ("1e-3", "0.001"),
        ("1e-9", "1e-9"),
        ("1.5e-10", "1.5e-10"),
        ("1e400", "1e400"),
        ("-1e-400", "-1e-400"),
        ("9007199254740993", "9007199254740993"),
        (
            "99999999999999999999999999999999999999",
            "99999999999999999999999999999999999999",
        ),
        ("1000000000000000000000000000000000000000000000000", "1e48"),
        (
            "0.00000000000000000000000000000000000000000000000001",
            "1e-50",
        ),
    ] {
        assert_eq!(d(text).to_string(), canonical, "{text}");
        assert_eq!(d(canonical), d(text), "{text}");
        assert_eq!(canonical_number(text), canonical, "{text}");
    }
}

#[test]
fn what_has_no_value_is_an_error() {
    for (text, error) in [
        ("", DecimalError::NotANumber),
        ("-", DecimalError::NotANumber),
        ("+1", DecimalError::NotANumber),
        ("01", DecimalError::NotANumber),
        (".5", DecimalError::NotANumber),
        ("1.", DecimalError::NotANumber),
        ("1e", DecimalError::NotANumber),
        ("0x10", DecimalError::NotANumber),
        ("1 ", DecimalError::NotANumber),
        ("NaN", DecimalError::NotANumber),
        (
            "123456789012345678901234567890123456789",
            DecimalError::TooManyDigits,
        ),
        (
            "1.00000000000000000000000000000000000001",
            DecimalError::TooManyDigits,
        ),
        ("1e1000000001", DecimalError::OutOfRange),
        ("1e-1000000001", DecimalError::OutOfRange),
        ("1e99999999999999999999", DecimalError::OutOfRange),
    ] {
        assert_eq!(Decimal::parse(text), Err(error), "{text}");
    }
}

#[test]
fn order_is_by_value() {
    let rising = [
        "-1e400",
        "-10",
        "-9.99",
        "-1e-400",
        "0",
        "1e-400",
        "0.1",
        "0.11",
        "0.2",
        "1",
        "9.99",
        "10",
        "99999999999999999999999999999999999999",
        "1e38",
        "1.1e38",
        "1e400",
    ];
    for (i, a) in rising.iter().enumerate() {
        for (j, b) in rising.iter().enumerate() {
            assert_eq!(d(a).cmp(&d(b)), i.cmp(&j), "{a} {b}");
        }
    }
}

#[test]
fn sums_are_exact_or_nothing() {
    for (a, b, sum) in [
        ("0.1", "0.2", Some("0.3")),
        (
            "1e30",
            "1e-7",
            Some("1000000000000000000000000000000.0000001"),
        ),
        ("99999999999999999999999999999999999999", "1", Some("1e38")),
        (
            "85070591730234615865843651857942052865",
            "85070591730234615865843651857942052865",
            Some("170141183460469231731687303715884105730"),
        ),
        ("1e38", "1", None),
        ("1e400", "1", None),
        ("5", "-5", Some("0")),
        ("1e38", "-1", Some("99999999999999999999999999999999999999")),
        ("-0.5", "0.25", Some("-0.25")),
    ] {
        let expected = sum.map(|text| {
            // Written out, one of these has 39 digits, the last of them zero.
            Decimal::parse(text).unwrap()
        });
        assert_eq!(d(a).checked_add(d(b)), expected, "{a} + {b}");
        assert_eq!(d(b).checked_add(d(a)), expected, "{b} + {a}");
    }
}

#[test]
fn what_cannot_be_exact_is_rounded_up() {
    for (a, b, sum) in [
        ("1e38", "1", "100000000000000000000000000000000000010"),
        ("1e400", "1", "1.0000000000000000000000000000000000001e400"),
        ("1", "1e-400", "1.0000000000000000000000000000000000001"),
        ("99999999999999999999999999999999999999", "0.5", "1e38"),
        (
            "99999999999999999999999999999999999999",
            "2.5",
            "100000000000000000000000000000000000010",
        ),
    ] {
        assert_eq!(d(a).add_up(d(b)), d(sum), "{a} + {b}");
        assert_eq!(d(b).add_up(d(a)), d(sum), "{b} + {a}");
    }
    assert_eq!(d("1e400").sub_up(d("1")), d("1e400"));
    assert_eq!(d("1").sub_up(d("2")), Decimal::ZERO);
    assert_eq!(d("2.5").sub_up(d("1")), d("1.5"));
}

#[test]
fn whole_numbers_are_told() {
    for (text, whole) in [
        ("60", Some(60)),
        ("6e1", Some(60)),
        ("60.0", Some(60)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("1e400", None),
        ("0.5", None),
        ("-1", None),
    ] {
        assert_eq!(d(text).to_u64(), whole, "{text}");
    }
}

fn number() -> impl Strategy<Value = (i64, i32)> {
    (-1_000_000_i64..1_000_000, -6..6)
}

/// The number in millionths.
fn millionths((mantissa, exponent): (i64, i32)) -> i128 {
    let shift = u32::try_from(exponent + 6).expect("the strategy keeps it");
    i128::from(mantissa) * 10_i128.pow(shift)
}

fn decimal((mantissa, exponent): (i64, i32)) -> Decimal {
    d(&format!("{mantissa}e{exponent}"))
}

proptest! {
    #[test]
    fn agrees_with_integers(a in number(), b in number()) {
        let (x, y) = (millionths(a), millionths(b));
        prop_assert_eq!(decimal(a).cmp(&decimal(b)), x.cmp(&y));
        prop_assert_eq!(decimal(a) == decimal(b), x == y);
        let sum = d(&format!("{}e-6", x + y));
        prop_assert_eq!(decimal(a).checked_add(decimal(b)), Some(sum));
        let difference = d(&format!("{}e-6", x - y));
        prop_assert_eq!(decimal(a).checked_sub(decimal(b)), Some(difference));
    }

    /// Rounding never loses anything, and the spelling is read back as the same number.
    #[test]
    fn rounding_is_upwards(a in "[1-9][0-9]{0,37}", b in "[1-9][0-9]{0,37}", e in -60_i32..60) {
        let (a, b) = (d(&a), d(&format!("{b}e{e}")));
        let sum = a.add_up(b);
        prop_assert!(sum >= a && sum >= b);
        prop_assert!(sum.checked_sub(a).is_none_or(|rest| rest >= b));
        prop_assert!(sum.checked_sub(b).is_none_or(|rest| rest >= a));
        prop_assert_eq!(d(&sum.to_string()), sum);
    }

    #[test]
    fn never_panics(text in "[-+0-9.eE]{0,50}") {
        if let Ok(number) = Decimal::parse(&text) {
            prop_assert_eq!(number.to_string(), canonical_number(&text));
        }
    }
}
