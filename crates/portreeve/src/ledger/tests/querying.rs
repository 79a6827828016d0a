//! Reading the book: calls put together, records replayed, exported and followed.

use std::fs;

use super::room::*;
use crate::ledger::*;

/// One call of every kind of end.
async fn mixed(ledger: &FileLedger) {
    let ends = [
        Ended::Allow,
        Ended::Failed,
        Ended::NotSent,
        Ended::Cancelled,
    ];
    for (index, end) in ends.into_iter().enumerate() {
        let id = format!("e{index}");
        ledger.begin(begin(&id)).await.unwrap();
        ledger.finish(finish(&id, end)).await.unwrap();
    }
    ledger.refuse(refusal("refused")).await.unwrap();
    ledger.begin(begin("open")).await.unwrap();
}

fn ids(calls: &[BookedCall]) -> Vec<&str> {
    calls.iter().map(|call| call.call_id.as_str()).collect()
}

// INVARIANT: a begin without a finish reads as unknown, never as success.
#[tokio::test]
async fn a_begin_without_a_finish_reads_as_unknown() {
    let room = Room::new();
    let ledger = room.open();
    mixed(&ledger).await;
    let found = query(&room.dir(), Filter::default()).unwrap();
    let outcomes: Vec<_> = found.iter().map(|call| call.end.outcome.as_str()).collect();
    assert_eq!(
        outcomes,
        ["allow", "failed", "not_sent", "cancelled", "deny", UNKNOWN]
    );
    assert!(found[2].end.refunded);
    let allowed = Filter {
        outcome: Some("allow".into()),
        ..Filter::default()
    };
    assert_eq!(ids(&query(&room.dir(), allowed).unwrap()), ["e0"]);
    let unknown = Filter {
        outcome: Some(UNKNOWN.into()),
        ..Filter::default()
    };
    assert_eq!(ids(&query(&room.dir(), unknown).unwrap()), ["open"]);
}

/// Twenty calls alike, and one that differs in everything.
async fn one_among_many() -> Room {
    let room = Room::new().small_segments();
    let ledger = room.open();
    book_calls(&ledger, 20).await;
    let mut other = refusal("other");
    other.call.at = NOW.plus(5_000);
    other.call.grant = "alice-laptop";
    other.call.identity = "alice@example.com";
    other.call.server = None;
    other.call.tool = None;
    other.call.target = Some(Target {
        text: "file:///etc/hosts",
        mac: None,
    });
    other.call.method = "tools/list";
    other.call.rule = "(default deny)";
    ledger.refuse(other).await.unwrap();
    room
}

#[tokio::test]
async fn every_member_of_a_filter_restricts_and_the_newest_are_kept() {
    let room = one_among_many().await;
    let text = |text: &str| Some(text.to_owned());
    let only_other = [
        Filter {
            since: Some(NOW.plus(1)),
            ..Filter::default()
        },
        Filter {
            grant: text("alice-laptop"),
            ..Filter::default()
        },
        Filter {
            identity: text("alice@example.com"),
            ..Filter::default()
        },
        Filter {
            target: text("file:///etc/hosts"),
            ..Filter::default()
        },
        Filter {
            method: text("tools/list"),
            ..Filter::default()
        },
        Filter {
            outcome: text("deny"),
            ..Filter::default()
        },
        Filter {
            rule: text("(default deny)"),
            ..Filter::default()
        },
        Filter {
            call_id: text("other"),
            ..Filter::default()
        },
        Filter {
            limit: Some(1),
            ..Filter::default()
        },
    ];
    for filter in only_other {
        let found = query(&room.dir(), filter.clone()).unwrap();
        assert_eq!(ids(&found), ["other"], "{filter:?}");
    }
    let without_other = [
        Filter {
            until: Some(NOW.plus(1)),
            ..Filter::default()
        },
        Filter {
            server: text("runs"),
            ..Filter::default()
        },
        Filter {
            tool: text("run-rerun"),
            ..Filter::default()
        },
        Filter {
            identity: text("ci-runner"),
            ..Filter::default()
        },
    ];
    for filter in without_other {
        let found = query(&room.dir(), filter.clone()).unwrap();
        assert_eq!(found.len(), 20, "{filter:?}");
        assert_eq!(
            (found[0].call_id.as_str(), found[19].call_id.as_str()),
            ("c0", "c19")
        );
    }
    let newest = Filter {
        tool: text("run-rerun"),
        limit: Some(2),
        ..Filter::default()
    };
    assert_eq!(ids(&query(&room.dir(), newest).unwrap()), ["c18", "c19"]);
}

