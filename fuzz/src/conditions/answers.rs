//! Conditions answered the slow and obvious way: yes, no, or error.

use portreeve_policy::json::{Rules as Reading, parse};
use portreeve_policy::operators::Special;

use super::clock::clock;
use super::make::Call;
use super::tree::{Exact, Tree, glob_text};
use super::written::{Condition, Document, Path, Shape, Step};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Yes,
    No,
    Error,
}

/// `deny_if` and `require_approval` catch, `require` demands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Purpose {
    Catch,
    Demand,
}

pub struct Scene<'c> {
    pub call: &'c Call,
    /// Minutes east of Greenwich.
    offset: i64,
}

impl<'c> Scene<'c> {
    pub fn new(document: &Document, call: &'c Call) -> Self {
        Self {
            call,
            offset: if document.zone.is_some() { 330 } else { 0 },
        }
    }
}

/// What a path leads to.
enum Found {
    Value(Tree),
    Words(String),
    Missing,
    Wrong,
    Each(Vec<Self>),
}

impl Answer {
    const fn of(flag: bool) -> Self {
        if flag { Self::Yes } else { Self::No }
    }

    const fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Error => Self::Error,
        }
    }
}

fn every(answers: &[Answer]) -> Answer {
    if answers.contains(&Answer::No) {
        Answer::No
    } else if answers.contains(&Answer::Error) {
        Answer::Error
    } else {
        Answer::Yes
    }
}

fn some(answers: &[Answer]) -> Answer {
    let turned: Vec<Answer> = answers.iter().map(|answer| answer.not()).collect();
    every(&turned).not()
}

pub fn all_of(conditions: &[Condition], scene: &Scene<'_>, purpose: Purpose) -> Answer {
    let answers: Vec<Answer> = conditions
        .iter()
        .map(|c| answer(c, false, scene, purpose))
        .collect();
    every(&answers)
}

/// The answer of the condition, or of its opposite.
fn answer(condition: &Condition, opposite: bool, scene: &Scene<'_>, purpose: Purpose) -> Answer {
    let each = |parts: &[Condition]| {
        let answers = parts
            .iter()
            .map(|part| answer(part, opposite, scene, purpose));
        answers.collect::<Vec<Answer>>()
    };
    match condition {
        Condition::Not(inner) => answer(inner, !opposite, scene, purpose),
        Condition::Any(parts) if opposite => every(&each(parts)),
        Condition::All(parts) if opposite => some(&each(parts)),
        Condition::Any(parts) => some(&each(parts)),
        Condition::All(parts) => every(&each(parts)),
        Condition::Test { path, op, value } => {
            let found = find(path, scene);
            settle(&found, (op, value), opposite, purpose)
        }
    }
}

fn settle(found: &Found, (op, value): (&str, &Tree), opposite: bool, purpose: Purpose) -> Answer {
    if let Found::Each(parts) = found {
        let answers: Vec<Answer> = parts
            .iter()
            .map(|part| settle(part, (op, value), opposite, purpose))
            .collect();
        return match purpose {
            Purpose::Catch => some(&answers),
            Purpose::Demand if answers.is_empty() => Answer::No,
            Purpose::Demand => every(&answers),
        };
    }
    let negative = matches!(op, "neq" | "not_in");
    let plain = match (found, op) {
        (Found::Wrong, _) => return Answer::Error,
        (_, "exists") => {
            let there = !matches!(found, Found::Missing | Found::Value(Tree::Null));
            Answer::of(Tree::Bool(there) == *value)
        }
        (Found::Missing, _) => {
            return Answer::of(purpose == Purpose::Catch && negative != opposite);
        }
        (Found::Words(words), _) => of_words(words, op, value),
        (Found::Value(tree), _) => of_value(tree, op, value),
        (Found::Each(_), _) => Answer::Error,
    };
    if opposite { plain.not() } else { plain }
}

fn find(path: &Path, scene: &Scene<'_>) -> Found {
    let call = scene.call;
    let words = |text: Option<&str>| text.map_or(Found::Missing, |t| Found::Words(t.to_owned()));
    match path.root {
        "args" => follow(&path.steps, 0, call.args.as_ref(), call.shape.as_ref()),
        "tool" => words(Some(call.tool)),
        "server" => words(Some("runs")),
        "grant" => words(Some("ci")),
        "identity" => words(Some("ci@example.com")),
        "client" => words(call.client.map(|client| client.name)),
        "client.version" => words(call.client.and_then(|client| client.version)),
        part => Found::Words(clock(part, call.now.div_euclid(60_000) + scene.offset)),
    }
}

