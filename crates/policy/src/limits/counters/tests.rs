//! Counters in virtual time: all or nothing, shared counters, bounds, restarts.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::decision::Rule;

const CAPACITY: usize = 1_000;

fn charge(key: &str, max: u32, cost: u32) -> Charge {
    Charge {
        key: key.parse().expect("a key"),
        window_ms: 1_000,
        max: Decimal::from(max),
        cost: Decimal::from(cost),
        max_keys: 2,
        rule: Rule::at("/x"),
        on_deny: None,
    }
}

/// Makes the charges and lets them stand, or says which does not fit, and why.
fn reserve(
    counters: &mut Counters,
    charges: &[Charge],
    at: i64,
) -> Result<(), (usize, Option<u64>, Why)> {
    let asked = counters.would_reserve(charges, Timestamp(at));
    let made = counters.reserve(charges, Timestamp(at));
    // Asking takes nothing. Only making room may find out that there is none.
    match (&asked, &made) {
        (Ok(()), Ok(_)) => {}
        (Ok(()), Err((_, shortfall))) => assert_eq!(shortfall.why, Why::Full),
        (Err(asked), Err(made)) => assert_eq!(asked, made),
        (Err(asked), Ok(_)) => panic!("{asked:?}, and then it fits"),
    }
    match made {
        Ok(_stands) => Ok(()),
        Err((i, shortfall)) => Err((i, shortfall.retry_after_ms, shortfall.why)),
    }
}

#[test]
fn all_charges_are_made_or_none() {
    let mut counters = Counters::new(CAPACITY);
    let (a, b) = (charge("grant/g/s/a", 2, 1), charge("grant/g/s/b", 1, 1));
    let both = [a.clone(), b];
    assert_eq!(reserve(&mut counters, &both, 0), Ok(()));
    let refused = Err((1, Some(900), Why::TooMany));
    assert_eq!(reserve(&mut counters, &both, 100), refused);
    // The first was not charged by the refused call.
    assert_eq!(
        reserve(&mut counters, std::slice::from_ref(&a), 100),
        Ok(())
    );
    let refused = Err((0, Some(900), Why::TooMany));
    assert_eq!(reserve(&mut counters, &[a], 100), refused);
}

#[test]
fn a_shared_counter_is_charged_once_and_the_smaller_maximum_decides() {
    let mut counters = Counters::new(CAPACITY);
    let both = [charge("grant/g/s/a", 5, 1), charge("grant/g/s/a", 2, 1)];
    assert_eq!(reserve(&mut counters, &both, 0), Ok(()));
    assert_eq!(reserve(&mut counters, &both, 0), Ok(()));
    assert_eq!(
        reserve(&mut counters, &both, 0),
        Err((1, Some(1_000), Why::TooMany))
    );
    let alone = std::slice::from_ref(&both[0]);
    for _ in 0..3 {
        assert_eq!(reserve(&mut counters, alone, 0), Ok(()));
    }
    assert_eq!(
        reserve(&mut counters, alone, 0),
        Err((0, Some(1_000), Why::TooMany))
    );
}

#[test]
fn should_limits_disagree_on_cost_the_larger_counts() {
    let mut counters = Counters::new(CAPACITY);
    let unlike = [charge("grant/g/s/a", 5, 2), charge("grant/g/s/a", 5, 3)];
    let held = counters.reserve(&unlike, Timestamp(0)).expect("it fits");
    let amounts: Vec<Decimal> = held.booked().iter().map(|b| b.amount).collect();
    assert_eq!(amounts, [Decimal::from(3)]);
    assert_eq!(
        reserve(&mut counters, &unlike[1..], 0),
        Err((0, Some(1_000), Why::TooMany))
    );
}

