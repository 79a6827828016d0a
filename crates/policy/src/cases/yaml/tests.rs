//! YAML that is read, and YAML that is refused.

use proptest::prelude::*;

use super::*;
use crate::json::{Place, canonical};

/// The tree in JSON's spelling, or the place and the words of what is wrong.
fn read(text: &str) -> String {
    match parse(text.as_bytes(), Rules::DOCUMENT) {
        Ok(value) => canonical(&value),
        Err(fault) => {
            let Place { line, column } = Place::of(text.as_bytes(), fault.at);
            format!("{line}:{column} {}: {}", fault.pointer.as_str(), fault.what)
        }
    }
}

#[test]
fn plain_scalars_are_what_the_core_schema_says() {
    for (written, expected) in [
        ("no", r#""no""#),
        ("on", r#""on""#),
        ("Yes", r#""Yes""#),
        ("true", "true"),
        ("False", "false"),
        ("~", "null"),
        ("", "null"),
        ("Null", "null"),
        ("nil", r#""nil""#),
        ("0", "0"),
        ("-1.50", "-1.5"),
        ("9007199254740993", "9007199254740993"),
        ("1e400", "1e400"),
        ("1_000", r#""1_000""#),
        ("12:30", r#""12:30""#),
        ("2026-11-20", r#""2026-11-20""#),
        ("1.2.3", r#""1.2.3""#),
        ("59s", r#""59s""#),
        ("-", "[null]"),
        ("'1'", r#""1""#),
        ("\"a\\u00fc\\n\"", r#""aü\n""#),
        ("|\n    a\n    b\n", r#""a\nb\n""#),
        (">-\n    a\n    b\n", r#""a b""#),
        ("[a, {b: 1, \"c\":2}, d e]", r#"["a",{"b":1,"c":2},"d e"]"#),
    ] {
        let text = format!("- {written}\n");
        assert_eq!(read(&text), format!("[{expected}]"), "{written}");
    }
}

#[test]
fn numbers_keep_their_source_text() {
    for written in ["9007199254740993", "1e19", "0.10", "-0", "1E+2"] {
        let value = parse(written.as_bytes(), Rules::DOCUMENT).expect("a number");
        assert_eq!(value.as_number(), Some(written));
    }
}

#[test]
fn what_has_two_meanings_is_refused_with_its_place() {
    for (text, expected) in [
        ("", "1:1 : the text is empty"),
        ("# only a remark\n", "1:1 : the text is empty"),
        (
            "\u{feff}a: 1",
            "1:1 : the text begins with a byte order mark",
        ),
        (
            "a: &x 1\nb: 2\n",
            "1:4 /a: anchors are not read here; write the value out",
        ),
        (
            "a: 1\nb: *x\n",
            "2:4 /b: this is not YAML: while parsing node, found unknown anchor",
        ),
        (
            "a: !!str 1\n",
            "1:4 /a: tags are not read here; quotes make a string",
        ),
        (
            "a: {<<: 1}\n",
            "1:5 /a: merge keys are not read here; write the members out",
        ),
        ("a: 1\n\"a\": 2\n", "2:1 /a: the key \"a\" appears twice"),
        (
            "? [a]\n: 1\n",
            "1:3 : a key is a text, not a list or a mapping",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "2:1 : a second document begins here; a file holds one",
        ),
        (
            "ü: [é, +1]\n",
            "1:8 /ü/1: +1 is a number as JSON does not write them; put it into quotes if it is a text",
        ),
        (
            "a: [\n",
            "2:1 /a/0: this is not YAML: while parsing a node, did not find expected node content",
        ),
        (
            "a:\r\n  b: 007\r\n",
            "2:6 /a/b: 007 is a number as JSON does not write them; put it into quotes if it is a text",
        ),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
    for written in [
        "+1", "007", "1.", ".5", "0x1F", "0o17", ".inf", "-.Inf", ".NaN", "1.e3",
    ] {
        assert!(
            read(written).contains("as JSON does not write them"),
            "{written}"
        );
    }
    let deep = "[".repeat(100);
    assert!(
        read(&deep).ends_with("nested deeper than 64 levels"),
        "{}",
        read(&deep)
    );
    assert_eq!(
        read("a: \"\\0\"\n\"b\\0\": 1\n"),
        "2:1 : a key contains a NUL character"
    );
}

#[test]
fn every_value_knows_its_bytes() {
    let text = "# ü\r\nkäse:   [ 'é', 1.0 ]   # é\r\nb: { c: d }\n";
    let value = parse(text.as_bytes(), Rules::DOCUMENT).expect("YAML");
    let at =
        |value: &Value<'_>| String::from_utf8_lossy(value.span.of(text.as_bytes())).into_owned();
    let list = value.get("käse").expect("a list");
    // Where a container ends is the scanner's view: it may take the white space behind it along.
    assert!(at(list).starts_with("[ 'é', 1.0 ]"));
    let elements = list.elements().expect("a list");
    assert_eq!([at(&elements[0]), at(&elements[1])], ["'é'", "1.0"]);
    assert_eq!(at(value.get("b").expect("b").get("c").expect("c")), "d");
    let member = &value.members().expect("an object")[0];
    assert_eq!(member.key_span.of(text.as_bytes()), "käse".as_bytes());
}

/// The same value, with nothing but the beginnings of its places.
fn beginnings(value: Value<'_>) -> Value<'static> {
    let mut value = value.into_owned();
    strip_ends(&mut value);
    value
}

fn strip_ends(value: &mut Value<'_>) {
    value.span.end = value.span.start;
    match &mut value.kind {
        Kind::Array(elements) => elements.iter_mut().for_each(strip_ends),
        Kind::Object(members) => {
            for member in members {
                member.key_span.end = member.key_span.start;
                strip_ends(&mut member.value);
            }
        }
        _ => {}
    }
}

/// JSON texts, without what YAML's strings write in another way.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?(e[+-]?[0-9]{1,2})?",
        "[ -!#-\\[\\]-~ü😀]{0,8}".prop_map(|text| format!("{text:?}")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|elements| format!("[{}]", elements.join(", "))),
            prop::collection::btree_map("[a-z ]{1,4}", inner, 0..4).prop_map(|members| {
                let members = members
                    .iter()
                    .map(|(key, value)| format!("{key:?}: {value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(",\n "))
            }),
        ]
    })
}

proptest! {
    /// JSON is YAML: both readers see the same.
    #[test]
    fn json_is_read_as_the_json_reader_reads_it(text in json_text()) {
        let as_json = json::parse(text.as_bytes(), Rules::DOCUMENT).expect("JSON");
        let as_yaml = parse(text.as_bytes(), Rules::DOCUMENT).expect("YAML");
        prop_assert_eq!(beginnings(as_json), beginnings(as_yaml));
    }

    #[test]
    fn whatever_the_text_nothing_breaks(text in "[-\\[\\]{}:,#&*!|>'\"%@` \\n\\ta-c01<.?]{0,60}") {
        if let Err(fault) = parse(text.as_bytes(), Rules::DOCUMENT) {
            prop_assert!(fault.at <= text.len());
        }
    }
}

#[test]
fn one_long_line_is_read_and_its_places_are_found() {
    // Counted from the start of the line, these marks would take minutes.
    let elements = 100_000;
    let text = format!(
        "é\u{1f600}: [{}]\r\nz: 1\n",
        "[a],\u{e9}, ".repeat(elements / 2)
    );
    let read = parse(text.as_bytes(), Rules::DOCUMENT).expect("YAML");
    let members = read.members().expect("a mapping");
    let Kind::Array(read) = &members[0].value.kind else {
        panic!("no list");
    };
    assert_eq!(read.len(), elements);
    let shown = |value: &Value<'_>| {
        let (start, end) = (value.span.start as usize, value.span.end as usize);
        text[start..end].to_owned()
    };
    assert_eq!(shown(&read[0]), "[a]");
    assert_eq!(shown(&read[1]), "é");
    assert_eq!(shown(&read[elements - 2]), "[a]");
    assert_eq!(shown(&read[elements - 1]), "é");
    assert_eq!(shown(&members[1].value), "1");
}
