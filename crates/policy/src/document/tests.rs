//! One row for every message: a document, and all that is told about it.

mod conditions;
mod entries;
mod meanings;
mod rows;
pub(crate) mod schema;

use crate::compile;

/// Every problem as the terminal shows it.
fn told(text: &str) -> Vec<String> {
    let problems = match compile(text.as_bytes()) {
        Ok(checked) => {
            schema::assert_described(text);
            checked.warnings
        }
        Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect()
}

/// A policy with `rules` under `tools.t`.
fn with_rules(rules: &str) -> String {
    format!("{{\"version\":\"1\",\"default\":\"deny\",\"tools\":{{\"t\":\n{rules}}}}}")
}

/// A policy with one limit, and `more` in it.
fn with_limit(more: &str) -> String {
    with_rules(&format!("{{\"limits\":[{{{more}}}]}}"))
}

#[test]
fn texts_that_are_no_document() {
    const SMALLEST: &str = r#"the smallest one is {"version": "1", "default": "deny"}"#;
    for (text, expected) in [
        (
            "",
            format!("error at line 1, column 1: the policy is empty; {SMALLEST}"),
        ),
        (
            " \n",
            format!("error at line 1, column 1: the policy is empty; {SMALLEST}"),
        ),
        (
            "[]",
            "error at line 1, column 1: an object is expected here, not an array".into(),
        ),
        (
            "{]",
            "error at line 1, column 2: the `{` of line 1 is still open here, and `}` closes it, not `]`".into(),
        ),
        (
            "{\"tools\":{\n  \"a\":%}}",
            "error at line 2, column 7 (/tools/a): found '%' where a value was expected".into(),
        ),
        (
            "{\"tools\":{\n  \"a\":{},\n}}",
            "error at line 2, column 9 (/tools): trailing comma before `}`: remove it".into(),
        ),
        (
            "version: \"1\"\ndefault: deny\n",
            "error at line 1, column 1: this looks like YAML; what is expected here is JSON".into(),
        ),
        (
            "{\"tools\":{\n  \"a\":{},\n  \"a\":{}}}",
            "error at line 3, column 3 (/tools/a): the key \"a\" appears twice: keep one".into(),
        ),
        (
            "{\"version\":\"1\",\"default\":\"deny\",\"\\u001b[2J\":1}",
            "error at line 1, column 33 (/\\u{1b}[2J): unknown key \"\\u{1b}[2J\"; \
             known here: version, default, description, hide, all_tools, tools, resources, prompts, \
             methods, server_requests, flow, timezone".into(),
        ),
        (
            "{\"tools\":{\"x/y\":{\"limits\":[{},{\"max\":1.}]}}}",
            "error at line 1, column 40 (/tools/x~1y/limits/1/max): \
             not a number as JSON writes them"
                .into(),
        ),
    ] {
        assert_eq!(told(text), [expected], "{text}");
    }
}

#[test]
fn the_uppermost_keys() {
    for (text, expected) in [
        (
            "{}",
            &[
                "error at line 1, column 1: `version` is missing; the smallest policy is {\"version\": \"1\", \"default\": \"deny\"}",
                "error at line 1, column 1: `default` is missing; the smallest policy is {\"version\": \"1\", \"default\": \"deny\"}",
            ][..],
        ),
        (
            r#"{"version":1,"default":"Deny"}"#,
            &[
                "error at line 1, column 12 (/version): the version is the string \"1\", with its quotes",
                "error at line 1, column 24 (/default): \"Deny\" is no default; it is one of \"allow\" or \"deny\"; did you mean `deny`?",
            ],
        ),
        (
            r#"{"version":"2","default":"deny"}"#,
            &[
                "error at line 1, column 12 (/version): version \"2\" is not known; this is version \"1\" of the language",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","tolls":{},"description":1}"#,
            &[
                "error at line 1, column 33 (/tolls): unknown key \"tolls\"; did you mean `tools`?",
                "error at line 1, column 58 (/description): a string is expected here, not a number",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","timezone":"Europe/Berln"}"#,
            &[
                "error at line 1, column 44 (/timezone): there is no time zone \"Europe/Berln\"; it is a name as in Europe/Berlin; did you mean `Europe/Berlin`?",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","timezone":1,"flow":{}}"#,
            &[
                "error at line 1, column 44 (/timezone): a string is expected here, not a number",
                "error at line 1, column 53 (/flow): a list is expected here, not an object",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","hide":["a",1,"*",""]}"#,
            &[
                "error at line 1, column 45 (/hide/1): a string is expected here, not a number",
                "error at line 1, column 51 (/hide/3): a name is never empty",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","hide":"a","tools":[]}"#,
            &[
                "error at line 1, column 40 (/hide): a list is expected here, not a string; did you mean `[\"a\"]`?",
                "error at line 1, column 52 (/tools): an object is expected here, not an array: each name is a key",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","tools":{"@write":{},"@wrte":{},"@everything":{}}}"#,
            &[
                "warning at line 1, column 51 (/tools/@write): `{}` has no effect here: only an exact name is named by it; to allow what this matches, write \"action\": \"allow\"",
                "error at line 1, column 54 (/tools/@wrte): \"@wrte\" is no class of tools; a literal name that begins with @ is written \"\\\\@wrte\"; did you mean `@write`?",
                "error at line 1, column 65 (/tools/@everything): \"@everything\" is no class of tools; a literal name that begins with @ is written \"\\\\@everything\"",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","prompts":{"@read":{}},"resources":{"@read":{}}}"#,
            &[
                "error at line 1, column 44 (/prompts/@read): only tools have classes; a literal name that begins with @ is written with a \\ before it",
                "error at line 1, column 69 (/resources/@read): only tools have classes; a literal name that begins with @ is written with a \\ before it",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","methods":{"x/*":"allow"}}"#,
            &[
                "error at line 1, column 44 (/methods/x~1*): a method is named exactly, without * or ?",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","methods":{"x/y":"alow"},"server_requests":{"smpling":"deny","roots":true}}"#,
            &[
                "error at line 1, column 50 (/methods/x~1y): \"alow\" is no verdict on a method; it is one of \"allow\" or \"deny\"; did you mean `allow`?",
                "error at line 1, column 77 (/server_requests/smpling): unknown key \"smpling\"; did you mean `sampling`?",
                "error at line 1, column 102 (/server_requests/roots): a string is expected here, not a boolean",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","resources":{"passwd":{},"file:///a":{},"FILE:///a":{},"file*":{}}}"#,
            &[
                "error at line 1, column 46 (/resources/passwd): this URI can never match: it has no scheme",
                "error at line 1, column 73 (/resources/FILE:~1~1~1a): another key comes to the same URI, \"file:///a\"",
                "error at line 1, column 88 (/resources/file*): this URI can never match: it has no scheme",
                "warning at line 1, column 96 (/resources/file*): `{}` has no effect here: only an exact name is named by it; to allow what this matches, write \"action\": \"allow\"",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","all_tools":{"action":"allow"}}"#,
            &[
                "warning at line 1, column 45 (/all_tools): `action`: \"allow\" has no effect here: all_tools names no tool; name them under `tools`, or write `default`: \"allow\"",
            ],
        ),
        (
            r#"{"version":"1","default":"deny","tools":{"run*":{}}}"#,
            &[
                "warning at line 1, column 49 (/tools/run*): `{}` has no effect here: only an exact name is named by it; to allow what this matches, write \"action\": \"allow\"",
            ],
        ),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
}

#[test]
fn rule_sets() {
    for (rules, expected) in [
        ("{}", &[][..]),
        (
            "[]",
            &["error at line 2, column 1 (/tools/t): an object is expected here, not an array"],
        ),
        (
            r#"{"action":"block"}"#,
            &[
                "error at line 2, column 11 (/tools/t/action): \"block\" is no action; it is one of \"allow\", \"deny\", \"hide\" or \"require_approval\"; did you mean `deny`?",
            ],
        ),
        (r#"{"action":"require_approval","reason":"look"}"#, &[]),
        (
            r#"{"require":[],"acton":1}"#,
            &[
                "error at line 2, column 15 (/tools/t/acton): unknown key \"acton\"; did you mean `action`?",
            ],
        ),
        (
            r#"{"validate":false}"#,
            &[
                "error at line 2, column 13 (/tools/t/validate): `validate` is true or \"schema\"; leave it out to validate nothing",
            ],
        ),
        (
            r#"{"validate":"Schema","max_result_bytes":0}"#,
            &[
                "error at line 2, column 13 (/tools/t/validate): `validate` is true or \"schema\"",
                "error at line 2, column 41 (/tools/t/max_result_bytes): `max_result_bytes` is a whole number, 1 or more",
            ],
        ),
        (
            r#"{"reason":"no"}"#,
            &[
                "warning at line 2, column 11 (/tools/t/reason): `reason` has no effect here: it is told when `action` refuses",
            ],
        ),
        (
            r#"{"rate_limit":{"max":1}}"#,
            &["error at line 2, column 15 (/tools/t/rate_limit): a limit needs `window`"],
        ),
        (
            r#"{"rate_limit":{"max":1,"window":60,"scope":"grant"}}"#,
            &[
                "error at line 2, column 36 (/tools/t/rate_limit/scope): unknown key \"scope\"; known here: max, window",
            ],
        ),
        (
            r#"{"rate_limit":7}"#,
            &[
                "error at line 2, column 15 (/tools/t/rate_limit): an object is expected here, as in {\"max\": 10, \"window\": \"minute\"}, not a number",
            ],
        ),
        (
            r#"{"limits":{}}"#,
            &[
                "error at line 2, column 11 (/tools/t/limits): a list is expected here, not an object",
            ],
        ),
    ] {
        assert_eq!(told(&with_rules(rules)), expected, "{rules}");
    }
}

#[test]
fn the_parts_of_a_limit() {
    const SOUND: &str = r#""counter":"c","window":"day","max":5"#;
    for (limit, expected) in [
        (SOUND.to_owned(), &[][..]),
        (
            String::new(),
            &[
                "error at line 2, column 12 (/tools/t/limits/0): a limit needs `counter`",
                "error at line 2, column 12 (/tools/t/limits/0): a limit needs `window`",
                "error at line 2, column 12 (/tools/t/limits/0): a limit needs `max`",
            ],
        ),
        (
            r#""counter":"","window":"fortnight","max":-1"#.to_owned(),
            &[
                "error at line 2, column 23 (/tools/t/limits/0/counter): a counter's name has 1 to 256 bytes and no control characters",
                "error at line 2, column 35 (/tools/t/limits/0/window): a window is \"second\", \"minute\", \"hour\", \"day\", \"week\", a number of seconds, or as in \"90s\", \"15m\", \"6h\", \"30d\"",
                "error at line 2, column 53 (/tools/t/limits/0/max): a number below 0 is no limit that could be kept",
            ],
        ),
        (
            r#""counter":"c","window":0,"max":"5""#.to_owned(),
            &[
                "error at line 2, column 36 (/tools/t/limits/0/window): a window is at least 1 second and at most 366 days",
                "error at line 2, column 44 (/tools/t/limits/0/max): a number is expected here, not a string",
            ],
        ),
        (
            r#""counter":"c","window":0.5,"max":123456789012345678901234567890123456789"#
                .to_owned(),
            &[
                "error at line 2, column 36 (/tools/t/limits/0/window): a window in numbers is a whole number of seconds, as in 60",
                "error at line 2, column 46 (/tools/t/limits/0/max): a number of more than 38 significant digits cannot be used here",
            ],
        ),
        (
            r#""counter":"c","window":true,"max":1e400"#.to_owned(),
            &[
                "error at line 2, column 36 (/tools/t/limits/0/window): a window is a text or a number of seconds",
            ],
        ),
    ] {
        assert_eq!(told(&with_limit(&limit)), expected, "{limit}");
    }
}

#[test]
fn the_finer_points_of_limits() {
    const SOUND: &str = r#""counter":"c","window":"day","max":5"#;
    for (limit, expected) in [
        (format!(r#"{SOUND},"cost":0,"allow_zero":true"#), &[][..]),
        (
            format!(r#"{SOUND},"scope":"grants","windw":1"#),
            &[
                "error at line 2, column 58 (/tools/t/limits/0/scope): \"grants\" is no scope; it is one of \"grant\", \"identity\", \"server\" or \"gateway\"; did you mean `grant`?",
                "error at line 2, column 67 (/tools/t/limits/0/windw): unknown key \"windw\"; did you mean `window`?",
            ],
        ),
        (
            format!(r#"{SOUND},"cost":0"#),
            &[
                "error at line 2, column 57 (/tools/t/limits/0/cost): a cost of 0 refuses every call; say `allow_zero`: true, or leave the limit out",
            ],
        ),
        (
            format!(r#"{SOUND},"allow_zero":"yes","cost":-1"#),
            &[
                "error at line 2, column 63 (/tools/t/limits/0/allow_zero): true or false is expected here, not a string",
                "error at line 2, column 76 (/tools/t/limits/0/cost): a number below 0 is no limit that could be kept",
            ],
        ),
        (
            format!(r#"{SOUND},"cost":6"#),
            &[
                "warning at line 2, column 12 (/tools/t/limits/0): no call can ever pass this limit: one call costs more than `max`",
            ],
        ),
        (
            format!(r#"{SOUND},"cost":"amount""#),
            &[
                "error at line 2, column 57 (/tools/t/limits/0/cost): a path starts with one of args, tool, server, grant, identity, client, time, as in `args.amount`; did you mean `args.amount`?",
            ],
        ),
        (
            format!(r#"{SOUND},"cost":"tool""#),
            &[
                "error at line 2, column 57 (/tools/t/limits/0/cost): a cost is a number in the arguments, as in `args.amount`, or a constant",
            ],
        ),
        (
            format!(r#"{SOUND},"cost":"args.items[*].price""#),
            &[
                "error at line 2, column 57 (/tools/t/limits/0/cost): `[*]` is not allowed in `cost`: it must lead to one value",
            ],
        ),
        (
            format!(r#"{SOUND},"per":"time.hour""#),
            &[
                "error at line 2, column 56 (/tools/t/limits/0/per): `per` cannot depend on the time",
            ],
        ),
        (
            format!(r#"{SOUND},"per":"tool.name""#),
            &[
                "error at line 2, column 56 (/tools/t/limits/0/per): `tool` is a plain text and has no parts",
            ],
        ),
        (
            format!(r#"{SOUND},"per":"args.a","max_keys":0"#),
            &[
                "error at line 2, column 76 (/tools/t/limits/0/max_keys): `max_keys` is a whole number from 1 to 100000",
            ],
        ),
        (
            format!(r#"{SOUND},"max_keys":5,"on_deny":5"#),
            &[
                "error at line 2, column 61 (/tools/t/limits/0/max_keys): `max_keys` has no effect without `per`",
                "error at line 2, column 73 (/tools/t/limits/0/on_deny): a string is expected here, not a number",
            ],
        ),
    ] {
        assert_eq!(told(&with_limit(&limit)), expected, "{limit}");
    }
}

#[test]
fn limits_that_share_a_counter_agree() {
    let policy = |a: &str, b: &str| {
        format!(
            r#"{{"version":"1","default":"deny","all_tools":{{"limits":[{{{a}}}]}},"tools":{{"t":{{"limits":[{{{b}}}]}}}}}}"#
        )
    };
    let day = r#""counter":"c","window":"day","max":5"#;
    for (other, differs) in [
        (r#""counter":"c","window":"24h","max":9"#, None),
        (r#""counter":"c","window":"day","max":5,"cost":1.0"#, None),
        (r#""counter":"c","window":"week","max":5"#, Some("window")),
        (
            r#""counter":"c","window":"day","max":5,"cost":2"#,
            Some("cost"),
        ),
        (
            r#""counter":"c","window":"day","max":5,"cost":"args.n""#,
            Some("cost"),
        ),
        (
            r#""counter":"c","window":"week","max":5,"scope":"server""#,
            None,
        ),
        (r#""counter":"d","window":"week","max":5"#, None),
    ] {
        let expected: Vec<String> = differs
            .map(|what| {
                format!(
                    "error at line 1, column 121 (/tools/t/limits/0): this limit shares the \
                     counter \"c\" with /all_tools/limits/0 but not its {what}; make them agree, \
                     or give one of them another counter"
                )
            })
            .into_iter()
            .collect();
        assert_eq!(told(&policy(day, other)), expected, "{other}");
    }
}

#[test]
fn not_more_than_a_hundred_problems_are_told() {
    let keys: Vec<String> = (0..150).map(|i| format!("\"k{i}\":0")).collect();
    let text = format!(r#"{{"version":"1","default":"deny",{}}}"#, keys.join(","));
    let told = told(&text);
    assert_eq!(told.len(), 101);
    assert_eq!(
        told[100],
        "error at line 1, column 1: 50 more problems are not shown"
    );
}