/// Follows the steps from the one at `done`.
fn follow(steps: &[Step], done: usize, value: Option<&Tree>, shape: Option<&Shape>) -> Found {
    let Some(value) = value else {
        return default(steps, done, shape);
    };
    let Some(step) = steps.get(done) else {
        return Found::Value(value.clone());
    };
    match (step, value) {
        (Step::Name(name), Tree::Map(_)) => follow(steps, done + 1, value.get(name), shape),
        (Step::Index(index), Tree::List(elements)) => {
            follow(steps, done + 1, elements.get(*index), shape)
        }
        (Step::Each, Tree::List(elements)) => {
            let each = elements
                .iter()
                .map(|e| follow(steps, done + 1, Some(e), shape));
            Found::Each(each.collect())
        }
        _ => Found::Wrong,
    }
}

/// What the first `done` steps lead to is missing: its default, or that of a part of it.
fn default(steps: &[Step], done: usize, shape: Option<&Shape>) -> Found {
    for known in done..=steps.len() {
        let (way, beyond) = (&steps[..known], &steps[done..known]);
        // Of a list that is not there no element has a part.
        if beyond.iter().any(|step| matches!(step, Step::Each)) {
            break;
        }
        let mut at = shape;
        for step in way {
            at = at.and_then(|shape| match step {
                Step::Name(name) => shape
                    .properties
                    .iter()
                    .find(|(n, _)| n == name)
                    .map(|(_, s)| s),
                Step::Index(_) | Step::Each => shape.items.as_deref(),
            });
        }
        let named = matches!(way.last(), Some(Step::Name(_)));
        if let (true, Some(default)) = (named, at.and_then(|shape| shape.default.as_ref())) {
            return follow(steps, known, Some(default), shape);
        }
    }
    Found::Missing
}

/// A fact that is a text, or a part of the time that is a number.
fn of_words(words: &str, op: &str, value: &Tree) -> Answer {
    let is = |other: &Tree| match other {
        Tree::Text(text) | Tree::Number(text) => *text == words,
        _ => false,
    };
    let ordered = || {
        let Tree::Number(bound) = value else {
            return Answer::Error;
        };
        let numbers = (words.parse::<i64>(), bound.parse::<i64>());
        let (Ok(a), Ok(b)) = numbers else {
            return Answer::Error;
        };
        Answer::of(compares(op, a.cmp(&b)))
    };
    match (op, value) {
        ("eq", _) => Answer::of(is(value)),
        ("neq", _) => Answer::of(!is(value)),
        ("in", Tree::List(of)) => Answer::of(of.iter().any(is)),
        ("not_in", Tree::List(of)) => Answer::of(!of.iter().any(is)),
        ("starts_with", Tree::Text(text)) => Answer::of(words.starts_with(text)),
        ("contains", Tree::Text(text)) => Answer::of(words.contains(text)),
        _ => ordered(),
    }
}

