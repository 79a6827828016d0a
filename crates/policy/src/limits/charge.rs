//! What one limit asks of one call, and the answer of a counter.

use std::sync::Arc;

use super::CounterKey;
use crate::decimal::Decimal;
use crate::decision::Rule;
use crate::time::Timestamp;

/// One limit applied to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub key: CounterKey,
    pub window_ms: u64,
    pub max: Decimal,
    pub cost: Decimal,
    /// How many `per` values of this counter may live at a time.
    pub max_keys: u32,
    pub rule: Rule,
    pub on_deny: Option<Arc<str>>,
}

/// Why a charge does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// The earliest time at which it would fit if nothing else happened; nothing if it never can,
    /// or if waiting is not known to help.
    pub retry_after_ms: Option<u64>,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    TooMany,
    /// One more value of `per` than may live.
    TooManyKeys,
    /// No room for another counter.
    Full,
    /// The counters cannot be asked; the text is for the operator, not for the agent.
    Unavailable(String),
}

/// Counters as a decision reads them: it asks, and charges nothing.
pub trait Readings {
    fn would_hold(&self, charge: &Charge, now: Timestamp) -> Result<(), Shortfall>;
}
