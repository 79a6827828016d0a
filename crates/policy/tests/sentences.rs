//! Sentences of the language that no other test is about, one by one.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use portreeve_policy::json::{Rules, parse};
use portreeve_policy::limits::Counters;
use portreeve_policy::time::Timestamp;
use portreeve_policy::{
    Bits, Class, Classes, Decision, Facts, Pin, Policy, Schema, Subject, ToolFacts, Traits, compile,
};

/// A gate with counters of its own.
struct Gate {
    policy: Policy,
    counters: Counters,
}

impl Gate {
    fn new(tools: &str) -> Self {
        let text = format!(r#"{{"version":"1","default":"deny",{tools}}}"#);
        match compile(text.as_bytes()) {
            Ok(checked) => Self {
                policy: checked.policy,
                counters: Counters::new(100),
            },
            Err(problems) => panic!("{text}\n{problems:#?}"),
        }
    }

    /// `allow`, or what refuses; an allowed call is charged.
    fn call(&mut self, tool: ToolFacts<'_>, args: &str, grant: &str) -> String {
        let args = parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
        let facts = Facts {
            subject: Subject::Tool(tool),
            server: "runs",
            grant,
            identity: "ann",
            client: None,
            args: Some(&args),
            labels: &[],
            now: Timestamp(0),
        };
        match self.policy.decide(&facts, &self.counters) {
            Decision::Allow(admission) => {
                let kept = self.counters.reserve(&admission.charges, Timestamp(0));
                assert!(kept.is_ok(), "what would hold is held");
                "allow".to_owned()
            }
            Decision::Ask(asking) => format!("ask {}", asking.rule()),
            Decision::Deny(refusal) | Decision::Hide(refusal) => format!("deny {}", refusal.rule),
        }
    }

    fn plain(&mut self, tool: &str, args: &str) -> String {
        self.call(ToolFacts::new(tool, Pin::Pinned), args, "ci")
    }
}

/// "A counter is (scope value, server, counter name, `per` value)": not the tool, not the rule.
#[test]
fn limits_of_several_tools_share_a_counter_by_its_name() {
    let mut gate = Gate::new(
        r#""tools":{
            "a":{"limits":[{"counter":"c","window":"day","max":3}]},
            "b":{"limits":[{"counter":"c","window":"24h","max":2}]},
            "c":{"limits":[{"counter":"c","window":"day","max":3,"scope":"identity"}]}}"#,
    );
    assert_eq!(gate.plain("a", "{}"), "allow");
    assert_eq!(gate.plain("b", "{}"), "allow");
    assert_eq!(gate.plain("b", "{}"), "deny /tools/b/limits/0");
    assert_eq!(gate.plain("a", "{}"), "allow");
    assert_eq!(gate.plain("a", "{}"), "deny /tools/a/limits/0");
    // Another scope is another counter, and so is another grant's.
    assert_eq!(gate.plain("c", "{}"), "allow");
    assert_eq!(
        gate.call(ToolFacts::new("a", Pin::Pinned), "{}", "other"),
        "allow"
    );
}

/// A call that meets two limits on one counter is one call, and the stricter of them holds.
#[test]
fn one_call_is_counted_once_on_one_counter() {
    let mut gate = Gate::new(
        r#""all_tools":{"limits":[{"counter":"c","window":"day","max":5}]},
           "tools":{"a":{"limits":[{"counter":"c","window":"day","max":3}]},"b":{}}"#,
    );
    let told: Vec<String> = (0..4).map(|_| gate.plain("a", "{}")).collect();
    assert_eq!(told, ["allow", "allow", "allow", "deny /tools/a/limits/0"]);
    let told: Vec<String> = (0..3).map(|_| gate.plain("b", "{}")).collect();
    assert_eq!(told, ["allow", "allow", "deny /all_tools/limits/0"]);
}

