//! Records of calls that are under way together are written together.

use std::fs;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use futures_util::future::join_all;

use super::faulty::{Faulty, Plan};
use super::room::*;
use crate::ledger::*;

const MANY: usize = 40;

fn names() -> Vec<String> {
    (0..MANY).map(|i| format!("call-{i}")).collect()
}

fn opened(room: &Room) -> (Faulty, FileLedger) {
    let faulty = Faulty::new();
    let (ledger, _) = room.open_on(faulty.clone(), &Opening::default()).unwrap();
    (faulty, ledger)
}

#[tokio::test]
async fn a_crowd_is_written_at_once_and_each_has_its_own_record() {
    let room = Room::new();
    let (faulty, ledger) = opened(&room);
    let before = faulty.writes();
    let names = names();
    let begun = join_all(names.iter().map(|name| ledger.begin(begin(name)))).await;
    // The first finds nobody to wait for.
    assert_eq!(faulty.writes() - before, 2);
    let mut seqs: Vec<u64> = begun
        .into_iter()
        .map(|booked| booked.unwrap().seq)
        .collect();
    seqs.dedup();
    assert_eq!(seqs.len(), MANY);
    ledger.close().await.unwrap();
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
    let text = fs::read_to_string(&room.segments()[0]).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (name, seq) in names.iter().zip(seqs) {
        let line = lines[usize::try_from(seq).unwrap() - 1];
        assert!(line.contains(&format!("\"{name}\"")), "{seq}: {line}");
    }
}

#[tokio::test]
async fn a_call_alone_waits_for_nobody() {
    let room = Room::new();
    let (faulty, ledger) = opened(&room);
    for name in names() {
        let before = faulty.writes();
        let mut booking = pin!(ledger.begin(begin(&name)));
        let at_once = poll_fn(|cx| Poll::Ready(booking.as_mut().poll(cx).is_ready())).await;
        assert!(at_once);
        assert_eq!(faulty.writes() - before, 1);
        ledger.finish(finish(&name, Ended::Allow)).await.unwrap();
    }
}

// INVARIANT: an error means that the record is not in the chain, whoever shared its write.
#[tokio::test]
async fn all_of_a_batch_are_booked_or_none() {
    let room = Room::new();
    let (faulty, ledger) = opened(&room);
    book_calls(&ledger, 1).await;
    ledger.begin(begin("already under way")).await.unwrap();
    let names = names();
    for fits in (0..20_000).step_by(331) {
        let before = (ledger.head(), fs::read(&room.segments()[0]).unwrap());
        faulty.plan(Plan {
            room: Some(fits),
            ..Plan::default()
        });
        // Another call is under way, so that the first of the crowd waits for the others too.
        ledger.begin(begin("x")).await.ok();
        let begun = join_all(names.iter().map(|name| ledger.begin(begin(name)))).await;
        faulty.plan(Plan::default());
        let booked = begun.iter().filter(|booked| booked.is_ok()).count();
        let grown = ledger.head().seq - before.0.seq;
        let after = fs::read(&room.segments()[0]).unwrap();
        assert!(after.starts_with(&before.1));
        let lines = after[before.1.len()..].split(|byte| *byte == b'\n');
        let in_file = lines.filter(|line| line.ends_with(b"}")).count();
        assert_eq!(u64::try_from(in_file).unwrap(), grown, "{fits} bytes fit");
        assert!(
            booked == 0 || booked <= in_file,
            "{fits}: {booked} {in_file}"
        );
        for (name, booked) in names.iter().zip(begun) {
            let there =
                memchr::memmem::find(&after[before.1.len()..], format!("\"{name}\"").as_bytes());
            assert_eq!(booked.is_ok(), there.is_some(), "{fits}: {name}");
        }
    }
    ledger.close().await.unwrap();
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
}

#[tokio::test]
async fn nobody_waits_in_vain_for_a_caller_that_goes_away() {
    let room = Room::new();
    let (_, ledger) = opened(&room);
    ledger.begin(begin("under way")).await.unwrap();
    let mut first = Box::pin(ledger.begin(begin("goes away")));
    let mut second = pin!(ledger.begin(begin("stays")));
    poll_fn(|cx| {
        assert!(first.as_mut().poll(cx).is_pending());
        assert!(second.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(first);
    second.await.unwrap();
    ledger.close().await.unwrap();
    assert!(room.verify(&[]).holds());
}

#[tokio::test]
async fn a_book_that_is_closed_has_what_was_staged() {
    let room = Room::new();
    let (_, ledger) = opened(&room);
    ledger.begin(begin("under way")).await.unwrap();
    let mut staged = Box::pin(ledger.begin(begin("staged")));
    poll_fn(|cx| {
        assert!(staged.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    ledger.close().await.unwrap();
    staged.await.unwrap();
    let report = room.verify(&[]);
    assert!(report.holds(), "{report}");
    let text = fs::read_to_string(&room.segments()[0]).unwrap();
    assert!(text.contains("\"staged\""));
}

#[tokio::test]
async fn the_head_has_what_was_staged() {
    let room = Room::new();
    let (_, ledger) = opened(&room);
    ledger.begin(begin("under way")).await.unwrap();
    let before = ledger.head().seq;
    let mut staged = Box::pin(ledger.begin(begin("staged")));
    poll_fn(|cx| {
        assert!(staged.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    assert_eq!(ledger.head().seq, before + 1);
    assert_eq!(staged.await.unwrap().seq, before + 1);
}
