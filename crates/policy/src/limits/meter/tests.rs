//! The meter against a plain list of charges, checked by brute force.

use proptest::prelude::*;

use super::*;

fn d(n: u32) -> Decimal {
    Decimal::from(n)
}

/// A list of charges that forgets nothing.
#[derive(Clone, Default)]
struct Plain(Vec<(i64, u32)>);

impl Plain {
    /// The most that any window containing `at` would hold with `cost` charged there.
    fn most(&self, at: i64, window: i64, cost: u32) -> u32 {
        let ends = self.0.iter().map(|(t, _)| *t).chain([at]);
        ends.filter(|end| (at..at + window).contains(end))
            .map(|end| {
                let inside = self
                    .0
                    .iter()
                    .filter(|(t, _)| *t > end - window && *t <= end);
                inside.map(|(_, n)| n).sum::<u32>() + cost
            })
            .max()
            .unwrap_or(cost)
    }

    fn earliest(&self, at: i64, window: i64, max: u32, cost: u32) -> Option<i64> {
        (cost <= max).then(|| {
            let all_gone = self.0.iter().map(|(t, _)| t + window).max();
            (at..=all_gone.unwrap_or(at).max(at))
                .find(|t| self.most(*t, window, cost) <= max)
                .expect("one window after the last charge everything fits")
        })
    }

    /// The most that any window holds.
    fn peak(&self, window: i64) -> u32 {
        let ends = self.0.iter().map(|(t, _)| *t);
        ends.map(|end| {
            let inside = self
                .0
                .iter()
                .filter(|(t, _)| *t > end - window && *t <= end);
            inside.map(|(_, n)| n).sum::<u32>()
        })
        .max()
        .unwrap_or(0)
    }
}

#[test]
fn the_eleventh_waits_for_the_first_to_leave() {
    let mut meter = Meter::new(i64::MIN);
    for i in 0..10 {
        let at = Timestamp(i * 100);
        assert_eq!(meter.earliest(at, 60_000, d(10), d(1)), Some(at));
        meter.record(at, d(1), 60_000);
    }
    let ask = |at| meter.earliest(Timestamp(at), 60_000, d(10), d(1));
    assert_eq!(ask(901), Some(Timestamp(60_000)));
    assert_eq!(ask(59_999), Some(Timestamp(60_000)));
    assert_eq!(ask(60_000), Some(Timestamp(60_000)));
    assert_eq!(ask(90_000), Some(Timestamp(90_000)));
    let two = meter.earliest(Timestamp(901), 60_000, d(10), d(2));
    assert_eq!(two, Some(Timestamp(60_100)));
    assert_eq!(meter.earliest(Timestamp(901), 60_000, d(10), d(11)), None);
}

#[test]
fn a_charge_must_not_overfill_a_window_that_ends_later() {
    let mut meter = Meter::new(i64::MIN);
    meter.record(Timestamp(1_000), d(1), 1_000);
    // At 500 nothing was charged before, but the window that ends at 1,000 holds one already,
    // and until 2,000 there is no window without it.
    let early = meter.earliest(Timestamp(500), 1_000, d(1), d(1));
    assert_eq!(early, Some(Timestamp(2_000)));
    let at_the_edge = meter.earliest(Timestamp(0), 1_000, d(1), d(1));
    assert_eq!(at_the_edge, Some(Timestamp(0)));
}

#[test]
fn a_longer_window_keeps_what_the_shorter_one_had() {
    let mut meter = Meter::new(i64::MIN);
    meter.record(Timestamp(0), d(3), 1_000);
    meter.record(Timestamp(1_500), d(4), 10_000);
    assert_eq!(
        meter.earliest(Timestamp(2_000), 10_000, d(7), d(1)),
        Some(Timestamp(10_000))
    );
    // The shorter window is still answered for its own length.
    assert_eq!(
        meter.earliest(Timestamp(2_000), 1_000, d(7), d(3)),
        Some(Timestamp(2_000))
    );
}

#[test]
fn what_is_forgotten_is_not_vouched_for() {
    let mut meter = Meter::new(i64::MIN);
    meter.record(Timestamp(0), d(1), 1_000);
    meter.record(Timestamp(5_000), d(1), 1_000);
    assert_eq!(meter.lots.len(), 1, "the charge at 0 is forgotten");
    let before = meter.earliest(Timestamp(500), 1_000, d(1), d(1));
    assert_eq!(
        before,
        Some(Timestamp(1_000)),
        "refused at 500, as it must be"
    );
}

