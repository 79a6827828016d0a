//! Reading a book that was tampered with, for something else than verifying it.

use super::room::*;
use crate::ledger::*;

/// What readers of the whole book are told, its own and that of its acts.
fn told(room: &Room) -> (Vec<BookedEntry>, Misfits) {
    let filter = Filter {
        acts: true,
        ..Filter::default()
    };
    let found = entries(&room.dir(), filter).unwrap();
    assert_eq!(
        found.misfits,
        acts(&room.dir(), None, None).unwrap().misfits
    );
    (found.items, found.misfits)
}

fn doubted(entries: &[BookedEntry]) -> Vec<&str> {
    let calls = entries.iter().filter_map(|entry| match entry {
        BookedEntry::Call(call) => Some(call),
        BookedEntry::Act(_) => None,
    });
    let doubted = calls.filter(|call| call.misfit.is_some());
    doubted.map(|call| call.call_id.as_str()).collect()
}

#[tokio::test]
async fn a_book_that_fits_is_not_doubted() {
    let (room, _) = closed_book(30).await;
    let (items, misfits) = told(&room);
    assert_eq!(items.len(), 30);
    assert_eq!(misfits, Misfits::default());
    assert!(doubted(&items).is_empty());
}

#[tokio::test]
async fn a_changed_record_is_doubted_and_named_with_its_call() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    let text = String::from_utf8(lines[2].clone()).unwrap();
    let changed = text.replace("run-rerun", "run-purge");
    let id = Record::parse(text.as_bytes())
        .unwrap()
        .call_id
        .unwrap()
        .to_string();
    assert_ne!(changed, text);
    lines[2] = changed.into_bytes();
    room.put_lines(0, &lines);
    let (items, misfits) = told(&room);
    assert_eq!(doubted(&items), [id]);
    let first = misfits.first.unwrap();
    assert_eq!((misfits.count, first.seq), (1, 3));
    assert!(
        first
            .to_string()
            .contains("record 3 in 00000000000000000001.jsonl: its bytes do not match"),
        "{first}"
    );
}

#[tokio::test]
async fn records_that_are_missing_or_replaced_are_doubted() {
    let (room, _) = closed_book(12).await;
    let good = room.lines(0);
    let mut lines = good.clone();
    lines.remove(4);
    room.put_lines(0, &lines);
    let first = told(&room).1.first.unwrap();
    assert_eq!(first.seq, 6);
    assert!(
        first
            .to_string()
            .ends_with("records in front of it are missing"),
        "{first}"
    );

    lines.clone_from(&good);
    lines[4].clone_from(&good[3]);
    room.put_lines(0, &lines);
    let first = told(&room).1.first.unwrap();
    assert_eq!(first.seq, 4);
    assert!(
        first.to_string().contains("does not stand in its place"),
        "{first}"
    );
}

// The newest record is judged too, although nothing before it is asked for.
#[tokio::test]
async fn as_far_as_was_read_means_the_records_asked_for() {
    let room = Room::new();
    let ledger = room.open();
    book_calls(&ledger, 5).await;
    drop(ledger);
    let mut lines = room.lines(0);
    let last = lines.len() - 1;
    let newest = Filter {
        limit: Some(1),
        ..Filter::default()
    };
    lines.remove(last - 1);
    room.put_lines(0, &lines);
    let found = entries(&room.dir(), newest.clone()).unwrap();
    assert_eq!(found.misfits.count, 1);
    let mut lines = room.lines(0);
    lines.remove(0);
    room.put_lines(0, &lines);
    let found = entries(&room.dir(), newest).unwrap();
    assert_eq!(found.misfits.count, 1, "the front was not read");
}
