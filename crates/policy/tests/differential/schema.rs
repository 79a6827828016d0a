//! The schema for editors, in the hands of another validator.

use std::path::Path;

use portreeve_policy::compile;
use portreeve_policy::json::{Rules, parse};

use super::programs::{ask, missing, report, script};

/// Texts that other tests read: every string in them that is a document.
const SOURCES: [&str; 6] = [
    include_str!("../../src/document/tests.rs"),
    include_str!("../../src/document/tests/conditions.rs"),
    include_str!("../../src/document/tests/entries.rs"),
    include_str!("../../src/document/tests/schema.rs"),
    include_str!("../../src/policy/tests.rs"),
    include_str!("../../../portreeve/src/demo/recommended-policy.json"),
];

fn documents() -> Vec<String> {
    let strings = SOURCES.iter().flat_map(|text| {
        let raw = text.split("r#\"").skip(1);
        let raw = raw.filter_map(|rest| Some(rest.split_once("\"#")?.0.to_owned()));
        raw.chain([(*text).to_owned()])
    });
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/policy_document");
    let seeds = std::fs::read_dir(seeds).expect("a folder").map(|entry| {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // After a NUL stand the arguments of a call.
        String::from(text.split('\0').next().unwrap_or_default())
    });
    strings
        .chain(seeds)
        .filter(|text| text.contains("\"version\""))
        .filter(|text| parse(text.as_bytes(), Rules::DOCUMENT).is_ok())
        .collect()
}

#[test]
fn another_validator_takes_what_the_reader_takes() {
    let texts = documents();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.schema.json");
    let Some(answers) = ask("python3", &[&script("schema.py"), &schema], &texts) else {
        return;
    };
    if answers.iter().all(serde_json::Value::is_null) {
        return missing("Python has no jsonschema");
    }
    let (mut taken, mut marked) = (0, 0);
    for (text, answer) in texts.iter().zip(&answers) {
        let valid = answer.as_bool().expect("an answer");
        if compile(text.as_bytes()).is_ok() {
            assert!(valid, "{text}");
            taken += 1;
        } else if !valid {
            marked += 1;
        }
    }
    report(&format!(
        "schema: {taken} policies are valid, {marked} mistakes are marked"
    ));
    assert!(taken >= 10 && marked >= 20);
}
