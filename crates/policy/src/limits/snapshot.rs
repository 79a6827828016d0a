//! Counters as text: for a snapshot beside the ledger, or for a person who wants to look.
//!
//! ```text
//! portreeve counters 1
//! floor 0
//! meter grant/ci/runs/run-rerun_rate 60000 0 1000:1000:1,2000:2100:7
//! end 1
//! ```

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::CounterKey;
use super::counters::Counters;
use super::lot::Lot;
use super::meter::Meter;
use crate::decimal::Decimal;

const HEADING: &str = "portreeve counters 1";

/// The text is no snapshot, or not all of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSnapshot {
    pub line: usize,
}

impl fmt::Display for BadSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {} of the counters' snapshot cannot be read",
            self.line
        )
    }
}

impl std::error::Error for BadSnapshot {}

impl Counters {
    /// Every counter with its charges, in the order of their names.
    pub fn export(&self) -> String {
        let mut lines: Vec<String> = Vec::with_capacity(self.live);
        for (family, members) in &self.families {
            let whole = members.whole.iter().map(|meter| (None, meter));
            let split = members.split.iter().map(|(per, m)| (Some(per.clone()), m));
            for (per, meter) in whole.chain(split) {
                let key = CounterKey {
                    family: family.clone(),
                    per,
                };
                lines.push(meter_line(&key, meter));
            }
        }
        lines.sort_unstable();
        let mut out = format!("{HEADING}\nfloor {}\n", self.floor);
        out.extend(lines.iter().map(String::as_str));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "end {}", lines.len());
        out
    }

    /// The counters of a snapshot, all of them, even if they are more than `capacity`.
    pub fn import(text: &str, capacity: usize) -> Result<Self, BadSnapshot> {
        let mut counters = Self::new(capacity);
        let mut lines = text.lines().zip(1_usize..);
        let mut next = || lines.next().ok_or(BadSnapshot { line: 0 });
        let (heading, line) = next()?;
        if heading != HEADING {
            return Err(BadSnapshot { line });
        }
        let (floor, line) = next()?;
        counters.floor = word(floor.strip_prefix("floor ")).ok_or(BadSnapshot { line })?;
        let mut count = 0_usize;
        loop {
            let (text, line) = next()?;
            if let Some(stated) = text.strip_prefix("end ") {
                let complete = stated.parse() == Ok(count) && lines.next().is_none();
                return if complete {
                    Ok(counters)
                } else {
                    Err(BadSnapshot { line })
                };
            }
            let (key, meter) = read_meter(text).ok_or(BadSnapshot { line })?;
            if !counters.adopt(&key, meter) {
                return Err(BadSnapshot { line });
            }
            count = count.saturating_add(1);
        }
    }
}

fn meter_line(key: &CounterKey, meter: &Meter) -> String {
    let mut line = format!("meter {key} {} {} ", meter.retain(), meter.floor());
    for (i, lot) in meter.lots().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "{comma}{}:{}:{}",
            lot.first(),
            lot.last(),
            lot.amount()
        );
    }
    line.push('\n');
    line
}

fn read_meter(line: &str) -> Option<(CounterKey, Meter)> {
    let mut words = line.strip_prefix("meter ")?.split(' ');
    let key = word(words.next())?;
    let retain = word(words.next()).filter(|ms: &i64| *ms >= 0)?;
    let floor = word(words.next())?;
    let mut lots: VecDeque<Lot> = VecDeque::new();
    for text in words.next()?.split(',').filter(|text| !text.is_empty()) {
        let lot = read_lot(text)?;
        if lots
            .back()
            .is_some_and(|before| before.last() >= lot.first())
        {
            return None;
        }
        lots.push_back(lot);
    }
    words
        .next()
        .is_none()
        .then(|| (key, Meter::with_lots(retain, floor, lots)))
}

fn read_lot(text: &str) -> Option<Lot> {
    let mut parts = text.split(':');
    let (first, last) = (word(parts.next())?, word(parts.next())?);
    let amount = Decimal::parse(parts.next()?).ok()?;
    let sound = first <= last && Decimal::ZERO < amount;
    (sound && parts.next().is_none()).then(|| Lot::new(first, last, amount))
}

fn word<T: FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}
