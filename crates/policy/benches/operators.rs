//! What judging costs: ordinary values, and the worst of hostile ones.
//!
//! `cargo bench -p portreeve-policy --bench operators`; fails where a bound is broken.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench stops at the first surprise and reads the time"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use portreeve_policy::json::{Rules, parse};
use portreeve_policy::limits::Counters;
use portreeve_policy::operators::Special;
use portreeve_policy::{Facts, Pin, Subject, ToolFacts, compile};

/// The longest text that is read at all.
const LONGEST: usize = 16 * 1024;

const ORDINARY: [(&str, &str, &str); 9] = [
    (
        "host_in",
        r#"["example.com", "*.example.org", "10.0.0.1"]"#,
        "https://api.v2.example.org:8443/a/b?c=d",
    ),
    ("host_in", r#"["10.0.0.1"]"#, "http://0x0a000001/"),
    (
        "path_within",
        r#"["/srv/data", "/tmp/agent"]"#,
        "/srv/data/projects/../projects/a/b/report.txt",
    ),
    (
        "command_in",
        r#"["git status", "git log **", "npm test *"]"#,
        "git log --since='2 weeks ago' --oneline HEAD~3",
    ),
    (
        "sql_only",
        r#"["select"]"#,
        "SELECT id, name FROM users WHERE id = 7",
    ),
    (
        "sql_only",
        r#"["select"]"#,
        "SELECT u.id, count(*) AS n FROM users u JOIN orders o ON o.user_id = u.id WHERE o.total > 10.5 AND o.state IN ('paid', 'sent') GROUP BY u.id HAVING count(*) > 2 ORDER BY n DESC LIMIT 10",
    ),
    (
        "sql_only",
        r#"{"statements": ["select"], "dialect": "postgresql"}"#,
        "WITH x AS (SELECT date_trunc('month', d) AS m, sum(total)::numeric AS s FROM \"Orders\" WHERE tags @> ARRAY['a'] GROUP BY 1) SELECT m, s, lag(s) OVER (ORDER BY m) FROM x WHERE s > (SELECT avg(s) FROM x) ORDER BY m",
    ),
    (
        "sql_only",
        r#"{"statements": ["insert"], "dialect": "sqlite"}"#,
        "INSERT INTO t (a, b, c) VALUES (1, 'x', NULL), (2, 'y', 3.5) ON CONFLICT (a) DO NOTHING",
    ),
    ("sql_only", r#"["select"]"#, "DROP TABLE users"),
];

const PARTS: [&str; 64] = [
    "a",
    "1",
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "(",
    ")",
    "((",
    "[",
    "]",
    ",",
    ".",
    ";",
    ":",
    "::",
    "$",
    "$$",
    "$a$",
    "-",
    "- ",
    "--",
    "--\n",
    "/*",
    "/**/",
    "/",
    "%",
    "@",
    "#",
    "?",
    "*",
    "a,",
    "a.",
    "1,",
    "1.",
    "a(",
    "f(1),",
    "'a',",
    "a+",
    "not ",
    "case when ",
    "a is not null and ",
    "select ",
    "select 1 union ",
    "select 1;",
    "with a as (",
    "values (1),",
    "a in (1) or ",
    "x'41',",
    "e'a',",
    "\u{e9}",
    "\u{ff0e}",
    " ",
    "\t",
    "\n",
    "../",
    "a/",
    "//",
    "127.",
    "0x7f.",
    "::1",
    "xn--a.",
    "a ",
];

const HEADS: [&str; 8] = [
    "",
    "select ",
    "select a from t where ",
    "http://",
    "http://[",
    "/",
    "git log ",
    "insert into t values ",
];

fn special(operator: &str, spec: &str) -> Special {
    let value = parse(spec.as_bytes(), Rules::DOCUMENT).expect("JSON");
    Special::compile(operator, &value)
        .expect("an operator")
        .expect("a spec")
}

/// The shortest of some runs, each of `calls` calls.
fn cost(spec: &Special, text: &str, calls: u32, runs: u32) -> Duration {
    let run = |_| {
        let start = Instant::now();
        for _ in 0..calls {
            let _verdict = black_box(spec.holds(black_box(text)));
        }
        start.elapsed() / calls
    };
    (0..runs).map(run).min().unwrap_or_default()
}

/// Patterns in a policy, put to a text of the longest length.
fn patterns() {
    let hostile = "ab".repeat(LONGEST / 2);
    for (op, pattern) in [
        ("regex", "(a|b)*c"),
        ("matches", "[a-z]+@[a-z]+\\\\.[a-z]+"),
        ("matches", "([ab]{1,20}){1,20}c"),
        ("glob", "*a*c*d*"),
        ("glob", "*ababababababababc*"),
        ("contains", "abababababababac"),
    ] {
        let text = format!(
            r#"{{"version":"1","default":"deny","tools":{{"t":{{"deny_if":[{{"conditions":[
                {{"path":"args.v","op":"{op}","value":"{pattern}"}}]}}]}}}}}}"#
        );
        let policy = compile(text.as_bytes()).expect("a policy").policy;
        let args = format!(r#"{{"v":"{hostile}"}}"#);
        let args = parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
        let facts = Facts {
            args: Some(&args),
            ..Facts::of(Subject::Tool(ToolFacts::new("t", Pin::Pinned)))
        };
        let run = |_| {
            let start = Instant::now();
            let _decision = black_box(policy.decide(&facts, &Counters::new(1)));
            start.elapsed()
        };
        let found = (0..20).map(run).min().unwrap_or_default();
        println!("{found:>10.2?}  {op} {pattern} on {LONGEST} bytes");
    }
}

fn main() {
    let mut broken = false;
    for (operator, spec, text) in ORDINARY {
        let found = cost(&special(operator, spec), text, 1_000, 20);
        broken |= found > Duration::from_micros(20);
        println!("{found:>10.2?}  {operator} {text}");
    }
    let specs = [
        special("host_in", r#"["example.com", "*.example.org"]"#),
        special("path_within", r#"["/srv/data"]"#),
        special("command_in", r#"["git log **"]"#),
        special("sql_only", r#"["select"]"#),
        special(
            "sql_only",
            r#"{"statements": ["select"], "dialect": "postgresql"}"#,
        ),
        special(
            "sql_only",
            r#"{"statements": ["select"], "dialect": "sqlite"}"#,
        ),
        special(
            "sql_only",
            r#"{"statements": ["select"], "dialect": "mysql"}"#,
        ),
    ];
    patterns();
    let mut all = Vec::new();
    for spec in &specs {
        for (head, part) in HEADS.iter().flat_map(|h| PARTS.iter().map(move |p| (h, p))) {
            let mut text = format!("{head}{}", part.repeat(LONGEST / part.len()));
            while text.len() > LONGEST {
                text.pop();
            }
            let found = cost(spec, &text, 1, 5);
            all.push((found, format!("{spec}: {:?}", format!("{head}{part}…"))));
        }
    }
    all.sort();
    println!(
        "the worst five of {} hostile texts of {LONGEST} bytes:",
        all.len()
    );
    for (found, what) in all.iter().rev().take(5) {
        broken |= *found > Duration::from_millis(1);
        println!("{found:>10.2?}  {what}");
    }
    assert!(
        !broken,
        "ordinary values take at most 20 µs, hostile ones 1 ms"
    );
}
