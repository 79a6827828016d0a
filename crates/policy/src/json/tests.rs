//! Cases as data, and agreement with an independent parser.

use proptest::prelude::*;

use super::*;

fn trouble(text: &[u8]) -> Trouble {
    let error = parse(text, Rules::MESSAGE).expect_err("must be refused");
    error.trouble
}

#[test]
fn what_is_doubtful_is_refused() {
    let deep = "[".repeat(129) + &"]".repeat(129);
    let cases: &[(&[u8], Trouble)] = &[
        (b"", Trouble::Empty),
        (b"  \n", Trouble::Empty),
        (b"\xEF\xBB\xBF{}", Trouble::ByteOrderMark),
        (b"\"\xFF\"", Trouble::NotUtf8),
        (b"{\"a\":1,\"a\":2}", Trouble::DuplicateKey("a".into())),
        (
            b"{\"a\":1,\"\\u0061\":2}",
            Trouble::DuplicateKey("a".into()),
        ),
        (b"{\"a\\u0000\":1}", Trouble::NulInKey),
        (b"\"\\ud800\"", Trouble::LoneSurrogate),
        (b"\"\\udc00\\ud800\"", Trouble::LoneSurrogate),
        (b"\"\\ud800\\u0041\"", Trouble::LoneSurrogate),
        (b"\"\\x41\"", Trouble::BadEscape),
        (b"\"\\u00g0\"", Trouble::BadEscape),
        (b"\"a\nb\"", Trouble::ControlCharacter),
        (b"\"12345678\x01\"", Trouble::ControlCharacter),
        (b"\"abc", Trouble::UnexpectedEnd),
        (b"[1", Trouble::UnexpectedEnd),
        (b"01", Trouble::BadNumber),
        (b"1.", Trouble::BadNumber),
        (b"-", Trouble::BadNumber),
        (b"1e", Trouble::BadNumber),
        (b"1 2", Trouble::TrailingData),
        (deep.as_bytes(), Trouble::TooDeep(128)),
    ];
    for (text, expected) in cases {
        assert_eq!(
            &trouble(text),
            expected,
            "{}",
            String::from_utf8_lossy(text)
        );
    }
    for text in [
        "{a:1}",
        "[1,]",
        "{\"a\":1,}",
        "NaN",
        "tru",
        "+1",
        "'a'",
        "//",
        "{\"a\" 1}",
    ] {
        assert!(parse(text.as_bytes(), Rules::MESSAGE).is_err(), "{text}");
    }
}

#[test]
fn values_keep_their_source() {
    let text =
        br#" {"n" : 1.0, "big":12345678901234567890123, "e":"\u00e9\ud83d\ude00", "l":[1 ]} "#;
    let value = parse(text, Rules::MESSAGE).expect("is valid");
    assert_eq!(value.get("n").and_then(Value::as_number), Some("1.0"));
    assert_eq!(
        value.get("big").and_then(Value::as_number),
        Some("12345678901234567890123")
    );
    assert_eq!(value.get("e").and_then(Value::as_str), Some("é😀"));
    assert_eq!(value.get("l").map(|l| l.span.of(text)), Some(&b"[1 ]"[..]));
}

#[test]
fn a_large_object_with_a_late_duplicate_is_refused() {
    let mut members: Vec<String> = (0..100).map(|i| format!("\"k{i}\":{i}")).collect();
    assert!(
        parse(
            format!("{{{}}}", members.join(",")).as_bytes(),
            Rules::MESSAGE
        )
        .is_ok()
    );
    members.push("\"k\\u0037\":0".into());
    let text = format!("{{{}}}", members.join(","));
    assert_eq!(trouble(text.as_bytes()), Trouble::DuplicateKey("k7".into()));
}

#[test]
fn a_tree_has_a_bound() {
    let text = format!("[{}0]", "0,".repeat(600_000));
    assert_eq!(trouble(text.as_bytes()), Trouble::TooMany(500_000));
}

#[test]
fn the_outline_gives_raw_values_and_checks_below() {
    let text = br#"{"jsonrpc":"2.0", "result" : {"a":[1,{"b":"}"}], "c":{}} ,"id":7}"#;
    let members = outline(text, Rules::MESSAGE).expect("is valid");
    let pairs: Vec<(&str, &str)> = members.iter().map(|m| (m.key.as_ref(), m.value)).collect();
    assert_eq!(
        pairs,
        [
            ("jsonrpc", "\"2.0\""),
            ("result", r#"{"a":[1,{"b":"}"}], "c":{}}"#),
            ("id", "7")
        ]
    );
    for bad in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":[}"#,
        r#"{"a":{"b"}}"#,
        r#"{"a":1"#,
        "[]",
        r#"{"a":1}x"#,
    ] {
        assert!(outline(bad.as_bytes(), Rules::MESSAGE).is_err(), "{bad}");
    }
}

