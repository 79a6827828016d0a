//! One row for every slip: the text, where the advice points, and what it says.

use super::*;
use crate::json::{Place, Rules, parse};

fn told(text: &[u8]) -> Option<(usize, usize, String)> {
    let error = parse(text, Rules::DOCUMENT).expect_err("is not JSON");
    let slip = slip(text, &error)?;
    let place = Place::of(text, slip.at);
    Some((place.line, place.column, slip.message))
}

/// Text, line, column, advice.
const SLIPS: &[(&str, usize, usize, &str)] = &[
    (
        "{\"a\": 1,\n}",
        1,
        8,
        "trailing comma before `}`: remove it",
    ),
    (
        "{\"a\": [1, 2 , ]}",
        1,
        13,
        "trailing comma before `]`: remove it",
    ),
    (
        "{\n  // why\n  \"a\": 1}",
        2,
        3,
        "JSON has no comments: remove this one",
    ),
    (
        "{\"a\": /* why */ 1}",
        1,
        7,
        "JSON has no comments: remove this one",
    ),
    (
        "# why\n{\"a\": 1}",
        1,
        1,
        "JSON has no comments: remove this one",
    ),
    (
        "{\"a\": 1} // why",
        1,
        10,
        "JSON has no comments: remove this one",
    ),
    (
        "{'a': 1}",
        1,
        2,
        "strings need double quotes: write \" instead of '",
    ),
    (
        "{\"a\": “b”}",
        1,
        7,
        "strings need double quotes: write \" instead of “",
    ),
    (
        "{version: \"1\"}",
        1,
        2,
        "strings need double quotes: write \"version\"",
    ),
    (
        "{\"default\": deny}",
        1,
        13,
        "strings need double quotes: write \"deny\"",
    ),
    ("{\"a\": True}", 1, 7, "JSON writes this `true`"),
    ("{\"a\": None}", 1, 7, "JSON writes this `null`"),
    ("{\"a\": nil}", 1, 7, "JSON writes this `null`"),
    ("{\"a\": NaN}", 1, 7, "JSON has no such number"),
    (
        "{\"a\" = 1}",
        1,
        6,
        "a key and its value stand with a `:` between them, not `=`",
    ),
    (
        "{\"a\", \"b\"}",
        1,
        5,
        "a key needs a value: `\"key\": value`",
    ),
    (
        "{\"a\" 1}",
        1,
        6,
        "a `:` is missing between the key and its value",
    ),
    ("{\"a\": 1\n  \"b\": 2}", 1, 8, "a comma is missing here"),
    ("[{} {}]", 1, 4, "a comma is missing here"),
    (
        "{\"a\": 1; \"b\": 2}",
        1,
        8,
        "a `,` stands between members, not `;`",
    ),
    (
        "{\"a\": \"say \"hi\"\"}",
        1,
        13,
        "a quote in a string is written \\\"; here it ends the string",
    ),
    (
        "{\"a\": 1_000}",
        1,
        8,
        "a number is written with digits alone, as in 1000 or 0.5",
    ),
    ("{\"a\": 01}", 1, 8, "a number has no 0 in front: remove it"),
    (
        "{\"a\": .5}",
        1,
        7,
        "a number begins with a digit, as in 0.5",
    ),
    ("{\"a\": +5}", 1, 7, "a number is written without `+`"),
    (
        "{,\"a\": 1}",
        1,
        2,
        "a comma with nothing before it: remove it",
    ),
    (
        "{\"a\": [1}",
        1,
        9,
        "the `[` of line 1 is still open here, and `]` closes it, not `}`",
    ),
    (
        "{\n\"a\": 1",
        2,
        7,
        "the text ends, but the `{` of line 1 is still open: close it with `}`",
    ),
    (
        "{\"a\": [",
        1,
        8,
        "the text ends, but the `[` of line 1 is still open: close it with `]`",
    ),
    (
        "{\"a\": 1}}",
        1,
        9,
        "one `}` too many: everything is closed already",
    ),
    (
        "{\"a\": \"b\n}",
        1,
        9,
        "the string does not end on its line: close it with \", or write a line break as \\n",
    ),
    (
        "{\"a\": \"b",
        1,
        9,
        "the text ends in the string that begins in line 1: close it with \"",
    ),
    ("{\"a\": \"\tb\"}", 1, 8, "a tab in a string is written \\t"),
    (
        "{\"a\": \"\\d+\"}",
        1,
        8,
        "a backslash in a string is written twice: \\\\d for \\d",
    ),
    (
        "{\"a\": \"\\u12\"}",
        1,
        8,
        "four hexadecimal digits follow after \\u, as in \\u00e9",
    ),
    (
        "{\"a\": 1, \"a\": 2}",
        1,
        10,
        "the key \"a\" appears twice: keep one",
    ),
    (
        "\"version\": \"1\",\n\"default\": \"deny\"",
        1,
        1,
        "the whole needs braces around it: `{` here and `}` at the end",
    ),
    (
        "{} {}",
        1,
        4,
        "the document ended before this: more than one value is not expected",
    ),
];

#[test]
fn every_slip_has_its_advice() {
    for (text, line, column, message) in SLIPS {
        let expected = Some((*line, *column, (*message).to_owned()));
        assert_eq!(told(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn other_languages_are_recognised() {
    for (text, place, language) in [
        ("version: \"1\"\ndefault: deny\n", (1, 1), "YAML"),
        ("# rules\n---\nversion: '1'\n", (2, 1), "YAML"),
        ("\"version\": \"1\"\n", (1, 1), "YAML"),
        ("tools:\n  run-rerun: {}\n", (1, 1), "YAML"),
        ("- a\n- b\n", (1, 1), "YAML"),
        ("version = \"1\"\n", (1, 1), "TOML"),
        ("\n# rules\n[tools]\nrun = 1\n", (3, 1), "TOML"),
        ("[[tools.\"a\"]]\n", (1, 1), "TOML"),
        ("<!doctype html>", (1, 1), "XML or HTML"),
    ] {
        let message = format!("this looks like {language}; what is expected here is JSON");
        assert_eq!(
            told(text.as_bytes()),
            Some((place.0, place.1, message)),
            "{text}"
        );
    }
}

#[test]
fn encodings_are_told() {
    for (text, message) in [
        (
            &b"\xEF\xBB\xBF{}"[..],
            "the text begins with a byte order mark: save it as UTF-8 without one",
        ),
        (b"\xFF\xFE{\0}\0", "the text is UTF-16: save it as UTF-8"),
        (
            b"{\"\xE9\": 1}",
            "this is not UTF-8: save the text as UTF-8",
        ),
    ] {
        assert_eq!(told(text).map(|told| told.2).as_deref(), Some(message));
    }
}

#[test]
fn where_nothing_is_known_nothing_is_guessed() {
    for text in ["", "{]", "{\"a\": %}", "{\"a\\u0000\": 1}", "[", "1."] {
        let error = parse(text.as_bytes(), Rules::DOCUMENT).expect_err("is not JSON");
        let slip = slip(text.as_bytes(), &error);
        let known = matches!(text, "{]" | "[");
        assert_eq!(slip.is_some(), known, "{text}: {slip:?}");
    }
}
