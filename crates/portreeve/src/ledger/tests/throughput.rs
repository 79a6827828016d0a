//! How fast it is: printed for people, with limits wide enough for any machine and build.

use std::time::Duration;

use super::room::*;
use crate::clock::Stopwatch;
use crate::ledger::*;

const CALLS: usize = 20_000;

/// `cargo test --release -p portreeve throughput -- --nocapture` shows the figures.
#[tokio::test]
async fn appending_opening_replaying_and_verifying_keep_pace() {
    let room = Room::new();
    let ledger = room.open();
    let records = CALLS * 2;
    let watch = Stopwatch::start();
    book_calls(&ledger, CALLS).await;
    report("append", records, watch.elapsed());
    let bytes = std::fs::metadata(&room.segments()[0]).unwrap().len();
    println!("{} bytes a record", bytes / records as u64);
    drop(ledger);

    let watch = Stopwatch::start();
    let ledger = room.open();
    let opening = watch.elapsed();
    report("open", records, opening);
    assert!(opening < Duration::from_secs(5), "{opening:?}");

    let watch = Stopwatch::start();
    let mut replayed = 0;
    let mut replay = replay_from(&room.dir(), 1).unwrap();
    while replay.next_record().unwrap().is_some() {
        replayed += 1;
    }
    report("replay", replayed, watch.elapsed());
    assert_eq!(replayed as u64, ledger.head().seq);

    let watch = Stopwatch::start();
    assert!(room.verify(&[]).holds());
    report("verify", replayed, watch.elapsed());
}

fn report(what: &str, records: usize, took: Duration) {
    let micros = took.as_secs_f64() * 1e6;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let count = records as f64;
    println!(
        "{what}: {:.2} µs a record, {:.0} records/s",
        micros / count,
        count / micros * 1e6
    );
}