#[tokio::test]
async fn a_finish_in_a_later_segment_finds_its_begin() {
    let room = Room::new().small_segments();
    let ledger = room.open();
    ledger.begin(begin("long")).await.unwrap();
    book_calls(&ledger, 30).await;
    ledger.finish(finish("long", Ended::Allow)).await.unwrap();
    assert!(room.segments().len() > 3);
    let found = query(&room.dir(), Filter::default()).unwrap();
    assert_eq!(found.len(), 31);
    assert_eq!(found[0].end.outcome, "allow");
}

#[tokio::test]
async fn a_call_is_shown_as_json_with_its_time_and_without_what_is_absent() {
    let room = Room::new();
    let ledger = room.open();
    ledger.refuse(refusal("r")).await.unwrap();
    let found = query(&room.dir(), Filter::default()).unwrap();
    let shown = serde_json::to_value(&found[0]).unwrap();
    let expected = serde_json::json!({
        "seq": 1, "at": "2026-11-20T07:43:15.123Z", "call_id": "r", "grant": "ci-runner",
        "identity": "ci-runner", "server": "runs", "method": "tools/call", "tool": "run-rerun",
        "policy": "runs@3", "rule": "/tools/run-rerun", "arg_keys": ["runId", "reason"],
        "args_mac": "BwcHBwcHBwcHBwcHBwcHBw", "outcome": "deny",
        "reason": "at most 10 reruns a minute", "retry_after_ms": 1500,
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn replay_begins_anywhere_and_gives_the_charges_back() {
    let (room, head) = closed_book(30).await;
    for from in 1..=head.seq + 1 {
        let mut records = replay_from(&room.dir(), from).unwrap();
        let mut expected = from;
        while let Some(record) = records.next_record().unwrap() {
            assert_eq!(record.seq, expected);
            expected += 1;
            if record.phase == Phase::Begin {
                let BookedCharge(key, amount, window) = &record.charges[0];
                let charge = Charge {
                    key,
                    amount,
                    window_ms: *window,
                };
                assert_eq!(charge, CHARGES[0]);
                assert_eq!(record.at, NOW);
            }
        }
        assert_eq!(expected, head.seq + 1);
    }
}

#[tokio::test]
async fn replay_stops_at_what_it_cannot_read_or_what_is_left_out() {
    let (room, _) = closed_book(10).await;
    let good = room.lines(0);
    let stops_at = |lines: &[Vec<u8>]| {
        room.put_lines(0, lines);
        let mut records = replay_from(&room.dir(), 1).unwrap();
        let mut count = 0;
        loop {
            match records.next_record() {
                Ok(Some(_)) => count += 1,
                Ok(None) => panic!("nothing was noticed"),
                Err(error) => return (count, error.to_string()),
            }
        }
    };
    let mut dropped = good.clone();
    dropped.remove(3);
    let (count, text) = stops_at(&dropped);
    assert_eq!(count, 3);
    assert!(
        text.contains("damaged at record 4") && text.contains("ledger verify"),
        "{text}"
    );
    let mut broken = good.clone();
    broken[3] = b"garbage\n".to_vec();
    assert_eq!(stops_at(&broken).0, 3);
}

#[tokio::test]
async fn an_export_can_be_verified_and_a_filtered_one_holds_whole_calls() {
    let room = Room::new().small_segments();
    let ledger = room.open();
    mixed(&ledger).await;
    book_calls(&ledger, 10).await;
    ledger.close().await.unwrap();
    let mut all = Vec::new();
    let count = export(&room.dir(), None, &mut all).unwrap().written;
    assert_eq!(count, ledger.head().seq);
    let stored: Vec<u8> = (0..room.segments().len())
        .flat_map(|i| room.lines(i).concat())
        .collect();
    assert_eq!(all, stored);
    let filter = Filter {
        call_id: Some("e1".into()),
        ..Filter::default()
    };
    let mut some = Vec::new();
    let exported = export(&room.dir(), Some(&filter), &mut some).unwrap();
    assert_eq!(exported.written, 2);
    assert_eq!(some, room.lines(0)[2..4].concat());
}

#[tokio::test]
async fn the_tail_is_the_last_records_also_across_segments() {
    let (room, head) = closed_book(20).await;
    let records = tail(&room.dir(), 25).unwrap();
    let seqs: Vec<u64> = records
        .iter()
        .map(|line| Record::parse(line.as_bytes()).unwrap().seq)
        .collect();
    assert_eq!(seqs, (head.seq - 24..=head.seq).collect::<Vec<_>>());
}

#[tokio::test]
async fn following_gives_every_record_once_also_a_half_written_one() {
    let room = Room::new().small_segments();
    let mut follow = Follow::from(&room.dir(), 1);
    assert_eq!(follow.next_line().unwrap(), None);
    let ledger = room.open();
    let mut followed = Vec::new();
    for index in 0..30 {
        ledger.begin(begin(&format!("c{index}"))).await.unwrap();
        while let Some(line) = follow.next_line().unwrap() {
            followed.push(Record::parse(line.as_bytes()).unwrap().seq);
        }
    }
    assert!(room.segments().len() > 3);
    assert_eq!(followed, (1..=ledger.head().seq).collect::<Vec<_>>());
    let path = room.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let line = room.lines(room.segments().len() - 1).pop().unwrap();
    fs::write(&path, [&whole[..], &line[..40]].concat()).unwrap();
    assert_eq!(follow.next_line().unwrap(), None);
    fs::write(&path, [&whole[..], &line[..]].concat()).unwrap();
    let completed = follow.next_line().unwrap().unwrap();
    assert_eq!(completed.as_bytes(), line.trim_ascii_end());
}

#[tokio::test]
async fn a_call_is_followed_to_its_end_also_when_it_began_before() {
    let room = Room::new().small_segments();
    let ledger = room.open();
    ledger.begin(begin("early")).await.unwrap();
    let last = tail(&room.dir(), 1).unwrap();
    let next = Record::parse(last[0].as_bytes()).unwrap().seq + 1;
    let mut ends = CallsByEnd::from(&room.dir(), next);
    assert!(ends.next_call().unwrap().is_none());
    ledger.begin(begin("late")).await.unwrap();
    assert!(ends.next_call().unwrap().is_none(), "nothing ended");
    ledger.refuse(refusal("refused")).await.unwrap();
    ledger.finish(finish("late", Ended::Allow)).await.unwrap();
    ledger.finish(finish("early", Ended::Failed)).await.unwrap();
    let mut told = Vec::new();
    while let Some(call) = ends.next_call().unwrap() {
        told.push((call.call_id, call.end.outcome));
    }
    let told: Vec<_> = told
        .iter()
        .map(|(id, end)| (id.as_str(), end.as_str()))
        .collect();
    assert_eq!(
        told,
        [("refused", "deny"), ("late", "allow"), ("early", "failed")]
    );
}

#[tokio::test]
async fn calls_that_a_shadow_would_have_answered_otherwise_are_found() {
    let room = Room::new();
    let ledger = room.open();
    let shadow = |outcome| Shadow {
        policy: "next@2",
        outcome,
        rule: "/tools/\"odd\"",
        charges: CHARGES,
    };
    let said = [
        Shadowed::Allow,
        Shadowed::Deny,
        Shadowed::Hide,
        Shadowed::Ask,
        Shadowed::Error,
    ];
    for outcome in said {
        let word = outcome.word();
        let (passed, refused) = (format!("begun-{word}"), format!("refused-{word}"));
        let mut begin = begin(&passed);
        begin.call.shadow = Some(shadow(outcome));
        ledger.begin(begin).await.unwrap();
        ledger.finish(finish(&passed, Ended::Failed)).await.unwrap();
        let mut refusal = refusal(&refused);
        refusal.call.shadow = Some(shadow(outcome));
        ledger.refuse(refusal).await.unwrap();
    }
    ledger.refuse(refusal("alone")).await.unwrap();
    let filter = |shadow_differs| Filter {
        shadow_differs,
        ..Filter::default()
    };
    let all = query(&room.dir(), filter(false)).unwrap();
    assert_eq!(all.len(), 11);
    let shadow = all[0].shadow.as_ref().unwrap();
    assert_eq!(
        (&*shadow.policy, &*shadow.rule),
        ("next@2", "/tools/\"odd\"")
    );
    let differing = query(&room.dir(), filter(true)).unwrap();
    let differing: Vec<&str> = ids(&differing);
    assert_eq!(
        differing,
        [
            "refused-allow",
            "begun-deny",
            "begun-hide",
            "refused-hide",
            "begun-ask",
            "refused-ask",
            "begun-error",
            "refused-error"
        ]
    );
}
