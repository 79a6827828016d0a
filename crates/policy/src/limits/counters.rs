//! All counters of one gateway, in memory.
//!
//! Whoever owns them serialises access, brings the time, and keeps what must survive a restart: the
//! snapshot (see [`Counters::export`]) and the charges after it (see [`Counters::restore`]).

use std::collections::HashMap;
use std::sync::Arc;

use super::key::Family;
use super::meter::Meter;
use super::{Charge, CounterKey, Readings, Shortfall, Why};
use crate::decimal::Decimal;
use crate::time::Timestamp;

/// A set of counters with room for so many, each with its charges.
///
/// No counter is dropped while a charge in it lives: when there is no room, new ones are refused.
/// Whoever owns them calls [`Counters::prune`] now and then, say every minute.
#[derive(Clone, Debug)]
pub struct Counters {
    pub(super) families: HashMap<Family, Members>,
    pub(super) live: usize,
    pub(super) capacity: usize,
    /// The floor of dropped meters, which any new one inherits.
    pub(super) floor: i64,
    /// No meter is dead before this time.
    next_death: i64,
    /// The last time all meters were looked through.
    pruned_at: i64,
}

/// The counters of one family, by their `per` value.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    pub(super) whole: Option<Meter>,
    pub(super) split: HashMap<Arc<str>, Meter>,
}

impl Members {
    fn meter(&self, per: Option<&str>) -> Option<&Meter> {
        match per {
            None => self.whole.as_ref(),
            Some(per) => self.split.get(per),
        }
    }
}

/// Charges that were made and may still be given back, once.
#[derive(Debug)]
#[must_use = "the charges stand unless they are given back"]
pub struct Reservation {
    booked: Vec<Booked>,
    at: Timestamp,
}

/// One charge as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    pub key: CounterKey,
    pub amount: Decimal,
    pub window_ms: u64,
}

impl Reservation {
    /// What was charged: limits that share a counter charge it once.
    pub fn booked(&self) -> &[Booked] {
        &self.booked
    }

    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

impl Counters {
    /// No counters, and room for `capacity` of them.
    pub fn new(capacity: usize) -> Self {
        Self {
            families: HashMap::new(),
            live: 0,
            capacity,
            floor: i64::MIN,
            next_death: i64::MAX,
            pruned_at: i64::MIN,
        }
    }

    pub const fn len(&self) -> usize {
        self.live
    }

    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Makes all `charges` or none; the error names the first that does not fit.
    ///
    /// Several limits of one call may share a counter. Each is checked against its own maximum, so
    /// the smallest decides, and the counter is charged once: the call happens once.
    pub fn reserve(
        &mut self,
        charges: &[Charge],
        now: Timestamp,
    ) -> Result<Reservation, (usize, Shortfall)> {
        if self.live.saturating_add(charges.len()) > self.capacity && now.0 >= self.prunable_at() {
            self.prune(now);
        }
        let booked = self.fit(charges, now)?;
        for charge in &booked {
            self.restore(&charge.key, now, charge.amount, charge.window_ms);
        }
        Ok(Reservation { booked, at: now })
    }

    /// Whether [`Counters::reserve`] would make the charges now.
    pub fn would_reserve(
        &self,
        charges: &[Charge],
        now: Timestamp,
    ) -> Result<(), (usize, Shortfall)> {
        self.fit(charges, now).map(drop)
    }

    /// What would be charged, if all of it fits.
    fn fit(&self, charges: &[Charge], now: Timestamp) -> Result<Vec<Booked>, (usize, Shortfall)> {
        let mut booked: Vec<Booked> = Vec::with_capacity(charges.len());
        for (i, charge) in charges.iter().enumerate() {
            self.check(charge, now, &booked).map_err(|why| (i, why))?;
            match booked.iter_mut().find(|b| b.key == charge.key) {
                // Limits that share a counter agree on cost; should they not, the larger counts.
                Some(twin) if twin.amount >= charge.cost => {}
                Some(twin) => twin.amount = charge.cost,
                None => booked.push(Booked {
                    key: charge.key.clone(),
                    amount: charge.cost,
                    window_ms: charge.window_ms,
                }),
            }
        }
        Ok(booked)
    }

    /// Gives the charges back, each to its own time.
    pub fn refund(&mut self, reservation: Reservation) {
        for booked in reservation.booked {
            self.give_back(&booked.key, reservation.at, booked.amount);
        }
    }

    /// Gives one charge back: for the record of a refund that is replayed.
    pub fn give_back(&mut self, key: &CounterKey, at: Timestamp, amount: Decimal) {
        if let Some(meter) = self.meter_mut(key) {
            meter.give_back(at, amount);
            self.next_death = self.next_death.min(meter_death(self.meter(key)));
        }
    }

    /// Writes a charge down without asking whether it fits: it was made before.
    pub fn restore(&mut self, key: &CounterKey, at: Timestamp, amount: Decimal, window_ms: u64) {
        if amount.is_zero() || amount.is_negative() {
            return;
        }
        if let Some(meter) = self.meter_mut(key) {
            meter.record(at, amount, millis(window_ms));
            let death = meter.dead_at();
            self.next_death = self.next_death.min(death);
            return;
        }
        let floor = self.floor;
        let members = self.families.entry(key.family.clone()).or_default();
        let fresh = || Meter::new(floor);
        let meter = match &key.per {
            None => members.whole.get_or_insert_with(fresh),
            Some(per) => members.split.entry(Arc::clone(per)).or_insert_with(fresh),
        };
        meter.record(at, amount, millis(window_ms));
        self.next_death = self.next_death.min(meter.dead_at());
        self.live = self.live.saturating_add(1);
    }

