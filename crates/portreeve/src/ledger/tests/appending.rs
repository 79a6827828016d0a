//! Appending: the chain, checkpoints, rotation, durability.

use std::sync::Arc;
use std::time::Duration;

use super::faulty::Faulty;
use super::room::*;
use crate::ledger::*;

#[tokio::test]
async fn an_empty_book_opens_empty_and_its_first_record_follows_zeros() {
    let room = Room::new();
    let ledger = room.open();
    assert_eq!(ledger.head(), Head::EMPTY);
    let booked = ledger.refuse(refusal("a")).await.unwrap();
    assert_eq!(booked.seq, 1);
    let lines = room.lines(0);
    let record = Record::parse(&lines[0]).unwrap();
    assert_eq!(record.prev, Digest::ZERO);
    assert_eq!(
        ledger.head(),
        Head {
            seq: 1,
            hash: record.hash
        }
    );
}

// INVARIANT: the begin is with the kernel before the future resolves.
#[tokio::test]
async fn a_begin_is_in_the_file_when_its_future_resolves() {
    let room = Room::new();
    let ledger = room.open();
    for index in 0..5 {
        let id = format!("c{index}");
        ledger.begin(begin(&id)).await.unwrap();
        let lines = room.lines(0);
        assert_eq!(lines.len(), index + 1);
        assert_eq!(
            Record::parse(&lines[index]).unwrap().call_id.as_deref(),
            Some(&*id)
        );
    }
}

// INVARIANT: with durability `disk` the begin is on disk before the future resolves.
#[tokio::test]
async fn with_durability_disk_a_begin_waits_for_the_sync() {
    let room = Room::new().on_disk();
    let faulty = Faulty::new();
    let (ledger, _) = room.open_on(faulty.clone(), &Opening::default()).unwrap();
    for index in 0..5 {
        let id = format!("c{index}");
        ledger.begin(begin(&id)).await.unwrap();
        let path = &room.segments()[0];
        assert_eq!(faulty.synced(path), std::fs::metadata(path).unwrap().len());
    }
}

#[tokio::test]
async fn many_at_once_share_a_sync_and_all_are_booked_once() {
    let room = Room::new().on_disk();
    let ledger = Arc::new(room.open());
    let tasks: Vec<_> = (0..200)
        .map(|index| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                let id = format!("c{index}");
                ledger.begin(begin(&id)).await.unwrap().seq
            })
        })
        .collect();
    let mut seqs = Vec::new();
    for task in tasks {
        seqs.push(task.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=200).collect::<Vec<u64>>());
    assert!(room.verify(&[]).holds());
}

#[tokio::test]
async fn a_checkpoint_stands_at_every_thousandth_record_also_across_restarts() {
    let room = Room::new();
    for _ in 0..3 {
        let ledger = room.open();
        book_calls(&ledger, 650).await;
        // Dropped, not closed: as if the process had been killed.
    }
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
    assert_eq!((report.records, report.checkpoints), (3_903, 3));
    for seq in [1_000, 2_000, 3_000] {
        let record = room.lines(0)[seq - 1].clone();
        assert_eq!(Record::parse(&record).unwrap().phase, Phase::Checkpoint);
    }
}

#[tokio::test]
async fn a_segment_is_closed_by_a_checkpoint_and_the_next_is_named_after_its_first_record() {
    let (room, head) = closed_book(50).await;
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
    assert!(report.segments > 5, "{report}");
    assert_eq!(report.head, head);
    for (index, path) in room.segments().iter().enumerate() {
        let lines = room.lines(index);
        let first = Record::parse(&lines[0]).unwrap().seq;
        assert!(path.ends_with(format!("{first:020}.jsonl")));
        let last = Record::parse(lines.last().unwrap()).unwrap().phase;
        assert_eq!(last, Phase::Checkpoint);
    }
}

#[tokio::test]
async fn a_segment_is_closed_when_it_is_old() {
    let room = Room::new();
    let ledger = room.open();
    book_calls(&ledger, 1).await;
    room.clock.advance(Duration::from_hours(25));
    book_calls(&ledger, 1).await;
    assert_eq!(room.segments().len(), 2);
    assert!(room.verify(&[]).holds());
}

#[tokio::test]
async fn a_closed_book_takes_nothing_more_and_goes_on_when_opened_again() {
    let room = Room::new();
    let ledger = room.open();
    book_calls(&ledger, 1).await;
    ledger.close().await.unwrap();
    ledger.close().await.unwrap();
    assert_eq!(ledger.begin(begin("x")).await, Err(LedgerError::Closed));
    assert_eq!(ledger.head().seq, 3);
    let again = room.open();
    assert_eq!(again.head(), ledger.head());
    book_calls(&again, 1).await;
    assert_eq!(again.head().seq, 5);
    assert!(room.verify(&[]).holds());
}