/// "`per`: a path to a scalar that splits the counter, at most `max_keys` live values; one too many
/// refuses."
#[test]
fn one_value_too_many_refuses() {
    let mut gate = Gate::new(
        r#""tools":{"t":{"limits":[
            {"counter":"c","window":"day","max":1,"per":"args.to","max_keys":2}]}}"#,
    );
    for (to, expected) in [
        (r#"{"to":"a"}"#, "allow"),
        (r#"{"to":"a"}"#, "deny /tools/t/limits/0"),
        (r#"{"to":1}"#, "allow"),
        (r#"{"to":"1"}"#, "deny /tools/t/limits/0"),
        (r#"{"to":1.0}"#, "deny /tools/t/limits/0"),
        ("{}", "deny /tools/t/limits/0"),
    ] {
        assert_eq!(gate.plain("t", to), expected, "{to}");
    }
}

/// "zero (unless `allow_zero`) is refused", and a zero that is allowed uses nothing up.
#[test]
fn a_zero_that_is_allowed_costs_nothing() {
    let mut gate = Gate::new(
        r#""tools":{"t":{"limits":[{"counter":"c","window":"day","max":1,"cost":"args.n",
            "allow_zero":true}]}}"#,
    );
    for (args, expected) in [
        (r#"{"n":0}"#, "allow"),
        (r#"{"n":-0.0}"#, "allow"),
        (r#"{"n":1}"#, "allow"),
        (r#"{"n":0e9}"#, "allow"),
        (r#"{"n":1e-38}"#, "deny /tools/t/limits/0"),
    ] {
        assert_eq!(gate.plain("t", args), expected, "{args}");
    }
}

/// A default is for conditions: a cost that is missing is refused whatever the schema says.
#[test]
fn a_missing_cost_is_refused_although_it_has_a_default() {
    let schema = br#"{"properties":{"n":{"default":1}}}"#;
    let schema = Schema::read(&parse(schema, Rules::MESSAGE).expect("JSON"));
    let tool = ToolFacts::new("t", Pin::Pinned).with(Traits {
        class: Class::Read,
        also: Classes::NONE,
        bits: Some(Bits::NONE),
        schema: Some(&schema),
    });
    let mut gate = Gate::new(
        r#""tools":{"t":{"require":[{"conditions":[{"path":"args.n","op":"eq","value":1}]}],
            "limits":[{"counter":"c","window":"day","max":9,"cost":"args.n"}]}}"#,
    );
    assert_eq!(gate.call(tool, "{}", "ci"), "deny /tools/t/limits/0");
    assert_eq!(gate.call(tool, r#"{"n":1}"#, "ci"), "allow");
    assert_eq!(
        gate.call(tool, r#"{"n":2}"#, "ci"),
        "deny /tools/t/require/0"
    );
}

/// "up to 38 significant digits, beyond which they are errors"
#[test]
fn numbers_end_at_38_digits() {
    const MOST: &str = "99999999999999999999999999999999999999";
    let mut gate = Gate::new(&format!(
        r#""tools":{{"t":{{"require":[{{"conditions":[
            {{"path":"args.n","op":"lte","value":{MOST}}}]}}]}}}}"#
    ));
    for (n, expected) in [
        (MOST.to_owned(), "allow"),
        (format!("{MOST}.0"), "allow"),
        (format!("0.{MOST}"), "allow"),
        (format!("-{MOST}e9"), "allow"),
        (format!("{MOST}0"), "deny /tools/t/require/0"),
        (format!("-{MOST}9"), "deny /tools/t/require/0"),
        (format!("0.{MOST}9"), "deny /tools/t/require/0"),
    ] {
        let args = format!(r#"{{"n":{n}}}"#);
        assert_eq!(gate.plain("t", &args), expected, "{n}");
    }
}

/// "A wrong type is an error": also for the operators that ask for the opposite, in every list.
#[test]
fn the_opposite_of_a_wrong_type_is_wrong_too() {
    for (op, value) in [
        ("neq", "\"1\""),
        ("not_in", "[\"1\"]"),
        ("neq", "[1]"),
        ("neq", "true"),
    ] {
        for (list, expected) in [
            ("deny_if", "deny /tools/t/deny_if/0"),
            ("require", "deny /tools/t/require/0"),
            ("require_approval", "ask /tools/t/require_approval/0"),
        ] {
            let mut gate = Gate::new(&format!(
                r#""tools":{{"t":{{"{list}":[{{"conditions":[
                    {{"path":"args.n","op":"{op}","value":{value}}}]}}]}}}}"#
            ));
            assert_eq!(
                gate.plain("t", r#"{"n":1}"#),
                expected,
                "{list} {op} {value}"
            );
        }
    }
}