#[test]
fn a_reservation_is_given_back_whole() {
    let mut counters = Counters::new(CAPACITY);
    let both = [charge("grant/g/s/a", 1, 1), charge("grant/g/s/b", 1, 1)];
    let held = counters.reserve(&both, Timestamp(0)).expect("it fits");
    let names: Vec<String> = held.booked().iter().map(|b| b.key.to_string()).collect();
    assert_eq!(names, ["grant/g/s/a", "grant/g/s/b"]);
    assert_eq!(held.at(), Timestamp(0));
    assert!(reserve(&mut counters, &both, 1).is_err());
    counters.refund(held);
    assert_eq!(reserve(&mut counters, &both, 1), Ok(()));
}

#[test]
fn one_value_too_many_waits_for_another_to_leave() {
    let mut counters = Counters::new(CAPACITY);
    let value = |v: &str| [charge(&format!("grant/g/s/c/s:{v}"), 9, 1)];
    assert_eq!(reserve(&mut counters, &value("a"), 0), Ok(()));
    assert_eq!(reserve(&mut counters, &value("b"), 400), Ok(()));
    assert_eq!(
        reserve(&mut counters, &value("c"), 500),
        Err((0, Some(500), Why::TooManyKeys))
    );
    assert_eq!(reserve(&mut counters, &value("a"), 600), Ok(()));
    assert_eq!(
        reserve(&mut counters, &value("c"), 600),
        Err((0, Some(800), Why::TooManyKeys))
    );
    let other_family = [charge("grant/other/s/c/s:c", 9, 1)];
    assert_eq!(reserve(&mut counters, &other_family, 600), Ok(()));
    assert_eq!(reserve(&mut counters, &value("c"), 1_400), Ok(()));
}

#[test]
fn values_of_one_call_count_together() {
    let mut counters = Counters::new(CAPACITY);
    let values = ["a", "b", "c"].map(|v| charge(&format!("grant/g/s/c/s:{v}"), 9, 1));
    assert_eq!(
        reserve(&mut counters, &values, 0),
        Err((2, None, Why::TooManyKeys))
    );
    assert_eq!(reserve(&mut counters, &values[..2], 0), Ok(()));
}

#[test]
fn a_call_that_costs_nothing_needs_no_counter() {
    let mut counters = Counters::new(0);
    let free = [charge("grant/g/s/a", 0, 0)];
    assert_eq!(reserve(&mut counters, &free, 0), Ok(()));
    assert!(counters.is_empty());
}

#[test]
fn full_counters_refuse_and_forget_nothing_that_lives() {
    let mut counters = Counters::new(2);
    let named = |name: &str| [charge(&format!("grant/g/s/{name}"), 1, 1)];
    assert_eq!(reserve(&mut counters, &named("a"), 0), Ok(()));
    assert_eq!(reserve(&mut counters, &named("b"), 0), Ok(()));
    let refused = Err((0, Some(60_990), Why::Full));
    assert_eq!(reserve(&mut counters, &named("c"), 10), refused);
    let reading = counters.would_hold(&named("c")[0], Timestamp(10));
    assert_eq!(reading.map_err(|s| s.why), Err(Why::Full));
    assert_eq!(
        reserve(&mut counters, &named("a"), 10),
        Err((0, Some(990), Why::TooMany)),
        "a full set still counts"
    );
    assert_eq!(reserve(&mut counters, &named("a"), 1_000), Ok(()));
    assert_eq!(
        reserve(&mut counters, &named("c"), 61_000),
        Ok(()),
        "b is dead"
    );
    assert_eq!(counters.len(), 2);
}

#[test]
fn what_was_dropped_is_not_vouched_for() {
    let mut counters = Counters::new(CAPACITY);
    let one = [charge("grant/g/s/a", 1, 1)];
    assert_eq!(reserve(&mut counters, &one, 0), Ok(()));
    counters.prune(Timestamp(60_999));
    assert_eq!(counters.len(), 1, "its slack has not passed");
    counters.prune(Timestamp(61_000));
    assert!(counters.is_empty());
    assert_eq!(
        reserve(&mut counters, &one, 500),
        Err((0, Some(500), Why::TooMany)),
        "a clock that went back meets the charge it made"
    );
    assert_eq!(reserve(&mut counters, &one, 1_000), Ok(()));
}

