//! Every way to change a book by hand, by name, and what `verify` says of it.

use std::fs;

use proptest::prelude::*;

use super::room::*;
use crate::ledger::book::checkpoint_message;
use crate::ledger::chain::{Seal, close_line};
use crate::ledger::*;

/// Verifies and returns the first fault, with what it says.
fn fault(room: &Room, known: &[KnownAnchor]) -> (u64, What, String) {
    let report = room.verify(known);
    let fault = report.fault.clone().unwrap_or_else(|| panic!("{report}"));
    let text = fault.to_string();
    (fault.seq, fault.what, text)
}

fn first_seq(room: &Room, segment: usize) -> u64 {
    Record::parse(&room.lines(segment)[0]).unwrap().seq
}

#[tokio::test]
async fn an_untouched_book_holds_and_says_how_far_the_anchor_reaches() {
    let (room, head) = closed_book(30).await;
    let report = room.verify(&[room.anchor(head)]);
    assert!(report.holds());
    let text = report.to_string();
    assert!(
        text.contains(&format!(
            "anchored outside the book up to record {}",
            head.seq
        )),
        "{text}"
    );
    assert!(
        text.contains("not proven: that nothing which was booked after that time was cut off"),
        "{text}"
    );
    assert!(text.ends_with("the book holds"), "{text}");
    let without = room.verify(&[]).to_string();
    assert!(
        without.contains("not proven: that nothing was cut off at the end"),
        "{without}"
    );
    assert_eq!(report.signed_through, head.seq - 1);
}

#[tokio::test]
async fn a_flipped_byte_anywhere_in_a_line_names_its_record() {
    let (room, _) = closed_book(12).await;
    let good = room.lines(1);
    let seq = first_seq(&room, 1) + 2;
    for at in 0..good[2].len() {
        let mut lines = good.clone();
        lines[2][at] ^= 1;
        room.put_lines(1, &lines);
        let (named, _, text) = fault(&room, &[]);
        assert_eq!(named, seq, "byte {at}: {text}");
        assert!(
            text.contains(&format!("record {seq} in ")) && text.contains("line 3"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_changed_value_is_named_with_segment_and_line() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    let text = String::from_utf8(lines[2].clone()).unwrap();
    lines[2] = text.replace("run-rerun", "run-purge").into_bytes();
    room.put_lines(0, &lines);
    let (_, what, text) = fault(&room, &[]);
    assert_eq!(what, What::Changed);
    assert_eq!(
        text,
        "record 3 in 00000000000000000001.jsonl, line 3: its bytes do not match its hash: \
         changed after it was written"
    );
}

#[tokio::test]
async fn white_space_between_json_tokens_counts() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    lines[2].insert(1, b' ');
    room.put_lines(0, &lines);
    assert_eq!(fault(&room, &[]).0, 3);
    let mut lines = room.lines(0);
    let len = lines[2].len();
    lines[2].insert(len - 1, b'\r');
    room.put_lines(0, &lines);
    assert_eq!(fault(&room, &[]).0, 3);
}

#[tokio::test]
async fn upper_case_hex_in_a_hash_counts() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    let at = lines[2].len() - 70;
    let letter = lines[2][at..]
        .iter()
        .position(u8::is_ascii_lowercase)
        .unwrap();
    lines[2][at + letter].make_ascii_uppercase();
    room.put_lines(0, &lines);
    assert_eq!(fault(&room, &[]).0, 3);
}

#[tokio::test]
async fn a_flipped_newline_joins_two_records_and_is_named() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    *lines[2].last_mut().unwrap() = b' ';
    room.put_lines(0, &lines);
    assert_eq!(fault(&room, &[]).0, 3);
}

#[tokio::test]
async fn a_dropped_line_is_missing() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    lines.remove(4);
    room.put_lines(0, &lines);
    let (_, what, text) = fault(&room, &[]);
    assert_eq!(what, What::Missing { found: 6 });
    assert!(
        text.starts_with("record 5 is missing: 4 is followed by 6"),
        "{text}"
    );
}

