//! What is told about the entries of lists: guards, approvals, redactions, flow rules.

use super::{told, with_rules};

#[test]
fn guards_and_approvals() {
    for (rules, expected) in [
        (
            r#"{"deny_if":{}}"#,
            &[
                "error at line 2, column 12 (/tools/t/deny_if): a list is expected here, not an object",
            ][..],
        ),
        (
            r#"{"deny_if":[{}],"require":[1]}"#,
            &[
                "error at line 2, column 13 (/tools/t/deny_if/0): an entry needs `conditions`; an empty list of them always holds",
                "error at line 2, column 28 (/tools/t/require/0): an object is expected here, not a number",
            ],
        ),
        (
            r#"{"deny_if":[{"conditions":[],"on_deny":1,"ondeny":""}]}"#,
            &[
                "error at line 2, column 40 (/tools/t/deny_if/0/on_deny): a string is expected here, not a number",
                "error at line 2, column 42 (/tools/t/deny_if/0/ondeny): unknown key \"ondeny\"; did you mean `on_deny`?",
            ],
        ),
        (
            r#"{"require":[{"conditions":[]}]}"#,
            &[
                "warning at line 2, column 13 (/tools/t/require/0): no conditions always hold, so this requires nothing",
            ],
        ),
        (
            r#"{"require_approval":[{"conditions":[],"message":"m","timeout":"30m","hold":0,"approvals":2,"approvers":["a","b"]}]}"#,
            &[],
        ),
        (
            r#"{"require_approval":[{"message":1,"timeout":"0s","hold":"11m"}]}"#,
            &[
                "error at line 2, column 22 (/tools/t/require_approval/0): an entry needs `conditions`; an empty list of them always holds",
                "error at line 2, column 33 (/tools/t/require_approval/0/message): a string is expected here, not a number",
                "error at line 2, column 45 (/tools/t/require_approval/0/timeout): `timeout` is at least 1 s and at most 30 d",
                "error at line 2, column 57 (/tools/t/require_approval/0/hold): `hold` is at least 0 s and at most 10 min",
            ],
        ),
        (
            r#"{"require_approval":[{"conditions":[],"timeout":"soon","hold":-1,"approvals":0,"approvers":["a","a",""]}]}"#,
            &[
                "error at line 2, column 49 (/tools/t/require_approval/0/timeout): `timeout` is a text as in \"90s\", \"15m\", \"6h\", \"30d\", or a number of seconds",
                "error at line 2, column 63 (/tools/t/require_approval/0/hold): `hold` is a text as in \"90s\", \"15m\", \"6h\", \"30d\", or a number of seconds",
                "error at line 2, column 78 (/tools/t/require_approval/0/approvals): `approvals` is a whole number from 1 to 10",
                "error at line 2, column 97 (/tools/t/require_approval/0/approvers/1): \"a\" is named twice",
                "error at line 2, column 101 (/tools/t/require_approval/0/approvers/2): a name is never empty",
            ],
        ),
        (
            r#"{"require_approval":[{"conditions":[],"approvals":2,"approvers":["a"]}]}"#,
            &[
                "error at line 2, column 22 (/tools/t/require_approval/0): nobody can ever approve this: it needs more approvals than it names people",
            ],
        ),
        (
            r#"{"require_approval":[{"conditions":[],"approvers":[]}]}"#,
            &[
                "error at line 2, column 51 (/tools/t/require_approval/0/approvers): at least one person is expected here; without `approvers` every approver may",
            ],
        ),
    ] {
        assert_eq!(told(&with_rules(rules)), expected, "{rules}");
    }
}

