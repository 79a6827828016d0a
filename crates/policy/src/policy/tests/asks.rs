//! What waits for people, what must not follow what, and in which order all of it counts.

use super::*;
use crate::{Bit, Bits, Class, Classes, Effect, Held, Label, Schema, Traits};

fn ask(policy: &Policy, args: &str) -> Decision {
    let args = json::parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
    let subject = Subject::Tool(ToolFacts::new("t", Pin::Pinned));
    policy.decide(&facts(subject, Some(&args)), &Counters::new(10))
}

#[test]
fn needs_merge_to_the_strictest_and_keep_their_own_approvals() {
    let compiled = policy(
        r#"{"version":"1","default":"deny",
            "all_tools":{"require_approval":[
                {"conditions":[{"path":"args.n","op":"gt","value":10}],"message":"large",
                 "timeout":"10m","hold":"5m","approvals":2,"approvers":["ann","bob"]}]},
            "tools":{"t":{"require_approval":[
                {"conditions":[],"timeout":"1h","hold":0},
                {"conditions":[{"path":"args.n","op":"gt","value":100}],"message":"huge","timeout":60}],
              "rate_limit":{"max":5,"window":60}}}}"#,
    );
    let Decision::Ask(asking) = ask(&compiled, r#"{"n":50}"#) else {
        panic!("it asks")
    };
    let needs: Vec<String> = asking
        .needs
        .iter()
        .map(|need| format!("{} {} {:?}", need.rule, need.approvals, need.approvers))
        .collect();
    assert_eq!(
        needs,
        [
            "/all_tools/require_approval/0 2 [\"ann\", \"bob\"]",
            "/tools/t/require_approval/0 1 []"
        ]
    );
    assert_eq!((asking.timeout_ms, asking.hold_ms), (600_000, 0));
    assert_eq!(asking.rule().as_str(), "/all_tools/require_approval/0");
    assert_eq!(asking.reason(), "large");
    assert_eq!(asking.admission.rule.as_str(), "/tools/t");
    assert_eq!(asking.admission.charges.len(), 1);

    // What cannot be told waits too.
    let Decision::Ask(asking) = ask(&compiled, r#"{"n":"50"}"#) else {
        panic!("it asks")
    };
    assert_eq!(asking.needs.len(), 3);
    assert_eq!(
        (asking.timeout_ms, asking.reason()),
        (60_000, "large; huge".to_owned())
    );
}

#[test]
fn an_action_can_ask_and_name() {
    for (tools, expected) in [
        (
            r#""t":{"action":"require_approval"}"#,
            "ask /tools/t/action: a person must approve this call",
        ),
        (
            r#""*":{"action":"require_approval","reason":"look"}"#,
            "ask /tools/*/action: look",
        ),
        (
            r#""@unknown":{"action":"require_approval"}"#,
            "ask /tools/@unknown/action: a person must approve this call",
        ),
        (
            r#""@read":{"action":"require_approval"}"#,
            "deny (default deny): the policy does not name the tool `t`, and its default is deny",
        ),
        (
            r#""t":{"action":"require_approval"},"*":{"action":"deny"}"#,
            "deny /tools/*/action: the tool `t` is denied by policy",
        ),
    ] {
        let compiled = policy(&format!(
            r#"{{"version":"1","default":"deny","tools":{{{tools}}}}}"#
        ));
        assert_eq!(line(ask(&compiled, "{}")), expected, "{tools}");
    }
    let Decision::Ask(asking) = ask(
        &policy(r#"{"version":"1","default":"allow","all_tools":{"action":"require_approval"}}"#),
        "{}",
    ) else {
        panic!("it asks")
    };
    assert_eq!((asking.timeout_ms, asking.hold_ms), (1_800_000, 20_000));
}

const FLOW: &str = r#"{"version":"1","default":"allow","flow":[
    {"name":"no leak","after":["@reads-untrusted","inbox_*"],"then":["@egress"],"action":"deny","for":"30m"},
    {"name":"look twice","after":["vault"],"then":["t"],"action":"require_approval","for":"1h","on_deny":"after the vault"}]}"#;

