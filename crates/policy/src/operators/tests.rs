use crate::json::{Rules, parse};

use super::{LONGEST, command, host, path, sql};

/// What the author is told about a spec that does not compile.
fn complaint<S>(
    compile: impl Fn(&crate::json::Value<'_>) -> Result<S, String>,
    spec: &str,
) -> String {
    let value = parse(spec.as_bytes(), Rules::DOCUMENT).expect("the spec is JSON");
    compile(&value).err().unwrap_or_default()
}

fn check<S>(
    compile: impl Fn(&crate::json::Value<'_>) -> Result<S, String> + Copy,
    cases: &[(&str, &str)],
) {
    for (spec, part) in cases {
        let found = complaint(compile, spec);
        if part.is_empty() {
            assert_eq!(found, "", "{spec}");
        } else {
            assert!(found.contains(part), "{spec}: {found:?} lacks {part:?}");
        }
    }
}

#[test]
fn lists_of_hosts_are_checked() {
    check(
        host::Spec::compile,
        &[
            (
                r#"["example.com", "*.a.test:8443", "10.0.0.1:80", "::1", "[::1]:80"]"#,
                "",
            ),
            (r#""example.com""#, "is a string; write a list of hosts"),
            ("[]", "is an empty list"),
            ("[7]", "holds a number"),
            (
                r#"["https://a.test"]"#,
                "`https://a.test` is a URL, not a host",
            ),
            (r#"["a.test/x"]"#, "has a character in its host"),
            (r#"["*"]"#, "does not stand for whole labels"),
            (r#"["*a.test"]"#, "does not stand for whole labels"),
            (r#"["a.*.test"]"#, "has a character in its host"),
            (r#"["*.10.0.0.1"]"#, "puts a `*` before an address"),
            (r#"["0177.0.0.1"]"#, "is not four plain decimal numbers"),
            (r#"["127.1"]"#, "is not four plain decimal numbers"),
            (r#"["10.0.0.0/8"]"#, "has a character in its host"),
            (r#"["a.test:99999"]"#, "has a port that is no number"),
            (r#"["a.test:"]"#, "ends in a colon"),
            (r#"["u@a.test"]"#, "has a character in its host"),
            (r#"[""]"#, "has no host"),
            (r#"["bücher.example"]"#, ""),
            (r#"["Bücher.example"]"#, ""),
            (r#"["BÜCHER.example"]"#, "list its `xn--` form"),
            (r#"["faß.example"]"#, "list its `xn--` form"),
            (r#"["ｅxample.com"]"#, "list its `xn--` form"),
            (r#"["example。com"]"#, "list its `xn--` form"),
        ],
    );
}

#[test]
fn lists_of_directories_are_checked() {
    check(
        path::Spec::compile,
        &[
            (r#"["/srv/data", "/tmp/", "/"]"#, ""),
            (r#"{"a": 1}"#, "is an object; write a list of directories"),
            ("[]", "is an empty list"),
            (r#"["srv"]"#, "`srv` is not an absolute path"),
            (r#"["/srv/../etc"]"#, "has `.`, `..` or doubled slashes"),
            (r#"["/srv/./a"]"#, "has `.`, `..` or doubled slashes"),
            (r#"["/srv//a"]"#, "has `.`, `..` or doubled slashes"),
            (r#"["//"]"#, "has `.`, `..` or doubled slashes"),
            (r#"["~/a"]"#, "has a `~`"),
            (r#"["/a%20b"]"#, "has a `%`"),
            (r#"["C:\\data"]"#, "has a backslash"),
        ],
    );
}

#[test]
fn lists_of_commands_are_checked() {
    check(
        command::Spec::compile,
        &[
            (r#"["ls", "git log **", "cat *", "echo 'a b' *"]"#, ""),
            ("[]", "is an empty list"),
            (r#"["*"]"#, "does not begin with the command's name"),
            (r#"["** a"]"#, "does not begin with the command's name"),
            (r#"[""]"#, "is empty"),
            (r#"["git ** log"]"#, "has words after `**`"),
            (r#"["git *.rs"]"#, "has a glob"),
            (r#"["git log | cat"]"#, "has an operator"),
            (r#"["A=b ls"]"#, "begins with an assignment"),
            (r#"["if"]"#, "shells keep for themselves"),
            (r#"["echo 'a"]"#, "not closed"),
        ],
    );
}

#[test]
fn what_sql_may_do_is_checked() {
    check(
        sql::Spec::compile,
        &[
            (r#"["select", "SELECT", "explain"]"#, ""),
            (
                r#"{"statements": ["select"], "dialect": "mysql", "functions": []}"#,
                "",
            ),
            (r#""select""#, "is a string; write a list"),
            ("[]", "is an empty list"),
            (
                r#"["read"]"#,
                "the statement kind `read`; valid are `select`, `explain`",
            ),
            ("{}", "has no `statements`"),
            (r#"{"statements": []}"#, "is an empty list"),
            (
                r#"{"statements": ["select"], "dialect": "oracle"}"#,
                "valid are `postgresql`",
            ),
            (r#"{"statements": ["select"], "dialect": 7}"#, "no string"),
            (
                r#"{"statements": ["select"], "function": []}"#,
                "has the key `function`",
            ),
            (
                r#"{"statements": ["select"], "functions": ["f()"]}"#,
                "the function `f()`",
            ),
            (
                r#"{"statements": ["select"], "functions": "f"}"#,
                "is a string",
            ),
        ],
    );
}

#[test]
fn nothing_longer_than_the_bound_is_read() {
    let long = format!("https://a.test/{}", "a".repeat(LONGEST));
    assert!(host::read(&long).is_err());
    assert!(host::read(&long[..LONGEST]).is_ok());
    assert!(path::normalise(&format!("/{}", "a".repeat(LONGEST))).is_err());
    assert!(command::words(&"a".repeat(LONGEST + 1)).is_err());
}

#[test]
fn the_kinds_of_each_statement_can_be_shown() {
    let value = parse(br#"["select"]"#, Rules::DOCUMENT).expect("JSON");
    let spec = sql::Spec::compile(&value).expect("a spec");
    let kinds = spec.kinds("SELECT sleep(1); WITH x AS (SELECT 1) DELETE FROM t; REINDEX");
    assert!(kinds.is_err(), "MySQL has no reindex: {kinds:?}");
    let kinds = spec.kinds("SELECT sleep(1); WITH x AS (SELECT 1) DELETE FROM t; ANALYZE");
    let expected = vec![vec!["select", "call"], vec!["delete"], vec!["maintain"]];
    assert_eq!(kinds, Ok(expected));
}
