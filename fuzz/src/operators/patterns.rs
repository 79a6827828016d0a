//! Patterns from the input, put to a text from the input through a policy.
//!
//! The pattern comes first, the text after a line break. What cannot be a pattern is refused when
//! the policy is checked, and everything else has an answer.

use portreeve_policy::json::{Rules, parse};
use portreeve_policy::limits::Counters;
use portreeve_policy::{Decision, Facts, Pin, Policy, Subject, ToolFacts, compile};

use super::super::conditions::glob_text;

pub fn check(text: &str) {
    let Some((pattern, value)) = text.split_once('\n') else {
        return;
    };
    let value = value.get(..256).unwrap_or(value);
    let answers = |op: &str, pattern: &str| policy(op, pattern).map(|p| holds(&p, value));
    // What the slow matcher can do.
    if pattern.len() <= 12 && value.len() <= 24 {
        let expected = (!pattern.is_empty()).then(|| glob_text(pattern, value));
        assert_eq!(answers("glob", pattern), expected, "{pattern:?} {value:?}");
    } else {
        let _any = answers("glob", pattern);
    }
    for (op, expected) in [
        ("starts_with", value.starts_with(pattern)),
        ("ends_with", value.ends_with(pattern)),
        ("contains", value.contains(pattern)),
    ] {
        let expected = (!pattern.is_empty()).then_some(expected);
        assert_eq!(answers(op, pattern), expected, "{op} {pattern:?} {value:?}");
    }
    if answers("matches", pattern) == Some(true) {
        assert_eq!(
            answers("regex", pattern),
            Some(true),
            "{pattern:?} {value:?}"
        );
    }
    if let Some(policy) = policy("regex", pattern) {
        assert_eq!(holds(&policy, value), holds(&policy, value));
    }
}

/// A policy that requires it.
fn policy(op: &str, pattern: &str) -> Option<Policy> {
    let text = format!(
        r#"{{"version":"1","default":"deny","tools":{{"t":{{"require":[{{"conditions":[
            {{"path":"args.v","op":"{op}","value":{}}}]}}]}}}}}}"#,
        quoted(pattern)
    );
    compile(text.as_bytes()).ok().map(|checked| checked.policy)
}

fn holds(policy: &Policy, value: &str) -> bool {
    let args = format!(r#"{{"v":{}}}"#, quoted(value));
    let args = parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
    let facts = Facts {
        args: Some(&args),
        ..Facts::of(Subject::Tool(ToolFacts::new("t", Pin::Pinned)))
    };
    matches!(policy.decide(&facts, &Counters::new(1)), Decision::Allow(_))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string")
}
