//! What must hold for every definition.

use std::fmt::Write as _;

use portreeve_policy::compile;
use portreeve_policy::json::{Rules, canonical, parse};
use portreeve_risk::scan::Names;
use portreeve_risk::{Annotations, Class, Definition, assess, judge, recommend};
use proptest::prelude::*;

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn definition(name: &str, description: &str, parameter: &str, kind: &str) -> String {
    format!(
        r#"{{"name":{},"description":{},"inputSchema":{{"type":"object","properties":{{{}:{{"type":{}}}}},
        "required":[{}]}}}}"#,
        quoted(name),
        quoted(description),
        quoted(parameter),
        quoted(kind),
        quoted(parameter)
    )
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_]{1,12}",
        "(get|delete|run|pay|create|cancel|execute)_(order|file|query|job|subscription|command)",
        ".{0,12}",
    ]
}

proptest! {
    #[test]
    fn any_definition_gets_a_verdict_and_a_policy_that_compiles(
        name in word(), description in ".{0,80}", parameter in word(), kind in "string|number|array"
    ) {
        let text = definition(&name, &description, &parameter, &kind);
        // A NUL in a key is refused by the reader.
        prop_assume!(!parameter.contains('\0') && !name.contains('\0'));
        let tree = parse(text.as_bytes(), Rules::MESSAGE).unwrap();
        let assessed = assess(&tree, Some("server"), &Names::default()).unwrap();
        prop_assert!(!assessed.verdict.rationale.is_empty());
        prop_assert!(assessed.verdict.confidence.0 <= 100);
        for signal in &assessed.verdict.signals {
            prop_assert!(!signal.words.chars().any(char::is_control));
        }
        let definition = Definition::of_tree(&tree, Some("server")).unwrap();
        let policy = recommend::for_tool(&definition, &assessed.verdict);
        if let Err(problems) = compile(policy.as_bytes()) {
            prop_assert!(false, "{policy}\n{problems:?}");
        }
        let _ = canonical(&tree);
    }

    #[test]
    fn annotations_never_lower(name in word(), description in ".{0,60}") {
        let plain = Definition { description: &description, ..Definition::named(&name) };
        let before = judge(&plain).class;
        for read_only in [None, Some(true), Some(false)] {
            for destructive in [None, Some(true), Some(false)] {
                let annotations = Annotations { read_only, destructive, ..Annotations::default() };
                let after = judge(&Definition { annotations, ..plain }).class;
                prop_assert!(
                    after >= before || before == Class::Unknown && after > Class::Read,
                    "{before:?} became {after:?}"
                );
            }
        }
    }
}

#[test]
fn a_contradiction_is_said() {
    let annotations = Annotations {
        read_only: Some(true),
        ..Annotations::default()
    };
    let verdict = judge(&Definition {
        annotations,
        ..Definition::named("delete_user")
    });
    assert_eq!(verdict.class, Class::Destructive);
    assert!(
        verdict.rationale.contains("readOnlyHint"),
        "{}",
        verdict.rationale
    );
}

#[test]
fn a_tool_of_many_actions_is_its_worst_one() {
    let text = r#"{"name":"manage_items","inputSchema":{"type":"object","properties":{"action":
        {"type":"string","enum":["list","get","create","delete"]}}}}"#;
    let tree = parse(text.as_bytes(), Rules::MESSAGE).unwrap();
    let verdict = judge(&Definition::of_tree(&tree, None).unwrap());
    assert_eq!(verdict.class, Class::Destructive);
    assert!(
        verdict.rationale.contains("“delete”"),
        "{}",
        verdict.rationale
    );
}

#[test]
fn hostile_sizes_end_soon() {
    let long = "delete ".repeat(400_000);
    assert_eq!(
        judge(&Definition {
            description: &long,
            ..Definition::named("x")
        })
        .class,
        Class::Destructive
    );
    let name = "a_".repeat(400_000);
    judge(&Definition::named(&name));
    let mut text = String::from(r#"{"name":"x","inputSchema":{"type":"object","properties":{"#);
    for at in 0..20_000 {
        let _ = write!(
            text,
            r#"{}"p{at}":{{"type":"string"}}"#,
            if at > 0 { "," } else { "" }
        );
    }
    text.push_str("}}}");
    let tree = parse(text.as_bytes(), Rules::MESSAGE).unwrap();
    assess(&tree, None, &Names::default()).unwrap();
}