fn compares(op: &str, order: std::cmp::Ordering) -> bool {
    match op {
        "lt" => order.is_lt(),
        "lte" => order.is_le(),
        "gt" => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn of_value(found: &Tree, op: &str, value: &Tree) -> Answer {
    match (op, found, value) {
        ("eq", _, _) => equal(found, value),
        ("neq", _, _) => equal(found, value).not(),
        ("in", _, Tree::List(of)) => one_of(found, of),
        ("not_in", _, Tree::List(of)) => one_of(found, of).not(),
        ("lt" | "lte" | "gt" | "gte", Tree::Number(a), Tree::Number(b)) => {
            match (Exact::read(a), Exact::read(b)) {
                (Some(a), Some(b)) => Answer::of(compares(op, a.order(&b))),
                _ => Answer::Error,
            }
        }
        ("contains", Tree::List(elements), _) => {
            let answers: Vec<Answer> = elements.iter().map(|e| equal(e, value)).collect();
            some(&answers)
        }
        ("length_lte" | "length_gte", _, Tree::Number(bound)) => {
            let length = match found {
                Tree::List(elements) => elements.len(),
                Tree::Text(text) => text.chars().count(),
                _ => return Answer::Error,
            };
            let bound = usize::from(bound.as_bytes()[0] - b'0');
            Answer::of(if op == "length_lte" {
                length <= bound
            } else {
                length >= bound
            })
        }
        ("type_is", _, Tree::List(of)) => is_of_type(found, of),
        (_, Tree::Text(text), _) => of_text(text, op, value),
        _ => Answer::Error,
    }
}

fn of_text(text: &str, op: &str, value: &Tree) -> Answer {
    match (op, value) {
        ("host_in" | "path_within" | "sql_only" | "command_in", _) => special(text, op, value),
        ("contains", Tree::Text(part)) => Answer::of(text.contains(part)),
        ("starts_with", Tree::Text(start)) => Answer::of(text.starts_with(start)),
        ("ends_with", Tree::Text(end)) => Answer::of(text.ends_with(end)),
        ("glob", Tree::Text(pattern)) => Answer::of(glob_text(pattern, text)),
        ("regex", Tree::Text("a")) => Answer::of(text.contains('a')),
        ("regex", Tree::Text("^a")) => Answer::of(text.starts_with('a')),
        ("regex", Tree::Text("a|^b$")) => Answer::of(text.contains('a') || text == "b"),
        ("matches", Tree::Text("a")) => Answer::of(text == "a"),
        ("matches", Tree::Text("a|b")) => Answer::of(text == "a" || text == "b"),
        ("matches", Tree::Text("[ab]*")) => Answer::of(text.chars().all(|c| "ab".contains(c))),
        _ => Answer::Error,
    }
}

/// These readers have a target of their own; here only what becomes of their answers is held.
fn special(text: &str, op: &str, value: &Tree) -> Answer {
    let value = value.to_string();
    let value = parse(value.as_bytes(), Reading::DOCUMENT).expect("JSON");
    let special = Special::compile(op, &value)
        .expect("an operator")
        .expect("a sound value");
    special.holds(text).map_or(Answer::Error, Answer::of)
}

fn is_of_type(found: &Tree, of: &[Tree]) -> Answer {
    let asked = |word: &'static str| of.contains(&Tree::Text(word));
    match found {
        Tree::Null if !asked("null") => Answer::Error,
        Tree::Number(text) => match Exact::read(text) {
            None => Answer::Error,
            Some(n) => Answer::of(asked("number") || (asked("integer") && n.power >= 0)),
        },
        other => Answer::of(asked(other.type_word())),
    }
}

/// A value is compared with its own kind; asking for null is right of any kind.
fn equal(found: &Tree, wanted: &Tree) -> Answer {
    if *wanted == Tree::Null {
        return Answer::of(*found == Tree::Null);
    }
    if found.type_word() != wanted.type_word() {
        return Answer::Error;
    }
    same(found, wanted)
}

fn same(a: &Tree, b: &Tree) -> Answer {
    match (a, b) {
        (Tree::Number(a), Tree::Number(b)) => match (Exact::read(a), Exact::read(b)) {
            (Some(a), Some(b)) => Answer::of(a == b),
            _ => Answer::Error,
        },
        (Tree::List(a), Tree::List(b)) if a.len() == b.len() => {
            let pairs: Vec<Answer> = a.iter().zip(b).map(|(a, b)| same(a, b)).collect();
            every(&pairs)
        }
        (Tree::Map(members), Tree::Map(others)) if members.len() == others.len() => {
            let pair =
                |(key, value): &(&str, Tree)| b.get(key).map_or(Answer::No, |o| same(value, o));
            every(&members.iter().map(pair).collect::<Vec<Answer>>())
        }
        _ => Answer::of(a == b),
    }
}

fn one_of(found: &Tree, of: &[Tree]) -> Answer {
    let kindred = of
        .iter()
        .filter(|wanted| **wanted == Tree::Null || wanted.type_word() == found.type_word());
    let answers: Vec<Answer> = kindred.map(|wanted| equal(found, wanted)).collect();
    let others = of.iter().any(|wanted| *wanted != Tree::Null);
    let alone = !of
        .iter()
        .any(|wanted| wanted.type_word() == found.type_word());
    // Nothing of its kind to compare with: a wrong type, unless only null was asked for.
    if alone && others {
        return Answer::Error;
    }
    some(&answers)
}