#[tokio::test]
async fn swapped_lines_are_out_of_order() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    lines.swap(3, 4);
    room.put_lines(0, &lines);
    assert_eq!(fault(&room, &[]).1, What::Missing { found: 5 });
}

#[tokio::test]
async fn a_repeated_line_is_out_of_place() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    let line = lines[3].clone();
    lines.insert(4, line);
    room.put_lines(0, &lines);
    let (seq, what, text) = fault(&room, &[]);
    assert_eq!((seq, what), (5, What::OutOfPlace { found: 4 }), "{text}");
}

/// Writes a record of the forger's own, with a hash that fits.
fn forge(line: &[u8], seq: u64, prev: Digest) -> Vec<u8> {
    let text = String::from_utf8(line.to_vec()).unwrap();
    let body = text.split(",\"prev\"").next().unwrap();
    let rest = body
        .split_once(',')
        .unwrap()
        .1
        .replace("run-rerun", "run-purge");
    let mut forged = format!("{{\"seq\":{seq},{rest}").into_bytes();
    close_line(&mut forged, 0, prev);
    forged
}

/// A book of one record that nobody signed, in which somebody consents to the loss of the other.
fn consenting_book(anchor: Head, cut_after: u64) -> Vec<u8> {
    let Head { seq, hash } = anchor;
    let detail =
        format!(r#"{{"anchor_seq":{seq},"anchor_hash":"{hash}","cut_after":{cut_after}}}"#);
    let mut line = format!(
        r#"{{"seq":1,"at":"2026-11-20T07:43:15.123Z","phase":"admin","actor":"portreeve","act":"ledger.cut_accepted","subject":"ledger","detail":{detail}"#
    )
    .into_bytes();
    close_line(&mut line, 0, Digest::ZERO);
    line
}

#[tokio::test]
async fn a_consent_that_nobody_signed_explains_nothing() {
    let (room, head) = closed_book(12).await;
    let segments = room.segments();
    for other in &segments[1..] {
        fs::remove_file(other).unwrap();
    }
    for cut_after in [0, u64::MAX] {
        fs::write(&segments[0], consenting_book(head, cut_after)).unwrap();
        assert!(room.verify(&[]).holds());
        let (seq, what, text) = fault(&room, &[room.anchor(head)]);
        assert!(matches!(what, What::CutTail { .. }), "{text}");
        assert_eq!(seq, 2);
    }
}

fn hash_of(line: &[u8]) -> Digest {
    Seal::read(line.strip_suffix(b"\n").unwrap()).unwrap().hash
}

#[tokio::test]
async fn an_inserted_line_with_a_fitting_hash_is_found_at_the_next_record() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    let forged = forge(&lines[2], 5, hash_of(&lines[3]));
    lines.insert(4, forged);
    room.put_lines(0, &lines);
    assert_eq!(fault(&room, &[]).1, What::OutOfPlace { found: 5 });
}

#[tokio::test]
async fn a_replaced_line_with_a_fitting_hash_is_found_at_the_next_record() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    lines[4] = forge(&lines[4], 5, hash_of(&lines[3]));
    room.put_lines(0, &lines);
    let (seq, what, _) = fault(&room, &[]);
    assert_eq!((seq, what), (6, What::Detached));
}

/// Recomputes all hashes from line `from` on: what a forger without the key can do.
fn rechain(lines: &mut [Vec<u8>], from: usize) {
    for index in from..lines.len() {
        let prev = hash_of(&lines[index - 1]);
        lines[index] = forge(&lines[index], index as u64 + 1, prev);
    }
}

#[tokio::test]
async fn a_rewritten_chain_fails_at_the_next_signature() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    rechain(&mut lines, 3);
    room.put_lines(0, &lines);
    let (seq, what, _) = fault(&room, &[]);
    assert_eq!((seq, what), (lines.len() as u64, What::BadSignature));
}

