//! What is told about conditions.

use super::{told, with_rules};

/// All that is told about a condition, without the place they share.
fn about(list: &str, condition: &str) -> Vec<String> {
    let rules = format!("{{\"{list}\":[{{\"conditions\":[\n{condition}]}}]}}");
    told(&with_rules(&rules))
        .iter()
        .map(|line| {
            let line = line.replace(&format!("/tools/t/{list}/0/conditions/0"), "…");
            line.replace("error at line 3, ", "")
        })
        .collect()
}

fn check(list: &str, condition: &str, expected: &[&str]) {
    assert_eq!(about(list, condition), expected, "{list} {condition}");
}

#[test]
fn the_form_of_a_condition() {
    for (condition, expected) in [
        (
            "1",
            &[
                "column 1 (…): a condition, as in {\"path\", \"op\", \"value\"}, is expected here, not a number",
            ][..],
        ),
        (
            "{}",
            &[
                "column 1 (…): a condition needs `path`",
                "column 1 (…): a condition needs `op`",
                "column 1 (…): a condition needs `value`",
            ],
        ),
        (
            r#"{"path":"args.a","op":"eq","values":1}"#,
            &["column 28 (…/values): unknown key \"values\"; did you mean `value`?"],
        ),
        (
            r#"{"path":"arg.a","op":"equal","value":1}"#,
            &[
                "column 9 (…/path): a path starts with one of args, tool, server, grant, identity, client, time, as in `args.amount`; did you mean `args.a`?",
                "column 22 (…/op): \"equal\" is no operator; it is one of \"eq\", \"neq\", \"lt\", \"lte\", \"gt\", \"gte\", \"in\", \"not_in\", \"exists\", \"regex\", \"contains\", \"matches\", \"starts_with\", \"ends_with\", \"glob\", \"length_lte\", \"length_gte\", \"type_is\", \"host_in\", \"path_within\", \"sql_only\" or \"command_in\"; did you mean `eq`?",
            ],
        ),
        (
            r#"{"any":[],"not":{"path":"args.a","op":"eq","value":1}}"#,
            &[
                "column 1 (…): `any` stands alone: nothing else belongs into this object",
                "column 8 (…/any): `any` needs at least one condition",
            ],
        ),
        (
            r#"{"all":{"path":"args.a"}}"#,
            &["column 8 (…/all): a list is expected here, not an object; did you mean `[{…}]`?"],
        ),
        (
            r#"{"not":[]}"#,
            &[
                "column 8 (…/not): a condition, as in {\"path\", \"op\", \"value\"}, is expected here, not an array",
            ],
        ),
        (
            r#"{"any":[{"not":{"path":"args.a","op":"eqq","value":1}}]}"#,
            &[
                "column 38 (…/any/0/not/op): \"eqq\" is no operator; it is one of \"eq\", \"neq\", \"lt\", \"lte\", \"gt\", \"gte\", \"in\", \"not_in\", \"exists\", \"regex\", \"contains\", \"matches\", \"starts_with\", \"ends_with\", \"glob\", \"length_lte\", \"length_gte\", \"type_is\", \"host_in\", \"path_within\", \"sql_only\" or \"command_in\"; did you mean `eq`?",
            ],
        ),
    ] {
        check("require", condition, expected);
    }
}

/// A condition on `path` with this operator and value.
fn test(path: &str, op: &str, value: &str) -> String {
    format!("{{\"path\":\"{path}\",\"op\":\"{op}\",\"value\":\n{value}}}")
}