/// "A key in the arguments that equals a name used by a rule only after case folding and NFKC makes
/// the call malformed": at every depth that a rule looks at, and whatever else is there.
#[test]
fn other_spellings_are_malformed_wherever_a_rule_looks() {
    let mut gate = Gate::new(
        r#""tools":{"t":{"deny_if":[{"conditions":[{"path":"args.o[*][\"K k\"].x","op":"eq","value":1}]}],
            "limits":[{"counter":"c","window":"day","max":9,"per":"args.who"}]},"u":{}}"#,
    );
    for (args, expected) in [
        (r#"{"who":"a","o":[{"K k":{"x":2}}]}"#, "allow"),
        (r#"{"who":"a","O":[]}"#, "deny (malformed)"),
        (r#"{"who":"a","Who":"a","o":[]}"#, "deny (malformed)"),
        (r#"{"who":"a","o":[{"k K":{}}]}"#, "deny (malformed)"),
        (
            r#"{"who":"a","o":[{},{"K k":{"x":2,"ｘ":1}}]}"#,
            "deny (malformed)",
        ),
        (r#"{"who":"a","o":[{"K k":{"y":{"X":1},"x":2}}]}"#, "allow"),
        (r#"{"WHO":"a"}"#, "deny (malformed)"),
    ] {
        assert_eq!(gate.plain("t", args), expected, "{args}");
    }
    assert_eq!(gate.plain("u", r#"{"WHO":"a"}"#), "allow");
}

/// "A literal name that begins with `@` is written `\@name`", in every place a selector stands.
#[test]
fn a_literal_at_sign_is_a_name_everywhere() {
    let mut gate = Gate::new(r#""tools":{"\\@write":{},"?write":{"deny_if":[{"conditions":[]}]}}"#);
    assert_eq!(gate.plain("@write", "{}"), "deny /tools/?write/deny_if/0");
    let mut gate = Gate::new(r#""tools":{"\\@write":{},"t":{}},"hide":["\\@write"]"#);
    assert_eq!(gate.plain("@write", "{}"), "deny (hidden)");
    assert_eq!(gate.plain("t", "{}"), "allow");
    assert_eq!(gate.plain("\\@write", "{}"), "deny (default deny)");
}

/// "A missing value is first taken as its default in the pinned schema": one that holds under
/// conditions, which nobody here judges, may be the default or not.
#[test]
fn a_default_under_conditions_is_in_doubt() {
    let schemas = [
        r#"{"properties":{"a":{}},"then":{"properties":{"n":{"default":1}}},"if":{"required":["a"]}}"#,
        r#"{"allOf":[{"else":{"properties":{"n":{"default":1}}}}]}"#,
        r#"{"dependentSchemas":{"a":{"properties":{"n":{"default":1}}}}}"#,
    ];
    let tools = [
        r#""tools":{"t":{"deny_if":[{"conditions":[{"path":"args.n","op":"eq","value":1}]}]}}"#,
        r#""tools":{"t":{"require":[{"conditions":[{"path":"args.n","op":"eq","value":1}]}]}}"#,
    ];
    for schema in schemas {
        let schema = Schema::read(&parse(schema.as_bytes(), Rules::MESSAGE).expect("JSON"));
        let tool = ToolFacts::new("t", Pin::Pinned).with(Traits {
            schema: Some(&schema),
            ..Traits::UNKNOWN
        });
        for (tools, other) in tools.into_iter().zip([2, 1]) {
            let mut gate = Gate::new(tools);
            assert!(gate.call(tool, "{}", "ci").starts_with("deny"), "{tools}");
            let stated = format!(r#"{{"n":{other}}}"#);
            assert_eq!(gate.call(tool, &stated, "ci"), "allow", "{tools}");
            let imitated = gate.call(tool, r#"{"N":2,"n":2}"#, "ci");
            assert_eq!(imitated, "deny (malformed)");
        }
    }
}

/// "On the normalised URI": every spelling of a file that a rule denies.
#[test]
fn no_spelling_of_a_file_gets_past_its_rule() {
    let policy = compile(
        br#"{"version":"1","default":"allow","resources":{
            "file:///etc/**":{"action":"deny"},"https://internal.example/**":{"action":"deny"}}}"#,
    );
    let policy = policy.expect("a policy").policy;
    for uri in [
        "file:///etc/passwd",
        "file:/etc/passwd",
        "FILE:/etc/passwd",
        "file:etc/passwd",
        "file:////etc/passwd",
        "file://localhost/etc/passwd",
        "file:///etc/./passwd",
        "file:///x/../etc/passwd",
        "file:/x/../etc/passwd",
        "file:///%65tc/passwd",
        "https://INTERNAL.example/a",
        "https://internal.example:443/a",
        "https://internal.example:/a",
    ] {
        let decision = policy.decide(&Facts::of(Subject::Resource { uri }), &Counters::new(1));
        assert!(matches!(decision, Decision::Deny(_)), "{uri}: {decision:?}");
    }
}
