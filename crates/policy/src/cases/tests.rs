//! Case files that hold, that do not, and that are none.

use super::*;
use crate::compile;
use crate::json::{Rules, parse};

fn file(text: &str) -> Result<CaseFile, String> {
    CaseFile::read(&parse(text.as_bytes(), Rules::DOCUMENT).expect("JSON"))
}

/// How the calls of one case came out, in words.
fn outcome(policy: &str, tools: &str, calls: &str) -> String {
    let policy = compile(policy.as_bytes()).expect("a policy").policy;
    let text = format!(
        r#"{{"policy":"p.json","tools":{tools},"cases":[{{"name":"c","start":"2026-11-20T23:00","calls":[{calls}]}}]}}"#
    );
    let file = file(&text).unwrap_or_else(|trouble| panic!("{text}: {trouble}"));
    let results = run(&file, &policy);
    let result = results.first().expect("one case");
    match &result.mismatch {
        None => format!("{} as expected", result.calls),
        Some(m) => format!(
            "call {} repetition {}: {} {}",
            m.call,
            m.repetition,
            m.got.outcome.as_str(),
            m.got.rule
        ),
    }
}

const RERUN: &str = r#"{"version":"1","default":"deny","tools":{"run-rerun":{"limits":[
    {"counter":"run-rerun_rate","window":"minute","max":10}]}}}"#;

#[test]
fn the_eleventh_rerun_within_a_minute_is_refused() {
    let calls = r#"
        {"tool":"run-rerun","args":{"runId":1},"repeat":10,"expect":"allow"},
        {"at":"59s","tool":"run-rerun","args":{"runId":1},"expect":"deny","rule":"/tools/run-rerun/limits/0"},
        {"at":"61s","tool":"run-rerun","args":{"runId":1},"expect":"allow"},
        {"tool":"other","expect":"deny","rule":"(default deny)"}"#;
    assert_eq!(outcome(RERUN, "{}", calls), "13 as expected");
    for (calls, expected) in [
        (
            r#"{"tool":"run-rerun","repeat":11,"expect":"allow"}"#,
            "call 0 repetition 11: deny /tools/run-rerun/limits/0",
        ),
        (
            r#"{"tool":"run-rerun","expect":"ask"}"#,
            "call 0 repetition 1: allow /tools/run-rerun",
        ),
        (
            r#"{"tool":"x","expect":"deny","rule":"/tools/x"}"#,
            "call 0 repetition 1: deny (default deny)",
        ),
    ] {
        assert_eq!(outcome(RERUN, "{}", calls), expected);
    }
}

#[test]
fn what_is_known_of_tools_counts() {
    let policy = r#"{"version":"1","default":"deny","timezone":"Europe/Berlin","tools":{
        "@read":{"action":"allow"},
        "@changes":{"action":"require_approval"},
        "night":{"require":[{"conditions":[{"path":"time.hour","op":"eq","value":0}]}]},
        "exact":{"action":"allow","validate":true}},
        "flow":[{"name":"f","after":["@reads-untrusted"],"then":["@egress"],"action":"deny","for":"10m"}],
        "hide":["gone"]}"#;
    let tools = r#"{"get":{"class":"read","bits":["reads-untrusted"]},"look":{"class":"read","bits":[]},
        "post":{"class":"write","bits":["egress"]},"night":{"class":"read","bits":[]},
        "exact":{"class":"read","bits":[],"schema":{"properties":{"n":{"const":9007199254740993}}}},
        "new":{"class":"read","pinned":false}}"#;
    let calls = r#"
        {"tool":"look","expect":"allow","rule":"/tools/@read/action"},
        {"tool":"night","expect":"allow"},
        {"tool":"post","expect":"ask","rule":"/tools/@changes/action"},
        {"tool":"new","expect":"deny","rule":"(not pinned)"},
        {"tool":"gone","expect":"deny","rule":"(hidden)"},
        {"tool":"nobody","expect":"deny","rule":"(default deny)"},
        {"tool":"exact","args":{"n":9007199254740993},"expect":"allow"},
        {"tool":"exact","args":{"n":9007199254740992},"expect":"deny","rule":"/tools/exact/validate"},
        {"tool":"get","expect":"allow"},
        {"tool":"post","expect":"deny","rule":"/flow/0"},
        {"at":"10m","tool":"post","expect":"ask"},
        {"at":"2h","tool":"night","expect":"deny","rule":"/tools/night/require/0"},
        {"prompt":"p","expect":"deny"},{"resource":"file:///a","expect":"deny"},
        {"method":"x/y","expect":"deny"},{"server_request":"roots","expect":"allow"}"#;
    assert_eq!(outcome(policy, tools, calls), "16 as expected");
}

