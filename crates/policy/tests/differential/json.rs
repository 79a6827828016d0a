//! The values that are judged, against Node's `JSON.parse` and Python's `json`: whoever reads the
//! bytes that were judged must find the same values in the same places.

use portreeve_policy::decimal::Decimal;
use portreeve_policy::json::{Kind, Rules, Value, parse};
use serde_json::json;

use super::messages::{object, scientific};
use super::mutate::{Dice, inputs};
use super::programs::{ask, report, script};

/// A tree in words that every program can say. A number is the nearest double and, for those who
/// can tell, the number itself.
fn told(value: &Value<'_>, exactly: bool) -> serde_json::Value {
    match &value.kind {
        Kind::Null => json!("null"),
        Kind::Bool(is) => json!(is.to_string()),
        Kind::Number(text) if exactly => {
            // What conditions and limits reckon with.
            let judged = Decimal::parse(text).expect("a number");
            json!(["number", double(text), scientific(&judged.to_string())])
        }
        Kind::Number(text) => json!(["number", double(text)]),
        Kind::String(text) => json!(["text", text]),
        Kind::Array(elements) => {
            let told: Vec<_> = elements.iter().map(|e| told(e, exactly)).collect();
            json!(["list", told])
        }
        Kind::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.key.cmp(&b.key));
            let told: Vec<_> = members
                .iter()
                .map(|m| json!([m.key, told(&m.value, exactly)]))
                .collect();
            json!(["object", told])
        }
    }
}

fn double(text: &str) -> String {
    let number: f64 = text.parse().expect("a number");
    // There are two zeros, and one is meant.
    format!("{:016x}", (number + 0.0).to_bits())
}

#[test]
fn others_read_the_values_that_are_judged() {
    let mut dice = Dice::new();
    let count = inputs() / 20;
    let mut throw = |bound: usize| dice.below(bound);
    let texts: Vec<String> = (0..count)
        .map(|_| object(&mut throw, 4).spell(&mut throw))
        .collect();
    report(&format!("json: {count} messages"));
    for (program, file, exactly) in [
        ("node", "json_values.mjs", false),
        ("python3", "json_values.py", true),
    ] {
        let Some(answers) = ask(program, &[&script(file)], &texts) else {
            continue;
        };
        for (text, theirs) in texts.iter().zip(answers) {
            let tree = parse(text.as_bytes(), Rules::MESSAGE).expect("it was grown as JSON");
            let ours = told(&tree, exactly);
            assert_eq!(ours, theirs, "{program} reads {text:?} in another way");
        }
    }
}
