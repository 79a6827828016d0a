//! Paths against Node's and Python's normal forms.

use portreeve_policy::operators::path;

use super::mutate::{corpus, grow};
use super::programs::{ask, report, script};

const PIECES: [&str; 20] = [
    "/", "//", ".", "..", "/./", "/../", "...", "~", "%", "\\", "$", " ", "\u{0}", "\n", "a",
    "data", "\u{ff0e}", "\u{e9}", "-", "*",
];

#[test]
fn others_see_the_path_that_was_judged() {
    let seeds = corpus(include_str!("../../../../cases/path_within.yaml"));
    let mut judged = grow(&seeds, &PIECES);
    let total = judged.len();
    judged.retain(|t| path::normalise(t).is_ok());
    report(&format!("paths: {total} texts, {} judged", judged.len()));
    assert!(judged.len() > 1_000, "the mutator makes too few paths");
    for (program, file) in [("node", "paths.mjs"), ("python3", "paths.py")] {
        let Some(answers) = ask(program, &[&script(file)], &judged) else {
            continue;
        };
        for (text, answer) in judged.iter().zip(&answers) {
            let ours = path::normalise(text).expect("it was judged").join("/");
            let theirs = answer.as_str().expect("a path").trim_matches('/');
            assert_eq!(ours, theirs, "{program}: {text:?}");
        }
    }
}
