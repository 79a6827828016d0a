//! Counters, held against a list of everything that was ever charged.
//!
//! The input is a program: charges, charges out of their order, refunds, restarts. Its first byte
//! says whether a burst of thousands may be among them, for that takes its time.

use portreeve_policy::Rule;
use portreeve_policy::decimal::Decimal;
use portreeve_policy::limits::{Charge, Counters, Readings, Reservation, Why};
use portreeve_policy::time::Timestamp;

use super::tape::Tape;

/// Each counter has its window; limits on it differ in their maximum.
const COUNTERS: [(&str, u64); 4] = [
    ("grant/ci/runs/a", 1_000),
    ("grant/ci/runs/b", 60_000),
    ("identity/ci/runs/c", 3_600_000),
    ("grant/ci/runs/d/s:x", 1_000),
];
const START: i64 = 1_795_000_000_000;
/// Beyond so many charges counters may group them, rounding towards refusing.
const EXACT: usize = 4_000;
const MOST_STEPS: usize = 300;
const MOST_CHARGES: usize = 20_000;
const MANY: usize = 500;

pub fn check(input: &[u8]) {
    let mut tape = Tape::new(input);
    let bursts = u8::from(tape.byte() > 250);
    let mut run = Run {
        tape,
        counters: Counters::new(100),
        made: Vec::new(),
        open: Vec::new(),
        now: START,
        latest: START,
        bursts,
        in_order: true,
    };
    for _ in 0..MOST_STEPS {
        if run.tape.is_empty() || run.made.len() > MOST_CHARGES {
            break;
        }
        run.step();
    }
}

/// A charge that stands.
#[derive(Clone, Copy, Debug)]
struct Made {
    counter: usize,
    at: i64,
    /// In hundredths.
    amount: i64,
}

struct Run<'a> {
    tape: Tape<'a>,
    counters: Counters,
    made: Vec<Made>,
    open: Vec<(Reservation, Vec<Made>)>,
    now: i64,
    latest: i64,
    /// How many more bursts there may be.
    bursts: u8,
    /// No charge came before one that was already made.
    in_order: bool,
}