#[test]
fn what_was_seen_stops_what_follows() {
    let compiled = policy(FLOW);
    let tool = |bits: Option<&[Bit]>| {
        ToolFacts::new("t", Pin::Pinned).with(Traits {
            class: Class::Write,
            also: Classes::NONE,
            bits: bits.map(|bits| bits.iter().copied().collect::<Bits>()),
            schema: None,
        })
    };
    let minutes = |m: i64| m * 60_000;
    let denied = |label: &str| {
        format!("deny /flow/0: the flow rule `no leak` denies this after `{label}` was seen")
    };
    let asked = "ask /flow/1: after the vault".to_owned();
    let passes = "allow (default allow)".to_owned();
    for (label, ago, bits, expected) in [
        (
            "bit:reads-untrusted",
            0,
            Some(&[Bit::Egress][..]),
            denied("bit:reads-untrusted"),
        ),
        (
            "bit:reads-untrusted",
            29,
            Some(&[Bit::Egress]),
            denied("bit:reads-untrusted"),
        ),
        (
            "bit:reads-untrusted",
            30,
            Some(&[Bit::Egress]),
            passes.clone(),
        ),
        // A clock that went back does not undo what was seen.
        (
            "bit:reads-untrusted",
            -600,
            Some(&[Bit::Egress]),
            denied("bit:reads-untrusted"),
        ),
        (
            "bit:reads-untrusted",
            0,
            None,
            denied("bit:reads-untrusted"),
        ),
        ("bit:reads-untrusted", 0, Some(&[]), passes.clone()),
        ("bit:reads-private", 0, Some(&[Bit::Egress]), passes.clone()),
        (
            "class:unknown",
            0,
            Some(&[Bit::Egress]),
            denied("class:unknown"),
        ),
        ("class:read", 0, Some(&[Bit::Egress]), passes.clone()),
        (
            "tool:inbox_read",
            0,
            Some(&[Bit::Egress]),
            denied("tool:inbox_read"),
        ),
        ("tool:outbox", 0, Some(&[Bit::Egress]), passes.clone()),
        ("tool:vault", 59, Some(&[]), asked.clone()),
        ("tool:vault", 60, Some(&[]), passes.clone()),
    ] {
        let label: Label<'_> = label.parse().expect("a label");
        let now = Timestamp(minutes(10_000));
        let held = [Held {
            label,
            at: now.plus(-minutes(ago)),
        }];
        let call = Facts {
            labels: &held,
            now,
            ..facts(Subject::Tool(tool(bits)), None)
        };
        let told = line(compiled.decide(&call, &Counters::new(1)));
        assert_eq!(told, expected, "{} {ago}", held[0].label);
    }
}

#[test]
fn a_flow_rule_says_when_to_come_back() {
    let compiled = policy(FLOW);
    let held = [0, 10].map(|at| Held {
        label: Label::Class(Class::Unknown),
        at: Timestamp(at * 60_000),
    });
    let call = Facts {
        labels: &held,
        now: Timestamp(20 * 60_000),
        ..facts(Subject::Tool(ToolFacts::new("x", Pin::Pinned)), None)
    };
    let Decision::Deny(refusal) = compiled.decide(&call, &Counters::new(1)) else {
        panic!("it denies")
    };
    assert_eq!(refusal.retry_after_ms, Some(20 * 60_000));
}

