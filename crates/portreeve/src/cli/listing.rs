//! Listings: a table for people, JSON for programs, a sentence where there is nothing to list.

use serde::Serialize;

use super::output::{Output, Paint, Table, Tone};
use super::{Done, FormatArg};

/// One cell of a table.
pub(super) type Cell = (String, Tone);

/// How things of one kind are listed.
#[derive(Debug)]
pub(super) struct Listing<const N: usize> {
    pub(super) head: [&'static str; N],
    /// What is said where there are none, with what to do about it.
    pub(super) nothing: &'static str,
}

impl<const N: usize> Listing<N> {
    pub(super) fn show<T: Serialize>(
        &self,
        items: &[T],
        (format, paint): (&FormatArg, Paint),
        cells: impl Fn(&T) -> [Cell; N],
    ) -> Done {
        if format.json {
            return Output::json(&items);
        }
        if items.is_empty() {
            return Ok(Output::text(format!("{}\n", self.nothing)));
        }
        let mut table = Table::new(paint, self.head);
        for item in items {
            table.row(cells(item));
        }
        Ok(Output::text(table.render()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::plain;
    use super::*;

    #[test]
    fn a_listing_is_json_a_sentence_or_a_table() {
        const WORDS: Listing<1> = Listing {
            head: ["WORD"],
            nothing: "no words",
        };
        let shown = |words: &[&str], json| {
            let format = FormatArg { json };
            let output = WORDS.show(words, (&format, Paint::of_stdout()), |word| [plain(*word)]);
            format!("{:?}", output.expect("shown"))
        };
        assert!(shown(&["a"], false).contains(r#""WORD\na\n""#));
        assert!(shown(&[], false).contains(r#""no words\n""#));
        assert!(shown(&[], true).contains(r#""[]\n""#));
    }
}
