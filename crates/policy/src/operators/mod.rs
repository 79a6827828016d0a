//! The operators that read a value as a host, a path, a statement or a command line.
//!
//! Each reads its value strictly: what others could read differently is no answer but an error.

use crate::json::Value;

/// The words of these operators.
pub(crate) const WORDS: [&str; 4] = ["host_in", "path_within", "sql_only", "command_in"];

/// One of these operators with its value.
// A new operator is plugged in here: an arm, its word in `compile`, its question in `holds`.
#[derive(Clone, Debug)]
pub(crate) enum Special {}

impl Special {
    /// Reads the value of the operator `word`; the error is for the policy's author. Nothing if
    /// the operator is not carried out yet.
    pub(crate) fn compile(word: &str, value: &Value<'_>) -> Option<Result<Self, String>> {
        let _ = (word, value);
        None
    }

    /// Does it hold for this text? Nothing if that cannot be told safely.
    pub(crate) fn holds(&self, text: &str) -> Option<bool> {
        let _ = text;
        match *self {}
    }

    /// The operator and its value, for people.
    pub(crate) fn in_words(&self) -> String {
        match *self {}
    }
}