/// Every refusal there is, one after the other: taking away the first shows the next.
#[test]
fn the_order_of_refusals() {
    const POLICY: &str = r#"{"version":"1","default":"allow",
        "all_tools":{"deny_if":[{"conditions":[{"path":"args.a","op":"eq","value":1}]}],
                     "require":[{"conditions":[{"path":"args.b","op":"eq","value":1}]}],
                     "validate":"schema",
                     "limits":[{"counter":"a","window":"day","max":9,"cost":"args.m"}]},
        "tools":{
          "@write":{"require":[{"conditions":[{"path":"args.k","op":"eq","value":1}]}]},
          "t?":{"require":[{"conditions":[{"path":"args.g","op":"eq","value":1}],"on_deny":"say g"}]},
          "tt":{"deny_if":[{"conditions":[{"path":"args.d","op":"exists","value":true}]}],
                "limits":[{"counter":"t","window":"day","max":9,"cost":"args.n"}],
                "require_approval":[{"conditions":[{"path":"args.q","op":"exists","value":true}]}]}},
        "flow":[{"name":"f","after":["x"],"then":["tt"],"action":"deny","for":60,"on_deny":"flow"}]}"#;
    let compiled = policy(POLICY);
    let schema = r#"{"properties":{"s":{"type":"string"}}}"#;
    let schema = json::parse(schema.as_bytes(), Rules::MESSAGE).expect("JSON");
    let schema = Schema::read(&schema);
    let tool = ToolFacts::new("tt", Pin::Pinned).with(Traits {
        class: Class::Write,
        also: Classes::NONE,
        bits: Some(Bits::NONE),
        schema: Some(&schema),
    });
    let seen = [Held {
        label: Label::Tool("x".into()),
        at: Timestamp(0),
    }];
    for (args, labels, expected) in [
        (r#"{"A":1,"a":1,"s":1,"d":1}"#, &seen[..], "(malformed)"),
        (r#"{"S":"","a":1,"d":1}"#, &seen, "(malformed)"),
        (r#"{"a":1,"s":1,"d":1}"#, &seen, "/all_tools/deny_if/0"),
        (r#"{"a":2,"s":1,"d":1}"#, &seen, "/all_tools/require/0"),
        (r#"{"b":1,"s":1,"d":1}"#, &seen, "/all_tools/validate"),
        (r#"{"b":1,"d":1}"#, &seen, "/tools/tt/deny_if/0"),
        (r#"{"b":1}"#, &seen, "/tools/t?/require/0"),
        (r#"{"b":1,"g":1}"#, &seen, "/tools/@write/require/0"),
        (r#"{"b":1,"g":1,"k":1}"#, &seen, "/flow/0"),
        (r#"{"b":1,"g":1,"k":1}"#, &[], "/all_tools/limits/0"),
        (r#"{"b":1,"g":1,"k":1,"m":1}"#, &[], "/tools/tt/limits/0"),
        (
            r#"{"b":1,"g":1,"k":1,"m":1,"n":1,"q":1}"#,
            &[],
            "ask /tools/tt/require_approval/0",
        ),
        (r#"{"b":1,"g":1,"k":1,"m":1,"n":1}"#, &[], "allow /tools/tt"),
    ] {
        let read = json::parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
        let call = Facts {
            labels,
            ..facts(Subject::Tool(tool), Some(&read))
        };
        let counters = Counters::new(10);
        let told = match compiled.decide(&call, &counters) {
            Decision::Deny(refusal) => refusal.rule.to_string(),
            other => line(other).split(':').next().unwrap_or_default().to_owned(),
        };
        let told = told.split(" grant/").next().unwrap_or_default();
        assert_eq!(told, expected, "{args}");
        let explanation = compiled.explain(&call, &counters);
        assert_eq!(explanation.decision, compiled.decide(&call, &counters));
    }
}

#[test]
fn an_explanation_tells_what_every_rule_found() {
    let compiled = policy(
        r#"{"version":"1","default":"deny","tools":{"t":{
            "deny_if":[{"conditions":[{"any":[{"path":"args.a","op":"gt","value":5},{"path":"args.b","op":"in","value":["x","y"]}]}]}],
            "require":[{"conditions":[{"path":"args.a","op":"lte","value":3}]},{"conditions":[{"path":"args.c","op":"matches","value":"[a-z]+"}]}],
            "validate":true,
            "require_approval":[{"conditions":[{"not":{"path":"args.b","op":"eq","value":"x"}}]}],
            "rate_limit":{"max":3,"window":"minute"}}}}"#,
    );
    let args = json::parse(br#"{"a":4,"c":7}"#, Rules::MESSAGE).expect("JSON");
    let subject = Subject::Tool(ToolFacts::new("t", Pin::Pinned));
    let explanation = compiled.explain(&facts(subject, Some(&args)), &Counters::new(10));
    let told: Vec<String> = explanation
        .findings
        .iter()
        .map(|f| format!("{} {}: {}", f.rule, f.effect.as_str(), f.words))
        .collect();
    assert_eq!(
        told,
        [
            "/tools/t passes: the tool `t` may be used",
            "/tools/t/deny_if/0 passes: not denied: any of (`args.a` is above 5: false; `args.b` is one of \"x\", \"y\": false, for `args.b` is missing)",
            "/tools/t/require/0 refuses: not satisfied: `args.a` is at most 3: false",
            "/tools/t/require/1 refuses: not satisfied: `args.c` matches \"[a-z]+\": cannot be told, for `args.c` is a number, not a string",
            "/tools/t/validate refuses: the arguments cannot be held against the tool's schema: the tool's schema is not known",
            "/tools/t/rate_limit passes: there is room for this call on `t_rate`",
            "/tools/t/require_approval/0 asks: a person must approve: `args.b` is not \"x\": true, for `args.b` is missing",
        ]
    );
    let first = explanation
        .findings
        .iter()
        .find(|f| f.effect == Effect::Refuses);
    let Decision::Deny(refusal) = &explanation.decision else {
        panic!("it denies")
    };
    assert_eq!(first.map(|f| &f.rule), Some(&refusal.rule));
}

#[test]
fn the_approvers_that_a_policy_names_are_told_with_their_rules() {
    let compiled = policy(
        r#"{"version":"1","default":"deny",
            "all_tools":{"require_approval":[{"conditions":[],"approvers":["ann"]}]},
            "tools":{"t":{"require_approval":[{"conditions":[],"approvers":["bo","ann"]},{"conditions":[]}]}},
            "prompts":{"p":{"require_approval":[{"conditions":[],"approvers":["cy"]}]}}}"#,
    );
    let told: Vec<String> = compiled
        .approvers()
        .map(|(name, rule)| format!("{name} {rule}"))
        .collect();
    assert_eq!(
        told,
        [
            "ann /all_tools/require_approval/0",
            "bo /tools/t/require_approval/0",
            "ann /tools/t/require_approval/0",
            "cy /prompts/p/require_approval/0",
        ]
    );
}

#[test]
fn reasons_say_what_is_wanted_and_not_what_was_there() {
    let compiled = |list: &str, condition: &str| {
        policy(&format!(
            r#"{{"version":"1","default":"deny","tools":{{"t":{{"{list}":[{{"conditions":[{condition}]}}]}}}}}}"#
        ))
    };
    for (list, condition, args, reason) in [
        (
            "deny_if",
            r#"{"path":"args.force","op":"eq","value":true}"#,
            r#"{"force":true}"#,
            "the policy denies calls in which `args.force` is true",
        ),
        (
            "deny_if",
            r#"{"path":"args.force","op":"eq","value":true}"#,
            r#"{"force":"hunter2"}"#,
            "the policy cannot tell whether `args.force` is true, which it would deny, and `args.force` is a string, not a boolean",
        ),
        (
            "deny_if",
            "",
            r#"{"a":"hunter2"}"#,
            "the policy denies every call of the tool `t`",
        ),
        (
            "require",
            r#"{"path":"args.p","op":"eq","value":"x"}"#,
            r#"{"p":"hunter2"}"#,
            "the policy requires that `args.p` is \"x\"",
        ),
        (
            "require",
            r#"{"path":"args.p","op":"eq","value":"x"}"#,
            "{}",
            "the policy requires that `args.p` is \"x\", and `args.p` is missing",
        ),
        (
            "require",
            r#"{"path":"args.p[*]","op":"exists","value":true}"#,
            r#"{"p":"hunter2"}"#,
            "the policy requires that `args.p[*]` is there, and `args.p[*]` has a [*] where there is no array",
        ),
        (
            "require",
            r#"{"any":[{"path":"args.p","op":"length_lte","value":3},{"path":"args.p","op":"glob","value":"hu*x"}]}"#,
            r#"{"p":"hunter2"}"#,
            "the policy requires that (`args.p` has a length of at most 3 or `args.p` matches \"hu*x\")",
        ),
    ] {
        let told = line(ask(&compiled(list, condition), args));
        assert_eq!(told, format!("deny /tools/t/{list}/0: {reason}"), "{args}");
        assert!(!told.contains("hunter2"));
    }
}

#[test]
fn results_have_the_rules_of_every_set_that_matches() {
    let compiled = policy(
        r#"{"version":"1","default":"deny",
            "all_tools":{"redact":[{"detect":"secret"}],"max_result_bytes":1000},
            "tools":{"t":{"redact":[{"detect":{"regex":"[0-9]+"},"replace":"N"}],"max_result_bytes":10},
                     "@write":{"redact":[{"detect":"email"}],"max_result_bytes":100}},
            "resources":{"file:///**":{"max_result_bytes":7}}}"#,
    );
    let of = |subject: Subject<'_>| {
        let rules = compiled.result_rules(&subject);
        let redact: Vec<String> = rules.redact.iter().map(|r| r.rule().to_string()).collect();
        let limit = rules
            .max_result_bytes
            .map(|l| format!("{} {}", l.rule, l.bytes));
        (redact.join(" "), limit.unwrap_or_default())
    };
    let tool = |name| Subject::Tool(ToolFacts::new(name, Pin::Pinned));
    assert_eq!(
        of(tool("t")),
        (
            "/all_tools/redact/0 /tools/t/redact/0 /tools/@write/redact/0".to_owned(),
            "/tools/t/max_result_bytes 10".to_owned()
        )
    );
    assert_eq!(of(tool("u")).1, "/tools/@write/max_result_bytes 100");
    let file = Subject::Resource { uri: "file:///a/b" };
    assert_eq!(
        of(file),
        (
            String::new(),
            "/resources/file:~1~1~1**/max_result_bytes 7".to_owned()
        )
    );
    let prompt = Subject::Prompt { name: "p" };
    assert!(compiled.result_rules(&prompt).is_empty());
}
