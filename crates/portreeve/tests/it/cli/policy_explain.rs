//! `portreeve policy explain`: one call, and what every rule says of it.

use serde_json::Value;

use super::{Home, Said};

const POLICY: &str = r#"{
  "version": "1", "default": "deny", "timezone": "Europe/Berlin",
  "all_tools": { "deny_if": [{ "conditions": [{ "path": "args.force", "op": "eq", "value": true }] }] },
  "tools": {
    "push": {
      "require": [
        { "conditions": [{ "path": "args.branch", "op": "matches", "value": "agent/.+" }], "on_deny": "Only agent branches." },
        { "conditions": [{ "path": "time.hour", "op": "lt", "value": 20 }] },
        { "conditions": [{ "path": "identity", "op": "eq", "value": "ci" }] }
      ],
      "validate": true,
      "limits": [{ "counter": "pushes", "window": "day", "max": 5 }]
    },
    "@destructive": { "action": "require_approval" }
  },
  "resources": { "repo://a/*": { "action": "allow" } },
  "prompts": { "greet": { "require": [{ "conditions": [{ "path": "args.name", "op": "exists", "value": true }] }] } }
}"#;

fn explain(home: &Home, more: &[&str]) -> Said {
    home.run(&[&["policy", "explain", "p.json"], more].concat())
}

fn home() -> Home {
    let home = Home::new();
    home.write("p.json", POLICY);
    home.write(
        "schema.json",
        r#"{"type":"object","properties":{"branch":{"type":"string"},"force":{"type":"boolean"}}}"#,
    );
    home
}

/// The lines of the table: effect, rule, words.
fn findings(said: &Said) -> Vec<(String, String)> {
    let rows = said
        .out
        .lines()
        .skip_while(|line| !line.starts_with("EFFECT"))
        .skip(1);
    let row = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        (
            words.next().expect("an effect"),
            words.next().expect("a rule"),
        )
    };
    rows.map(row).collect()
}

#[test]
fn the_answer_comes_first_and_then_every_rule_in_its_order() {
    let home = home();
    let said = explain(
        &home,
        &[
            "--tool",
            "push",
            "--args",
            r#"{"branch":"main"}"#,
            "--class",
            "write",
            "--at",
            "2026-11-20T19:30",
            "--schema",
            "schema.json",
        ],
    );
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out
            .starts_with("deny by /tools/push/require/0: Only agent branches.\n\n"),
        "{}",
        said.out
    );
    let expected = [
        ("passes", "/tools/push"),
        ("passes", "/all_tools/deny_if/0"),
        ("refuses", "/tools/push/require/0"),
        // Half past eight in Berlin.
        ("refuses", "/tools/push/require/1"),
        ("refuses", "/tools/push/require/2"),
        ("passes", "/tools/push/validate"),
        ("passes", "/tools/push/limits/0"),
    ];
    let found = findings(&said);
    let found: Vec<(&str, &str)> = found.iter().map(|(e, r)| (&**e, &**r)).collect();
    assert_eq!(found, expected);
    // Which condition was not met, and not only what the agent is told.
    for words in [
        "not satisfied: `args.branch` matches \"agent/.+\": false; the agent is told: Only agent branches.",
        "not satisfied: `time.hour` is below 20: false",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert_eq!(said.err, "");
}

#[test]
fn a_stored_policy_is_explained_by_its_name_and_version() {
    let home = home();
    home.ok(&["policy", "put", "deploy", "p.json"]);
    let call = ["--prompt", "greet", "--args", r#"{"name":"x"}"#];
    let from_file = explain(&home, &call);
    assert!(from_file.out.starts_with("allow by"), "{from_file:?}");
    for named in ["deploy", "deploy@1"] {
        let stored = home.run(&[&["policy", "explain", named], &call[..]].concat());
        assert_eq!(
            (stored.code, &stored.out),
            (0, &from_file.out),
            "{stored:?}"
        );
    }
    let none = home.run(&[&["policy", "explain", "deploy@2"], &call[..]].concat());
    assert_ne!(none.code, 0, "{none:?}");
}

#[test]
fn what_is_said_of_the_call_counts() {
    let home = home();
    let good = r#"{"branch":"agent/x"}"#;
    home.write("args.json", good);
    let known = [
        "--tool",
        "push",
        "--schema",
        "schema.json",
        "--identity",
        "ci",
        "--at",
        "2026-11-20T18:00Z",
    ];
    for args in ["@args.json", good] {
        let said = explain(
            &home,
            &[&known[..], &["--args", args, "--class", "write"]].concat(),
        );
        assert!(said.out.starts_with("allow by /tools/push\n"), "{said:?}");
    }
    let piped = home.run_with_input(
        &[
            &["policy", "explain", "p.json", "--args", "-", "--json"],
            &known[..],
        ]
        .concat(),
        good,
    );
    let json: Value = serde_json::from_str(&piped.out).expect("JSON");
    // Of no known class, so every restricting class matches.
    assert_eq!(json["decision"]["outcome"], "ask");
    assert_eq!(
        json["decision"]["needs"][0]["rule"],
        "/tools/@destructive/action"
    );
    assert_eq!(json["decision"]["timeout_ms"], 1_800_000);
    let asks = json["findings"].as_array().expect("a list");
    assert!(asks.iter().any(|f| f["effect"] == "asks"), "{json}");

    let said = explain(&home, &["--tool", "push", "--unpinned", "--class", "read"]);
    assert!(said.out.starts_with("deny by (not pinned): "), "{said:?}");
    let said = explain(&home, &["--tool", "other"]);
    assert!(said.out.starts_with("deny by (default deny): "), "{said:?}");
    assert!(said.err.contains("say --class"), "{said:?}");
}

#[test]
fn resources_and_prompts_can_be_asked_about() {
    let home = home();
    for (more, starts) in [
        (
            &["--resource", "repo://a/x"][..],
            "allow by /resources/repo:~1~1a~1*/action\n",
        ),
        (&["--resource", "repo://a/b/x"], "deny by (default deny): "),
        (&["--prompt", "greet"], "deny by /prompts/greet/require/0: "),
        (
            &["--prompt", "greet", "--args", r#"{"name":"a"}"#],
            "allow by /prompts/greet\n",
        ),
    ] {
        let said = explain(&home, more);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.starts_with(starts), "{said:?}");
    }
}

#[test]
fn a_question_that_is_none_is_told() {
    let home = home();
    home.write("bad.json", "{}");
    for (arguments, code, says) in [
        (&["p.json"][..], 2, "--tool"),
        (
            &["p.json", "--tool", "a", "--prompt", "b"],
            2,
            "cannot be used with",
        ),
        (
            &["p.json", "--tool", "a", "--args", "{"],
            2,
            "--args is not JSON",
        ),
        (
            &["p.json", "--tool", "a", "--args", "@nope.json"],
            3,
            "cannot read nope.json",
        ),
        (
            &["p.json", "--tool", "a", "--class", "reads"],
            2,
            "the classes are read, ",
        ),
        (
            &["p.json", "--tool", "a", "--bits", "egress,x"],
            2,
            "the bits are ",
        ),
        (
            &["p.json", "--tool", "a", "--at", "noon"],
            2,
            "2026-01-31T22:00",
        ),
        (&["bad.json", "--tool", "a"], 1, "`version` is missing"),
    ] {
        let said = home.run(&[&["policy", "explain"], arguments].concat());
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.err.contains(says), "{said:?}");
    }
}
