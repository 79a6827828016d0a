//! Conditions as data: what each answers about which arguments.

use super::*;
use crate::json::{Rules, parse};
use crate::limits::Counters;
use crate::time::Timestamp;
use crate::{
    Bits, Class, Classes, Decision, Facts, Pin, Schema, Subject, ToolFacts, Traits, compile,
};

/// What a condition answers for a list: `yes`, `no`, or `error`; and the decision is as it says.
fn answer(list: &str, condition: &str, args: &str, schema: Option<&str>) -> String {
    let timezone = r#""timezone":"Europe/Berlin","#;
    let policy = format!(
        r#"{{"version":"1","default":"deny",{timezone}"tools":{{"t":{{"{list}":[{{"conditions":[{condition}]}}]}}}}}}"#
    );
    let policy = compile(policy.as_bytes()).unwrap_or_else(|p| panic!("{policy}: {p:#?}"));
    let args = parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
    let schema = schema.map(|text| {
        let value = parse(text.as_bytes(), Rules::MESSAGE).expect("JSON");
        Schema::read(&value)
    });
    let traits = Traits {
        class: Class::Read,
        also: Classes::NONE,
        bits: Some(Bits::NONE),
        schema: schema.as_ref(),
    };
    let facts = Facts {
        subject: Subject::Tool(ToolFacts::new("t", Pin::Pinned).with(traits)),
        server: "runs",
        grant: "ci",
        identity: "ci@example.com",
        client: None,
        args: Some(&args),
        labels: &[],
        // A Friday, 2026-11-20T23:30 in Berlin.
        now: Timestamp(1_795_213_800_000),
    };
    let (zone, conditions) = policy.policy.conditions("t", list).expect("a list");
    let purpose = match list {
        "require" => Purpose::Demand,
        _ => Purpose::Catch,
    };
    let answer = match all(conditions, &Scene::new(&facts, zone), purpose) {
        Truth::True => "yes",
        Truth::False => "no",
        Truth::Error(_) => "error",
    };
    let decision = policy.policy.decide(&facts, &Counters::new(1));
    let passes = matches!(decision, Decision::Allow(_));
    assert_eq!(
        passes,
        (answer == "yes" && list == "require") || (answer == "no" && list != "require"),
        "{list} {condition}: {answer}, {decision:?}"
    );
    answer.to_owned()
}

