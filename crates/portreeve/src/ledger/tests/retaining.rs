//! Retention: what leaves stays proven, and what is needed or doubtful stays.

use std::fs;
use std::time::Duration;

use super::room::*;
use crate::ledger::*;

async fn open_book() -> (Room, FileLedger) {
    let room = Room::new().small_segments();
    let ledger = room.open();
    book_calls(&ledger, 40).await;
    (room, ledger)
}

fn smaller_than(max_bytes: u64) -> Retention {
    Retention {
        max_bytes: Some(max_bytes),
        ..Retention::default()
    }
}

fn first_seq(room: &Room) -> u64 {
    Record::parse(&room.lines(0)[0]).unwrap().seq
}

#[tokio::test]
async fn without_limits_everything_stays() {
    let (room, ledger) = open_book().await;
    let gone = retire(&ledger, &room.keys, &Retention::default(), u64::MAX).unwrap();
    assert_eq!((gone, first_seq(&room)), (0, 1));
}

#[tokio::test]
async fn the_oldest_leave_by_size_and_what_is_kept_is_proven() {
    let (room, ledger) = open_book().await;
    let early = room.anchor(Head {
        seq: 2,
        hash: Digest::ZERO,
    });
    let gone = retire(&ledger, &room.keys, &smaller_than(12_000), u64::MAX).unwrap();
    assert!(gone > 1);
    book_calls(&ledger, 1).await;
    let report = room.verify(&[early, room.anchor(ledger.head())]);
    assert!(report.holds(), "{report}");
    assert_eq!(report.first, first_seq(&room));
    assert!(
        report.to_string().contains("are retired and proven"),
        "{report}"
    );
    // Opening, replaying and querying go on.
    ledger.close().await.unwrap();
    let again = room.open_knowing(&[room.anchor(ledger.head())]).unwrap().0;
    retire(&again, &room.keys, &smaller_than(1), u64::MAX).unwrap();
    assert!(room.verify(&[]).holds());
    assert!(
        replay_from(&room.dir(), 1)
            .unwrap()
            .next_record()
            .unwrap()
            .is_some()
    );
    assert!(query(&room.dir(), Filter::default()).is_ok());
}

#[tokio::test]
async fn the_old_leave_by_age_into_the_archive() {
    let (room, ledger) = open_book().await;
    let before = room.segments();
    let archive = room.data.path().join("archive");
    let retention = Retention {
        max_age_ms: Some(1_000),
        archive: Some(archive.clone()),
        ..Retention::default()
    };
    assert_eq!(
        retire(&ledger, &room.keys, &retention, u64::MAX).unwrap(),
        0
    );
    room.clock.advance(Duration::from_secs(5));
    let first = fs::read(&before[0]).unwrap();
    let gone = retire(&ledger, &room.keys, &retention, u64::MAX).unwrap();
    assert_eq!(gone, before.len() - 1);
    assert_eq!(fs::read_dir(&archive).unwrap().count(), gone);
    assert_eq!(
        fs::read(archive.join(before[0].file_name().unwrap())).unwrap(),
        first
    );
    assert!(room.verify(&[]).holds());
}

#[tokio::test]
async fn records_that_are_still_needed_stay() {
    let (room, ledger) = open_book().await;
    retire(&ledger, &room.keys, &smaller_than(1), 30).unwrap();
    assert!(first_seq(&room) <= 30 && first_seq(&room) > 1);
}

#[tokio::test]
async fn a_damaged_segment_is_evidence_and_stays() {
    let (room, ledger) = open_book().await;
    let mut lines = room.lines(0);
    lines[2][50] ^= 1;
    room.put_lines(0, &lines);
    let error = retire(&ledger, &room.keys, &smaller_than(1), u64::MAX).unwrap_err();
    assert!(error.to_string().contains("kept as evidence"), "{error}");
    assert_eq!(first_seq(&room), 1);
}

#[tokio::test]
async fn a_segment_rewritten_whole_is_evidence_too() {
    let (room, ledger) = open_book().await;
    let mut lines = room.lines(0);
    lines.pop();
    room.put_lines(0, &lines);
    let error = retire(&ledger, &room.keys, &smaller_than(1), u64::MAX).unwrap_err();
    assert!(error.to_string().contains("does not continue"), "{error}");
    assert_eq!(first_seq(&room), 1);
}

#[tokio::test]
async fn a_crash_between_the_proof_and_the_removal_is_made_good() {
    let (room, ledger) = open_book().await;
    let path = room.segments()[0].clone();
    let bytes = fs::read(&path).unwrap();
    retire(&ledger, &room.keys, &smaller_than(12_000), u64::MAX).unwrap();
    let proven = fs::read(room.dir().join("retired.jsonl")).unwrap();
    // All that left is back, as if only the proofs had been written.
    let half = [&proven[..], b"{\"first\":99,\"la"].concat();
    fs::write(room.dir().join("retired.jsonl"), half).unwrap();
    fs::write(&path, bytes).unwrap();
    assert!(!room.verify(&[]).holds(), "records between are missing");
    fs::remove_file(&path).unwrap();
    book_calls(&ledger, 30).await;
    retire(&ledger, &room.keys, &smaller_than(12_000), u64::MAX).unwrap();
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
}

#[tokio::test]
async fn a_changed_or_missing_proof_is_told() {
    let (room, ledger) = open_book().await;
    retire(&ledger, &room.keys, &smaller_than(12_000), u64::MAX).unwrap();
    let path = room.dir().join("retired.jsonl");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        assert!(!room.verify(&[]).holds(), "byte {at}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(room.verify(&[]).fault.unwrap().what, What::NoBeginning);
    fs::write(&path, good).unwrap();
    assert!(room.verify(&[]).holds());
    for segment in room.segments() {
        fs::remove_file(segment).unwrap();
    }
    assert_eq!(room.verify(&[]).fault.unwrap().what, What::NothingLeft);
}
