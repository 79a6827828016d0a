//! Paths as data: how they are read, and where they lead.

use super::*;
use crate::facts::{Pin, ToolFacts};
use crate::json::{Rules, parse};
use crate::time::Timestamp;

const ARGS: &str = r#"{
    "a": {"b": [10, {"c": "x"}], "odd name": true, "quo\"te": 1, "é": 2, "]": 3},
    "n": null, "run-id": 7
}"#;

fn find(path: &str) -> String {
    let path = Path::parse(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let args = parse(ARGS.as_bytes(), Rules::MESSAGE).expect("JSON");
    let facts = Facts {
        subject: Subject::Tool(ToolFacts::new("t", Pin::Pinned)),
        server: "s",
        grant: "g",
        identity: "i",
        client: None,
        args: Some(&args),
        labels: &[],
        now: Timestamp(0),
    };
    match path.find(&facts) {
        Found::Value(value) => json::canonical(value),
        Found::Text(text) => format!("text {text}"),
        Found::Missing => "missing".to_owned(),
        Found::Astray => "astray".to_owned(),
    }
}

#[test]
fn paths_lead_somewhere() {
    for (path, found) in [
        ("args.run-id", "7"),
        ("args.n", "null"),
        ("args.a.b[0]", "10"),
        ("args.a.b[1].c", "\"x\""),
        ("args[\"a\"][\"odd name\"]", "true"),
        ("args.a[\"quo\\\"te\"]", "1"),
        ("args.a[\"\\u00e9\"]", "2"),
        ("args.a.é", "2"),
        ("args.a[\"]\"]", "3"),
        ("args.z", "missing"),
        ("args.z.y", "missing"),
        ("args.a.b[2]", "missing"),
        ("args.A", "missing"),
        ("args.run-id.x", "astray"),
        ("args.a[0]", "astray"),
        ("args.a.b.c", "astray"),
        ("args.n.x", "astray"),
        ("tool", "text t"),
        ("server", "text s"),
        ("grant", "text g"),
        ("identity", "text i"),
        ("client", "missing"),
    ] {
        assert_eq!(find(path), found, "{path}");
    }
    assert!(find("args").starts_with("{\"a\":"));
}

#[test]
fn what_is_no_path_is_told() {
    for path in [
        "",
        "arg",
        "Args.a",
        "args.",
        "args..a",
        "args.a.",
        "args a",
        "args.a b",
        "args[",
        "args[]",
        "args[-1]",
        "args[+1]",
        "args[01]",
        "args[1",
        "args[99999999999]",
        "args[a]",
        "args['a']",
        "args[\"a]",
        "args[\"a\"",
        "args[\"a\"x]",
        "args[\"\\q\"]",
        "args.a]",
        "args.*",
        "args[*",
        "tool.name",
        "server[0]",
        "$.args.a",
    ] {
        assert!(Path::parse(path).is_err(), "{path}");
    }
}

#[test]
fn other_spellings_of_a_step_are_found() {
    for (path, args, imitation) in [
        ("args.amount", r#"{"amount":1}"#, None),
        ("args.amount", r#"{"amount":1,"Amount":2}"#, Some("Amount")),
        ("args.amount", r#"{"AMOUNT":2}"#, Some("AMOUNT")),
        ("args.a.b", r#"{"a":{"b":1,"B":1}}"#, Some("B")),
        ("args.a.b", r#"{"c":{"B":1}}"#, None),
        ("args.a.b", r#"{"a":1}"#, None),
        ("args[0].b", r#"[{"B":1}]"#, Some("B")),
        ("args.a[*].b", r#"{"a":[{"b":1},{"B":1}]}"#, Some("B")),
        ("args.a[*].b", r#"{"a":[]}"#, None),
        ("tool", r#"{"TOOL":1}"#, None),
    ] {
        let path_read = Path::parse(path).expect("a path");
        let args_read = parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
        assert_eq!(path_read.imitation(&args_read), imitation, "{path} {args}");
    }
}