impl Run<'_> {
    fn step(&mut self) {
        match self.tape.byte() % 16 {
            0..=8 => {
                self.now += self.pause();
                self.charge(self.now);
            }
            9 => {
                let earlier = self.now - self.pause();
                self.charge(earlier);
            }
            10..=11 => self.refund(),
            12 => self.restart(),
            13 => self.counters.prune(Timestamp(self.now)),
            14 => self.now += i64::from(self.tape.pair()) * 1_000,
            _ if self.bursts > 0 => self.burst(),
            _ => {}
        }
    }

    fn pause(&mut self) -> i64 {
        let amount = i64::from(self.tape.byte());
        match self.tape.byte() % 4 {
            0 => 0,
            1 => amount,
            2 => amount * 10,
            _ => amount * 250,
        }
    }

    fn charge(&mut self, at: i64) {
        let count = 1 + usize::from(self.tape.byte() % 3);
        let mut asked: Vec<(Made, i64)> = (0..count).map(|_| self.wanted(at)).collect();
        // Limits of one policy that share a counter agree on the cost.
        for i in 1..asked.len() {
            let (before, rest) = asked.split_at_mut(i);
            let [(one, _), ..] = rest else { continue };
            let twin = before
                .iter()
                .find(|(other, _)| other.counter == one.counter);
            one.amount = twin.map_or(one.amount, |(other, _)| other.amount);
        }
        let charges: Vec<Charge> = asked
            .iter()
            .map(|(made, max)| charge(*made, *max))
            .collect();
        let twins = charges
            .iter()
            .enumerate()
            .any(|(i, one)| charges.iter().take(i).any(|other| other.key == one.key));
        // What takes a pass over all charges is not done each time once they are many.
        let few = self.made.len() < MANY || self.now % 16 == 0;
        let before = few.then(|| self.counters.export());
        let exact = self.in_order && at >= self.now && self.made.len() < EXACT;
        match self.counters.reserve(&charges, Timestamp(at)) {
            Ok(reservation) => {
                let made: Vec<Made> = reservation
                    .booked()
                    .iter()
                    .map(|booked| {
                        let mut asked = asked.iter().map(|(made, _)| *made);
                        let same = |made: &Made| key(made.counter) == booked.key.to_string();
                        asked.find(same).expect("what was asked")
                    })
                    .collect();
                self.in_order &= at >= self.latest;
                self.latest = self.latest.max(at);
                self.made.extend(&made);
                for (made, max) in asked.iter().filter(|_| few) {
                    self.assert_within(*made, *max);
                }
                if self.open.len() < 16 {
                    self.open.push((reservation, made));
                }
            }
            Err((index, shortfall)) => {
                assert!(index < charges.len());
                let untouched = before.is_none_or(|before| self.counters.export() == before);
                assert!(untouched, "refused and yet charged");
                assert_eq!(shortfall.why, Why::TooMany);
                if exact && !twins {
                    self.assert_refused_rightly(&charges, &asked, index, at);
                }
                if let (Some(wait), false) = (shortfall.retry_after_ms, twins) {
                    let alone = charges.get(index).expect("the charge");
                    self.assert_fits_after(alone, at, wait);
                }
            }
        }
    }

    /// So many small charges that the counters stop keeping them apart.
    fn burst(&mut self) {
        self.bursts -= 1;
        let (count, pause) = (u32::from(self.tape.byte()) * 40, self.pause());
        let max = i64::from(self.tape.pair());
        let mut made = Made {
            counter: 2,
            at: self.now,
            amount: 1,
        };
        let charges = [charge(made, max)];
        let before = self.made.len();
        for _ in 0..count {
            made.at += pause.max(1);
            let Ok(reservation) = self.counters.reserve(&charges, Timestamp(made.at)) else {
                break;
            };
            assert_eq!(reservation.booked().len(), 1);
            self.made.push(made);
        }
        self.now = made.at;
        self.latest = self.latest.max(self.now);
        if let Some(made) = self.made.get(before..).and_then(<[_]>::last).copied() {
            self.assert_within(made, max);
        }
    }

    fn wanted(&mut self, at: i64) -> (Made, i64) {
        let counter = usize::from(self.tape.byte()) % COUNTERS.len();
        let amount = i64::from(self.tape.byte()) * [1, 100, 7][usize::from(self.tape.byte() % 3)];
        let max = i64::from(self.tape.byte()) * 100;
        let made = Made {
            counter,
            at,
            amount,
        };
        (made, max)
    }

    /// INVARIANT of the language: no window holds more than the maximum.
    fn assert_within(&self, new: Made, max: i64) {
        let held = self.fullest(new);
        assert!(held <= max, "{held} of {max} in a window with {new:?}");
    }

    /// What the fullest window holds that has the time of `new` in it.
    fn fullest(&self, new: Made) -> i64 {
        let window = window(new.counter);
        let mut same: Vec<(i64, i64)> = self
            .made
            .iter()
            .filter(|made| made.counter == new.counter)
            .map(|made| (made.at, made.amount))
            .collect();
        same.sort_unstable();
        let mut sums = vec![0];
        for (_, amount) in &same {
            sums.push(sums.last().copied().unwrap_or_default() + amount);
        }
        let until = |time: i64| same.partition_point(|(at, _)| *at <= time);
        // Windows that end at a charge are the fullest.
        let ends = same.iter().map(|(at, _)| *at).chain([new.at]);
        ends.filter(|end| (new.at..new.at + window).contains(end))
            .map(|end| sums[until(end)] - sums[until(end - window)])
            .max()
            .unwrap_or_default()
    }

    /// Without disorder and without too many charges to keep apart, only what does not fit is
    /// refused.
    fn assert_refused_rightly(
        &self,
        charges: &[Charge],
        asked: &[(Made, i64)],
        index: usize,
        at: i64,
    ) {
        for (i, (made, max)) in asked.iter().enumerate().take(index + 1) {
            let fits = self.fullest(*made) + made.amount <= *max;
            assert_eq!(fits, i < index, "{:?} at {at}", charges.get(i));
        }
    }

    fn assert_fits_after(&self, charge: &Charge, at: i64, wait: u64) {
        let wait = i64::try_from(wait).expect("not for ever");
        let later = self.counters.would_hold(charge, Timestamp(at + wait));
        assert_eq!(later, Ok(()), "told to come back after {wait}");
        assert!(wait > 0);
        let early = self.counters.would_hold(charge, Timestamp(at + wait - 1));
        assert!(early.is_err(), "told to wait longer than needed: {wait}");
    }

    fn refund(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let index = usize::from(self.tape.byte()) % self.open.len();
        let (reservation, made) = self.open.swap_remove(index);
        self.counters.refund(reservation);
        for back in made {
            let same =
                |m: &Made| (m.counter, m.at, m.amount) == (back.counter, back.at, back.amount);
            let stands = self.made.iter().position(same).expect("it stood");
            self.made.remove(stands);
        }
    }

    /// Counters are written down and read back: nothing is different afterwards.
    fn restart(&mut self) {
        let text = self.counters.export();
        let read = Counters::import(&text, 100).expect("our own snapshot");
        assert_eq!(sorted(&read.export()), sorted(&text));
        assert_eq!(read.len(), self.counters.len());
        self.counters = read;
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn key(counter: usize) -> &'static str {
    COUNTERS.get(counter).map_or("", |(key, _)| key)
}

fn window(counter: usize) -> i64 {
    COUNTERS
        .get(counter)
        .and_then(|(_, window)| i64::try_from(*window).ok())
        .unwrap_or_default()
}

fn charge(made: Made, max: i64) -> Charge {
    Charge {
        key: key(made.counter).parse().expect("a key"),
        window_ms: COUNTERS.get(made.counter).map_or(1, |(_, window)| *window),
        max: hundredths(max),
        cost: hundredths(made.amount),
        max_keys: 1_000,
        rule: Rule::PROTOCOL,
        on_deny: None,
    }
}

fn hundredths(amount: i64) -> Decimal {
    Decimal::parse(&format!("{amount}e-2")).expect("a number")
}