#[test]
fn one_member_of_the_outline_can_be_opened_in_the_same_walk() {
    let text = br#"{"id":7,"result" : {"a":[1,{"a":2}], "\u0062":{}}}"#;
    let (outer, within) = outline_with(text, Rules::MESSAGE, "result").expect("is valid");
    assert_eq!(outer, outline(text, Rules::MESSAGE).unwrap());
    let within = within.expect("an object");
    let pairs: Vec<(&str, &str)> = within.iter().map(|m| (m.key.as_ref(), m.value)).collect();
    assert_eq!(pairs, [("a", r#"[1,{"a":2}]"#), ("b", "{}")]);
    assert_eq!(text[within[1].at..][..2], *b"{}");

    for not_an_object in [
        r#"{"result":[1]}"#,
        r#"{"Result":{}}"#,
        r#"{"a":{"result":{}}}"#,
    ] {
        let read = outline_with(not_an_object.as_bytes(), Rules::MESSAGE, "result");
        assert_eq!(read.expect("is valid").1, None, "{not_an_object}");
    }
    let twice = br#"{"result":{"a":1,"a":2}}"#;
    assert!(outline(twice, Rules::MESSAGE).is_ok());
    assert!(outline_with(twice, Rules::MESSAGE, "result").is_err());
    let deep = format!(
        "{{\"result\":{{\"a\":{}{}}}}}",
        "[".repeat(126),
        "]".repeat(126)
    );
    let opened = outline_with(deep.as_bytes(), Rules::MESSAGE, "result").is_ok();
    assert_eq!(outline(deep.as_bytes(), Rules::MESSAGE).is_ok(), opened);
}

#[test]
fn a_long_string_ends_where_it_ends() {
    for length in (0..150).chain([1_000, 4_095]) {
        let plain = "é".repeat(length / 2) + &"x".repeat(length % 2);
        for (end, good) in [
            ("\"", true),
            ("\\n\"", true),
            ("\n\"", false),
            ("\u{1f}\"", false),
            ("", false),
        ] {
            let text = format!("{{\"a\":\"{plain}{end}}}");
            let read = outline(text.as_bytes(), Rules::MESSAGE);
            assert_eq!(read.is_ok(), good, "{length} {end:?}");
            assert_eq!(parse(text.as_bytes(), Rules::MESSAGE).is_ok(), good);
        }
    }
}

#[test]
fn places_count_lines_and_characters() {
    let text = "{\n  \"é\": x}".as_bytes();
    let error = parse(text, Rules::MESSAGE).expect_err("x is no value");
    assert_eq!(Place::of(text, error.at), Place { line: 2, column: 8 });
}

fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Theirs;
    match (&ours.kind, theirs) {
        (Kind::Null, Theirs::Null) => true,
        (Kind::Bool(a), Theirs::Bool(b)) => a == b,
        (Kind::Number(a), Theirs::Number(b)) => a.parse().ok() == b.as_f64(),
        (Kind::String(a), Theirs::String(b)) => a == b,
        (Kind::Array(a), Theirs::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Kind::Object(a), Theirs::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|m| b.get(m.key.as_ref()).is_some_and(|v| same(&m.value, v)))
        }
        _ => false,
    }
}

fn json_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u00",
        "a",
        "\"a\"",
        "\"b\":",
        "1",
        "0",
        "-",
        ".",
        "e",
        "true",
        "null",
        " ",
        "\n",
        "\\ud83d\\ude00",
        "é",
        "\u{1}",
        "12345678",
        "\"k\":[",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever we accept, an independent parser accepts with the same meaning; whatever it
    /// refuses, we refuse.
    #[test]
    fn agrees_with_an_independent_parser(text in json_like()) {
        let theirs: Result<serde_json::Value, _> = serde_json::from_str(&text);
        match (parse(text.as_bytes(), Rules::MESSAGE), theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert!(same(&ours, &theirs)),
            (Ok(_), Err(e)) => prop_assert!(e.to_string().contains("out of range"), "{e}"),
            (Err(e), Ok(_)) => prop_assert!(
                matches!(e.trouble, Trouble::DuplicateKey(_) | Trouble::NulInKey), "{e}"
            ),
            (Err(_), Err(_)) => {}
        }
    }

    /// The outline accepts exactly the objects that the tree accepts, nested duplicates aside.
    #[test]
    fn outline_and_tree_agree(text in json_like()) {
        let text = format!("{{\"x\":{text}}}");
        let tree = parse(text.as_bytes(), Rules::MESSAGE);
        let flat = outline(text.as_bytes(), Rules::MESSAGE);
        match (&tree, &flat) {
            (Err(e), Ok(_)) => prop_assert!(
                matches!(e.trouble, Trouble::DuplicateKey(_) | Trouble::NulInKey), "{e}"
            ),
            (tree, flat) => prop_assert_eq!(tree.is_ok(), flat.is_ok()),
        }
    }
}

#[test]
fn the_first_of_several_values_ends_where_it_ends() {
    for (text, end) in [
        ("1 2", Some(1)),
        (" {\"a\":[]}{", Some(9)),
        ("\"é\"x", Some(4)),
        ("[1]", Some(3)),
        ("[1", None),
        ("", None),
        ("{\"a\":1,\"a\":1} 1", None),
    ] {
        let read = parse_first(text, Rules::MESSAGE).ok();
        assert_eq!(read.map(|(_, end)| end), end, "{text}");
    }
}
