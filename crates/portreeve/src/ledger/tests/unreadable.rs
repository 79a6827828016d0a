//! Records that cannot be read at all: readers for people go past them and tell of them.

use std::fs;

use super::room::*;
use crate::counters::MemoryCounters;
use crate::ledger::*;

/// A book whose record `seq` has a byte that breaks its JSON.
async fn broken_at(seq: u64) -> Room {
    let (room, _) = closed_book(12).await;
    change(&room, seq, |line| line[12] = b'\\');
    room
}

/// Changes the line of record `seq`.
fn change(room: &Room, seq: u64, with: impl Fn(&mut Vec<u8>)) {
    for index in 0..room.segments().len() {
        let mut lines = room.lines(index);
        let is_it = |line: &&mut Vec<u8>| Record::parse(line).is_ok_and(|record| record.seq == seq);
        if let Some(line) = lines.iter_mut().find(is_it) {
            with(line);
            room.put_lines(index, &lines);
            return;
        }
    }
    panic!("there is no record {seq}");
}

fn seqs(unreadable: &Unreadables) -> Vec<u64> {
    unreadable.told.iter().map(|broken| broken.seq).collect()
}

fn everything() -> Filter {
    Filter {
        acts: true,
        ..Filter::default()
    }
}

#[tokio::test]
async fn readers_go_past_a_record_that_cannot_be_read() {
    // A begin: its call is not known. Its end: it reads as unknown.
    for (seq, calls, unknown) in [(3, 11, 0), (4, 12, 1), (1, 11, 0), (2, 12, 1)] {
        let room = broken_at(seq).await;
        let found = entries(&room.dir(), everything()).unwrap();
        assert_eq!(seqs(&found.unreadable), [seq]);
        assert_eq!(found.items.len(), calls, "record {seq}");
        let open = found.items.iter().filter(
            |entry| matches!(entry, BookedEntry::Call(call) if call.end.outcome == UNKNOWN),
        );
        assert_eq!(open.count(), unknown, "record {seq}");
        let text = found.unreadable.told[0].to_string();
        let place = format!("record {seq} in 00000000000000000001.jsonl cannot be read: ");
        assert!(
            text.starts_with(&place) && text.contains(" at byte "),
            "{text}"
        );
        let acts = acts(&room.dir(), None, None).unwrap();
        assert_eq!(seqs(&acts.unreadable), [seq]);
    }
}

#[tokio::test]
async fn the_last_record_is_counted_also_if_it_cannot_be_read() {
    let (room, head) = closed_book(3).await;
    assert_eq!(last_seq(&room.dir()).unwrap(), head.seq);
    change(&room, head.seq, |line| line[12] = b'\\');
    assert_eq!(last_seq(&room.dir()).unwrap(), head.seq);
    assert_eq!(last_seq(&Room::new().dir()).unwrap(), 0);
}

#[tokio::test]
async fn an_export_leaves_out_what_is_no_record_and_counts_it() {
    let (whole, head) = closed_book(12).await;
    let mut all = Vec::new();
    assert_eq!(
        export(&whole.dir(), None, &mut all).unwrap().written,
        head.seq
    );
    for filter in [None, Some(Filter::default())] {
        let room = broken_at(3).await;
        let mut out = Vec::new();
        let exported = export(&room.dir(), filter.as_ref(), &mut out).unwrap();
        assert_eq!(seqs(&exported.unreadable), [3]);
        let lines = out.split_inclusive(|byte| *byte == b'\n');
        let records = lines.map(|line| Record::parse(line).unwrap().seq);
        assert_eq!(records.count() as u64, exported.written);
        if filter.is_none() {
            assert_eq!(exported.written, head.seq - 1);
        }
    }
}

