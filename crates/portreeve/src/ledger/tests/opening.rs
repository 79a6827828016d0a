//! Opening a book that a crash or a hand left.

use std::fs;

use super::room::*;
use crate::keys::Keys;
use crate::ledger::*;

async fn open_book(calls: usize) -> (Room, Head) {
    let room = Room::new();
    let ledger = room.open();
    book_calls(&ledger, calls).await;
    (room, ledger.head())
}

fn truncate(room: &Room, by: u64) {
    let path = room.segments().pop().unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len - by).unwrap();
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_kept_and_told_wherever_it_was_torn() {
    let (whole, head) = open_book(2).await;
    let last = whole.lines(0).pop().unwrap();
    for missing in 1..last.len() {
        let (room, _) = open_book(0).await;
        fs::copy(
            &whole.segments()[0],
            room.dir().join("00000000000000000001.jsonl"),
        )
        .unwrap();
        let room = Room {
            keys: std::sync::Arc::clone(&whole.keys),
            ..room
        };
        truncate(&room, missing as u64);
        let (ledger, opened) = room.open_knowing(&[]).unwrap();
        let torn = opened.torn.unwrap();
        assert_eq!((torn.seq, torn.anchored), (head.seq, false));
        assert_eq!(fs::read(&torn.kept).unwrap(), last[..last.len() - missing]);
        assert_eq!(ledger.head().seq, head.seq);
        let report = room.verify(&[]);
        assert!(report.holds(), "{report}");
        assert!(report.notes[0].contains("ledger.tail_torn"), "{report}");
    }
}

#[tokio::test]
async fn garbage_of_a_crash_is_cut_off_too() {
    for garbage in [
        &b"\0\0\0\0"[..],
        b"\n",
        b"\0\0\n\0\n",
        b"{\"seq\":9,\n{\"se",
    ] {
        let (room, head) = open_book(2).await;
        let path = &room.segments()[0];
        let bytes = [fs::read(path).unwrap(), garbage.to_vec()].concat();
        fs::write(path, bytes).unwrap();
        let (_ledger, opened) = room.open_knowing(&[room.anchor(head)]).unwrap();
        assert_eq!(opened.torn.unwrap().bytes, garbage.len() as u64);
        assert!(room.verify(&[room.anchor(head)]).holds());
    }
}

#[tokio::test]
async fn a_cut_tail_does_not_open_says_what_to_run_and_opens_when_accepted() {
    let (room, head) = open_book(5).await;
    let mut lines = room.lines(0);
    lines.truncate(7);
    room.put_lines(0, &lines);
    let known = [room.anchor(head)];
    let error = room.open_knowing(&known).unwrap_err();
    assert!(matches!(error, OpenError::CutTail { .. }));
    let text = error.to_string();
    assert!(
        text.contains("the store knew record 10") && text.contains("ends with record 7"),
        "{text}"
    );
    assert!(text.len() < 120, "it is short: {text}");
    let advice = error.advice();
    for words in [
        "ledger verify",
        "backup",
        "--accept-ledger-cut",
        "rate limits forget",
        "at least 3 records that are missing, all that was booked after record 7 of 20",
    ] {
        assert!(advice.contains(words), "{words}: {advice}");
    }
    // Nothing was touched by the attempt.
    assert_eq!(room.lines(0).len(), 7);
    let accept = Opening {
        known: known.to_vec(),
        accept_cut: true,
        lost_store: None,
    };
    let (ledger, opened) = room.open_with(&accept).unwrap();
    assert_eq!(opened.accepted.len(), 1);
    let accepted = &opened.accepted[0];
    assert!(accepted.contains("at least 3 records"), "{accepted}");
    book_calls(&ledger, 5).await;
    // The book tells of it itself, and the anchor of before is explained by that.
    let report = room.verify(&known);
    assert!(report.holds(), "{report}");
    assert!(
        report.to_string().contains("ledger.cut_accepted"),
        "{report}"
    );
    assert!(
        report.to_string().contains("\"lost_records\":3"),
        "{report}"
    );
    // An anchor the acceptance does not speak of is none the less a contradiction.
    let mut other = known.to_vec();
    other[0].anchor.head = Head {
        seq: 12,
        hash: head.hash,
    };
    assert!(!room.verify(&other).holds());
}

#[tokio::test]
async fn a_book_cut_in_the_middle_of_an_anchored_record_is_a_cut_tail() {
    let (room, head) = open_book(5).await;
    truncate(&room, 20);
    let known = [room.anchor(head)];
    let error = room.open_knowing(&known).unwrap_err();
    assert!(matches!(error, OpenError::CutTail { .. }), "{error}");
    let accept = Opening {
        known: known.to_vec(),
        accept_cut: true,
        lost_store: None,
    };
    let (_ledger, opened) = room.open_with(&accept).unwrap();
    assert!(opened.torn.unwrap().anchored);
}

