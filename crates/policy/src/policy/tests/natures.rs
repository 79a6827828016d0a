//! Classes and bits: what they restrict, what they name.

use super::*;
use crate::{Bit, Bits, Class, Classes, Traits};

fn traits(class: Class, also: &[Class], bits: Option<&[Bit]>) -> Traits<'static> {
    Traits {
        class,
        also: also.iter().copied().collect(),
        bits: bits.map(|bits| bits.iter().copied().collect()),
        schema: None,
    }
}

fn decide(policy: &Policy, name: &str, traits: Traits<'_>) -> String {
    let subject = Subject::Tool(ToolFacts::new(name, Pin::Pinned).with(traits));
    let told = line(policy.decide(&facts(subject, None), &Counters::new(10)));
    told.split(':').next().unwrap_or_default().to_owned()
}

#[test]
fn any_evidence_restricts() {
    let read = traits(Class::Read, &[], Some(&[]));
    let mixed = traits(Class::Read, &[Class::Write], Some(&[Bit::Egress]));
    let doubtful = traits(Class::Read, &[Class::Unknown], None);
    for (selector, tool, matches) in [
        ("@read", read, true),
        ("@write", read, false),
        ("@unknown", read, false),
        ("@changes", read, false),
        ("@write", mixed, true),
        ("@changes", mixed, true),
        ("@egress", mixed, true),
        ("@bulk", mixed, false),
        ("@destructive", mixed, false),
        ("@changes", doubtful, true),
        ("@unknown", doubtful, true),
        ("@secret", doubtful, true),
        ("@financial", Traits::UNKNOWN, true),
        ("@read", Traits::UNKNOWN, true),
        ("@changes", Traits::UNKNOWN, true),
        ("@local", Traits::UNKNOWN, true),
        ("@local", traits(Class::Unknown, &[], Some(&[])), true),
        ("@local", traits(Class::Write, &[], Some(&[])), false),
    ] {
        let denies = policy(&format!(
            r#"{{"version":"1","default":"allow","tools":{{"{selector}":{{"action":"deny"}}}}}}"#
        ));
        let expected = if matches {
            format!("deny /tools/{selector}/action")
        } else {
            "allow (default allow)".to_owned()
        };
        assert_eq!(decide(&denies, "t", tool), expected, "{selector} {tool:?}");
        let hides = policy(&format!(
            r#"{{"version":"1","default":"allow","hide":["{selector}"]}}"#
        ));
        assert_eq!(
            decide(&hides, "t", tool) == "hide (hidden)",
            matches,
            "{selector}"
        );
        let listed = hides.lists(&ToolFacts::new("t", Pin::Pinned).with(tool));
        assert_eq!(listed, !matches);
    }
}

#[test]
fn only_what_is_surely_of_a_class_is_named() {
    let read = traits(Class::Read, &[], Some(&[Bit::Local]));
    for (selector, tool, named) in [
        ("@read", read, true),
        ("@read", traits(Class::Read, &[Class::Read], None), true),
        (
            "@read",
            traits(Class::Read, &[Class::Write], Some(&[])),
            false,
        ),
        (
            "@read",
            traits(Class::Write, &[Class::Read], Some(&[])),
            false,
        ),
        ("@read", Traits::UNKNOWN, false),
        ("@unknown", Traits::UNKNOWN, true),
        (
            "@changes",
            traits(Class::Write, &[Class::Destructive], None),
            true,
        ),
        (
            "@changes",
            traits(Class::Write, &[Class::Read], None),
            false,
        ),
        ("@changes", Traits::UNKNOWN, false),
        ("@local", read, true),
        ("@local", traits(Class::Read, &[], None), false),
        (
            "@local",
            traits(Class::Read, &[], Some(&[Bit::Local, Bit::Bulk])),
            false,
        ),
    ] {
        let allows = policy(&format!(
            r#"{{"version":"1","default":"deny","tools":{{"{selector}":{{"action":"allow"}}}}}}"#
        ));
        let expected = if named {
            format!("allow /tools/{selector}/action")
        } else {
            "deny (default deny)".to_owned()
        };
        assert_eq!(decide(&allows, "t", tool), expected, "{selector} {tool:?}");
        let silent = policy(&format!(
            r#"{{"version":"1","default":"deny","tools":{{"{selector}":{{}}}}}}"#
        ));
        assert_eq!(decide(&silent, "t", tool), "deny (default deny)");
    }
}

#[test]
fn names_come_before_globs_and_globs_before_classes() {
    let entries = [
        r#""@write":{"action":"allow","require":[{"conditions":[{"path":"args.c","op":"exists","value":true}]}]}"#,
        r#""t*":{"action":"allow","require":[{"conditions":[{"path":"args.g","op":"exists","value":true}]}]}"#,
        r#""t":{"require":[{"conditions":[{"path":"args.n","op":"exists","value":true}]}]}"#,
    ];
    let compiled = policy(&format!(
        r#"{{"version":"1","default":"deny","tools":{{{}}}}}"#,
        entries.join(",")
    ));
    let write = traits(Class::Write, &[], Some(&[]));
    let decide = |name: &str, args: &str| {
        let args = json::parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
        let subject = Subject::Tool(ToolFacts::new(name, Pin::Pinned).with(write));
        let told = line(compiled.decide(&facts(subject, Some(&args)), &Counters::new(10)));
        told.split(':').next().unwrap_or_default().to_owned()
    };
    assert_eq!(decide("t", "{}"), "deny /tools/t/require/0");
    assert_eq!(decide("t", r#"{"n":1}"#), "deny /tools/t*/require/0");
    assert_eq!(
        decide("t", r#"{"n":1,"g":1}"#),
        "deny /tools/@write/require/0"
    );
    assert_eq!(decide("t", r#"{"n":1,"g":1,"c":1}"#), "allow /tools/t");
    assert_eq!(decide("tt", r#"{"g":1,"c":1}"#), "allow /tools/t*/action");
    assert_eq!(decide("u", r#"{"c":1}"#), "allow /tools/@write/action");
}

#[test]
fn an_unknown_bit_is_every_bit() {
    assert_eq!(Bits::ALL, Bit::ALL.into_iter().collect());
    assert!(Classes::NONE.is_empty());
    let known: Vec<Bit> = Bits::NONE
        .with(Bit::Local)
        .with(Bit::Egress)
        .iter()
        .collect();
    assert_eq!(known, [Bit::Egress, Bit::Local]);
}

#[test]
fn a_policy_knows_which_labels_it_watches() {
    let watching = policy(
        r#"{"version":"1","default":"allow","flow":[
            {"name":"a","after":["mail_*"],"then":["x"],"action":"deny","for":"30m"},
            {"name":"b","after":["@reads-private","exact"],"then":["x"],"action":"require_approval","for":"2h"}]}"#,
    );
    assert_eq!(watching.flow_memory_ms(), Some(2 * 60 * 60 * 1_000));
    for (label, watched) in [
        ("tool:mail_read", true),
        ("tool:exact", true),
        ("tool:other", false),
        ("bit:reads-private", true),
        ("bit:egress", false),
        ("class:unknown", true),
        ("class:read", false),
    ] {
        let label: crate::Label<'_> = label.parse().expect("a label");
        assert_eq!(watching.watches(&label), watched, "{label}");
    }
    let plain = policy(r#"{"version":"1","default":"allow"}"#);
    assert_eq!(plain.flow_memory_ms(), None);
    assert!(!plain.watches(&"class:unknown".parse().expect("a label")));
}
