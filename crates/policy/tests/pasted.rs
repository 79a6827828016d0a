//! Policies as people paste them, decided against counters in virtual time.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use portreeve_policy::json::{Rules, parse};
use portreeve_policy::limits::Counters;
use portreeve_policy::time::Timestamp;
use portreeve_policy::{
    Decision, Facts, Pin, Policy, Refusal, ServerRequest, Subject, ToolFacts, compile, refusal,
};

/// A policy, its counters, and a caller.
struct Gate {
    policy: Policy,
    counters: Counters,
}

impl Gate {
    fn new(text: &str) -> Self {
        let checked = compile(text.as_bytes()).unwrap_or_else(|problems| {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", told.join("\n"))
        });
        assert_eq!(checked.warnings, [], "no warning was expected");
        Self {
            policy: checked.policy,
            counters: Counters::new(1_000),
        }
    }

    /// Decides and, if allowed, charges; the answer as one line.
    fn call(&mut self, at: i64, tool: &str, args: &str) -> String {
        let subject = Subject::Tool(ToolFacts::new(tool, Pin::Pinned));
        self.ask(at, subject, Some(args))
    }

    fn ask(&mut self, at: i64, subject: Subject<'_>, args: Option<&str>) -> String {
        let args = args.map(|text| parse(text.as_bytes(), Rules::MESSAGE).expect("JSON"));
        let facts = Facts {
            subject,
            server: "runs",
            grant: "ci",
            identity: "ci@example.com",
            client: None,
            args: args.as_ref(),
            labels: &[],
            now: Timestamp(at),
        };
        let told = |word: &str, refusal: &Refusal| {
            let retry = refusal.retry_after_ms;
            let retry = retry.map_or_else(String::new, |ms| format!(" +{ms}"));
            format!("{word} {}{retry}: {}", refusal.rule, refusal.reason)
        };
        match self.policy.decide(&facts, &self.counters) {
            Decision::Allow(admission) => {
                match self.counters.reserve(&admission.charges, facts.now) {
                    Ok(_kept) => format!("allow {}", admission.rule),
                    Err((i, shortfall)) => {
                        told("late deny", &refusal(&admission.charges[i], &shortfall))
                    }
                }
            }
            Decision::Ask(asking) => format!("ask {}", asking.rule()),
            Decision::Deny(refusal) => told("deny", &refusal),
            Decision::Hide(refusal) => told("hide", &refusal),
        }
    }
}

#[test]
fn ten_a_minute_and_no_eleventh() {
    let mut gate = Gate::new(
        r#"{"version":"1","default":"deny","tools":{"run-rerun":{"limits":[{"counter":"run-rerun_rate","window":"minute","max":10,"scope":"grant"}]}}}"#,
    );
    for i in 0..10 {
        let answer = gate.call(i * 1_000, "run-rerun", r#"{"runId":1}"#);
        assert_eq!(answer, "allow /tools/run-rerun");
    }
    assert_eq!(
        gate.call(22_500, "run-rerun", r#"{"runId":1}"#),
        "deny /tools/run-rerun/limits/0 +37500: limit of 10 per minute on `run-rerun_rate` is \
         reached; try again in 38 s"
    );
    assert_eq!(
        gate.call(59_999, "run-rerun", "{}"),
        "deny /tools/run-rerun/limits/0 +1: limit of 10 per minute on `run-rerun_rate` is \
         reached; try again in 1 s"
    );
    assert_eq!(
        gate.call(60_000, "run-rerun", "{}"),
        "allow /tools/run-rerun"
    );
    assert_eq!(
        gate.call(60_000, "other", "{}"),
        "deny (default deny): the policy does not name the tool `other`, and its default is deny"
    );
}

#[test]
fn a_rate_limit_in_seconds_is_a_limit() {
    let mut gate = Gate::new(
        r#"{"version":"1","default":"deny","tools":{"flowforge_replay_run":{"rate_limit":{"max":10,"window":60}}}}"#,
    );
    for _ in 0..10 {
        let answer = gate.call(0, "flowforge_replay_run", "{}");
        assert_eq!(answer, "allow /tools/flowforge_replay_run");
    }
    assert_eq!(
        gate.call(1, "flowforge_replay_run", "{}"),
        "deny /tools/flowforge_replay_run/rate_limit +59999: limit of 10 per minute on \
         `flowforge_replay_run_rate` is reached; try again in 60 s"
    );
}

#[test]
fn a_denial_gives_the_policys_reason() {
    let mut gate = Gate::new(
        r#"{"version":"1","default":"allow","tools":{
            "a":{"action":"deny","reason":"Use the console."},
            "b":{"action":"deny"},
            "c":{"action":"hide"}},
            "hide":["d"]}"#,
    );
    assert_eq!(
        gate.call(0, "a", "{}"),
        "deny /tools/a/action: Use the console."
    );
    assert_eq!(
        gate.call(0, "b", "{}"),
        "deny /tools/b/action: the tool `b` is denied by policy"
    );
    assert_eq!(gate.call(0, "c", "{}"), "hide (hidden): Unknown tool: c");
    assert_eq!(gate.call(0, "d", "{}"), "hide (hidden): Unknown tool: d");
    assert_eq!(gate.call(0, "e", "{}"), "allow (default allow)");
    let listed =
        ["a", "b", "c", "d", "e"].map(|name| gate.policy.lists(&ToolFacts::new(name, Pin::Pinned)));
    assert_eq!(listed, [true, true, false, false, true]);
}

#[test]
fn server_requests_have_their_own_defaults() {
    let mut gate = Gate::new(r#"{"version":"1","default":"allow"}"#);
    let answers = ServerRequest::ALL.map(|request| {
        let answer = gate.ask(0, Subject::ServerRequest(request), None);
        answer
            .split(':')
            .next()
            .map(str::to_owned)
            .unwrap_or_default()
    });
    assert_eq!(
        answers,
        [
            "deny (default deny)",
            "allow (default allow)",
            "deny (default deny)",
            "allow (default allow)"
        ]
    );
}
