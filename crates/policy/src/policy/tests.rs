//! Decisions as data.

mod asks;
mod natures;
mod properties;

use super::*;
use crate::json::{self, Rules};
use crate::limits::{Charge, Counters, Readings, Shortfall, Why};
use crate::time::Timestamp;
use crate::{Decision, Facts, Pin, Subject, ToolFacts};

fn policy(text: &str) -> Policy {
    match compile(text.as_bytes()) {
        Ok(checked) => {
            crate::document::tests::schema::assert_described(text);
            checked.policy
        }
        Err(problems) => panic!("{text}\n{problems:#?}"),
    }
}

fn facts<'a>(subject: Subject<'a>, args: Option<&'a json::Value<'a>>) -> Facts<'a> {
    Facts {
        subject,
        server: "s",
        grant: "g",
        identity: "i",
        client: Some(crate::Client {
            name: "cursor",
            version: None,
        }),
        args,
        labels: &[],
        now: Timestamp(0),
    }
}

/// The decision on one line; an allowed call tells its charges.
fn line(decision: Decision) -> String {
    match decision {
        Decision::Allow(admission) => {
            let charges = admission.charges.iter();
            let told = charges.map(|c| format!(" {}={}", c.key, c.cost));
            format!("allow {}{}", admission.rule, told.collect::<String>())
        }
        Decision::Ask(asking) => format!("ask {}: {}", asking.rule(), asking.reason()),
        Decision::Deny(refusal) => format!("deny {}: {}", refusal.rule, refusal.reason),
        Decision::Hide(refusal) => format!("hide {}: {}", refusal.rule, refusal.reason),
    }
}

fn tool(policy: &str, name: &str, args: &str) -> String {
    let args = json::parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
    let subject = Subject::Tool(ToolFacts::new(name, Pin::Pinned));
    line(self::policy(policy).decide(&facts(subject, Some(&args)), &Counters::new(10)))
}

fn limited(limit: &str) -> String {
    format!(
        r#"{{"version":"1","default":"deny","tools":{{"t":{{"limits":[
            {{"counter":"c","window":"day","max":100,{limit}}}]}}}}}}"#
    )
}

