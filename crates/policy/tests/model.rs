//! Random policies and random texts, held against what the fuzzer holds of them: a slow model of
//! the language, and every other way to write the same.
//!
//! The bodies are the fuzzer's own (`fuzz/src`), fed by a small generator with a fixed seed.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_assert_message,
    clippy::arithmetic_side_effects,
    dead_code,
    unreachable_pub,
    reason = "the fuzzer's bodies stop at the first surprise"
)]

#[path = "../../../fuzz/src/conditions/mod.rs"]
mod conditions;
#[path = "../../../fuzz/src/operators/mod.rs"]
mod operators;
#[path = "../../../fuzz/src/tape.rs"]
mod tape;

/// Numbers that only look random.
struct Dice(u64);

impl Dice {
    const fn throw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let count = self.throw() % most;
        (0..count)
            .map(|_| (self.throw() >> 24).to_le_bytes()[0])
            .collect()
    }
}

#[test]
fn policies_mean_what_the_language_says() {
    let mut dice = Dice(0x5eed);
    for _ in 0..3_000 {
        let tape = dice.bytes(400);
        let held = std::panic::catch_unwind(|| conditions::check(&tape));
        assert!(held.is_ok(), "the tape {tape:?}");
    }
}

#[test]
fn operators_judge_the_meaning_and_not_the_spelling() {
    const PIECES: [&str; 44] = [
        "http://",
        "https://",
        "example.com",
        ".",
        ":80",
        "/",
        "@",
        "[::1]",
        "127.1",
        "%2e",
        "\\",
        "/srv/data",
        "..",
        "~",
        "select ",
        "1",
        " from t",
        ";",
        "--",
        "/*",
        "*/",
        "'",
        "\"",
        "$$",
        "delete from t",
        " where ",
        "(",
        ")",
        ",",
        "with x as (",
        "git log",
        "ls ",
        "-a",
        " ",
        "\t",
        "\n",
        "$",
        "|",
        "*",
        "?",
        "a",
        "é",
        "e5",
        "0.1",
    ];
    let mut dice = Dice(0xb0a7);
    for _ in 0..6_000 {
        let mut input = vec![dice.throw().to_le_bytes()[3], dice.throw().to_le_bytes()[3]];
        for _ in 0..dice.throw() % 12 {
            let piece = dice.throw() >> 16;
            let piece = PIECES[usize::try_from(piece).unwrap_or_default() % PIECES.len()];
            input.extend_from_slice(piece.as_bytes());
        }
        let held = std::panic::catch_unwind(|| operators::check(&input));
        assert!(
            held.is_ok(),
            "the input {:?}",
            String::from_utf8_lossy(&input)
        );
    }
}
