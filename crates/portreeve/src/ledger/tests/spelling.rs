//! How a record is written, byte for byte.

use serde_json::value::RawValue;

use super::room::*;
use crate::ledger::*;

fn without_digests(line: &[u8]) -> String {
    let line = String::from_utf8(line.to_vec()).unwrap();
    line.split(",\"prev\"").next().unwrap().to_owned()
}

// The members and their order are a contract: scripts read them.
#[tokio::test]
async fn every_phase_is_spelled_as_the_contract_says() {
    let room = Room::new();
    let ledger = room.open();
    let detail = RawValue::from_string("{\"version\":\n4}".to_owned()).unwrap();
    ledger.begin(begin("a")).await.unwrap();
    ledger.finish(finish("a", Ended::Allow)).await.unwrap();
    ledger.finish(finish("b", Ended::NotSent)).await.unwrap();
    ledger.refuse(refusal("c")).await.unwrap();
    let act = AdminAct {
        at: NOW,
        actor: "alice",
        act: "policy.put",
        subject: "runs",
        detail: Some(&detail),
    };
    ledger.admin(act).await.unwrap();
    ledger.close().await.unwrap();
    let lines = room.lines(0);
    let described = r#""grant":"ci-runner","server":"runs","method":"tools/call","tool":"run-rerun","policy":"runs@3","rule":"/tools/run-rerun","arg_keys":["runId","reason"],"args_mac":"BwcHBwcHBwcHBwcHBwcHBw""#;
    let at = r#""at":"2026-11-20T07:43:15.123Z""#;
    let expected = [
        format!(
            r#"{{"seq":1,{at},"call_id":"a","phase":"begin",{described},"charges":[["grant:ci-runner|runs|run-rerun_rate","1",60000]]"#
        ),
        format!(
            r#"{{"seq":2,{at},"call_id":"a","phase":"finish","outcome":"allow","result":"ok","upstream_status":200,"latency_us":1234"#
        ),
        format!(
            r#"{{"seq":3,{at},"call_id":"b","phase":"finish","outcome":"not_sent","upstream_status":200,"latency_us":1234,"refunded":true"#
        ),
        format!(
            r#"{{"seq":4,{at},"call_id":"c","phase":"finish",{described},"outcome":"deny","reason":"at most 10 reruns a minute","retry_after_ms":1500"#
        ),
        format!(
            r#"{{"seq":5,{at},"phase":"admin","actor":"alice","act":"policy.put","subject":"runs","detail":{{"version": 4}}"#
        ),
    ];
    for (line, expected) in lines.iter().zip(&expected) {
        assert_eq!(&without_digests(line), expected);
    }
    let checkpoint = without_digests(&lines[5]);
    assert!(checkpoint.starts_with(&format!(r#"{{"seq":6,{at},"phase":"checkpoint","key":""#)));
    assert!(
        lines[0].len() + lines[1].len() < 850,
        "a pair of records takes {}",
        lines[0].len() + lines[1].len()
    );
}

#[tokio::test]
async fn a_target_stands_where_a_tool_would() {
    let room = Room::new();
    let ledger = room.open();
    let mut begin = begin("a");
    begin.call.tool = None;
    begin.call.target = Some(Target {
        text: "https://example.com/x",
        mac: Some([7; 16]),
    });
    ledger.begin(begin).await.unwrap();
    let line = room.lines(0).remove(0);
    let expected = r#""method":"tools/call","target":"https://example.com/x","target_mac":"BwcHBwcHBwcHBwcHBwcHBw","policy":"runs@3""#;
    assert!(without_digests(&line).contains(expected));
    let found = query(&room.dir(), Filter::default()).unwrap();
    assert_eq!(found[0].target.as_deref(), Some("https://example.com/x"));
    assert_eq!(
        found[0].target_mac.as_deref(),
        Some("BwcHBwcHBwcHBwcHBwcHBw")
    );
}

#[tokio::test]
async fn hostile_text_stays_one_line_and_reads_back_as_it_was() {
    let hostile = "\u{0}\u{1f}\"\\\n\r\t\u{7f}\u{2028}\u{202e},\"hash\":\"x\"}é\u{1F600}";
    let room = Room::new();
    let ledger = room.open();
    let mut begin = begin(hostile);
    begin.call.tool = Some(hostile);
    begin.call.identity = hostile;
    begin.call.arguments.keys = &["\n", "\"", "plain"];
    let values =
        RawValue::from_string("{\n\"a\":\r\n\"\\n\", \"hash\":\"00\"}".to_owned()).unwrap();
    begin.call.arguments.values = Some(&values);
    ledger.begin(begin).await.unwrap();
    ledger.close().await.unwrap();
    let lines = room.lines(0);
    let record = Record::parse(&lines[0]).unwrap();
    assert_eq!(record.call_id.as_deref(), Some(hostile));
    assert_eq!(record.tool.as_deref(), Some(hostile));
    assert_eq!(record.identity(), Some(hostile));
    let keys: Vec<String> = serde_json::from_str(record.arg_keys.unwrap().get()).unwrap();
    assert_eq!(keys, ["\n", "\"", "plain"]);
    let read: serde_json::Value = serde_json::from_str(record.arguments.unwrap().get()).unwrap();
    assert_eq!(read, serde_json::json!({"a": "\n", "hash": "00"}));
    assert_eq!(lines.len(), 2);
    assert!(room.verify(&[]).holds());
}

#[tokio::test]
async fn long_text_is_cut_with_a_mark_and_many_keys_are_counted() {
    let room = Room::new();
    let ledger = room.open();
    let long = "é".repeat(5_000);
    let keys: Vec<String> = (0..200).map(|i| format!("k{i}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut begin = begin("a");
    begin.call.tool = Some(&long);
    begin.call.arguments.keys = &keys;
    ledger.begin(begin).await.unwrap();
    let lines = room.lines(0);
    let record = Record::parse(&lines[0]).unwrap();
    let tool = record.tool.as_deref().unwrap();
    assert_eq!(tool, format!("{}…", "é".repeat(512)));
    assert_eq!(record.arg_keys_more, 136);
    let written: Vec<String> = serde_json::from_str(record.arg_keys.unwrap().get()).unwrap();
    assert_eq!(written.len(), ARG_KEYS_MAX);
}

#[tokio::test]
async fn a_record_larger_than_a_line_is_refused_and_harms_nothing() {
    let room = Room::new();
    let ledger = room.open();
    let huge = format!("\"{}\"", "x".repeat(25 * 1024 * 1024));
    let huge = RawValue::from_string(huge).unwrap();
    let mut begin = begin("a");
    begin.call.arguments.values = Some(&huge);
    let error = ledger.begin(begin).await.unwrap_err();
    assert!(matches!(error, LedgerError::TooLarge { .. }));
    assert!(ledger.healthy().is_ok());
    book_calls(&ledger, 1).await;
    ledger.close().await.unwrap();
    assert!(room.verify(&[]).holds());
}

#[test]
fn a_record_that_lacks_what_its_phase_needs_is_no_record() {
    let zeros = "0".repeat(64);
    let rest = format!("\"prev\":\"{zeros}\",\"hash\":\"{zeros}\"}}");
    let at = "\"at\":\"2026-11-20T07:43:15.123Z\"";
    let whole = format!(
        "{{\"seq\":1,{at},\"phase\":\"begin\",\"call_id\":\"a\",\"grant\":\"g\",\"rule\":\"r\",\"later\":[1],{rest}"
    );
    assert!(Record::parse(whole.as_bytes()).is_ok());
    for missing in [
        "\"call_id\":\"a\",",
        "\"grant\":\"g\",",
        "\"rule\":\"r\",",
        "\"seq\":1,",
    ] {
        let lacking = whole.replace(missing, "");
        assert!(Record::parse(lacking.as_bytes()).is_err(), "{missing}");
    }
}

// INVARIANT: what is known without being read says the same as if it were read.
#[tokio::test]
async fn ends_of_calls_are_known_by_their_first_bytes_and_nothing_else_is() {
    let room = Room::new();
    let ledger = room.open();
    let ends = [
        Ended::Allow,
        Ended::Failed,
        Ended::NotSent,
        Ended::Cancelled,
    ];
    for (index, end) in ends.into_iter().enumerate() {
        let id = format!("e{index}");
        ledger.begin(begin(&id)).await.unwrap();
        let mut finish = finish(&id, end);
        finish.reason =
            (end == Ended::Failed).then_some("it said \"refunded\":true, \\\"refunded\":1");
        ledger.finish(finish).await.unwrap();
    }
    ledger.refuse(refusal("r")).await.unwrap();
    ledger.refuse(refusal("a\"b")).await.unwrap();
    ledger.finish(finish("a\\b", Ended::Allow)).await.unwrap();
    ledger.close().await.unwrap();
    let mut known = 0;
    for line in room.lines(0) {
        let record = Record::parse(&line).unwrap();
        let plain = record.phase == Phase::Finish && !record.is_refusal() && !record.refunded;
        let plain = plain && record.call_id.as_deref() != Some("a\\b");
        let end = EndOfCall::know(&line);
        assert_eq!(end.is_some(), plain, "{}", String::from_utf8_lossy(&line));
        if let Some(end) = end {
            known += 1;
            assert_eq!(
                (end.seq, Some(end.call_id)),
                (record.seq, record.call_id.as_deref())
            );
        }
        for cut in [1, 40, line.len() / 2, line.len() - 1] {
            assert_eq!(EndOfCall::know(&line[..cut]), None);
        }
    }
    assert_eq!(known, 3);
}
