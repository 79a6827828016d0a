//! One row for every message, in a file that can be read beside the language.

use super::{told, with_rules};

/// A document with the messages it gets.
fn rows() -> Vec<(String, Vec<&'static str>)> {
    let row = |block: &'static str| {
        let lines = block.lines().filter(|line| !line.starts_with("# "));
        let (told, text): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("! "));
        let told = told.iter().map(|line| line.trim_start_matches("! "));
        (text.join("\n"), told.collect::<Vec<&str>>())
    };
    let blocks = include_str!("problems.txt").split("\n\n");
    blocks
        .map(row)
        .filter(|(text, _)| !text.is_empty())
        .collect()
}

#[test]
fn every_message_has_its_place() {
    let rows = rows();
    assert!(rows.len() > 100, "only {} rows", rows.len());
    for (text, expected) in rows {
        assert!(!expected.is_empty(), "a row without a message: {text}");
        assert_eq!(told(&text), expected, "{text}");
    }
}

#[test]
fn texts_that_a_file_cannot_show() {
    let nots = |count: usize| {
        let (open, close) = ("{\"not\":".repeat(count), "}".repeat(count));
        let test = r#"{"path":"args.a","op":"eq","value":1}"#;
        with_rules(&format!(
            r#"{{"deny_if":[{{"conditions":[{open}{test}{close}]}}]}}"#
        ))
    };
    // Six levels are around the conditions.
    assert!(told(&nots(57)).is_empty());
    let place = format!("/tools/t/deny_if/0/conditions/0{}", "/not".repeat(58));
    for (text, expected) in [
        (
            nots(58),
            format!("error at line 2, column 434 ({place}): nested deeper than 64 levels"),
        ),
        (
            "\u{feff}{}".into(),
            "error at line 1, column 1: the text begins with a byte order mark: save it as UTF-8 without one".into(),
        ),
        (
            "{\"version\":\"1\",\"description\":\"a\tb\"}".into(),
            "error at line 1, column 32 (/description): a tab in a string is written \\t"
                .into(),
        ),
        (
            format!(r#"{{"version":"1","default":"deny","hide":["{}*"]}}"#, "a".repeat(1_024)),
            "error at line 1, column 41 (/hide/0): a selector with * or ? has at most 1024 bytes"
                .into(),
        ),
        (
            with_value("regex", &"a".repeat(8_193)),
            "error at line 3, column 1 (/tools/t/deny_if/0/conditions/0/value): a regex has at most 8192 bytes"
                .into(),
        ),
        (
            with_value("glob", &"*a".repeat(513)),
            "error at line 3, column 1 (/tools/t/deny_if/0/conditions/0/value): a glob has at most 1024 bytes"
                .into(),
        ),
    ] {
        assert_eq!(told(&text), [expected], "{text}");
    }
    let bytes = crate::compile(b"{\"version\":\"1\",\"default\":\"\xff\"}").expect_err("no UTF-8");
    assert_eq!(
        bytes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["error at line 1, column 27 (/default): this is not UTF-8: save the text as UTF-8"]
    );
}

fn with_value(op: &str, value: &str) -> String {
    with_rules(&format!(
        "{{\"deny_if\":[{{\"conditions\":[{{\"path\":\"args.a\",\"op\":\"{op}\",\"value\":\n{value:?}}}]}}]}}"
    ))
}