#[test]
fn redactions() {
    for (rules, expected) in [
        (
            r#"{"redact":[{"detect":"secret"},{"detect":{"regex":"a+"},"replace":""}]}"#,
            &[][..],
        ),
        (
            r#"{"redact":[{},{"detect":"iban"},{"detect":{}}]}"#,
            &[
                "error at line 2, column 12 (/tools/t/redact/0): a redaction needs `detect`",
                "error at line 2, column 25 (/tools/t/redact/1/detect): \"iban\" is no detector; it is one of \"secret\", \"email\", \"card\" or \"phone\"",
                "error at line 2, column 43 (/tools/t/redact/2/detect): a detector that is an object has the key `regex`",
            ],
        ),
        (
            r#"{"redact":[{"detect":{"regex":"a*"}},{"detect":{"regexp":"a"}},{"detect":{"regex":"["},"replace":1}]}"#,
            &[
                "error at line 2, column 31 (/tools/t/redact/0/detect/regex): this regex matches an empty text, so it would match everywhere",
                "error at line 2, column 48 (/tools/t/redact/1/detect): a detector that is an object has the key `regex`",
                "error at line 2, column 49 (/tools/t/redact/1/detect/regexp): unknown key \"regexp\"; did you mean `regex`?",
                "error at line 2, column 83 (/tools/t/redact/2/detect/regex): this regex does not compile: unclosed character class",
                "error at line 2, column 98 (/tools/t/redact/2/replace): a string is expected here, not a number",
            ],
        ),
    ] {
        assert_eq!(told(&with_rules(rules)), expected, "{rules}");
    }
}

#[test]
fn flow_rules() {
    for (flow, expected) in [
        (
            r#"{"name":"n","after":["@reads-untrusted","get_*"],"then":["@egress","\\@x"],"action":"deny","for":"30m","on_deny":"no"}"#,
            &[][..],
        ),
        (
            "{}",
            &[
                "error at line 2, column 1 (/flow/0): a flow rule needs `name`",
                "error at line 2, column 1 (/flow/0): a flow rule needs `after`",
                "error at line 2, column 1 (/flow/0): a flow rule needs `then`",
                "error at line 2, column 1 (/flow/0): a flow rule needs `action`",
                "error at line 2, column 1 (/flow/0): a flow rule needs `for`",
            ],
        ),
        (
            r#"{"name":"","after":[],"then":["@egres",1],"action":"ask","for":"400d","on_deny":1,"reason":""}"#,
            &[
                "error at line 2, column 9 (/flow/0/name): a name is never empty",
                "error at line 2, column 20 (/flow/0/after): at least one selector is expected here",
                "error at line 2, column 31 (/flow/0/then/0): \"@egres\" is no class of tools; a literal name that begins with @ is written \"\\\\@egres\"; did you mean `@egress`?",
                "error at line 2, column 40 (/flow/0/then/1): a string is expected here, not a number",
                "error at line 2, column 52 (/flow/0/action): \"ask\" is no action of a flow rule; it is one of \"deny\" or \"require_approval\"; did you mean `require_approval`?",
                "error at line 2, column 64 (/flow/0/for): `for` is at least 1 s and at most 366 d",
                "error at line 2, column 81 (/flow/0/on_deny): a string is expected here, not a number",
                "error at line 2, column 83 (/flow/0/reason): unknown key \"reason\"; did you mean `on_deny`?",
            ],
        ),
        (
            r#"{"name":"n","after":["a"],"then":["b"],"action":"deny","for":60},{"name":"n","after":["a"],"then":["c"],"action":"deny","for":60}"#,
            &["error at line 2, column 66 (/flow/1): another flow rule has the name \"n\""],
        ),
    ] {
        let policy = format!("{{\"version\":\"1\",\"default\":\"deny\",\"flow\":[\n{flow}]}}");
        assert_eq!(told(&policy), expected, "{flow}");
    }
}

#[test]
fn only_tools_have_a_schema() {
    let policy = r#"{"version":"1","default":"deny","prompts":{"p":{"validate":true}}}"#;
    assert_eq!(
        told(policy),
        [
            "error at line 1, column 60 (/prompts/p/validate): only tools have a schema to validate arguments with"
        ]
    );
}