const OPERATORS: &[(&str, &str, Option<&str>)] = &[
    ("eq", "[1,{\"a\":null}]", None),
    (
        "neq",
        "1e9999999999",
        Some("a number with an exponent beyond a billion cannot be used here"),
    ),
    (
        "eq",
        "[123456789012345678901234567890123456789]",
        Some("a number of more than 38 significant digits cannot be used here"),
    ),
    (
        "lt",
        "\"100\"",
        Some("ordering compares numbers with numbers only, not with a string; did you mean `100`?"),
    ),
    (
        "gte",
        "\"2026-01-01\"",
        Some("ordering compares numbers with numbers only, not with a string"),
    ),
    ("lte", "null", Some("a number is expected here, not null")),
    ("gt", "1e-400", None),
    (
        "in",
        "[]",
        Some("a list with at least one value is expected here"),
    ),
    (
        "not_in",
        "\"a\"",
        Some("a list is expected here, not a string; did you mean `[\"a\"]`?"),
    ),
    ("in", "[\"a\",1,null]", None),
    (
        "exists",
        "\"true\"",
        Some("true or false is expected here, not a string"),
    ),
    (
        "regex",
        "\"(\"",
        Some("this regex does not compile: unclosed group"),
    ),
    (
        "regex",
        "\"(?=a)\"",
        Some(
            "this regex does not compile: look-around, including look-ahead and look-behind, is not supported",
        ),
    ),
    (
        "matches",
        "\"a)(b\"",
        Some("this regex does not compile: unopened group"),
    ),
    (
        "regex",
        "\"(?:x{1000}){1000}\"",
        Some("this regex is too large; repeat less, or match less"),
    ),
    (
        "matches",
        "\"\"",
        Some("`matches` needs a text that is not empty"),
    ),
    (
        "regex",
        "1",
        Some("a string is expected here, not a number"),
    ),
    (
        "contains",
        "\"\"",
        Some("an empty text is contained in every text"),
    ),
    (
        "contains",
        "[1]",
        Some("a string, a number or a boolean is expected here, not an array"),
    ),
    ("contains", "1", None),
    (
        "starts_with",
        "true",
        Some("a string is expected here, not a boolean"),
    ),
    (
        "ends_with",
        "\"\"",
        Some("`ends_with` needs a text that is not empty"),
    ),
    ("glob", "\"*.rs\"", None),
    (
        "length_lte",
        "-1",
        Some("a length is a whole number, 0 or more"),
    ),
    (
        "length_gte",
        "1.5",
        Some("a length is a whole number, 0 or more"),
    ),
    ("length_lte", "1e2", None),
    (
        "type_is",
        "\"int\"",
        Some(
            "\"int\" is no type; it is one of \"null\", \"boolean\", \"number\", \"integer\", \"string\", \"array\" or \"object\"; did you mean `integer`?",
        ),
    ),
    (
        "type_is",
        "\"strng\"",
        Some(
            "\"strng\" is no type; it is one of \"null\", \"boolean\", \"number\", \"integer\", \"string\", \"array\" or \"object\"; did you mean `string`?",
        ),
    ),
    ("type_is", "[]", Some("at least one type is expected here")),
    ("type_is", "[\"string\",\"null\"]", None),
    ("host_in", "[\"example.com\"]", None),
    (
        "host_in",
        "\"example.com\"",
        Some("the value is a string; write a list of hosts"),
    ),
    (
        "path_within",
        "[]",
        Some(
            "the value is an empty list, so nothing would ever hold; list at least one of the directories",
        ),
    ),
    (
        "sql_only",
        "1",
        Some("the value is a number; write a list of statement kinds such as `select`"),
    ),
    (
        "command_in",
        "[1]",
        Some("the value holds a number; every element must be a string"),
    ),
];

#[test]
fn what_operators_can_be_asked() {
    for (op, value, expected) in OPERATORS.iter().copied() {
        let told = about("deny_if", &test("args.a", op, value));
        let told: Vec<&str> = told
            .iter()
            .filter_map(|line| line.split_once("): "))
            .map(|(_, t)| t)
            .collect();
        assert_eq!(
            told,
            expected.into_iter().collect::<Vec<_>>(),
            "{op} {value}"
        );
    }
}