#[test]
fn what_is_no_case_file_is_told() {
    let calls =
        |call: &str| format!(r#"{{"policy":"p","cases":[{{"name":"c","calls":[{call}]}}]}}"#);
    for (text, expected) in [
        (
            "[]".to_owned(),
            "at /: an object is expected here, not an array",
        ),
        ("{}".to_owned(), "at /: `cases` is missing"),
        (r#"{"cases":[]}"#.to_owned(), "at /: `policy` is missing"),
        (
            r#"{"policy":"p","case":[]}"#.to_owned(),
            "at /case: unknown key \"case\"; known are policy, tools, cases",
        ),
        (calls("{}"), "at /cases/0/calls/0: `expect` is missing"),
        (
            calls(r#"{"expect":"maybe"}"#),
            "at /cases/0/calls/0/expect: \"maybe\" is none of allow, deny, ask",
        ),
        (
            calls(r#"{"expect":"deny"}"#),
            "at /cases/0/calls/0: a call names one of `tool`, `resource`, `prompt`, `method`, `server_request`",
        ),
        (
            calls(r#"{"expect":"deny","tool":"a","prompt":"b"}"#),
            "at /cases/0/calls/0: a call names one of `tool`, `resource`, `prompt`, `method`, `server_request`",
        ),
        (
            calls(r#"{"expect":"deny","tool":"a","at":"soon"}"#),
            "at /cases/0/calls/0/at: a span is expected here, as in 59s, 5m, 2h, or seconds",
        ),
        (
            calls(r#"{"expect":"deny","tool":"a","at":5},{"expect":"deny","tool":"a","at":4}"#),
            "at /cases/0/calls/1: time does not run backwards: `at` is before the last call",
        ),
        (
            calls(r#"{"expect":"deny","tool":"a","repeat":0}"#),
            "at /cases/0/calls/0/repeat: a whole number from 1 to 1000000 is expected here",
        ),
        (
            calls(r#"{"expect":"deny","server_request":"x"}"#),
            "at /cases/0/calls/0/server_request: no such request",
        ),
        (
            r#"{"policy":"p","cases":[{"name":"c","calls":[],"start":"noon"}]}"#.to_owned(),
            "at /cases/0/start: a time in UTC is expected here, as in 2026-01-31T22:00",
        ),
        (
            r#"{"policy":"p","cases":[],"tools":{"a":{"class":"reads"}}}"#.to_owned(),
            "at /tools/a/class: \"reads\" is none of read, write, execute, destructive, financial, unknown",
        ),
        (
            r#"{"policy":"p","cases":[],"tools":{"a":{"bits":["x"]}}}"#.to_owned(),
            "at /tools/a/bits/0: \"x\" is none of reads-private, reads-untrusted, egress, secret, bulk, local",
        ),
    ] {
        assert_eq!(file(&text).map(|_| ()), Err(expected.to_owned()), "{text}");
    }
    let stated = file(r#"{"policy":"p","cases":[],"tools":{"a":{"class":"read"},"b":{}}}"#);
    let stated = stated.expect("a file");
    let classes: Vec<&str> = stated.stated_classes().map(|(name, _)| name).collect();
    assert_eq!(classes, ["a"]);
}
