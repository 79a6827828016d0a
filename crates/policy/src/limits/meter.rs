//! One counter: the charges that live in a sliding window, and how much still fits.
//!
//! A window ending at T is (T − window, T]. A charge is in every window that ends from its own time
//! until just before one window later; it fits if none of those would hold more than the maximum.
//! Usually the new charge is the latest, and one sum answers. Charges may also come out of order,
//! for the time of a call is read before others have charged theirs; then all windows that would
//! contain it are gone through.

use std::collections::VecDeque;

use super::lot::Lot;
use crate::decimal::Decimal;
use crate::time::Timestamp;

/// How many lots are kept apart; beyond, they are grouped. Half of it is always exact.
const MOST_LOTS: usize = 8_192;

/// A window is grouped into this many slices.
const SLICES: i64 = 256;

/// How far out of order a charge may come, if the window is not shorter.
const SLACK: i64 = 60_000;

/// The charges of one counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meter {
    /// The longest window asked for so far; charges are kept that long, and the slack.
    retain: i64,
    /// The latest time of any charge.
    head: i64,
    /// Before this time something may have been charged that is forgotten now.
    floor: i64,
    /// In their order; no two overlap.
    lots: VecDeque<Lot>,
    /// The lots from this one on are in the window that ends at the head,
    live_from: usize,
    /// and this is their sum.
    live_sum: Decimal,
}

impl Meter {
    /// A meter that never counted; before `floor` it cannot vouch for anything.
    pub(super) const fn new(floor: i64) -> Self {
        Self {
            retain: 0,
            head: i64::MIN,
            floor,
            lots: VecDeque::new(),
            live_from: 0,
            live_sum: Decimal::ZERO,
        }
    }

    /// A meter as a snapshot has it.
    pub(super) fn with_lots(retain: i64, floor: i64, lots: VecDeque<Lot>) -> Self {
        let mut meter = Self {
            retain,
            head: lots.back().map_or(i64::MIN, Lot::last),
            lots,
            ..Self::new(floor)
        };
        meter.settle();
        meter
    }

    pub(super) const fn retain(&self) -> i64 {
        self.retain
    }

    pub(super) const fn floor(&self) -> i64 {
        self.floor
    }

    pub(super) fn lots(&self) -> impl Iterator<Item = &Lot> {
        self.lots.iter()
    }

    /// The earliest time from `at` on when `cost` fits, if nothing else happens; nothing if it
    /// never can.
    ///
    /// INVARIANT: recording `cost` at a time this answers lets no window hold more than `max`.
    pub(super) fn earliest(
        &self,
        at: Timestamp,
        window: i64,
        max: Decimal,
        cost: Decimal,
    ) -> Option<Timestamp> {
        if cost > max {
            return None;
        }
        let fits = |held: Decimal| held.add_up(cost) <= max;
        let start = at.0.max(self.floor);
        let in_order = start >= self.head && window == self.retain;
        let earliest = if in_order {
            self.wait(start, fits)
        } else {
            self.sweep(start, window, fits)
        };
        Some(Timestamp(earliest))
    }

    /// The first time from `start` on, the head or later, when what is left of the live lots
    /// `fits`.
    fn wait(&self, start: i64, fits: impl Fn(Decimal) -> bool) -> i64 {
        let (mut time, mut held) = (start, self.live_sum);
        for lot in self.lots.range(self.live_from..) {
            let leaves = lot.last().saturating_add(self.retain);
            if leaves > time {
                if fits(held) {
                    return time;
                }
                time = leaves;
            }
            held = held.sub_up(lot.amount());
        }
        time
    }

    /// Goes through time once and answers the first `t` from `start` on such that what every
    /// window ending in [t, t + window) holds `fits`.
    fn sweep(&self, start: i64, window: i64, fits: impl Fn(Decimal) -> bool) -> i64 {
        let from = self
            .lots
            .partition_point(|lot| lot.last().saturating_add(window) <= start);
        let mut entering = self.lots.range(from..).peekable();
        let mut leaving = self.lots.range(from..).peekable();
        let (mut held, mut inside) = (Decimal::ZERO, 0_usize);
        let (mut earliest, mut overfull) = (start, false);
        loop {
            let enters = entering.peek().map_or(i64::MAX, |lot| lot.first());
            let Some(leaves) = leaving.peek().map(|lot| lot.last().saturating_add(window)) else {
                return earliest;
            };
            let time = enters.min(leaves);
            if !overfull && time >= earliest.saturating_add(window) {
                return earliest;
            }
            while let Some(lot) = entering.next_if(|lot| lot.first() <= time) {
                held = held.add_up(lot.amount());
                inside = inside.saturating_add(1);
            }
            while let Some(lot) = leaving.next_if(|lot| lot.last().saturating_add(window) <= time) {
                held = held.sub_up(lot.amount());
                inside = inside.saturating_sub(1);
            }
            if inside == 0 {
                // Whatever was rounded up is gone with what it was rounded for.
                held = Decimal::ZERO;
            }
            let was_overfull = overfull;
            overfull = !fits(held);
            if was_overfull && !overfull {
                earliest = earliest.max(time);
            }
        }
    }