const PATHS: &[(&str, &str, &str, &str, Option<&str>)] = &[
    ("deny_if", "client", "eq", "\"x\"", None),
    ("deny_if", "client.version", "eq", "\"x\"", None),
    (
        "require",
        "client.name",
        "eq",
        "\"x\"",
        Some(
            "what a client says of itself proves nothing: it may stand in `deny_if`, not in `require`",
        ),
    ),
    (
        "require_approval",
        "client",
        "eq",
        "\"x\"",
        Some(
            "what a client says of itself proves nothing: it may stand in `deny_if`, not in `require_approval`",
        ),
    ),
    (
        "require",
        "client.title",
        "eq",
        "\"x\"",
        Some("the parts of `client` are client.name and client.version"),
    ),
    (
        "require",
        "grant.x",
        "eq",
        "\"x\"",
        Some("`grant` is a plain text and has no parts"),
    ),
    (
        "require",
        "tool",
        "eq",
        "1",
        Some("a string is expected here, not a number"),
    ),
    (
        "require",
        "tool",
        "in",
        "[\"a\",2]",
        Some("a string is expected here, not a number"),
    ),
    (
        "require",
        "identity",
        "lt",
        "1",
        Some("ordering compares numbers with numbers only, and this path leads to a text"),
    ),
    (
        "require",
        "time",
        "eq",
        "1",
        Some("the parts of `time` are time.hour, time.minute, time.weekday and time.date"),
    ),
    (
        "require",
        "time.hours",
        "eq",
        "1",
        Some("the parts of `time` are time.hour, time.minute, time.weekday and time.date"),
    ),
    (
        "require",
        "time.hour",
        "eq",
        "24",
        Some("the hours are 0 to 23"),
    ),
    (
        "require",
        "time.hour",
        "in",
        "[9,\"10\"]",
        Some("a number is expected here, not a string"),
    ),
    (
        "require",
        "time.minute",
        "neq",
        "60",
        Some("the minutes are 0 to 59"),
    ),
    (
        "require",
        "time.hour",
        "matches",
        "\"1.\"",
        Some("`matches` asks for a text, and this path leads to a number"),
    ),
    (
        "require",
        "time.weekday",
        "in",
        "[\"monday\",\"tusday\"]",
        Some(
            "\"tusday\" is no weekday; it is one of \"monday\", \"tuesday\", \"wednesday\", \"thursday\", \"friday\", \"saturday\" or \"sunday\"; did you mean `tuesday`?",
        ),
    ),
    (
        "require",
        "time.weekday",
        "gte",
        "1",
        Some("ordering compares numbers with numbers only, and this path leads to a text"),
    ),
    (
        "require",
        "time.date",
        "eq",
        "\"2026-02-29\"",
        Some("a date that exists is expected, as in \"2026-01-31\""),
    ),
    ("require", "args.a[*].b", "eq", "1", None),
];

#[test]
fn what_paths_can_be_asked() {
    for (list, path, op, value, expected) in PATHS.iter().copied() {
        let told = about(list, &test(path, op, value));
        let told: Vec<&str> = told
            .iter()
            .filter(|line| !line.starts_with("warning"))
            .filter_map(|line| line.split_once("): "))
            .map(|(_, t)| t)
            .collect();
        assert_eq!(
            told,
            expected.into_iter().collect::<Vec<_>>(),
            "{list} {path} {op} {value}"
        );
    }
}

#[test]
fn a_demand_that_any_part_can_satisfy_is_warned_of() {
    const WARNING: &str = "warning at line 3, column 23 (…/op): `regex` is satisfied by a match \
                           anywhere in the text, so this lets pass whatever contains one; \
                           `matches` is about the whole text";
    for (regex, warns) in [
        ("main", true),
        ("^main", true),
        ("main$", true),
        ("^main$", false),
        ("\\\\Amain\\\\z", false),
        ("^main|dev$", true),
        ("^(main|dev)$", false),
        ("^(?:main|dev)$", false),
        ("^(?m:main)$", true),
        ("^main\\\\$", true),
        ("^a\\\\|b$", false),
    ] {
        let condition = format!(r#"{{"path":"args.a","op":"regex","value":"{regex}"}}"#);
        let expected: &[&str] = if warns { &[WARNING] } else { &[] };
        check("require", &condition, expected);
        check("deny_if", &condition, &[]);
        let negated = format!(r#"{{"not":{condition}}}"#);
        check("require", &negated, &[]);
    }
}

#[test]
fn a_condition_on_the_time_wants_a_time_zone() {
    let policy = |zone: &str, list: &str| {
        format!(
            r#"{{"version":"1","default":"deny",{zone}"tools":{{"t":{{"{list}":[{{"conditions":[{{"not":{{"any":[{{"path":"time.hour","op":"lt","value":8}}]}}}}]}},{{"conditions":[{{"path":"time.hour","op":"gt","value":8}}]}}]}}}}}}"#
        )
    };
    for list in ["deny_if", "require", "require_approval"] {
        let place = format!("/tools/t/{list}/0");
        let column = 51 + list.len();
        assert_eq!(
            told(&policy("", list)),
            [format!(
                "warning at line 1, column {column} ({place}): this asks for the time, and the \
                 policy has no `timezone`: it is the time in UTC"
            )]
        );
        assert!(told(&policy("\"timezone\":\"Asia/Tokyo\",", list)).is_empty());
    }
}
