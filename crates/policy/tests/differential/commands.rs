//! Commands against `shlex` and a second reading of POSIX. Nothing is ever run.

use portreeve_policy::operators::command;

use super::mutate::{corpus, grow};
use super::programs::{ask, report, script};

const PIECES: [&str; 48] = [
    " ", "\t", "'", "\"", "\\", "\\\\", "\\'", "\\\"", "$", "`", "!", "~", "#", "^", "&", "|", ";",
    "<", ">", "(", ")", "{", "}", "[", "]", "*", "?", "=", ":", "%", "@", ",", "+", "-", "--",
    "\n", "\r", "\u{0}", "\u{a0}", "\u{3000}", "\u{e9}", "a", "\\$", "\\`", "\\\n", "''", "\"\"",
    "'\"'",
];

#[test]
fn others_see_the_words_that_were_judged() {
    let seeds = corpus(include_str!("../../../../cases/command_in.yaml"));
    let mut judged = grow(&seeds, &PIECES);
    let total = judged.len();
    judged.retain(|t| command::words(t).is_ok());
    report(&format!("commands: {total} texts, {} judged", judged.len()));
    assert!(judged.len() > 1_000, "the mutator makes too few commands");
    for (program, file) in [("node", "words.mjs"), ("python3", "words.py")] {
        let Some(answers) = ask(program, &[&script(file)], &judged) else {
            continue;
        };
        for (text, answer) in judged.iter().zip(&answers) {
            let words = command::words(text).expect("it was judged");
            let ours = words
                .iter()
                .map(AsRef::as_ref)
                .collect::<serde_json::Value>();
            assert_eq!(&ours, answer, "{program}: {text:?}");
        }
    }
}
