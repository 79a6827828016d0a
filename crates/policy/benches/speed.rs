//! How long deciding and compiling take: `cargo bench -p portreeve-policy`.
//!
//! Wall time, the best of several rounds; the aims stand beside the figures.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a stopwatch for people, not part of the program"
)]

use std::hint::black_box;
use std::time::Instant;

use portreeve_policy::json::{Rules, Value, parse};
use portreeve_policy::limits::Counters;
use portreeve_policy::time::Timestamp;
use portreeve_policy::{
    Bits, Class, Classes, Facts, Pin, Policy, Schema, Subject, ToolFacts, Traits, compile,
};

fn policy(text: &str) -> Policy {
    compile(text.as_bytes()).expect("a policy").policy
}

fn facts<'a>(tool: ToolFacts<'a>, args: &'a Value<'a>) -> Facts<'a> {
    Facts {
        subject: Subject::Tool(tool),
        server: "runs",
        grant: "ci-runner",
        identity: "ci@example.com",
        client: None,
        args: Some(args),
        labels: &[],
        now: Timestamp(1_700_000_000_000),
    }
}

/// Nanoseconds of one run, the best of ten rounds.
fn nanoseconds(runs: u32, mut run: impl FnMut()) -> u128 {
    let round = || {
        let start = Instant::now();
        for _ in 0..runs {
            run();
        }
        start.elapsed().as_nanos() / u128::from(runs)
    };
    std::iter::repeat_with(round).take(10).min().expect("ten")
}

fn decide(what: &str, aim: &str, text: &str, tool: ToolFacts<'_>, args: &str) {
    let policy = policy(text);
    let args = parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
    let counters = Counters::new(1_000);
    let call = facts(tool, &args);
    let time = nanoseconds(100_000, || {
        black_box(policy.decide(black_box(&call), &counters));
    });
    println!("decide: {what}: {time} ns (aim: {aim})");
}

const RERUN: &str = r#"{"version":"1","default":"deny","tools":{"run-rerun":{"limits":[
    {"counter":"run-rerun_rate","window":"minute","max":10,"scope":"grant"}]}}}"#;

const GUARDED: &str = r#"{"version":"1","default":"deny",
    "all_tools":{"deny_if":[{"conditions":[{"path":"args.force","op":"eq","value":true}]}]},
    "tools":{"refund":{"validate":true,
        "require":[{"conditions":[{"path":"args.amount","op":"lte","value":100},
                                  {"path":"args.currency","op":"in","value":["EUR","USD"]}]}],
        "require_approval":[{"conditions":[{"path":"args.amount","op":"gt","value":50}]}],
        "limits":[{"counter":"refunds","window":"day","max":1000,"cost":"args.amount"}]},
      "@financial":{"rate_limit":{"max":100,"window":"hour"}}}}"#;

fn many(selector: impl Fn(usize) -> String) -> String {
    let entries: Vec<String> = (0..1_000)
        .map(|i| {
            format!(
                "{:?}:{{\"rate_limit\":{{\"max\":{i},\"window\":60}}}}",
                selector(i)
            )
        })
        .collect();
    format!(
        "{{\"version\":\"1\",\"default\":\"deny\",\"tools\":{{{},\"run-rerun\":{{}}}}}}",
        entries.join(",")
    )
}

fn of_fifty_rules() -> String {
    let entries: Vec<String> = (0..25)
        .map(|i| {
            format!(
                r#""tool_{i}":{{"require":[{{"conditions":[{{"path":"args.amount","op":"lte","value":{i}}}]}}],
                    "rate_limit":{{"max":{i},"window":"minute"}}}}"#
            )
        })
        .collect();
    format!(
        "{{\"version\":\"1\",\"default\":\"deny\",\"tools\":{{{}}}}}",
        entries.join(",")
    )
}

fn main() {
    let rerun = ToolFacts::new("run-rerun", Pin::Pinned);
    decide("a pasted policy", "1000", RERUN, rerun, r#"{"runId":1}"#);
    let schema = r#"{"type":"object","properties":{"amount":{"type":"number"},"currency":{"type":"string"}},"required":["amount"]}"#;
    let schema = parse(schema.as_bytes(), Rules::MESSAGE).expect("JSON");
    let schema = Schema::read(&schema);
    let refund = ToolFacts::new("refund", Pin::Pinned).with(Traits {
        class: Class::Financial,
        also: Classes::NONE,
        bits: Some(Bits::NONE),
        schema: Some(&schema),
    });
    let args = r#"{"amount":49.90,"currency":"EUR"}"#;
    decide(
        "conditions, a schema, two limits",
        "3000",
        GUARDED,
        refund,
        args,
    );
    let names = many(|i| format!("tool_number_{i}"));
    decide("1,000 names", "3000", &names, rerun, "{}");
    let globs = many(|i| format!("tool_number_{i}_*"));
    decide("1,000 globs", "3000", &globs, rerun, "{}");
    let alike = many(|i| format!("run-*_{i}"));
    decide("1,000 globs that begin alike", "3000", &alike, rerun, "{}");
    let text = of_fifty_rules();
    let time = nanoseconds(1_000, || {
        black_box(compile(black_box(text.as_bytes()))).expect("a policy");
    });
    println!(
        "compile: 10,000 policies of 50 rules: {} ms (aim: 1000)",
        time / 100
    );
}
