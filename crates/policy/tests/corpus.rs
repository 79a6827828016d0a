//! The corpus: hostile and ordinary values, each with the answer it must get and why.
//!
//! The files are policy tests as users write them, in `cases/` at the top of the repository.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test stops at the first surprise"
)]

use portreeve_policy::cases::{CaseFile, Form, PolicySource, run};

/// Runs a file and returns how many of its calls must be allowed, refused and called doubtful.
fn check(operator: &str, text: &str) -> [usize; 3] {
    let file = CaseFile::read(text.as_bytes(), Form::Yaml)
        .unwrap_or_else(|problems| panic!("{operator}.yaml: {problems:?}"));
    let PolicySource::Inline(policy) = &file.policy else {
        panic!("{operator}.yaml has its policy in it")
    };
    let mut wrong = Vec::new();
    for case in run(&file, policy) {
        for call in case.calls {
            let why = call.why.expect("every call says why");
            assert!(!why.is_empty(), "{}: a call does not say why", case.name);
            if let Some(surprise) = call.mismatch {
                let got = surprise.got;
                wrong.push(format!(
                    "at byte {}: {} by {} ({}), though {why}",
                    call.offset,
                    got.outcome.as_str(),
                    got.rule,
                    got.reason
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    ["expect: allow", "/require/0", "/deny_if/0"].map(|word| text.matches(word).count())
}

macro_rules! files {
    ($($name:ident: $least:literal;)*) => {$(
        #[test]
        fn $name() {
            let text = include_str!(concat!("../../../cases/", stringify!($name), ".yaml"));
            let [yes, no, error] = check(stringify!($name), text);
            println!("{yes} hold, {no} do not, {error} are errors");
            assert!(no + yes + error >= $least, "cases were lost");
            assert!(no > 0 && yes > 0 && error > 0);
        }
    )*};
}

files! {
    host_in: 202;
    path_within: 85;
    sql_only: 337;
    command_in: 138;
}