    /// Writes a charge down, whether it fits or not.
    pub(super) fn record(&mut self, at: Timestamp, amount: Decimal, window: i64) {
        if window > self.retain {
            self.retain = window;
            self.settle();
        }
        let at = at.0;
        self.advance(at);
        if amount.is_zero() || amount.is_negative() {
            return;
        }
        if at <= self.forgotten_until() {
            self.floor = self.floor.max(at.saturating_add(self.retain));
            return;
        }
        if at > self.head.saturating_sub(self.retain) {
            self.live_sum = self.live_sum.add_up(amount);
        }
        self.insert(at, amount);
        if self.lots.len() > MOST_LOTS {
            self.group();
        }
    }

    fn insert(&mut self, at: i64, amount: Decimal) {
        // Nearly every charge is the latest.
        let index = if self.lots.back().is_none_or(|lot| lot.first() <= at) {
            self.lots.len()
        } else {
            self.lots.partition_point(|lot| lot.first() <= at)
        };
        let before = index.checked_sub(1).and_then(|i| self.lots.get_mut(i));
        if let Some(lot) = before.filter(|lot| lot.last() >= at) {
            lot.set_amount(lot.amount().add_up(amount));
            return;
        }
        self.lots.insert(index, Lot::new(at, at, amount));
        if at <= self.head.saturating_sub(self.retain) {
            self.live_from = self.live_from.saturating_add(1);
        }
    }

    /// Gives a charge back to its own time.
    pub(super) fn give_back(&mut self, at: Timestamp, amount: Decimal) {
        let index = self.lots.partition_point(|lot| lot.first() <= at.0);
        let Some(index) = index.checked_sub(1) else {
            return;
        };
        let Some(lot) = self.lots.get_mut(index).filter(|lot| lot.last() >= at.0) else {
            return;
        };
        let amount = amount.min(lot.amount());
        let left = lot.amount().sub_up(amount);
        lot.set_amount(left);
        let emptied = left.is_zero();
        if index >= self.live_from {
            self.live_sum = self.live_sum.sub_up(amount);
        }
        if emptied {
            self.lots.remove(index);
            if index < self.live_from {
                self.live_from = self.live_from.saturating_sub(1);
            }
        }
        self.clear_rounding();
    }

    /// Moves the head on, and forgets what no charge within the slack could meet.
    fn advance(&mut self, to: i64) {
        if to <= self.head {
            return;
        }
        self.head = to;
        let gone = to.saturating_sub(self.retain);
        while let Some(lot) = self.lots.get(self.live_from).filter(|l| l.last() <= gone) {
            self.live_sum = self.live_sum.sub_up(lot.amount());
            self.live_from = self.live_from.saturating_add(1);
        }
        let forgotten = self.forgotten_until();
        while let Some(lot) = self.lots.front().filter(|l| l.last() <= forgotten) {
            self.floor = self.floor.max(lot.last().saturating_add(self.retain));
            self.lots.pop_front();
            self.live_from = self.live_from.saturating_sub(1);
        }
        self.clear_rounding();
    }

    /// A sum of nothing is nothing, whatever was rounded on the way.
    fn clear_rounding(&mut self) {
        if self.live_from >= self.lots.len() {
            self.live_sum = Decimal::ZERO;
        }
    }

    const fn forgotten_until(&self) -> i64 {
        let slack = if self.retain < SLACK {
            self.retain
        } else {
            SLACK
        };
        self.head.saturating_sub(self.retain).saturating_sub(slack)
    }

    /// Merges the lots of one slice. A merged lot spans from its first charge to its last, and
    /// counts in every window that meets that span: never less than its charges would.
    fn group(&mut self) {
        let width = self.retain.checked_div(SLICES).unwrap_or(1).max(1);
        let slice_of = |lot: &Lot| lot.first().checked_div_euclid(width);
        let mut grouped: VecDeque<Lot> = VecDeque::new();
        for lot in self.lots.drain(..) {
            match grouped.back_mut() {
                Some(slice) if slice_of(slice) == slice_of(&lot) => slice.merge(&lot),
                _ => grouped.push_back(lot),
            }
        }
        self.lots = grouped;
        self.settle();
    }

    /// Reckons anew which lots are live.
    fn settle(&mut self) {
        let gone = self.head.saturating_sub(self.retain);
        self.live_from = self.lots.partition_point(|lot| lot.last() <= gone);
        let live = self.lots.range(self.live_from..);
        self.live_sum = live.fold(Decimal::ZERO, |sum, lot| sum.add_up(lot.amount()));
    }

    /// When the last charge leaves its window; nothing if there is none.
    pub(super) fn empty_at(&self, window: i64) -> Option<i64> {
        Some(self.lots.back()?.last().saturating_add(window))
    }

    /// From when on nobody can tell this meter from one that never counted.
    pub(super) fn dead_at(&self) -> i64 {
        self.empty_at(self.retain)
            .map_or(i64::MIN, |empty| empty.saturating_add(SLACK))
    }

    /// What a new meter must not vouch for if this one is dropped.
    pub(super) fn floor_left(&self) -> i64 {
        let last = self.empty_at(self.retain).unwrap_or(i64::MIN);
        self.floor.max(last)
    }
}

#[cfg(test)]
mod tests;
