//! The schema for editors against documents that the reader takes or refuses.
//!
//! The validator here is the one for tools' arguments; another one, of others, is asked in
//! `tests/differential`.

use std::sync::LazyLock;

use crate::compile;
use crate::document::schema;
use crate::json::{Rules, parse};
use crate::schema::Schema;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let text = schema();
    let read = Schema::read(&parse(text.as_bytes(), Rules::DOCUMENT).expect("JSON"));
    assert_eq!(read.obstacle(), None);
    read
});

fn is_described(text: &str) -> bool {
    let value = parse(text.as_bytes(), Rules::DOCUMENT).expect("JSON");
    SCHEMA.validate(&value).is_ok()
}

/// A document that the reader takes must not be called wrong by an editor.
///
/// INVARIANT: every policy that any of these tests compiles comes by here.
pub(crate) fn assert_described(text: &str) {
    assert!(is_described(text), "the schema refuses {text}");
}

#[test]
fn what_is_taken_is_described() {
    let seeds = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fuzz/seeds/policy_document"
    );
    let mut taken = 0;
    for entry in std::fs::read_dir(seeds).expect("a folder") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).unwrap_or_default();
        // After a NUL stand the arguments of a call.
        let text = text.split('\0').next().unwrap_or_default();
        if compile(text.as_bytes()).is_ok() {
            assert_described(text);
            taken += 1;
        }
    }
    assert!(taken >= 5, "the seeds hold policies");
}

#[test]
fn usual_mistakes_are_marked_in_the_editor() {
    let rules =
        |rules: &str| format!(r#"{{"version":"1","default":"deny","tools":{{"t":{{{rules}}}}}}}"#);
    let test = |test: &str| rules(&format!(r#""require":[{{"conditions":[{test}]}}]"#));
    assert_described(&test(r#"{"path":"args.a","op":"eq","value":1}"#));
    for wrong in [
        "{}".to_owned(),
        "[]".to_owned(),
        r#"{"version":1,"default":"deny"}"#.to_owned(),
        r#"{"version":"1","default":"maybe"}"#.to_owned(),
        r#"{"version":"1","default":"deny","tolls":{}}"#.to_owned(),
        r#"{"$schema":"policy.schema.json","version":"1","default":"deny"}"#.to_owned(),
        r#"{"version":"1","default":"deny","hide":["@wrte"]}"#.to_owned(),
        r#"{"version":"1","default":"deny","tools":{"@wrte":{}}}"#.to_owned(),
        r#"{"version":"1","default":"deny","tools":{"":{}}}"#.to_owned(),
        r#"{"version":"1","default":"deny","prompts":{"@read":{}}}"#.to_owned(),
        r#"{"version":"1","default":"deny","resources":{"a":{"validate":true}}}"#.to_owned(),
        r#"{"version":"1","default":"deny","server_requests":{"sample":"deny"}}"#.to_owned(),
        r#"{"version":"1","default":"deny","flow":[{"name":"f","after":["a"],"then":[],"action":"deny","for":"1h"}]}"#.to_owned(),
        rules(r#""action":"alow""#),
        rules(r#""validate":false"#),
        rules(r#""deny_if":{"conditions":[]}"#),
        rules(r#""deny_if":[{}]"#),
        rules(r#""limits":[{"counter":"c","max":1}]"#),
        rules(r#""limits":[{"counter":"c","max":-1,"window":"day"}]"#),
        rules(r#""rate_limit":{"max":1,"window":"fortnight"}"#),
        rules(r#""rate_limit":{"max":1,"window":"day","scope":"grant"}"#),
        rules(r#""redact":[{"detect":"secrets"}]"#),
        rules(r#""max_result_bytes":0"#),
        rules(r#""require_approval":[{"conditions":[],"approvals":0}]"#),
        test(r#"{"path":"arg.a","op":"eq","value":1}"#),
        test(r#"{"path":"args.a","op":"equals","value":1}"#),
        test(r#"{"path":"args.a","op":"eq"}"#),
        test(r#"{"path":"args.a","op":"lt","value":"1"}"#),
        test(r#"{"path":"args.a","op":"in","value":[]}"#),
        test(r#"{"path":"args.a","op":"sql_only","value":["selct"]}"#),
        test(r#"{"path":"args.a","op":"type_is","value":"text"}"#),
        test(r#"{"any":[]}"#),
        test(r#"{"any":[{"path":"args.a","op":"eq","value":1}],"op":"eq"}"#),
        test(r#"{"not":[{"path":"args.a","op":"eq","value":1}]}"#),
    ] {
        assert!(compile(wrong.as_bytes()).is_err(), "{wrong}");
        assert!(!is_described(&wrong), "{wrong}");
    }
}

#[test]
fn an_author_who_names_the_schema_is_told_where_it_belongs() {
    let text = r#"{"$schema":"x","version":"1","default":"deny"}"#;
    let problems = compile(text.as_bytes()).expect_err("an unknown key");
    assert!(problems[0].message.contains("portreeve policy schema"));
}
