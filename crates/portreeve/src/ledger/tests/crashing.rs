//! Crashes at any time on a disk that fails at any byte: what was acknowledged stays.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::faulty::{Faulty, Plan};
use super::room::*;
use crate::ledger::*;

/// What happens to the book between two crashes.
#[derive(Clone, Debug)]
enum Step {
    Book(usize),
    Anchor,
    Plan {
        room: Option<u64>,
        syncs_fail: bool,
        truncate_fails: bool,
        create_fails: bool,
    },
    Mended,
}

fn step() -> impl Strategy<Value = Step> {
    let plan = (
        prop::option::of(0_u64..3_000),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    prop_oneof![
        6 => (1_usize..12).prop_map(Step::Book),
        1 => Just(Step::Anchor),
        1 => plan.prop_map(|(room, syncs_fail, truncate_fails, create_fails)| Step::Plan {
            room, syncs_fail, truncate_fails, create_fails,
        }),
        2 => Just(Step::Mended),
    ]
}

struct Life {
    room: Room,
    anchors: MemoryAnchors,
    acknowledged: HashSet<String>,
    count: usize,
}

impl Life {
    async fn until_crash(&mut self, steps: &[Step], random: impl FnMut(u64) -> u64) {
        let faulty = Faulty::new();
        let latest = self.anchors.latest().await.unwrap();
        let known = latest.map(|anchor| self.room.anchor(anchor.head));
        let opening = Opening {
            known: known.into_iter().collect(),
            accept_cut: false,
            lost_store: None,
        };
        let opened = self.room.open_on(faulty.clone(), &opening);
        let (ledger, _) = opened.unwrap_or_else(|error| panic!("{error}"));
        for step in steps {
            match step {
                Step::Book(calls) => self.book(&ledger, *calls).await,
                Step::Anchor => {
                    let _ = ledger.anchor(&self.anchors).await;
                }
                Step::Plan {
                    room,
                    syncs_fail,
                    truncate_fails,
                    create_fails,
                } => faulty.plan(Plan {
                    room: *room,
                    syncs_fail: *syncs_fail,
                    truncate_fails: *truncate_fails,
                    create_fails: *create_fails,
                    failed_sync_forgets: false,
                }),
                Step::Mended => {
                    faulty.plan(Plan::default());
                    self.room.clock.advance(Duration::from_secs(2));
                }
            }
        }
        drop(ledger);
        faulty.crash(random);
    }

    async fn book(&mut self, ledger: &FileLedger, calls: usize) {
        for _ in 0..calls {
            self.count += 1;
            let id = format!("c{}", self.count);
            if ledger.begin(begin(&id)).await.is_ok() {
                self.acknowledged.insert(id);
            }
        }
    }

    fn booked(&self) -> HashSet<String> {
        let calls = query(&self.room.dir(), Filter::default()).unwrap();
        calls.into_iter().map(|call| call.call_id).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    // INVARIANT: with durability `disk` every acknowledged begin survives any crash, the book
    // opens again without a person, and it verifies against its anchor.
    #[test]
    fn what_was_acknowledged_survives_every_crash(
        lives in prop::collection::vec(prop::collection::vec(step(), 1..12), 1..5),
        seed in any::<u64>(),
    ) {
        let mut state = seed | 1;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut life = Life {
            room: Room::new().small_segments().on_disk(),
            anchors: MemoryAnchors::default(),
            acknowledged: HashSet::new(),
            count: 0,
        };
        for steps in &lives {
            runtime.block_on(life.until_crash(steps, &mut random));
        }
        runtime.block_on(life.until_crash(&[Step::Book(1), Step::Anchor], |_| 0));
        let latest = runtime.block_on(life.anchors.latest()).unwrap().unwrap();
        let report = life.room.verify(&[life.room.anchor(latest.head)]);
        prop_assert!(report.holds(), "{}", report);
        let lost: Vec<_> = life.acknowledged.difference(&life.booked()).cloned().collect();
        prop_assert!(lost.is_empty(), "acknowledged and lost: {:?}", lost);
    }
}