#[test]
fn a_restart_forgets_no_charge() {
    let mut counters = Counters::new(CAPACITY);
    let (a, b) = (charge("grant/g/s/a", 2, 1), charge("grant/g/s/b/n:1", 1, 1));
    assert_eq!(reserve(&mut counters, &[a.clone(), b.clone()], 0), Ok(()));
    let mut again = Counters::import(&counters.export(), CAPACITY).expect("a snapshot");
    // The ledger's tail: a charge after the snapshot, and one that was given back.
    again.restore(&a.key, Timestamp(300), a.cost, a.window_ms);
    again.restore(&a.key, Timestamp(301), a.cost, a.window_ms);
    again.give_back(&a.key, Timestamp(301), a.cost);
    assert_eq!(
        reserve(&mut again, std::slice::from_ref(&a), 400),
        Err((0, Some(600), Why::TooMany))
    );
    assert_eq!(reserve(&mut again, &[a], 1_000), Ok(()));
    assert_eq!(
        reserve(&mut again, &[b], 999),
        Err((0, Some(1), Why::TooMany))
    );
}

#[test]
fn a_snapshot_that_is_not_whole_is_refused() {
    let mut counters = Counters::new(CAPACITY);
    assert_eq!(
        reserve(&mut counters, &[charge("grant/g/s/a", 2, 1)], 7),
        Ok(())
    );
    let good = counters.export();
    assert_eq!(
        good,
        format!(
            "portreeve counters 1\nfloor {0}\nmeter grant/g/s/a 1000 {0} 7:7:1\nend 1\n",
            i64::MIN
        )
    );
    for (bad, line) in [
        (String::new(), 0),
        (good.replace("counters 1", "counters 2"), 1),
        (good.replace("floor", "flour"), 2),
        (good.replace("meter", "metre"), 3),
        (good.replace("grant", "team"), 3),
        (good.replace("7:7:1", "7:6:1"), 3),
        (good.replace("7:7:1", "7:7:0"), 3),
        (good.replace("7:7:1", "7:7:-1"), 3),
        (good.replace("7:7:1", "7:7:1,7:8:1"), 3),
        (good.replace("7:7:1", "7:7:1:1"), 3),
        (good.replace("7:7:1", "7:7"), 3),
        (good.replace("end 1", "end 2"), 4),
        (good.replace("end 1\n", ""), 0),
        (format!("{good}more\n"), 4),
        (
            good.replace("end 1", "meter grant/g/s/a 1000 0 8:8:1\nend 2"),
            4,
        ),
    ] {
        let error = Counters::import(&bad, CAPACITY).expect_err(&bad);
        assert_eq!(error.line, line, "{bad}");
    }
}

/// What happens to the counters.
#[derive(Clone, Debug)]
enum Event {
    Call {
        keys: Vec<(u8, u32)>,
        back: i64,
        refunded: bool,
    },
    Pass(i64),
    Restart,
    Prune,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let call = (
        prop::collection::vec((0_u8..4, 1_u32..6), 1..4),
        0_i64..900,
        prop::bool::weighted(0.2),
    );
    let call = call.prop_map(|(keys, back, refunded)| Event::Call {
        keys,
        back: back.saturating_sub(450).max(0),
        refunded,
    });
    let event = prop_oneof![
        8 => call,
        4 => (0_i64..500).prop_map(Event::Pass),
        1 => (0_i64..100_000).prop_map(Event::Pass),
        1 => Just(Event::Restart),
        1 => Just(Event::Prune),
    ];
    prop::collection::vec(event, 1..60)
}