#[test]
fn many_charges_are_grouped_and_refuse_no_later_than_a_slice() {
    let (window, count) = (3_600_000_i64, 20_000_u32);
    let mut meter = Meter::new(i64::MIN);
    for i in 0..i64::from(count) {
        meter.record(Timestamp(i * 50), d(1), window);
    }
    assert!(meter.lots.len() <= MOST_LOTS, "{} lots", meter.lots.len());
    let last = i64::from(count - 1) * 50;
    let answer = meter.earliest(Timestamp(last), window, d(count), d(1));
    let answer = answer.expect("it fits when the first has left").0;
    let exact = window;
    let slice = window / SLICES;
    assert!((exact..=exact + slice).contains(&answer), "{answer}");
    // A charge that is in a slice by now is given back to it.
    meter.give_back(Timestamp(5_000), d(1));
    let after = meter.earliest(Timestamp(last), window, d(count), d(1));
    assert_eq!(after, Some(Timestamp(last)));
}

#[test]
fn what_is_too_fine_to_add_rounds_towards_refusing() {
    let number = |text| Decimal::parse(text).expect("a number");
    let mut meter = Meter::new(i64::MIN);
    meter.record(Timestamp(0), number("1e-60"), 1_000);
    let ask = |max| meter.earliest(Timestamp(0), 1_000, number(max), d(1));
    assert_eq!(ask("1"), Some(Timestamp(1_000)));
    assert_eq!(ask("2"), Some(Timestamp(0)));
    meter.record(Timestamp(1), d(1), 1_000);
    meter.give_back(Timestamp(1), d(1));
    meter.record(Timestamp(1_500), d(0), 1_000);
    assert_eq!(
        meter.earliest(Timestamp(1_500), 1_000, d(1), d(1)),
        Some(Timestamp(1_500)),
        "nothing of the rounding stays behind"
    );
}

/// One step of a history: time moves on, and a charge comes a little out of order.
#[derive(Clone, Debug)]
struct Step {
    on: i64,
    back: i64,
    cost: u32,
    gives_back: bool,
}

fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0_i64..400,
        0_i64..1_000,
        0_u32..4,
        prop::bool::weighted(0.15),
    );
    let step = step.prop_map(|(on, back, cost, gives_back)| Step {
        on,
        back: if back < 600 { 0 } else { back - 600 },
        cost,
        gives_back,
    });
    prop::collection::vec(step, 1..count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The meter says what the plain list says, about now and about when.
    #[test]
    fn agrees_with_the_plain_list(steps in steps(60), max in 1_u32..8, window in 400_i64..1_500) {
        let (mut meter, mut plain, mut clock) = (Meter::new(i64::MIN), Plain::default(), 0);
        for step in steps {
            clock += step.on;
            let at = clock - step.back;
            let answer = meter.earliest(Timestamp(at), window, d(max), d(step.cost));
            let expected = plain.earliest(at, window, max, step.cost);
            prop_assert_eq!(answer.map(|t| t.0), expected);
            if answer == Some(Timestamp(at)) {
                meter.record(Timestamp(at), d(step.cost), window);
                plain.0.push((at, step.cost));
                prop_assert!(plain.peak(window) <= max);
                if step.gives_back {
                    meter.give_back(Timestamp(at), d(step.cost));
                    plain.0.pop();
                }
            }
        }
    }

    /// Grouped at any moment, the meter never lets pass what the plain list refuses.
    #[test]
    fn slices_never_admit_more(steps in steps(80), max in 1_u32..8, groups in 1_usize..10) {
        let window = 1_000;
        let (mut meter, mut plain, mut clock) = (Meter::new(i64::MIN), Plain::default(), 0);
        // Slices of 1,000/256 ms would hold next to nothing: make them as wide as a long window's.
        for (i, step) in steps.into_iter().enumerate() {
            clock += step.on / 4;
            let at = clock - step.back / 4;
            if i % groups == 0 {
                let retain = meter.retain;
                meter.retain = retain * 40;
                meter.group();
                meter.retain = retain;
                meter.settle();
            }
            if meter.earliest(Timestamp(at), window, d(max), d(step.cost)) == Some(Timestamp(at)) {
                prop_assert!(plain.most(at, window, step.cost) <= max);
                meter.record(Timestamp(at), d(step.cost), window);
                plain.0.push((at, step.cost));
            }
        }
        prop_assert!(plain.peak(window) <= max);
    }

    /// Times at the ends of reckoning do no harm.
    #[test]
    fn extreme_times_are_survived(times in prop::collection::vec(any::<i64>(), 1..20)) {
        let mut meter = Meter::new(i64::MIN);
        for at in times {
            let _ = meter.earliest(Timestamp(at), i64::MAX, d(3), d(1));
            meter.record(Timestamp(at), d(1), 1_000);
            meter.give_back(Timestamp(at), d(1));
            meter.record(Timestamp(at), d(1), 1_000);
        }
        prop_assert!(meter.lots.len() <= 20);
    }
}
