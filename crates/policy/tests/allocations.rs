//! How often an allowed call asks for memory.

use portreeve_policy::json::{Rules, parse};
use portreeve_policy::limits::Counters;
use portreeve_policy::time::Timestamp;
use portreeve_policy::{Decision, Facts, Pin, Subject, ToolFacts, compile};

/// A policy, the tool and its arguments, and how often an allowed call of it asks for memory.
const CALLS: &[(&str, &str, &str, u64)] = &[
    (
        r#"{"version":"1","default":"deny","tools":{"t":{}}}"#,
        "t",
        r#"{"runId":1}"#,
        0,
    ),
    (
        r#"{"version":"1","default":"deny","tools":{"run-rerun":{"limits":[
            {"counter":"run-rerun_rate","window":"minute","max":10,"scope":"grant"}]}}}"#,
        "run-rerun",
        r#"{"runId":1}"#,
        // The list of charges, and the counter's grant and server.
        3,
    ),
    (
        r#"{"version":"1","default":"deny","tools":{"t":{"rate_limit":{"max":10,"window":60}}}}"#,
        "t",
        "{}",
        3,
    ),
    (
        r#"{"version":"1","default":"allow","tools":{"a":{"action":"deny","reason":"Use the console."},
            "b*":{"action":"hide"}},"hide":["d"]}"#,
        "t",
        "{}",
        0,
    ),
    (
        r#"{"version":"1","default":"deny","tools":{"t":{
            "deny_if":[{"conditions":[{"path":"args.force","op":"eq","value":true}]}],
            "require":[{"conditions":[{"path":"args.amount","op":"lte","value":100},
                {"path":"args.to","op":"matches","value":"[a-z]+"},
                {"path":"args.list[*]","op":"in","value":["a","b"]}]}]}}}"#,
        "t",
        r#"{"amount":1.5,"to":"x","list":["a","b"]}"#,
        0,
    ),
    (
        r#"{"version":"1","default":"deny","tools":{"*":{"action":"allow"},"@unknown":{"deny_if":[
            {"conditions":[{"path":"args.url","op":"exists","value":true},
                {"not":{"path":"args.url","op":"host_in","value":["example.com"]}}]}]}}}"#,
        "t",
        r#"{"url":"https://example.com/x"}"#,
        // The list of wider selectors that match.
        1,
    ),
];

#[test]
fn an_allowed_call_asks_for_no_more_than_it_owes() {
    for (text, name, args, expected) in CALLS {
        let policy = compile(text.as_bytes()).map(|checked| checked.policy);
        let Ok(policy) = policy else {
            panic!("{text}");
        };
        let args = parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
        let counters = Counters::new(10);
        let facts = Facts {
            subject: Subject::Tool(ToolFacts::new(name, Pin::Pinned)),
            server: "runs",
            grant: "ci",
            identity: "ci@example.com",
            client: None,
            args: Some(&args),
            labels: &[],
            now: Timestamp(0),
        };
        // What is made once, as a regex's working memory, is not asked for at every call.
        let decision = policy.decide(&facts, &counters);
        assert!(
            matches!(decision, Decision::Allow(_)),
            "{text}: {decision:?}"
        );
        let counted = allocation_counter::measure(|| {
            let _decision = policy.decide(&facts, &counters);
        });
        assert_eq!(counted.count_total, *expected, "{text}");
    }
}