#[tokio::test]
async fn a_removed_book_does_not_begin_again_where_an_anchor_knows_better() {
    let (room, head) = open_book(5).await;
    fs::remove_dir_all(room.dir()).unwrap();
    let error = room.open_knowing(&[room.anchor(head)]).unwrap_err();
    assert!(matches!(error, OpenError::CutTail { .. }), "{error}");
}

// INVARIANT: what a refusal advises is a way on.
#[tokio::test]
async fn what_no_flag_helps_with_does_not_name_the_flag_as_the_way_on() {
    let (room, _) = closed_book(12).await;
    let accept = Opening {
        accept_cut: true,
        ..Opening::default()
    };
    let last = room.segments().len() - 1;
    let mut lines = room.lines(last - 1);
    lines.last_mut().unwrap()[12] ^= 1;
    room.put_lines(last - 1, &lines);
    let earlier = room.open_with(&accept).unwrap_err();
    assert!(
        matches!(earlier, OpenError::Altered { loss: None, .. }),
        "{earlier}"
    );
    for path in &room.segments()[..last] {
        fs::remove_file(path).unwrap();
    }
    room.put_lines(0, &[]);
    let headless = room.open_with(&accept).unwrap_err();
    assert!(matches!(headless, OpenError::Headless { .. }), "{headless}");
    for error in [earlier, headless] {
        let advice = error.advice();
        assert!(
            advice.contains("a backup, which is the only way on"),
            "{advice}"
        );
        assert!(!advice.contains("portreeve up --accept"), "{advice}");
    }
}

#[tokio::test]
async fn a_changed_record_near_the_end_does_not_open() {
    let (room, head) = open_book(5).await;
    for index in [4, 9] {
        let good = room.lines(0);
        let mut lines = good.clone();
        let at = lines[index].len() / 3;
        lines[index][at] ^= 1;
        room.put_lines(0, &lines);
        let error = room.open_knowing(&[]).unwrap_err();
        assert!(matches!(error, OpenError::Altered { .. }), "{error}");
        assert!(
            error.to_string().contains(&format!("record {}", index + 1)),
            "{error}"
        );
        room.put_lines(0, &good);
    }
    let accept = Opening {
        known: vec![room.anchor(head)],
        accept_cut: true,
        lost_store: None,
    };
    let mut lines = room.lines(0);
    lines[4][100] ^= 1;
    room.put_lines(0, &lines);
    let (_ledger, opened) = room.open_with(&accept).unwrap();
    assert_eq!(opened.accepted.len(), 2, "{opened:?}");
    assert!(
        opened.accepted[0]
            .contains("6 lines that are set aside, all that was booked after record 4"),
        "{opened:?}"
    );
    assert_eq!(
        fs::read(opened.torn.unwrap().kept).unwrap(),
        lines[4..].concat()
    );
    let report = room.verify(&[room.anchor(head)]);
    assert!(report.holds(), "{report}");
}

#[tokio::test]
async fn a_book_rewritten_with_fitting_hashes_contradicts_its_anchor() {
    let (room, head) = open_book(3).await;
    let mut forged = head;
    forged.hash = Digest::from_hex(&"ab".repeat(32)).unwrap();
    let error = room.open_knowing(&[room.anchor(forged)]).unwrap_err();
    assert!(matches!(error, OpenError::Rewritten { .. }), "{error}");
    assert!(room.open_knowing(&[room.anchor(head)]).is_ok());
}

#[tokio::test]
async fn another_key_than_the_one_that_signed_does_not_open() {
    let (room, _) = closed_book(3).await;
    fs::remove_file(room.data.path().join("key")).unwrap();
    let keys = std::sync::Arc::new(Keys::load_or_create(room.data.path()).unwrap());
    let room = Room { keys, ..room };
    let error = room.open_knowing(&[]).unwrap_err();
    assert!(matches!(error, OpenError::ForeignKey { .. }), "{error}");
}

#[tokio::test]
async fn a_last_segment_without_a_record_is_continued_from_the_one_before() {
    let (room, head) = closed_book(10).await;
    let next = room.dir().join(format!("{:020}.jsonl", head.seq + 1));
    fs::write(&next, "").unwrap();
    let (ledger, opened) = room.open_knowing(&[room.anchor(head)]).unwrap();
    assert_eq!(opened.head, head);
    book_calls(&ledger, 1).await;
    assert!(fs::metadata(next).unwrap().len() > 0);
    assert!(room.verify(&[]).holds());
}

#[tokio::test]
async fn records_larger_than_the_window_are_found() {
    let room = Room::new();
    let ledger = room.open();
    let values = format!("\"{}\"", "x".repeat(6 * 1024 * 1024));
    let values = serde_json::value::RawValue::from_string(values).unwrap();
    for id in ["a", "b"] {
        let mut begin = begin(id);
        begin.call.arguments.values = Some(&values);
        ledger.begin(begin).await.unwrap();
    }
    drop(ledger);
    let ledger = room.open();
    assert_eq!(ledger.head().seq, 2);
    book_calls(&ledger, 1).await;
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
}
