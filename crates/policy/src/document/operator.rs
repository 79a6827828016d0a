//! The table of operators: their words, and what their values look like.

use crate::keys::{Key, Keys, Operator, Shape};
use crate::operators;
use crate::schema::Types;

/// Every operator, with what its value looks like.
pub(super) const OPERATORS: [Operator; 22] = [
    operator("eq", Shape::Any, "Is equal."),
    operator("neq", Shape::Any, "Is not equal."),
    operator("lt", Shape::Number, "Is a number below."),
    operator("lte", Shape::Number, "Is a number, at most this."),
    operator("gt", Shape::Number, "Is a number above."),
    operator("gte", Shape::Number, "Is a number, at least this."),
    operator("in", Shape::FilledList(&Shape::Any), "Is one of these."),
    operator(
        "not_in",
        Shape::FilledList(&Shape::Any),
        "Is none of these.",
    ),
    operator("exists", Shape::Flag, "Is there; with false, is not there."),
    operator(
        "regex",
        Shape::Filled,
        "The text contains a match; see `matches`.",
    ),
    operator(
        "contains",
        Shape::Any,
        "The text contains this, or the list has it.",
    ),
    operator(
        "matches",
        Shape::Filled,
        "The whole text matches the regex.",
    ),
    operator("starts_with", Shape::Filled, "The text starts with this."),
    operator("ends_with", Shape::Filled, "The text ends with this."),
    operator("glob", Shape::Filled, "The text matches, with * and ?."),
    operator("length_lte", LENGTH, "A text or list is at most this long."),
    operator(
        "length_gte",
        LENGTH,
        "A text or list is at least this long.",
    ),
    operator("type_is", TYPES, "Is of this type, or of one of these."),
    operator(
        "host_in",
        TEXTS,
        "The URL leads to one of these hosts: names, *.domains, addresses, with a port if it counts.",
    ),
    operator(
        "path_within",
        TEXTS,
        "The path lies within one of these directories.",
    ),
    operator(
        "sql_only",
        SQL,
        "The SQL does nothing but these kinds of statements.",
    ),
    operator(
        "command_in",
        TEXTS,
        "The command line is one of these: exact words, * for one more, ** for any more.",
    ),
];

const fn operator(word: &'static str, value: Shape, about: &'static str) -> Operator {
    Operator { word, value, about }
}

/// Their words.
pub(super) fn words() -> Vec<&'static str> {
    OPERATORS.iter().map(|operator| operator.word).collect()
}

fn listed() -> Vec<String> {
    words().into_iter().map(str::to_owned).collect()
}

/// One of their words.
pub(super) const WORD: Shape = Shape::Listed(listed);

const LENGTH: Shape = Shape::Whole(0, u64::MAX);
const TYPE: Shape = Shape::Word(&Types::WORDS);
const TYPES: Shape = Shape::Either(&[TYPE, Shape::FilledList(&TYPE)]);
const TEXTS: Shape = Shape::FilledList(&Shape::Filled);
fn statements() -> Vec<String> {
    let kinds = operators::sql::kinds();
    kinds.into_iter().map(str::to_owned).collect()
}

const KINDS: Shape = Shape::FilledList(&Shape::Listed(statements));
const SQL: Shape = Shape::Either(&[KINDS, Shape::Object(&SQL_ONLY)]);

const SQL_ONLY: Keys = Keys {
    name: "sql_only",
    about: "What SQL may do.",
    known: &[
        Key::new("statements", KINDS, "The kinds of statements.").needed(),
        Key::new(
            "dialect",
            Shape::Word(&["postgresql", "postgres", "sqlite", "mysql"]),
            "Without it, a text must be read alike under all.",
        ),
        Key::new(
            "functions",
            Shape::List(&Shape::Filled),
            "The functions that are no `call`; `@pure` is the built-in list.",
        ),
    ],
};
