//! What is said beside a listing of the book: records that do not fit their chain, and records that
//! cannot be read at all.

use std::io::{self, Write};

use serde::Serialize;

use super::output::{Output, Paint, painted};
use crate::ledger::{Found, Misfits, Unreadable, Unreadables};

/// The answer to a question about a book of which a part cannot be read: what was found, and no more.
pub(super) const NOT_WHOLE: u8 = 1;

/// Something found, or what stands in its place in the book.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Told<'a, T> {
    Found(&'a T),
    Unreadable(&'a Unreadable),
}

/// Everything that was met, in the order of the book.
pub(super) fn told<T>(found: &Found<T>, seq: impl Fn(&T) -> u64) -> Vec<Told<'_, T>> {
    let broken = found.unreadable.told.iter().map(Told::Unreadable);
    let mut all: Vec<_> = broken.chain(found.items.iter().map(Told::Found)).collect();
    all.sort_by_key(|told| match told {
        Told::Found(item) => seq(item),
        Told::Unreadable(broken) => broken.seq,
    });
    all
}

/// With everything that is to be said of what was read.
pub(super) fn with_doubts<T>(listed: Output, found: &Found<T>) -> Output {
    let listed = with_unreadable(listed, &found.unreadable);
    match of_misfits(&found.misfits) {
        None => listed,
        Some(warning) => listed.remark(&coloured(&warning)),
    }
}

/// With what could not be read, and the exit code that tells.
pub(super) fn with_unreadable(listed: Output, unreadable: &Unreadables) -> Output {
    if unreadable.is_empty() {
        return listed;
    }
    let warnings = of_unreadable(unreadable);
    let warned = warnings
        .iter()
        .fold(listed, |listed, warning| listed.remark(&coloured(warning)));
    warned.with_code(NOT_WHOLE)
}

/// What is to be said beside a listing from a book that does not fit its chain.
pub(super) fn of_misfits(misfits: &Misfits) -> Option<String> {
    let first = misfits.first.as_ref()?;
    let more = match misfits.count {
        0 | 1 => String::new(),
        2 => " (and 1 more of the records that were read)".to_owned(),
        count => format!(" (and {} more of the records that were read)", count - 1),
    };
    Some(format!(
        "the book does not fit its chain: {first}{more}. What is listed here may not be what was \
         booked; `portreeve ledger verify` checks the whole book"
    ))
}

/// One line for each of the first, and what that means.
pub(super) fn of_unreadable(unreadable: &Unreadables) -> Vec<String> {
    let mut lines: Vec<String> = unreadable.told.iter().map(ToString::to_string).collect();
    let more = unreadable.count - lines.len() as u64;
    if more > 0 {
        lines.push(format!("{more} more records cannot be read"));
    }
    if !lines.is_empty() {
        let meaning = "what such a record tells is missing here, and a call whose end it was reads as \
                       unknown: run `portreeve ledger verify`";
        lines.push(meaning.to_owned());
    }
    lines
}

pub(super) fn warn(warning: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", coloured(warning));
}

fn coloured(warning: &str) -> String {
    painted(&format!("warning: {warning}"), Paint::of_stderr())
}
