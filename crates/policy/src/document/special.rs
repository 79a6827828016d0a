//! The values of the operators that read hosts, paths, statements and commands as they are
//! written, and which part of such a value is wrong.

use super::node::Node;
use crate::json::{Kind, Member, Span, Value};
use crate::operators::{Special, sql};
use crate::problem::Problems;

pub(super) fn special(op: &str, node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Special> {
    match Special::compile(op, node.value)? {
        Ok(special) => Some(special),
        Err(why) => {
            if !blame(op, node, problems) {
                node.error(problems, format!("the value {why}"));
            }
            None
        }
    }
}

/// Reports every part that is wrong by itself; false if there is none.
fn blame(op: &str, node: &Node<'_>, problems: &mut Problems<'_>) -> bool {
    if op != "sql_only" {
        return blame_elements((op, node), &[], problems, list);
    }
    if node.value.members().is_none() {
        return blame_elements((op, node), &sql::kinds(), problems, list);
    }
    let mut any = false;
    for (key, at, part) in node.entries(problems) {
        any |= match key {
            "statements" => {
                blame_elements((op, &part), &sql::kinds(), problems, list)
                    || blame_one((op, &part), &[], problems, |value| {
                        spec("statements", value)
                    })
            }
            "functions" => {
                let one = |name: &Value<'_>| spec("functions", &list(name));
                blame_elements((op, &part), &["@pure"], problems, one)
                    || blame_one((op, &part), &[], problems, |value| spec("functions", value))
            }
            "dialect" => blame_one((op, &part), &sql::DIALECTS, problems, |name| {
                spec("dialect", name)
            }),
            _ => {
                problems.bad_key(&part.pointer, at, key, &sql::KEYS);
                true
            }
        };
    }
    any
}

fn blame_elements(
    (op, node): (&str, &Node<'_>),
    words: &[&str],
    problems: &mut Problems<'_>,
    alone: fn(&Value<'_>) -> Value<'static>,
) -> bool {
    if node.value.elements().is_none() {
        return false;
    }
    let mut any = false;
    for element in node.elements(problems) {
        any |= blame_one((op, &element), words, problems, alone);
    }
    any
}

/// Puts the part into a value that is sound but for it.
fn blame_one(
    (op, part): (&str, &Node<'_>),
    words: &[&str],
    problems: &mut Problems<'_>,
    alone: impl Fn(&Value<'_>) -> Value<'static>,
) -> bool {
    let Some(Err(why)) = Special::compile(op, &alone(part.value)) else {
        return false;
    };
    let message = format!("the value {why}");
    let word = part.value.as_str().unwrap_or_default();
    problems.bad_word(&part.pointer, part.at(), message, (word, words));
    true
}

const fn made(kind: Kind<'static>) -> Value<'static> {
    let span = Span { start: 0, end: 0 };
    Value { span, kind }
}

fn list(element: &Value<'_>) -> Value<'static> {
    made(Kind::Array(vec![element.clone().into_owned()]))
}

/// A sound value of `sql_only`, but for the member `key`.
fn spec(key: &'static str, value: &Value<'_>) -> Value<'static> {
    let member = |key: &'static str, value| Member {
        key: key.into(),
        key_span: Span { start: 0, end: 0 },
        value,
    };
    let select = made(Kind::String("select".into()));
    made(Kind::Object(vec![
        member("statements", made(Kind::Array(vec![select]))),
        member(key, value.clone().into_owned()),
    ]))
}
