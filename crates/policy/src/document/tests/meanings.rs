//! Words of other languages, where people write them: one row for each, and what is suggested.

use super::{told, with_limit, with_rules};

/// What is suggested in the only problem of `text`.
fn suggested(text: &str) -> String {
    let told = told(text);
    assert_eq!(told.len(), 1, "{text}: {told:?}");
    let told = told.concat();
    let word = told.split_once("did you mean `").map(|(_, word)| word);
    word.and_then(|word| word.strip_suffix("`?"))
        .unwrap_or_else(|| panic!("{told}"))
        .to_owned()
}

#[track_caller]
fn check(rows: &[(&str, &str)], policy: impl Fn(&str) -> String) {
    for (written, meant) in rows {
        assert_eq!(suggested(&policy(written)), *meant, "{written}");
    }
}

#[test]
fn keys_of_the_document() {
    let rows = [
        ("allow", "tools"),
        ("whitelist", "tools"),
        ("block", "tools"),
        ("rate_limit", "all_tools"),
        ("deny_if", "all_tools"),
        ("time_zone", "timezone"),
        ("hidden", "hide"),
    ];
    check(&rows, |key| {
        format!(r#"{{"version":"1","default":"deny","{key}":[]}}"#)
    });
    let told = told(r#"{"version":"1","default":"deny","allow":["a"]}"#).concat();
    assert!(
        told.contains(r#"being named, as in {"tools": {"NAME": {}}};"#),
        "{told}"
    );
}

#[test]
fn verdicts_and_actions() {
    let rows = [
        ("block", "deny"),
        ("forbid", "deny"),
        ("reject", "deny"),
        ("Permit", "allow"),
        ("accept", "allow"),
    ];
    check(&rows, |word| {
        format!(r#"{{"version":"1","default":"{word}"}}"#)
    });
    check(&rows, |word| {
        with_rules(&format!(r#"{{"action":"{word}"}}"#))
    });
    let rows = [("confirm", "require_approval"), ("invisible", "hide")];
    check(&rows, |word| {
        with_rules(&format!(r#"{{"action":"{word}"}}"#))
    });
}

#[test]
fn rules_in_one_word() {
    for (selector, written, meant) in [
        ("run-rerun", r#""allow""#, "{}"),
        ("run-rerun", r#""permit""#, "{}"),
        ("run-rerun", "true", "{}"),
        ("run-rerun", "null", "{}"),
        ("run-*", r#""allow""#, r#"{"action": "allow"}"#),
        ("@read", "true", r#"{"action": "allow"}"#),
        ("run-rerun", r#""block""#, r#"{"action": "deny"}"#),
        ("run-rerun", "false", r#"{"action": "deny"}"#),
        ("@write", r#""ask""#, r#"{"action": "require_approval"}"#),
    ] {
        let text =
            format!(r#"{{"version":"1","default":"deny","tools":{{"{selector}":{written}}}}}"#);
        assert_eq!(suggested(&text), meant, "{selector}: {written}");
    }
    let all_tools = |rules| format!(r#"{{"version":"1","default":"deny","all_tools":{rules}}}"#);
    assert_eq!(
        told(&all_tools(r#""allow""#)),
        [
            "error at line 1, column 45 (/all_tools): an object is expected here, not a string; \
          all_tools names no tool: name them under `tools`, or write `default`: \"allow\""
        ]
    );
    assert_eq!(suggested(&all_tools(r#""deny""#)), r#"{"action": "deny"}"#);
}

#[test]
fn lists_and_objects_that_are_the_other() {
    let rows = [
        (r#""tools":["a"]"#, r#"{"a": {}}"#),
        (r#""tools":["a","b"]"#, r#"{"a": {}, …}"#),
        (r#""hide":"a""#, r#"["a"]"#),
    ];
    check(&rows, |member| {
        format!(r#"{{"version":"1","default":"deny",{member}}}"#)
    });
    let rows = [(r#"{"deny_if":{"conditions":[]}}"#, "[{…}]")];
    check(&rows, with_rules);
}

#[test]
fn keys_of_rules_and_limits() {
    let rows = [
        (r#"{"limit":[]}"#, "limits"),
        (r#"{"max":5}"#, "rate_limit"),
        (r#"{"message":"no"}"#, "reason"),
        (r#"{"deny_when":[]}"#, "deny_if"),
        (r#"{"effect":"deny"}"#, "action"),
        (
            r#"{"deny_if":[{"conditions":[],"message":"no"}]}"#,
            "on_deny",
        ),
        (
            r#"{"rate_limit":"10/minute"}"#,
            r#"{"max": 10, "window": "minute"}"#,
        ),
        (
            r#"{"rate_limit":"5 per 10 min"}"#,
            r#"{"max": 5, "window": "10m"}"#,
        ),
    ];
    check(&rows, with_rules);
    for (key, meant) in [
        ("maximum", "max"),
        ("limit", "max"),
        ("count", "max"),
        ("calls", "max"),
        ("period", "window"),
        ("per", "window"),
        ("interval", "window"),
    ] {
        // That the other is missing is not told again.
        let sound = [("max", r#""window":"day""#), ("window", r#""max":1"#)];
        let (_, sound) = sound.into_iter().find(|(key, _)| *key == meant).unwrap();
        let text = with_rules(&format!(r#"{{"rate_limit":{{{sound},"{key}":1}}}}"#));
        assert_eq!(suggested(&text), meant, "{key}");
    }
    for (window, meant) in [
        ("minutes", "minute"),
        ("min", "minute"),
        ("hours", "hour"),
        ("daily", "day"),
        ("60 seconds", "60s"),
        ("month", "30d"),
    ] {
        let text = with_limit(&format!(r#""counter":"c","max":1,"window":"{window}""#));
        assert_eq!(suggested(&text), meant, "{window}");
    }
    for (scope, meant) in [
        ("session", "grant"),
        ("user", "identity"),
        ("global", "gateway"),
    ] {
        let sound = r#""counter":"c","max":1,"window":"day""#;
        let text = with_limit(&format!(r#"{sound},"scope":"{scope}""#));
        assert_eq!(suggested(&text), meant, "{scope}");
    }
}

#[test]
fn conditions() {
    let rows = [
        ("equals", "eq"),
        ("==", "eq"),
        ("!=", "neq"),
        ("<", "lt"),
        (">=", "gte"),
        ("regexp", "regex"),
        ("match", "matches"),
        ("startsWith", "starts_with"),
        ("one_of", "in"),
        ("nin", "not_in"),
        ("like", "glob"),
    ];
    check(&rows, |op| {
        with_rules(&format!(
            r#"{{"deny_if":[{{"conditions":[{{"path":"args.a","op":"{op}","value":1}}]}}]}}"#
        ))
    });
    let rows = [
        ("amount", "args.amount"),
        ("arguments.amount", "args.amount"),
        ("$.a[0]", "args.a[0]"),
        ("input", "args"),
    ];
    check(&rows, |path| {
        with_rules(&format!(
            r#"{{"deny_if":[{{"conditions":[{{"path":"{path}","op":"eq","value":1}}]}}]}}"#
        ))
    });
}