#[tokio::test]
async fn a_rewritten_tail_without_a_signature_contradicts_its_anchor() {
    let room = Room::new();
    let ledger = room.open();
    book_calls(&ledger, 5).await;
    let known = [room.anchor(ledger.head())];
    let mut lines = room.lines(0);
    rechain(&mut lines, 3);
    room.put_lines(0, &lines);
    assert!(
        room.verify(&[]).holds(),
        "without a witness nothing speaks against it"
    );
    let (seq, what, text) = fault(&room, &known);
    assert_eq!(
        (seq, what),
        (10, What::Rewritten(known[0].clone())),
        "{text}"
    );
}

#[tokio::test]
async fn a_checkpoint_signed_again_with_another_key_is_refused() {
    let (room, _) = closed_book(12).await;
    let other = tempfile::tempdir().unwrap();
    let stranger = crate::keys::Keys::load_or_create(other.path()).unwrap();
    let mut lines = room.lines(0);
    let last = lines.len() - 1;
    let head = Head {
        seq: last as u64,
        hash: hash_of(&lines[last - 1]),
    };
    let sig = stranger.sign(&checkpoint_message(last as u64 + 1, head));
    let (key, sig) = (stranger.public_key(), crate::hex::encode(&sig));
    let at = "2026-11-20T07:43:15.123Z";
    let mut forged = format!(
        "{{\"seq\":{},\"at\":\"{at}\",\"phase\":\"checkpoint\",\"key\":\"{key}\",\"sig\":\"{sig}\"",
        last + 1
    )
    .into_bytes();
    close_line(&mut forged, 0, head.hash);
    lines[last] = forged;
    room.put_lines(0, &lines);
    assert_eq!(fault(&room, &[]).1, What::ForeignKey { key });
}

#[tokio::test]
async fn a_flipped_byte_in_a_checkpoint_signature_is_found_even_with_a_fitting_hash() {
    let (room, _) = closed_book(12).await;
    let mut lines = room.lines(0);
    let last = lines.len() - 1;
    let text = String::from_utf8(lines[last].clone()).unwrap();
    let at = text.find("\"sig\":\"").unwrap() + 7;
    let digit = if &text[at..=at] == "0" { "1" } else { "0" };
    let changed = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
    lines[last] = forge(
        changed.as_bytes(),
        last as u64 + 1,
        hash_of(&lines[last - 1]),
    );
    room.put_lines(0, &lines);
    assert_eq!(fault(&room, &[]).1, What::BadSignature);
}

#[tokio::test]
async fn more_records_than_the_writer_leaves_unsigned_are_not_the_gateways() {
    let room = Room::new();
    let ledger = room.open();
    book_calls(&ledger, 5).await;
    drop(ledger);
    let mut lines = room.lines(0);
    for seq in lines.len() as u64 + 1..=1_200 {
        let prev = hash_of(lines.last().unwrap());
        lines.push(forge(&lines[0], seq, prev));
    }
    room.put_lines(0, &lines);
    let (seq, what, _) = fault(&room, &[]);
    assert_eq!((seq, what), (1_000, What::NoCheckpoint { since: 0 }));
}

