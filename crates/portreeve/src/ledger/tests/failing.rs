//! Fail closed: when the book can't be written the append says so, and nothing half stays.

use std::fs;
use std::time::Duration;

use super::faulty::{Faulty, Plan};
use super::room::*;
use crate::ledger::*;

fn faulty_ledger(room: &Room) -> (Faulty, FileLedger) {
    let faulty = Faulty::new();
    let medium = faulty.clone();
    let (ledger, _) = room.open_on(medium, &Opening::default()).unwrap();
    (faulty, ledger)
}

fn is_refused<T>(result: &Result<T, LedgerError>) -> bool {
    matches!(result, Err(LedgerError::Unavailable { .. }))
}

// INVARIANT: a doubt denies; an error leaves the chain as it was.
#[tokio::test]
async fn a_full_disk_refuses_at_every_byte_and_heals_when_there_is_room() {
    let room = Room::new();
    let (faulty, ledger) = faulty_ledger(&room);
    book_calls(&ledger, 1).await;
    for fits in 0..400 {
        let before = (ledger.head(), fs::read(&room.segments()[0]).unwrap());
        faulty.plan(Plan {
            room: Some(fits),
            ..Plan::default()
        });
        assert!(
            is_refused(&ledger.begin(begin("x")).await),
            "{fits} bytes fit"
        );
        let reason = ledger.healthy().unwrap_err();
        assert!(reason.contains("cannot be written"), "{reason}");
        assert_eq!(
            before,
            (ledger.head(), fs::read(&room.segments()[0]).unwrap())
        );
        faulty.plan(Plan::default());
    }
    book_calls(&ledger, 1).await;
    assert!(ledger.healthy().is_ok());
    ledger.close().await.unwrap();
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
    assert_eq!(report.records, 5);
}

#[tokio::test]
async fn half_a_record_that_cannot_be_cut_off_keeps_the_book_shut_until_it_can() {
    let room = Room::new();
    let (faulty, ledger) = faulty_ledger(&room);
    book_calls(&ledger, 1).await;
    faulty.plan(Plan {
        room: Some(10),
        truncate_fails: true,
        ..Plan::default()
    });
    assert!(is_refused(&ledger.begin(begin("x")).await));
    faulty.plan(Plan {
        truncate_fails: true,
        ..Plan::default()
    });
    assert!(is_refused(&ledger.begin(begin("x")).await));
    assert!(ledger.healthy().unwrap_err().contains("half a record"));
    faulty.plan(Plan::default());
    book_calls(&ledger, 1).await;
    ledger.close().await.unwrap();
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
}

#[tokio::test]
async fn after_a_failed_sync_the_waiters_are_refused_and_the_file_is_replaced() {
    let room = Room::new().on_disk();
    let (faulty, ledger) = faulty_ledger(&room);
    book_calls(&ledger, 1).await;
    let file = |room: &Room| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(&room.segments()[0]).unwrap().ino()
    };
    let distrusted = file(&room);
    faulty.plan(Plan {
        syncs_fail: true,
        ..Plan::default()
    });
    assert!(is_refused(&ledger.begin(begin("lost")).await));
    assert!(is_refused(&ledger.begin(begin("shut")).await));
    assert!(ledger.healthy().is_err());
    faulty.plan(Plan::default());
    // The rewriting is not tried again at once.
    assert!(is_refused(&ledger.begin(begin("soon")).await));
    room.clock.advance(Duration::from_secs(2));
    book_calls(&ledger, 1).await;
    assert!(ledger.healthy().is_ok());
    assert_ne!(file(&room), distrusted);
    ledger.close().await.unwrap();
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
    // What was written before the sync failed stays, and reads as unknown.
    let lost = query(
        &room.dir(),
        Filter {
            call_id: Some("lost".into()),
            ..Filter::default()
        },
    );
    assert_eq!(lost.unwrap()[0].end.outcome, UNKNOWN);
}

#[tokio::test]
async fn records_that_a_failed_sync_lost_keep_the_book_shut() {
    let room = Room::new();
    let (faulty, ledger) = faulty_ledger(&room);
    book_calls(&ledger, 1).await;
    ledger.sync().await.unwrap();
    book_calls(&ledger, 1).await;
    faulty.plan(Plan {
        syncs_fail: true,
        failed_sync_forgets: true,
        ..Plan::default()
    });
    assert!(is_refused(&ledger.sync().await));
    faulty.plan(Plan::default());
    for _ in 0..3 {
        room.clock.advance(Duration::from_secs(2));
        assert!(is_refused(&ledger.begin(begin("x")).await));
    }
    assert!(ledger.healthy().unwrap_err().contains("rewritten"));
}

#[tokio::test]
async fn a_new_segment_that_cannot_be_created_refuses_until_it_can() {
    let room = Room::new().small_segments();
    let (faulty, ledger) = faulty_ledger(&room);
    faulty.plan(Plan {
        create_fails: true,
        ..Plan::default()
    });
    let mut refused = None;
    for index in 0..50 {
        if let Err(error) = ledger.begin(begin(&format!("c{index}"))).await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.unwrap().to_string();
    assert!(refused.contains("cannot be created"), "{refused}");
    assert!(is_refused(&ledger.begin(begin("again")).await));
    faulty.plan(Plan::default());
    book_calls(&ledger, 1).await;
    ledger.close().await.unwrap();
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
}

#[tokio::test]
async fn a_ledger_that_is_deleted_under_the_gate_refuses_and_comes_back_whole() {
    let room = Room::new();
    let ledger = room.open();
    book_calls(&ledger, 3).await;
    fs::remove_dir_all(room.dir()).unwrap();
    assert!(is_refused(&ledger.begin(begin("x")).await));
    assert!(ledger.healthy().unwrap_err().contains("was removed"));
    fs::write(room.dir(), "a file where the directory was").unwrap();
    assert!(is_refused(&ledger.begin(begin("x")).await));
    fs::remove_file(room.dir()).unwrap();
    fs::create_dir(room.dir()).unwrap();
    room.clock.advance(Duration::from_secs(2));
    ledger.probe().await.unwrap();
    assert!(ledger.healthy().is_ok());
    book_calls(&ledger, 1).await;
    ledger.close().await.unwrap();
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
    assert_eq!(report.records, 10);
}

#[tokio::test]
async fn a_probe_finds_out_that_the_disk_has_room_again() {
    let room = Room::new();
    let (faulty, ledger) = faulty_ledger(&room);
    faulty.plan(Plan {
        room: Some(5),
        ..Plan::default()
    });
    assert!(is_refused(&ledger.begin(begin("x")).await));
    assert!(ledger.probe().await.is_err());
    faulty.plan(Plan::default());
    ledger.probe().await.unwrap();
    assert!(ledger.healthy().is_ok());
    assert!(room.verify(&[]).holds());
}

#[tokio::test]
async fn a_place_where_no_directory_can_be_is_an_error_with_its_path() {
    let room = Room::new();
    fs::write(room.dir(), "in the way").unwrap();
    let error = room.open_knowing(&[]).unwrap_err();
    assert!(error.to_string().contains("/ledger"), "{error}");
}
