//! Hints that can be pasted: the commands that a failure names lead to the data directory it is about.
//!
//! Whoever words a failure does not know how the person reached the directory; this is put in here, once,
//! before the failure is shown.

use std::path::Path;

use clap::CommandFactory;

use super::Cli;
use super::desk::of_dir;
use crate::admin::Failure;

/// The failure with `--data-dir` in every command in backquotes that needs it.
pub(super) fn directed(failure: Failure, dir: &Path) -> Failure {
    let flag = of_dir(dir);
    if flag.is_empty() {
        return failure;
    }
    Failure {
        what: completed(&failure.what, &flag),
        advice: failure.advice.map(|advice| completed(&advice, &flag)),
        ..failure
    }
}

fn completed(text: &str, flag: &str) -> String {
    let piece = |(at, piece): (usize, &str)| {
        let quoted = at % 2 == 1;
        match piece.strip_prefix("portreeve ").filter(|_| quoted) {
            Some(words) if wants_dir(words) => {
                let (command, rest) = words.split_at(words.find(" -- ").unwrap_or(words.len()));
                format!("portreeve {command}{flag}{rest}")
            }
            _ => piece.to_owned(),
        }
    };
    let pieces: Vec<String> = text.split('`').enumerate().map(piece).collect();
    pieces.join("`")
}

/// Whether these words are a command that takes a data directory, and do not say which.
fn wants_dir(words: &str) -> bool {
    let root = Cli::command();
    let mut command = &root;
    for word in words.split(' ') {
        match command.find_subcommand(word) {
            Some(inner) => command = inner,
            None => break,
        }
    }
    let takes = |argument: &clap::Arg| argument.get_long() == Some("data-dir");
    command.get_arguments().any(takes) && !words.contains("--data-dir")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_take_a_directory_get_it() {
        for (hint, is) in [
            (
                "see `portreeve ledger verify`, or `portreeve up --accept-ledger-cut` gives it up",
                "see `portreeve ledger verify DIR`, or `portreeve up --accept-ledger-cut DIR` gives it up",
            ),
            (
                "`portreeve server add NAME -- COMMAND`",
                "`portreeve server add NAME DIR -- COMMAND`",
            ),
            (
                "`portreeve ledger verify --data-dir x`",
                "`portreeve ledger verify --data-dir x`",
            ),
            (
                "`portreeve config reference`",
                "`portreeve config reference`",
            ),
            ("the `portreeve` of `a`", "the `portreeve` of `a`"),
            ("an odd ` portreeve ledger", "an odd ` portreeve ledger"),
        ] {
            assert_eq!(completed(hint, " DIR"), is);
        }
    }
}