#[tokio::test]
async fn a_tail_cut_at_a_record_is_told_by_the_anchor() {
    let (room, head) = closed_book(12).await;
    let known = [room.anchor(head)];
    let last = room.segments().len() - 1;
    let mut lines = room.lines(last);
    lines.truncate(lines.len() - 2);
    room.put_lines(last, &lines);
    let (_, what, text) = fault(&room, &known);
    assert!(matches!(what, What::CutTail { .. }));
    let expected = format!(
        "the tail is cut: the store knew record {} at 2026-11-20T07:43:15.123Z, the last record \
         present is {}: at least 2 records missing",
        head.seq,
        head.seq - 2
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_tail_cut_within_a_record_is_unfinished() {
    let (room, head) = closed_book(12).await;
    let last = room.segments().len() - 1;
    let mut lines = room.lines(last);
    let len = lines.last().unwrap().len();
    for kept in [1, len / 2, len - 1] {
        lines.last_mut().unwrap().truncate(len);
        let mut cut = lines.clone();
        cut.last_mut().unwrap().truncate(kept);
        room.put_lines(last, &cut);
        let (seq, what, _) = fault(&room, &[]);
        assert_eq!((seq, what), (head.seq, What::Unfinished));
    }
}

#[tokio::test]
async fn a_removed_segment_is_missing_wherever_it_was() {
    let (room, head) = closed_book(30).await;
    let paths = room.segments();
    let (first, second, third) = (1, first_seq(&room, 1), first_seq(&room, 2));
    let last = first_seq(&room, paths.len() - 1);
    let gone = |index: usize| {
        let bytes = fs::read(&paths[index]).unwrap();
        fs::remove_file(&paths[index]).unwrap();
        let (seq, _, text) = fault(&room, &[room.anchor(head)]);
        fs::write(&paths[index], bytes).unwrap();
        (seq, text)
    };
    let (seq, text) = gone(0);
    assert_eq!(seq, second, "{text}");
    assert!(text.contains("what became of records 1 to"), "{text}");
    let (seq, text) = gone(1);
    assert_eq!(seq, second);
    let words = format!(
        "records {second} to {} are missing: {} is followed by {third}",
        third - 1,
        second - 1
    );
    assert!(text.starts_with(&words), "{text}");
    let (seq, text) = gone(paths.len() - 1);
    assert_eq!(seq, last);
    assert!(text.contains("the tail is cut"), "{text}");
    assert_eq!(first, first_seq(&room, 0));
    assert!(room.verify(&[room.anchor(head)]).holds());
}

#[tokio::test]
async fn a_renamed_segment_is_misnamed_and_an_emptied_one_leaves_its_records_missing() {
    let (room, _) = closed_book(30).await;
    let second = first_seq(&room, 1);
    let good = room.lines(1);
    room.put_lines(1, &[]);
    assert!(matches!(fault(&room, &[]).1, What::Missing { .. }));
    room.put_lines(1, &good);
    let renamed = room.dir().join(format!("{:020}.jsonl", second + 1));
    fs::rename(&room.segments()[1], renamed).unwrap();
    assert_eq!(fault(&room, &[]).1, What::Misnamed { begins: second });
}

#[tokio::test]
async fn a_segment_that_lost_its_closing_checkpoint_is_told() {
    let (room, _) = closed_book(30).await;
    let mut lines = room.lines(0);
    lines.pop();
    room.put_lines(0, &lines);
    assert_eq!(fault(&room, &[]).1, What::NotClosed);
}

#[tokio::test]
async fn a_removed_book_is_told_by_the_anchor() {
    let (room, head) = closed_book(5).await;
    fs::remove_dir_all(room.dir()).unwrap();
    let (_, what, _) = fault(&room, &[room.anchor(head)]);
    assert!(matches!(what, What::CutTail { last: 0, .. }));
}

#[tokio::test]
async fn a_book_that_is_being_written_is_verified_up_to_where_it_was() {
    let room = Room::new();
    let ledger = room.open();
    book_calls(&ledger, 5).await;
    let head = ledger.head();
    let mut lines = room.lines(0);
    lines.push(b"{\"seq\":11,\"at\":\"20".to_vec());
    room.put_lines(0, &lines);
    let mut later = room.anchor(head);
    later.anchor.head.seq = 12;
    let keys = [room.keys.public_key()];
    let known = [room.anchor(head), later];
    let verification = Verification {
        dir: &room.dir(),
        keys: &keys,
        known: &known,
        through: Some(head.seq),
    };
    let report = verify(&verification).unwrap();
    assert!(report.holds(), "{report}");
    assert_eq!(report.head, head);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    // INVARIANT: nothing booked can be changed without `verify` saying so.
    #[test]
    fn any_flipped_bits_anywhere_are_found(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..8), 1..4)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (room, head) = runtime.block_on(closed_book(8));
        let known = [room.anchor(head)];
        let paths = room.segments();
        let before: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        let mut after = before.clone();
        for (segment, byte, bit) in flips {
            let bytes = &mut after[segment.index(paths.len())];
            let at = byte.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        for (path, bytes) in paths.iter().zip(&after) {
            fs::write(path, bytes).unwrap();
        }
        prop_assert_eq!(room.verify(&known).holds(), before == after);
    }
}
