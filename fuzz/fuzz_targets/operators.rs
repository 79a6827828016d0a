#![no_main]
//! The properties of the operators; and, for here a watch does no harm, that none takes long.

use std::hint::black_box;
use std::time::{Duration, Instant};

use portreeve_policy::json::{Rules, parse};
use portreeve_policy::operators::Special;

/// What an operator may take is a millisecond; this build is several times slower.
const MOST: Duration = Duration::from_millis(10);

const SPECIALS: [(&str, &str); 4] = [
    ("host_in", r#"["*.example.com", "127.0.0.1"]"#),
    ("path_within", r#"["/srv/data"]"#),
    ("sql_only", r#"["select"]"#),
    ("command_in", r#"["git log **"]"#),
];

fn took(special: &Special, text: &str) -> Duration {
    let begun = Instant::now();
    let _verdict = black_box(special.holds(black_box(text)));
    begun.elapsed()
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    portreeve_fuzz::operators::check(input);
    let text = String::from_utf8_lossy(input.get(2..).unwrap_or_default());
    for (operator, value) in SPECIALS {
        let value = parse(value.as_bytes(), Rules::DOCUMENT).expect("JSON");
        let special = Special::compile(operator, &value).expect("an operator");
        let special = special.expect("a sound value");
        let least = (0..3).map(|_| took(&special, &text)).min();
        assert!(least < Some(MOST), "{special} took {least:?}");
    }
});