/// The most that any window of `charges` holds.
fn peak(charges: &[(i64, u32)], window: i64) -> u32 {
    let ends = charges.iter().map(|(end, _)| *end);
    let held = ends.map(|end| {
        let inside = charges
            .iter()
            .filter(|(t, _)| *t > end - window && *t <= end);
        inside.map(|(_, cost)| cost).sum()
    });
    held.max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever the order of times, with refunds, restarts and pruning in between: a call passes
    /// exactly if a plain list of charges says that no window would hold more than is allowed.
    #[test]
    fn reserve_agrees_with_plain_lists(events in events()) {
        let mut counters = Counters::new(CAPACITY);
        let mut plain: HashMap<u8, Vec<(i64, u32)>> = HashMap::new();
        let mut clock = 0;
        for event in events {
            match event {
                Event::Pass(millis) => clock += millis,
                Event::Restart => {
                    counters = Counters::import(&counters.export(), CAPACITY).expect("whole");
                }
                Event::Prune => counters.prune(Timestamp(clock)),
                Event::Call { keys, back, refunded } => {
                    let at = clock - back;
                    let charges: Vec<Charge> = keys
                        .iter()
                        .map(|(key, max)| charge(&format!("grant/g/s/{key}"), *max, 1))
                        .collect();
                    let fits = |(key, max): &(u8, u32)| {
                        let mut with = plain.get(key).cloned().unwrap_or_default();
                        with.retain(|(t, _)| (at - 1_000..=at + 1_000).contains(t));
                        let before = peak_around(&with, at);
                        before < *max
                    };
                    let expected = keys.iter().position(|pair| !fits(pair));
                    let read = charges
                        .iter()
                        .position(|c| counters.would_hold(c, Timestamp(at)).is_err());
                    prop_assert_eq!(read, expected, "reading");
                    let asked = counters.would_reserve(&charges, Timestamp(at)).err();
                    prop_assert_eq!(asked.map(|(i, _)| i), expected, "asking for all at once");
                    let answer = counters.reserve(&charges, Timestamp(at));
                    prop_assert_eq!(answer.as_ref().err().map(|(i, _)| *i), expected);
                    match answer {
                        Ok(held) if refunded => counters.refund(held),
                        Ok(held) => for booked in held.booked() {
                            let key = booked.key.counter().parse().expect("a digit");
                            plain.entry(key).or_default().push((at, 1));
                        },
                        Err(_) => {}
                    }
                }
            }
        }
        for charges in plain.values() {
            prop_assert!(peak(charges, 1_000) <= 5);
        }
    }

    /// A restart changes nothing that can be asked.
    #[test]
    fn export_and_import_agree(times in prop::collection::vec((0_i64..5_000, 0_u8..3), 0..40)) {
        let mut counters = Counters::new(CAPACITY);
        for (at, key) in times {
            let charge = charge(&format!("grant/g/s/c/n:{key}"), 5, 1);
            counters.restore(&charge.key, Timestamp(at), charge.cost, charge.window_ms);
        }
        let again = Counters::import(&counters.export(), CAPACITY).expect("whole");
        prop_assert_eq!(again.len(), counters.len());
        for at in (0..6_000).step_by(97) {
            for key in 0..4 {
                let charge = charge(&format!("grant/g/s/c/n:{key}"), 5, 2);
                prop_assert_eq!(
                    again.would_hold(&charge, Timestamp(at)),
                    counters.would_hold(&charge, Timestamp(at))
                );
            }
        }
    }
}

/// The most that any window which contains `at` holds.
fn peak_around(charges: &[(i64, u32)], at: i64) -> u32 {
    (at..at + 1_000)
        .filter(|end| *end == at || charges.iter().any(|(t, _)| t == end))
        .map(|end| {
            let inside = charges
                .iter()
                .filter(|(t, _)| *t > end - 1_000 && *t <= end);
            inside.map(|(_, cost)| cost).sum()
        })
        .max()
        .unwrap_or(0)
}