    /// Takes a meter in from a snapshot; false if there is one of that name already.
    pub(super) fn adopt(&mut self, key: &CounterKey, meter: Meter) -> bool {
        let death = meter.dead_at();
        let members = self.families.entry(key.family.clone()).or_default();
        let replaced = match &key.per {
            None => members.whole.replace(meter),
            Some(per) => members.split.insert(Arc::clone(per), meter),
        };
        self.next_death = self.next_death.min(death);
        self.live = self.live.saturating_add(1);
        replaced.is_none()
    }

    /// Drops the counters in which nothing lives any more.
    pub fn prune(&mut self, now: Timestamp) {
        let (mut live, mut floor, mut next_death) = (0_usize, self.floor, i64::MAX);
        let mut keep = |meter: &Meter| {
            let death = meter.dead_at();
            if death <= now.0 {
                floor = floor.max(meter.floor_left());
                return false;
            }
            live = live.saturating_add(1);
            next_death = next_death.min(death);
            true
        };
        self.families.retain(|_, members| {
            members.whole.take_if(|meter| !keep(meter));
            members.split.retain(|_, meter| keep(meter));
            members.whole.is_some() || !members.split.is_empty()
        });
        self.live = live;
        self.floor = floor;
        self.next_death = next_death;
        self.pruned_at = now.0;
    }

    /// From when on it pays to look for dead meters. Full counters are refused at once, not after
    /// a search through all of them for each call.
    fn prunable_at(&self) -> i64 {
        const APART: i64 = 1_000;
        self.next_death.max(self.pruned_at.saturating_add(APART))
    }

    fn meter(&self, key: &CounterKey) -> Option<&Meter> {
        let members = self.families.get(&key.family)?;
        members.meter(key.per.as_deref())
    }

    fn meter_mut(&mut self, key: &CounterKey) -> Option<&mut Meter> {
        let members = self.families.get_mut(&key.family)?;
        match &key.per {
            None => members.whole.as_mut(),
            Some(per) => members.split.get_mut(per),
        }
    }

    /// Does `charge` fit, if `before` is charged in the same step?
    fn check(&self, charge: &Charge, now: Timestamp, before: &[Booked]) -> Result<(), Shortfall> {
        let window = millis(charge.window_ms);
        let shared = before.iter().find(|b| b.key == charge.key);
        let cost = shared.map_or(charge.cost, |b| b.amount.max(charge.cost));
        let unused = Meter::new(self.floor);
        let members = self.families.get(&charge.key.family);
        let known = members.and_then(|members| members.meter(charge.key.per.as_deref()));
        match known
            .unwrap_or(&unused)
            .earliest(now, window, charge.max, cost)
        {
            Some(time) if time <= now => {}
            later => {
                return Err(Shortfall {
                    retry_after_ms: later.map(|time| wait(now, time.0)),
                    why: Why::TooMany,
                });
            }
        }
        if cost.is_zero() || shared.is_some() {
            return Ok(());
        }
        self.check_keys(charge, members, now, before)?;
        match known {
            Some(_) => Ok(()),
            None => self.check_room(now, before),
        }
    }

    /// Is there room for one more `per` value, if this is one more?
    fn check_keys(
        &self,
        charge: &Charge,
        members: Option<&Members>,
        now: Timestamp,
        before: &[Booked],
    ) -> Result<(), Shortfall> {
        let Some(per) = &charge.key.per else {
            return Ok(());
        };
        let max_keys = usize::try_from(charge.max_keys).unwrap_or(usize::MAX);
        let is_new_sibling = |b: &&Booked| {
            b.key.family == charge.key.family && b.key.per.is_some() && self.meter(&b.key).is_none()
        };
        let siblings = before.iter().filter(is_new_sibling).count();
        let known = members.map_or(0, |m| m.split.len());
        if known.saturating_add(siblings) < max_keys {
            return Ok(());
        }
        let window = millis(charge.window_ms);
        let empties = |meter: &Meter| meter.empty_at(window).filter(|at| *at > now.0);
        if members
            .and_then(|m| m.split.get(per))
            .is_some_and(|m| empties(m).is_some())
        {
            return Ok(());
        }
        let mut ends: Vec<i64> = members
            .into_iter()
            .flat_map(|m| m.split.values().filter_map(empties))
            .collect();
        let taken = ends.len().saturating_add(siblings);
        let Some(excess) = taken.checked_sub(max_keys) else {
            return Ok(());
        };
        ends.sort_unstable();
        Err(Shortfall {
            retry_after_ms: ends.get(excess).map(|end| wait(now, *end)),
            why: Why::TooManyKeys,
        })
    }

    /// Is there room for one more counter?
    fn check_room(&self, now: Timestamp, before: &[Booked]) -> Result<(), Shortfall> {
        let others = before.iter().filter(|b| self.meter(&b.key).is_none());
        let needed = self.live.saturating_add(others.count());
        // When something may be dead, reserving finds out; reading only must not refuse for it.
        let room_at = self.prunable_at();
        if needed < self.capacity || now.0 >= room_at {
            return Ok(());
        }
        Err(Shortfall {
            retry_after_ms: (room_at < i64::MAX).then(|| wait(now, room_at)),
            why: Why::Full,
        })
    }
}

impl Readings for Counters {
    fn would_hold(&self, charge: &Charge, now: Timestamp) -> Result<(), Shortfall> {
        self.check(charge, now, &[])
    }
}

fn meter_death(meter: Option<&Meter>) -> i64 {
    meter.map_or(i64::MAX, Meter::dead_at)
}

fn millis(window_ms: u64) -> i64 {
    i64::try_from(window_ms).unwrap_or(i64::MAX)
}

fn wait(now: Timestamp, until: i64) -> u64 {
    u64::try_from(Timestamp(until).since(now)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