#[test]
fn costs_are_exact_and_every_doubt_refuses() {
    let policy = limited(r#""cost":"args.n""#);
    let lacks = |what: &str| {
        format!("deny /tools/t/limits/0: the limit on `c` needs `args.n`, which {what}")
    };
    let allowed = |cost: &str| format!("allow /tools/t grant/g/s/c={cost}");
    for (args, expected) in [
        (r#"{"n":12.50}"#, allowed("12.5")),
        (r#"{"n":1e2}"#, allowed("100")),
        (r#"{"n":1e-400}"#, allowed("1e-400")),
        ("{}", lacks("is missing")),
        (r#"{"n":"1"}"#, lacks("is not a number")),
        (r#"{"n":null}"#, lacks("is not a number")),
        (r#"{"n":[1]}"#, lacks("is not a number")),
        (r#"{"n":0}"#, lacks("is zero")),
        (r#"{"n":-0.0}"#, lacks("is zero")),
        (r#"{"n":-1}"#, lacks("is negative")),
        (
            r#"{"n":1.00000000000000000000000000000000000001}"#,
            lacks("has more than 38 significant digits"),
        ),
        (
            r#"{"n":1e9999999999}"#,
            lacks("has an exponent beyond reckoning"),
        ),
        (
            r#"{"n":100.01}"#,
            "deny /tools/t/limits/0: this call alone exceeds the limit of 100 per day on `c`"
                .into(),
        ),
        (
            r#"{"n":1,"N":2}"#,
            "deny (malformed): the argument `N` is another spelling of a name that the policy \
             uses; write it as the tool's schema does"
                .into(),
        ),
        (
            "[1]",
            "deny (malformed): the arguments must be an object, not an array".into(),
        ),
    ] {
        assert_eq!(tool(&policy, "t", args), expected, "{args}");
    }
    let zero = limited(r#""cost":"args.n","allow_zero":true"#);
    assert_eq!(tool(&zero, "t", r#"{"n":0}"#), allowed("0"));
}

#[test]
fn values_that_split_a_counter_keep_their_type() {
    let policy = limited(r#""per":"args.v[0]""#);
    let lacks = |what: &str| {
        format!("deny /tools/t/limits/0: the limit on `c` needs `args.v[0]`, which {what}")
    };
    let allowed = |per: &str| format!("allow /tools/t grant/g/s/c/{per}=1");
    for (args, expected) in [
        (r#"{"v":["a/b"]}"#, allowed("s:a%2Fb")),
        (r#"{"v":["1"]}"#, allowed("s:1")),
        (r#"{"v":[1]}"#, allowed("n:1")),
        (r#"{"v":[1.0]}"#, allowed("n:1")),
        (r#"{"v":[true]}"#, allowed("b:true")),
        (r#"{"v":[""]}"#, allowed("s:")),
        (r#"{"v":[]}"#, lacks("is missing")),
        (r#"{"v":[null]}"#, lacks("is null")),
        (r#"{"v":[{}]}"#, lacks("is not a single value")),
        (r#"{"v":"a"}"#, lacks("is not a single value")),
        (
            r#"{"v":[1e9999999999]}"#,
            lacks("is a number beyond reckoning"),
        ),
    ] {
        assert_eq!(tool(&policy, "t", args), expected, "{args}");
    }
    for (path, per) in [
        ("tool", "s:t"),
        ("server", "s:s"),
        ("grant", "s:g"),
        ("identity", "s:i"),
        ("client", "s:cursor"),
    ] {
        let policy = limited(&format!("\"per\":\"{path}\""));
        assert_eq!(tool(&policy, "t", "{}"), allowed(per), "{path}");
    }
}

#[test]
fn scopes_name_their_counters() {
    for (scope, key) in [
        ("grant", "grant/g/s/c"),
        ("identity", "identity/i/s/c"),
        ("server", "server//s/c"),
        ("gateway", "gateway///c"),
    ] {
        let policy = limited(&format!("\"scope\":\"{scope}\""));
        assert_eq!(tool(&policy, "t", "{}"), format!("allow /tools/t {key}=1"));
    }
}

#[test]
fn the_first_refusal_is_the_answer() {
    const POLICY: &str = r#"{"version":"1","default":"deny",
        "hide":["hidden"],
        "all_tools":{"limits":[{"counter":"all","window":"day","max":9,"cost":"args.n"}]},
        "tools":{
            "hidden":{"action":"deny","limits":[{"counter":"h","window":"day","max":9,"cost":"args.h"}]},
            "denied":{"action":"deny","reason":"no"},
            "\\@odd":{},
            "t":{"action":"allow","limits":[{"counter":"t","window":"day","max":9,"cost":"args.m"}],
                 "rate_limit":{"max":3,"window":"90s"}}}}"#;
    let compiled = policy(POLICY);
    let decide = |name: &str, pin: Pin, args: &str| {
        let args = json::parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
        let subject = Subject::Tool(ToolFacts::new(name, pin));
        let told = line(compiled.decide(&facts(subject, Some(&args)), &Counters::new(10)));
        told.split(':').next().unwrap_or_default().to_owned()
    };
    for (name, pin, args, expected) in [
        ("hidden", Pin::Pinned, "[]", "deny (malformed)"),
        ("hidden", Pin::Pinned, r#"{"N":1}"#, "deny (malformed)"),
        // What only the hidden tool's own rules use must not show that it is there.
        ("hidden", Pin::Pinned, r#"{"H":1}"#, "hide (hidden)"),
        ("hidden", Pin::Unpinned, "{}", "hide (hidden)"),
        ("t", Pin::Unpinned, r#"{"M":1}"#, "deny (malformed)"),
        ("t", Pin::Unpinned, "{}", "deny (not pinned)"),
        ("denied", Pin::Unpinned, "{}", "deny (not pinned)"),
        ("denied", Pin::Pinned, "{}", "deny /tools/denied/action"),
        ("other", Pin::Unpinned, "{}", "deny (not pinned)"),
        ("other", Pin::Pinned, "{}", "deny (default deny)"),
        ("other", Pin::Judged, "{}", "deny (default deny)"),
        (
            "@odd",
            Pin::Pinned,
            r#"{"n":1}"#,
            "allow /tools/\\@odd grant/g/s/all=1",
        ),
        ("t", Pin::Pinned, "{}", "deny /all_tools/limits/0"),
        ("t", Pin::Pinned, r#"{"n":1}"#, "deny /tools/t/limits/0"),
        (
            "t",
            Pin::Pinned,
            r#"{"n":10,"m":10}"#,
            "deny /all_tools/limits/0",
        ),
        (
            "t",
            Pin::Judged,
            r#"{"n":1,"m":2}"#,
            "allow /tools/t/action grant/g/s/all=1 grant/g/s/t=2 grant/g/s/t_rate=1",
        ),
    ] {
        assert_eq!(decide(name, pin, args), expected, "{name} {pin:?} {args}");
    }
    let names: Vec<String> = compiled
        .tool_names()
        .map(|(name, rule)| format!("{name} {rule}"))
        .collect();
    assert_eq!(
        names,
        [
            "hidden /tools/hidden",
            "denied /tools/denied",
            "@odd /tools/\\@odd",
            "t /tools/t",
            "hidden /hide/0"
        ]
    );
}

#[test]
fn an_action_for_all_tools_is_for_all_tools() {
    let denies = r#"{"version":"1","default":"allow","all_tools":{"action":"deny","reason":"closed"},"tools":{"t":{"action":"allow"}}}"#;
    assert_eq!(tool(denies, "t", "{}"), "deny /all_tools/action: closed");
    assert_eq!(tool(denies, "u", "{}"), "deny /all_tools/action: closed");
    let hides =
        r#"{"version":"1","default":"allow","all_tools":{"action":"hide"},"tools":{"t":{}}}"#;
    assert_eq!(tool(hides, "t", "{}"), "hide (hidden): Unknown tool: t");
    let tools = ["t", "u"].map(|name| policy(hides).lists(&ToolFacts::new(name, Pin::Pinned)));
    assert_eq!(tools, [false, false]);
}

#[test]
fn resources_prompts_and_methods_are_judged() {
    let compiled = policy(
        r#"{"version":"1","default":"deny",
            "all_tools":{"action":"deny"},
            "resources":{"file:///a":{"rate_limit":{"max":1,"window":1}},"FILE:///b":{"action":"hide"}},
            "prompts":{"p":{"action":"deny"},"q":{}},
            "methods":{"x/y":"allow","x/z":"deny"}}"#,
    );
    let uri = |uri| Subject::Resource { uri };
    let prompt = |name| Subject::Prompt { name };
    let method = |name| Subject::Method { name };
    for (subject, expected) in [
        (
            uri("file:///a"),
            "allow /resources/file:~1~1~1a grant/g/s/file:%2F%2F%2Fa_rate=1",
        ),
        (
            uri("file:///x/../a"),
            "allow /resources/file:~1~1~1a grant/g/s/file:%2F%2F%2Fa_rate=1",
        ),
        (
            uri("file:///b"),
            "hide (hidden): Unknown resource: file:///b",
        ),
        (
            uri("file:///c"),
            "deny (default deny): the policy does not name the resource `file:///c`, and its default is deny",
        ),
        (
            uri("file:///%2e/a"),
            "deny (malformed): the URI is refused: it has an encoded dot, slash, backslash or control character",
        ),
        (
            prompt("p"),
            "deny /prompts/p/action: the prompt `p` is denied by policy",
        ),
        (prompt("q"), "allow /prompts/q"),
        (method("x/y"), "allow /methods/x~1y"),
        (
            method("x/z"),
            "deny /methods/x~1z: the method `x/z` is denied by policy",
        ),
        (
            method("x/w"),
            "deny (default deny): the policy does not name the method `x/w`, and its default is deny",
        ),
    ] {
        let decision = compiled.decide(&facts(subject, None), &Counters::new(10));
        assert_eq!(line(decision), expected);
    }
    let listed = ["file:///a", "file:///./a", "file:///b", "file:///c", "::"];
    assert_eq!(
        listed.map(|uri| compiled.lists_resource(uri)),
        [true, true, false, false, false]
    );
    assert_eq!(
        ["p", "q", "r"].map(|name| compiled.lists_prompt(name)),
        [true, true, false]
    );
}

#[test]
fn globs_restrict_what_they_match_and_name_only_when_they_say_so() {
    const POLICY: &str = r#"{"version":"1","default":"deny",
        "hide":["secret_?"],
        "tools":{
            "run-*":{"rate_limit":{"max":3,"window":60}},
            "run-list":{},
            "get_*":{"action":"allow"},
            "*_all":{"action":"deny","reason":"too much"},
            "?ist":{"action":"hide"},
            "get_none":{"action":"deny"}},
        "resources":{"file:///a/**":{"action":"allow"},"file:///a/*/x":{"action":"deny"}},
        "prompts":{"p*":{"action":"allow"}}}"#;
    for (name, expected) in [
        ("run-list", "allow /tools/run-list grant/g/s/run-*_rate=1"),
        (
            "run-rerun",
            "deny (default deny): the policy does not name the tool `run-rerun`, and its default is deny",
        ),
        ("get_one", "allow /tools/get_*/action"),
        ("get_all", "deny /tools/*_all/action: too much"),
        ("delete_all", "deny /tools/*_all/action: too much"),
        (
            "get_none",
            "deny /tools/get_none/action: the tool `get_none` is denied by policy",
        ),
        ("list", "hide (hidden): Unknown tool: list"),
        ("secret_1", "hide (hidden): Unknown tool: secret_1"),
    ] {
        assert_eq!(tool(POLICY, name, "{}"), expected);
    }
    let compiled = policy(POLICY);
    let listed = [
        "run-list",
        "run-rerun",
        "get_one",
        "get_all",
        "delete_all",
        "list",
        "secret_1",
    ]
    .map(|name| compiled.lists(&ToolFacts::new(name, Pin::Pinned)));
    assert_eq!(listed, [true, false, true, true, false, false, false]);
    for (uri, expected) in [
        ("file:///a/b/c", "allow /resources/file:~1~1~1a~1**/action"),
        (
            "file:///a/b/x",
            "deny /resources/file:~1~1~1a~1*~1x/action: the resource `file:///a/b/x` is denied by policy",
        ),
        (
            "file:///a/b/c/x",
            "allow /resources/file:~1~1~1a~1**/action",
        ),
        (
            "file:///a/../b",
            "deny (default deny): the policy does not name the resource `file:///b`, and its default is deny",
        ),
    ] {
        let subject = Subject::Resource { uri };
        let decision = compiled.decide(&facts(subject, None), &Counters::new(10));
        assert_eq!(line(decision), expected);
    }
    assert!(compiled.lists_prompt("pp") && !compiled.lists_prompt("q"));
    let names: Vec<&str> = compiled.tool_names().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["run-list", "get_none"],
        "patterns name no tool that could be missing"
    );
}

#[test]
fn names_are_shown_on_one_line() {
    let closed = r#"{"version":"1","default":"deny"}"#;
    assert_eq!(
        tool(closed, "a`\n\u{202e}b", "{}"),
        "deny (default deny): the policy does not name the tool `a\\u{60}\\u{a}\\u{202e}b`, and \
         its default is deny"
    );
    assert!(tool(closed, &"x".repeat(10_000), "{}").len() < 300);
}

/// Counters that nobody can read.
struct Unreadable;

impl Readings for Unreadable {
    fn would_hold(&self, _: &Charge, _: Timestamp) -> Result<(), Shortfall> {
        Err(Shortfall {
            retry_after_ms: None,
            why: Why::Unavailable("redis://:secret@10.0.0.1 refused".into()),
        })
    }
}

#[test]
fn unreadable_counters_refuse_and_tell_no_secret() {
    let compiled = policy(&limited(r#""cost":1"#));
    let subject = Subject::Tool(ToolFacts::new("t", Pin::Pinned));
    assert_eq!(
        line(compiled.decide(&facts(subject, None), &Unreadable)),
        "deny /tools/t/limits/0: limit of 100 per day on `c` cannot be checked: the counters are \
         unavailable"
    );
    let own_words = policy(&limited(r#""on_deny":"Not today.""#));
    assert_eq!(
        line(own_words.decide(&facts(subject, None), &Unreadable)),
        "deny /tools/t/limits/0: Not today."
    );
}

#[test]
fn a_limit_says_when_to_come_back_whatever_its_words() {
    let own_words = policy(&limited(r#""on_deny":"Not today.""#));
    let charge = match own_words.decide(
        &facts(Subject::Tool(ToolFacts::new("t", Pin::Pinned)), None),
        &Counters::new(1),
    ) {
        Decision::Allow(admission) => admission.charges[0].clone(),
        other => panic!("{other:?}"),
    };
    let shortfall = Shortfall {
        retry_after_ms: Some(1_500),
        why: Why::TooMany,
    };
    let refusal = crate::refusal(&charge, &shortfall);
    assert_eq!(refusal.reason, "Not today; try again in 2 s");
    assert_eq!(refusal.retry_after_ms, Some(1_500));
}