fn test(op: &str, value: &str) -> String {
    format!(r#"{{"path":"args.v","op":"{op}","value":{value}}}"#)
}

fn not(condition: &str) -> String {
    format!(r#"{{"not":{condition}}}"#)
}

/// op, value, `args.v`, and the answer wherever the value is there.
const OPERATORS: &[(&str, &str, &str, &str)] = &[
    ("eq", "1", "1.0", "yes"),
    ("eq", "0.1", "1e-1", "yes"),
    ("eq", "1e19", "10000000000000000000", "yes"),
    ("eq", "9007199254740993", "9007199254740992", "no"),
    ("eq", "1", "\"1\"", "error"),
    ("eq", "\"a\"", "\"A\"", "no"),
    ("eq", "\"é\"", "\"e\u{301}\"", "no"),
    ("eq", "true", "\"true\"", "error"),
    ("eq", "true", "true", "yes"),
    ("eq", "null", "null", "yes"),
    ("eq", "null", "1", "no"),
    ("eq", "1", "null", "error"),
    (
        "eq",
        "[1,{\"a\":2,\"b\":[]}]",
        "[1.0,{\"b\":[],\"a\":2}]",
        "yes",
    ),
    ("eq", "[1,2]", "[2,1]", "no"),
    ("eq", "{\"a\":1}", "{\"a\":1,\"b\":1}", "no"),
    ("eq", "{\"a\":1}", "[1]", "error"),
    ("eq", "1", "1e9999999999", "error"),
    ("eq", "[1]", "[1e9999999999]", "error"),
    ("neq", "1", "2", "yes"),
    ("neq", "1", "\"1\"", "error"),
    ("neq", "null", "null", "no"),
    ("neq", "null", "0", "yes"),
    ("lt", "100", "99.999999999999999999", "yes"),
    ("lt", "100", "100", "no"),
    ("lte", "100", "1e2", "yes"),
    ("lte", "100", "\"50\"", "error"),
    ("gt", "0", "-0", "no"),
    ("gt", "0", "1e-300", "yes"),
    ("gte", "9007199254740993", "9007199254740993", "yes"),
    ("gte", "9007199254740993", "9007199254740992", "no"),
    ("gte", "0", "true", "error"),
    ("gte", "0", "[1]", "error"),
    (
        "gte",
        "0",
        "123456789012345678901234567890123456789",
        "error",
    ),
    ("in", "[\"a\",\"b\"]", "\"b\"", "yes"),
    ("in", "[\"a\",1]", "1.0", "yes"),
    ("in", "[\"a\",\"b\"]", "1", "error"),
    ("in", "[\"a\",null]", "null", "yes"),
    ("in", "[\"a\"]", "null", "error"),
    ("not_in", "[\"a\"]", "\"b\"", "yes"),
    ("not_in", "[\"a\"]", "[\"b\"]", "error"),
    ("exists", "true", "1", "yes"),
    ("exists", "true", "null", "no"),
    ("exists", "false", "null", "yes"),
    ("exists", "false", "[]", "no"),
    ("regex", "\"b+\"", "\"abbc\"", "yes"),
    ("regex", "\"^b\"", "\"ab\"", "no"),
    ("regex", "\"b\"", "5", "error"),
    ("matches", "\"a|ab\"", "\"ab\"", "yes"),
    ("matches", "\"a\"", "\"a\\n\"", "no"),
    ("matches", "\"a.c\"", "\"xabc\"", "no"),
    ("contains", "\"bc\"", "\"abcd\"", "yes"),
    ("contains", "\"x\"", "[\"a\",\"x\"]", "yes"),
    ("contains", "1", "[1.0]", "yes"),
    ("contains", "\"x\"", "[\"a\",[\"x\"]]", "error"),
    ("contains", "\"x\"", "[\"x\",[\"x\"]]", "yes"),
    ("contains", "\"x\"", "[]", "no"),
    ("contains", "1", "\"1\"", "error"),
    ("contains", "\"a\"", "{\"a\":1}", "error"),
    ("starts_with", "\"a/\"", "\"a/b\"", "yes"),
    ("starts_with", "\"a/\"", "\"A/b\"", "no"),
    ("ends_with", "\".rs\"", "\"x.rs\"", "yes"),
    ("ends_with", "\".rs\"", "null", "error"),
    ("glob", "\"a*c\"", "\"abbc\"", "yes"),
    ("glob", "\"a?c\"", "\"ac\"", "no"),
    ("length_lte", "2", "\"éé\"", "yes"),
    ("length_lte", "2", "[1,2,3]", "no"),
    ("length_gte", "1", "[]", "no"),
    ("length_gte", "1", "7", "error"),
    ("type_is", "\"integer\"", "1.0", "yes"),
    ("type_is", "\"integer\"", "1.5", "no"),
    ("type_is", "\"number\"", "1", "yes"),
    ("type_is", "[\"string\",\"array\"]", "[]", "yes"),
    ("type_is", "\"string\"", "null", "error"),
    ("type_is", "[\"string\",\"null\"]", "null", "yes"),
    ("type_is", "\"object\"", "{}", "yes"),
    (
        "host_in",
        "[\"example.com\"]",
        "\"https://example.com/a\"",
        "yes",
    ),
    (
        "host_in",
        "[\"example.com\"]",
        "\"https://example.org/\"",
        "no",
    ),
    (
        "host_in",
        "[\"example.com\"]",
        "\"https://example.com\\\\@evil\"",
        "error",
    ),
    ("host_in", "[\"example.com\"]", "1", "error"),
    ("path_within", "[\"/srv\"]", "\"/srv/a/../b\"", "yes"),
    ("path_within", "[\"/srv\"]", "\"/srv/../etc\"", "no"),
    ("path_within", "[\"/srv\"]", "\"srv/a\"", "error"),
    ("sql_only", "[\"select\"]", "\"select 1\"", "yes"),
    ("sql_only", "[\"select\"]", "\"delete from t\"", "no"),
    ("sql_only", "[\"select\"]", "\"select (\"", "error"),
    ("command_in", "[\"git status\"]", "\"git status\"", "yes"),
    ("command_in", "[\"git status\"]", "\"git push\"", "no"),
    (
        "command_in",
        "[\"git status\"]",
        "\"git status; id\"",
        "error",
    ),
];

#[test]
fn operators_answer_alike_in_every_list() {
    for (op, value, argument, expected) in OPERATORS.iter().copied() {
        let args = format!("{{\"v\":{argument}}}");
        for list in ["deny_if", "require", "require_approval"] {
            let condition = test(op, value);
            let found = answer(list, &condition, &args, None);
            assert_eq!(found, expected, "{list} {op} {value} on {argument}");
            let opposite = match expected {
                "yes" => "no",
                "no" => "yes",
                other => other,
            };
            let found = answer(list, &not(&condition), &args, None);
            assert_eq!(found, opposite, "{list} not {op} {value} on {argument}");
            let found = answer(list, &not(&not(&condition)), &args, None);
            assert_eq!(found, expected, "{list} not not {op} {value} on {argument}");
        }
    }
}

#[test]
fn what_is_missing_refuses() {
    // The condition; what it answers about a missing value in `deny_if`, and in `require`.
    for (condition, catches, satisfies) in [
        (test("eq", "1"), "no", "no"),
        (test("neq", "1"), "yes", "no"),
        (test("lt", "1"), "no", "no"),
        (test("in", "[1]"), "no", "no"),
        (test("not_in", "[1]"), "yes", "no"),
        (test("exists", "true"), "no", "no"),
        (test("exists", "false"), "yes", "yes"),
        (test("matches", "\".*\""), "no", "no"),
        (test("type_is", "\"null\""), "no", "no"),
        (test("eq", "null"), "no", "no"),
        (not(&test("eq", "1")), "yes", "no"),
        (not(&test("neq", "1")), "no", "no"),
        (not(&test("exists", "true")), "yes", "yes"),
        (not(&test("exists", "false")), "no", "no"),
        (not(&test("lt", "1")), "yes", "no"),
        (not(&test("contains", "\"a\"")), "yes", "no"),
        (not(&not(&test("lt", "1"))), "no", "no"),
    ] {
        for args in ["{}", r#"{"w":1}"#] {
            assert_eq!(
                answer("deny_if", &condition, args, None),
                catches,
                "{condition}"
            );
            assert_eq!(
                answer("require_approval", &condition, args, None),
                catches,
                "{condition}"
            );
            assert_eq!(
                answer("require", &condition, args, None),
                satisfies,
                "{condition}"
            );
        }
    }
}

#[test]
fn a_missing_value_is_its_default_first() {
    const SCHEMA: &str = r##"{"type":"object","properties":{
        "v":{"anyOf":[{"type":"integer"},{"type":"null"}],"default":7},
        "n":{"default":null},
        "o":{"$ref":"#/$defs/o"},
        "p":{"type":"object","properties":{"q":{"default":1}},"default":{"q":2}},
        "two":{"anyOf":[{"default":1},{"default":2}]},
        "same":{"anyOf":[{"default":1},{"default":1.0}]},
        "list":{"type":"array","items":{"properties":{"x":{"default":"d"}}}}},
        "$defs":{"o":{"type":"object","properties":{"x":{"default":3}}}}}"##;
    let at =
        |path: &str, value: &str| format!(r#"{{"path":"args.{path}","op":"eq","value":{value}}}"#);
    for (condition, args, expected) in [
        (at("v", "7"), "{}", "yes"),
        (at("v", "7"), r#"{"v":8}"#, "no"),
        (at("v", "7"), r#"{"v":null}"#, "error"),
        (at("n", "7"), "{}", "error"),
        (at("n", "null"), "{}", "yes"),
        (at("o.x", "3"), "{}", "yes"),
        (at("o.x", "3"), r#"{"o":{}}"#, "yes"),
        (at("o.x", "3"), r#"{"o":{"x":4}}"#, "no"),
        (at("p.q", "2"), "{}", "yes"),
        (at("p.q", "1"), r#"{"p":{}}"#, "yes"),
        (at("two", "1"), "{}", "error"),
        (at("same", "1"), "{}", "yes"),
        (
            at("list[*].x", "\"d\""),
            r#"{"list":[{},{"x":"d"}]}"#,
            "yes",
        ),
        (at("list[0].x", "\"d\""), r#"{"list":[{}]}"#, "yes"),
        (at("list[0].x", "\"d\""), r#"{"list":[]}"#, "yes"),
        // Of a list that is not there no element has a part.
        (at("list[*].x", "\"d\""), "{}", "no"),
        (at("list[*].x", "\"d\""), r#"{"list":[]}"#, "no"),
        (at("z", "1"), "{}", "no"),
    ] {
        for list in ["deny_if", "require"] {
            let found = answer(list, &condition, args, Some(SCHEMA));
            assert_eq!(found, expected, "{list} {condition} {args}");
        }
    }
}

#[test]
fn each_means_some_where_it_catches_and_every_where_it_demands() {
    let at = |path: &str, op: &str, value: &str| {
        format!(r#"{{"path":"args.{path}","op":"{op}","value":{value}}}"#)
    };
    // Condition, arguments, the answer in `deny_if`, the answer in `require`.
    for (condition, args, some, every) in [
        (at("a[*]", "eq", "1"), r#"{"a":[1,1]}"#, "yes", "yes"),
        (at("a[*]", "eq", "1"), r#"{"a":[1,2]}"#, "yes", "no"),
        (at("a[*]", "eq", "1"), r#"{"a":[2,3]}"#, "no", "no"),
        (at("a[*]", "eq", "1"), r#"{"a":[]}"#, "no", "no"),
        (at("a[*]", "neq", "1"), r#"{"a":[]}"#, "no", "no"),
        (at("a[*]", "exists", "false"), r#"{"a":[]}"#, "no", "no"),
        (at("a[*]", "eq", "1"), "{}", "no", "no"),
        (at("a[*]", "neq", "1"), "{}", "yes", "no"),
        (at("a[*]", "eq", "1"), r#"{"a":{"0":1}}"#, "error", "error"),
        (at("a[*]", "eq", "1"), r#"{"a":"11"}"#, "error", "error"),
        (at("a[*]", "eq", "1"), r#"{"a":null}"#, "error", "error"),
        (at("a[*]", "eq", "1"), r#"{"a":["x",1]}"#, "yes", "error"),
        (at("a[*]", "eq", "1"), r#"{"a":["x",2]}"#, "error", "no"),
        (not(&at("a[*]", "eq", "1")), r#"{"a":[1,2]}"#, "yes", "no"),
        (not(&at("a[*]", "eq", "1")), r#"{"a":[2,3]}"#, "yes", "yes"),
        (not(&at("a[*]", "eq", "1")), r#"{"a":[1,1]}"#, "no", "no"),
        (
            at("a[*].b", "eq", "1"),
            r#"{"a":[{"b":1},{}]}"#,
            "yes",
            "no",
        ),
        (
            at("a[*].b", "eq", "1"),
            r#"{"a":[{"b":1},2]}"#,
            "yes",
            "error",
        ),
        (
            at("a[*].b[*]", "eq", "1"),
            r#"{"a":[{"b":[1]},{"b":[1,1]}]}"#,
            "yes",
            "yes",
        ),
        (
            at("a[*].b[*]", "eq", "1"),
            r#"{"a":[{"b":[1]},{"b":[]}]}"#,
            "yes",
            "no",
        ),
        (
            at("a[*][0]", "eq", "1"),
            r#"{"a":[[1],[1,2]]}"#,
            "yes",
            "yes",
        ),
    ] {
        assert_eq!(
            answer("deny_if", &condition, args, None),
            some,
            "{condition} {args}"
        );
        // An answer that is no and has an error in it refuses all the same.
        let found = answer("require", &condition, args, None);
        assert!(
            found == every || (every == "no" && found == "error"),
            "{condition} {args}: {found}"
        );
    }
}

#[test]
fn errors_are_not_hidden_by_the_order_of_parts() {
    const YES: &str = r#"{"path":"args.v","op":"eq","value":1}"#;
    const NO: &str = r#"{"path":"args.v","op":"eq","value":2}"#;
    const ERROR: &str = r#"{"path":"args.v","op":"eq","value":"x"}"#;
    let args = r#"{"v":1}"#;
    for (parts, any, all) in [
        ([YES, ERROR], "yes", "error"),
        ([ERROR, YES], "yes", "error"),
        ([NO, ERROR], "error", "no"),
        ([ERROR, NO], "error", "no"),
        ([ERROR, ERROR], "error", "error"),
    ] {
        for (word, expected) in [("any", any), ("all", all)] {
            let condition = format!(r#"{{"{word}":[{}]}}"#, parts.join(","));
            assert_eq!(
                answer("deny_if", &condition, args, None),
                expected,
                "{condition}"
            );
            let turned = match expected {
                "yes" => "no",
                "no" => "yes",
                other => other,
            };
            let negated = not(&condition);
            assert_eq!(answer("deny_if", &negated, args, None), turned, "{negated}");
        }
    }
}

#[test]
fn a_difference_counts_wherever_a_number_beyond_reckoning_stands() {
    const HUGE: &str = "123456789012345678901234567890123456789";
    let list = |value: &str| test("eq", value);
    for (condition, args, expected) in [
        (list("[1,2]"), format!(r#"{{"v":[{HUGE},2]}}"#), "error"),
        (list("[1,2]"), format!(r#"{{"v":[{HUGE},3]}}"#), "no"),
        (list("[1,2]"), format!(r#"{{"v":[3,{HUGE}]}}"#), "no"),
        (
            list(r#"{"a":1,"b":2}"#),
            format!(r#"{{"v":{{"a":{HUGE},"b":3}}}}"#),
            "no",
        ),
        (
            list(r#"{"a":1,"b":2}"#),
            format!(r#"{{"v":{{"a":{HUGE},"c":2}}}}"#),
            "no",
        ),
    ] {
        for purpose in ["deny_if", "require"] {
            let found = answer(purpose, &condition, &args, None);
            assert_eq!(found, expected, "{purpose} {condition} {args}");
        }
    }
}

#[test]
fn asking_for_null_in_a_list_is_no_wrong_type() {
    for (op, value, argument, expected) in [
        ("in", "[null]", "null", "yes"),
        ("in", "[null]", "1", "no"),
        ("in", "[null,1]", "1", "yes"),
        ("in", "[null,1]", "null", "yes"),
        ("in", "[null,1]", r#""1""#, "error"),
        ("in", "[1]", "null", "error"),
        ("not_in", "[null]", r#""a""#, "yes"),
    ] {
        let args = format!(r#"{{"v":{argument}}}"#);
        for purpose in ["deny_if", "require"] {
            let found = answer(purpose, &test(op, value), &args, None);
            assert_eq!(found, expected, "{purpose} {op} {value} {argument}");
        }
    }
}

#[test]
fn the_time_is_the_zones() {
    for (path, op, value, expected) in [
        ("time.hour", "eq", "23", "yes"),
        ("time.hour", "lt", "23", "no"),
        ("time.minute", "gte", "30", "yes"),
        ("time.weekday", "in", "[\"saturday\",\"sunday\"]", "no"),
        ("time.weekday", "eq", "\"friday\"", "yes"),
        ("time.date", "eq", "\"2026-11-20\"", "yes"),
        ("time.date", "starts_with", "\"2026-12\"", "no"),
        ("time.hour", "type_is", "\"integer\"", "yes"),
    ] {
        let condition = format!(r#"{{"path":"{path}","op":"{op}","value":{value}}}"#);
        for list in ["deny_if", "require"] {
            assert_eq!(
                answer(list, &condition, "{}", None),
                expected,
                "{list} {condition}"
            );
        }
    }
}

#[test]
fn who_and_where_are_texts() {
    for (path, value) in [
        ("tool", "t"),
        ("server", "runs"),
        ("grant", "ci"),
        ("identity", "ci@example.com"),
    ] {
        let condition = format!(r#"{{"path":"{path}","op":"eq","value":"{value}"}}"#);
        assert_eq!(answer("require", &condition, "{}", None), "yes", "{path}");
    }
    let unnamed = r#"{"path":"client","op":"neq","value":"cursor"}"#;
    assert_eq!(answer("deny_if", unnamed, "{}", None), "yes");
}