// A changed byte can make one line of two, or two of one; numbers and segments are found again.
#[tokio::test]
async fn lines_that_were_joined_or_split_cost_no_others() {
    type Change = fn(&mut Vec<u8>);
    let joined: Change = |line| *line.last_mut().unwrap() = b' ';
    let split: Change = |line| line[40] = b'\n';
    for (change_of, lost, broken) in [(joined, 2, 1), (split, 1, 2)] {
        let (room, head) = closed_book(12).await;
        let first = room.lines(0);
        let closing = Record::parse(first.last().unwrap()).unwrap().seq;
        for seq in [3, closing - 1] {
            let (room, _) = closed_book(12).await;
            change(&room, seq, change_of);
            let exported = export(&room.dir(), None, &mut Vec::new()).unwrap();
            assert_eq!(exported.written, head.seq - lost, "record {seq}");
            assert_eq!(exported.unreadable.count, broken);
            let mut follow = Follow::from(&room.dir(), head.seq);
            let last = follow.next_line().unwrap().unwrap();
            assert_eq!(Record::parse(last.as_bytes()).unwrap().seq, head.seq);
            let mut follow = Follow::from(&room.dir(), 6);
            let next = follow.next_line().unwrap().unwrap();
            assert_eq!(Record::parse(next.as_bytes()).unwrap().seq, 6);
        }
    }
}

#[tokio::test]
async fn a_segment_whose_last_line_has_no_end_is_followed_by_the_next() {
    let (room, head) = closed_book(12).await;
    let mut lines = room.lines(0);
    let last = lines.last_mut().unwrap();
    last.truncate(40);
    room.put_lines(0, &lines);
    let exported = export(&room.dir(), None, &mut Vec::new()).unwrap();
    assert_eq!(exported.written, head.seq - 1);
    assert_eq!(seqs(&exported.unreadable), [lines.len() as u64]);
}

#[tokio::test]
async fn who_follows_goes_past_it_and_is_told_once() {
    let room = broken_at(3).await;
    let mut ends = CallsByEnd::from(&room.dir(), 1);
    let mut told = 0;
    while ends.next_entry().unwrap().is_some() {
        told += 1;
    }
    // The call whose begin is gone is not known by its end either.
    assert_eq!(told, 11);
    assert_eq!(seqs(&ends.take_unreadable()), [3]);
    assert!(ends.take_unreadable().is_empty());
}

// INVARIANT: counters are not rebuilt from a book with a doubt in it.
#[tokio::test]
async fn counters_are_not_rebuilt_past_it() {
    let room = broken_at(3).await;
    assert!(replay_from(&room.dir(), 1).unwrap().next_record().is_ok());
    let rebuilt = MemoryCounters::rebuild(room.data.path(), &room.dir(), NOW);
    assert!(rebuilt.is_err());
}

#[tokio::test]
async fn only_the_first_are_told_one_by_one() {
    let (room, _) = closed_book(30).await;
    for path in room.segments() {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"run-rerun\"", "\"run-rerun")).unwrap();
    }
    let found = entries(&room.dir(), everything()).unwrap();
    assert_eq!(
        (found.unreadable.count, found.unreadable.told.len()),
        (30, 20)
    );
}

#[test]
fn the_reason_of_an_unreadable_record_is_one_line() {
    let forged = br#"{"seq":1,"bad\nok  the book holds":1}"#;
    let why = serde_json::from_slice::<Strict>(forged).unwrap_err();
    let told = Unreadable::new(1, "s", &why).to_string();
    assert!(
        told.contains("the book holds") && !told.contains('\n'),
        "{told}"
    );
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    #[expect(dead_code, reason = "only its name counts")]
    seq: u64,
}

#[tokio::test]
async fn a_forged_number_hides_no_segment() {
    let (room, _) = closed_book(12).await;
    assert!(room.segments().len() > 2, "several segments");
    let mut before = Vec::new();
    export(&room.dir(), None, &mut before).unwrap();
    change(&room, 2, |line| {
        let text = String::from_utf8(line.clone()).unwrap();
        let text = text.replacen("\"seq\":2,", "\"seq\":999999999999999999,", 1);
        let (sealed, _) = text.split_once(",\"hash\"").unwrap();
        let hash = ring::digest::digest(&ring::digest::SHA256, sealed.as_bytes());
        let hash = crate::hex::encode(hash.as_ref());
        *line = format!("{sealed},\"hash\":\"{hash}\"}}\n").into_bytes();
    });
    let mut after = Vec::new();
    export(&room.dir(), None, &mut after).unwrap();
    let seqs = |book: &[u8]| -> Vec<u64> {
        let lines = book.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| Record::parse(line).unwrap().seq).collect()
    };
    let mut expected = seqs(&before);
    expected[1] = 999_999_999_999_999_999;
    assert_eq!(seqs(&after), expected);
}
