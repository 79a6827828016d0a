//! The corpus: hostile and ordinary values, each with the verdict it must get and why.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use portreeve_policy::json::{self, Kind, Rules, Value};
use portreeve_policy::operators::{Doubt, command, host, path, sql};

type Judge = Box<dyn Fn(&str) -> Result<bool, Doubt>>;

fn judge(operator: &str, spec: &Value<'_>) -> Result<Judge, String> {
    Ok(match operator {
        "host_in" => {
            let spec = host::Spec::compile(spec)?;
            Box::new(move |text| spec.judge(text))
        }
        "path_within" => {
            let spec = path::Spec::compile(spec)?;
            Box::new(move |text| spec.judge(text))
        }
        "sql_only" => {
            let spec = sql::Spec::compile(spec)?;
            Box::new(move |text| spec.judge(text))
        }
        "command_in" => {
            let spec = command::Spec::compile(spec)?;
            Box::new(move |text| spec.judge(text))
        }
        other => return Err(format!("no operator {other}")),
    })
}

fn expected(case: &Value<'_>) -> Option<bool> {
    match &case.get("verdict").expect("every case has a verdict").kind {
        Kind::Bool(verdict) => Some(*verdict),
        Kind::String(word) if word == "error" => None,
        other => panic!("a verdict is true, false or \"error\", not {other:?}"),
    }
}

/// Runs a file and returns how many cases of each verdict it holds.
fn run(operator: &str, text: &str) -> [usize; 3] {
    let file = json::parse(text.as_bytes(), Rules::DOCUMENT)
        .unwrap_or_else(|e| panic!("{operator}.json: {e}"));
    let mut counts = [0; 3];
    let mut wrong = Vec::new();
    let cases = file.get("cases").and_then(Value::elements);
    for case in cases.expect("`cases` is a list") {
        let text = |key| case.get(key).and_then(Value::as_str);
        let value = text("value").expect("every case has a value");
        let why = text("why").expect("every case says why");
        assert!(!why.is_empty(), "{value:?} does not say why");
        let spec = case.get("spec").expect("every case has a spec");
        let judge = judge(operator, spec).unwrap_or_else(|e| panic!("{value:?}: the spec {e}"));
        let (found, wanted) = (judge(value), expected(case));
        if found.ok() != wanted {
            wrong.push(format!(
                "{value:?}\n   wanted {wanted:?} ({why}), found {found:?}"
            ));
        }
        counts[wanted.map_or(2, usize::from)] += 1;
    }
    let list = wrong.join("\n");
    assert!(wrong.is_empty(), "{} wrong:\n{list}", wrong.len());
    counts
}

macro_rules! files {
    ($($name:ident: $least:literal;)*) => {$(
        #[test]
        fn $name() {
            let text = include_str!(concat!("../corpus/", stringify!($name), ".json"));
            let [no, yes, error] = run(stringify!($name), text);
            println!("{yes} hold, {no} do not, {error} are errors");
            assert!(no + yes + error >= $least, "cases were lost");
            assert!(no > 0 && yes > 0 && error > 0);
        }
    )*};
}

files! {
    host_in: 110;
    path_within: 60;
    sql_only: 170;
    command_in: 90;
}
