//! Charges of one time, in as little room as most of them need: a busy counter keeps thousands.

use crate::decimal::Decimal;

/// Charges of one millisecond, or of one slice: they count wherever any of them could count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lot {
    first: i64,
    /// How long after the first the last of them was made, and what they come to, if both are small.
    span: u32,
    whole: u32,
    large: Option<Box<Large>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Large {
    last: i64,
    amount: Decimal,
}

impl Lot {
    pub(super) fn new(first: i64, last: i64, amount: Decimal) -> Self {
        let span = last
            .checked_sub(first)
            .and_then(|span| u32::try_from(span).ok());
        let whole = amount.to_u64().and_then(|whole| u32::try_from(whole).ok());
        match (span, whole) {
            (Some(span), Some(whole)) => Self {
                first,
                span,
                whole,
                large: None,
            },
            _ => Self {
                first,
                span: 0,
                whole: 0,
                large: Some(Box::new(Large { last, amount })),
            },
        }
    }

    pub(super) const fn first(&self) -> i64 {
        self.first
    }

    pub(super) fn last(&self) -> i64 {
        match &self.large {
            None => self.first.saturating_add(i64::from(self.span)),
            Some(large) => large.last,
        }
    }

    pub(super) fn amount(&self) -> Decimal {
        match &self.large {
            None => Decimal::from(self.whole),
            Some(large) => large.amount,
        }
    }

    pub(super) fn set_amount(&mut self, amount: Decimal) {
        *self = Self::new(self.first, self.last(), amount);
    }

    /// Takes in what comes after it.
    pub(super) fn merge(&mut self, later: &Self) {
        *self = Self::new(
            self.first,
            later.last(),
            self.amount().add_up(later.amount()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_is_small_and_loses_nothing() {
        assert_eq!(size_of::<Lot>(), 24);
        let numbers = ["1", "0", "4294967295", "4294967296", "0.1", "1e30", "250"];
        for amount in numbers.map(|text| Decimal::parse(text).expect("a number")) {
            for last in [
                5,
                6,
                5 + i64::from(u32::MAX),
                6 + i64::from(u32::MAX),
                i64::MAX,
            ] {
                let mut lot = Lot::new(5, last, amount);
                assert_eq!((lot.first(), lot.last(), lot.amount()), (5, last, amount));
                lot.set_amount(Decimal::ONE);
                assert_eq!(lot, Lot::new(5, last, Decimal::ONE));
            }
        }
        let earliest = Lot::new(i64::MIN, i64::MAX, Decimal::ONE);
        assert_eq!((earliest.first(), earliest.last()), (i64::MIN, i64::MAX));
    }
}
