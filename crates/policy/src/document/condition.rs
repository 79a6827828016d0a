//! Conditions as they are written.

use super::node::Node;
use super::operator::{OPERATORS, WORD, words};
use super::test;
use crate::condition::{Leaf, Test};
use crate::json::Value;
use crate::keys::{Conditions, Key, Keys, Shape};
use crate::path::{Path, Root};
use crate::problem::Problems;

/// A condition with its `not`s where the author put them.
#[derive(Clone, Debug)]
pub(crate) enum WrittenCondition {
    Test(WrittenTest),
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
}

impl WrittenCondition {
    pub(crate) fn asks_for_time(&self) -> bool {
        match self {
            Self::Test(test) => matches!(test.path.root(), Root::Time(_)),
            Self::Any(parts) | Self::All(parts) => parts.iter().any(Self::asks_for_time),
            Self::Not(inner) => inner.asks_for_time(),
        }
    }
}

/// One path and what is asked of it.
#[derive(Clone, Debug)]
pub(crate) struct WrittenTest {
    pub(crate) path: Path,
    /// The operator and its value as they are written.
    pub(super) op: Box<str>,
    pub(super) value: Value<'static>,
    pub(crate) test: Test,
    /// Is it a word like `neq`, that asks for the opposite of its test?
    pub(crate) negated: bool,
}

impl WrittenTest {
    /// The test as a leaf; `within_not` if a `not` stands around it.
    pub(crate) fn into_leaf(self, within_not: bool) -> Leaf {
        Leaf::new(self.path, self.test, self.negated != within_not)
    }
}

/// The list that conditions stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    DenyIf,
    Require,
    RequireApproval,
}

impl Within {
    const fn key(self) -> &'static str {
        match self {
            Self::DenyIf => "deny_if",
            Self::Require => "require",
            Self::RequireApproval => "require_approval",
        }
    }
}

static TEST: Keys = Keys {
    name: "condition",
    about: "A test of one value, or `any`, `all` or `not` around others.",
    known: &[
        Key::new(
            "path",
            Shape::Like(Path::LOOK),
            "What is looked at, as in args.amount, args.list[*], identity, time.hour.",
        ),
        Key::new("op", WORD, "How it is tested."),
        Key::new("value", Shape::Any, "What it is tested against."),
        Key::new("any", Shape::FilledList(&CONDITION), "One of these holds."),
        Key::new("all", Shape::FilledList(&CONDITION), "All of these hold."),
        Key::new("not", Shape::Condition(&CONDITIONS), "This does not hold."),
    ],
};

/// One condition.
pub(super) static CONDITION: Shape = Shape::Condition(&CONDITIONS);

static CONDITIONS: Conditions = Conditions {
    keys: &TEST,
    test: &["path", "op", "value"],
    operators: &OPERATORS,
};

/// Reads `conditions`.
pub(super) fn conditions(
    node: &Node<'_>,
    within: Within,
    problems: &mut Problems<'_>,
) -> Vec<WrittenCondition> {
    let elements = node.elements(problems);
    let read = elements.iter();
    read.filter_map(|element| condition(element, (within, false), problems))
        .collect()
}

// The recursion is bounded by the depth that documents may have.
fn condition(
    node: &Node<'_>,
    (within, negated): (Within, bool),
    problems: &mut Problems<'_>,
) -> Option<WrittenCondition> {
    node.value.members().or_else(|| {
        node.expected(
            problems,
            "a condition, as in {\"path\", \"op\", \"value\"},",
        );
        None
    })?;
    let members = node.members(problems, &TEST);
    let nests = |(key, _): &&(&str, Node<'_>)| matches!(*key, "any" | "all" | "not");
    let Some((key, inner)) = members.iter().find(nests) else {
        let parts = Parts::of(&members);
        return written_test(node, &parts, (within, negated), problems).map(WrittenCondition::Test);
    };
    if members.len() > 1 {
        let message = format!("`{key}` stands alone: nothing else belongs into this object");
        node.error(problems, message);
    }
    if *key == "not" {
        let inner = condition(inner, (within, !negated), problems)?;
        return Some(WrittenCondition::Not(Box::new(inner)));
    }
    let elements = inner.elements(problems);
    if inner.value.elements().is_some_and(<[_]>::is_empty) {
        inner.error(problems, format!("`{key}` needs at least one condition"));
    }
    let parts = elements
        .iter()
        .filter_map(|element| condition(element, (within, negated), problems))
        .collect();
    Some(if *key == "any" {
        WrittenCondition::Any(parts)
    } else {
        WrittenCondition::All(parts)
    })
}

/// The members of a test.
struct Parts<'n, 'v> {
    path: Option<&'n Node<'v>>,
    op: Option<&'n Node<'v>>,
    value: Option<&'n Node<'v>>,
}

impl<'n, 'v> Parts<'n, 'v> {
    fn of(members: &'n [(&'v str, Node<'v>)]) -> Self {
        let part = |name| members.iter().find(|(key, _)| *key == name).map(|(_, n)| n);
        Self {
            path: part("path"),
            op: part("op"),
            value: part("value"),
        }
    }
}

fn written_test(
    node: &Node<'_>,
    parts: &Parts<'_, '_>,
    (within, negated): (Within, bool),
    problems: &mut Problems<'_>,
) -> Option<WrittenTest> {
    for (key, part) in [
        ("path", parts.path),
        ("op", parts.op),
        ("value", parts.value),
    ] {
        if part.is_none() && node.lacks(key, &TEST) {
            node.error(problems, format!("a condition needs `{key}`"));
        }
    }
    let path = parts.path.and_then(|node| path(node, within, problems));
    let op = parts
        .op
        .and_then(|node| node.word(problems, "operator", &words()));
    let (op, value) = (op?, parts.value?);
    let read = test::read(op, value, path.as_ref().map(Path::root), problems);
    let (test, inverse) = read?;
    if let Test::Regex(regex) = &test
        && within == Within::Require
        && !negated
        && !test::is_anchored(regex.as_str())
    {
        let message = "`regex` is satisfied by a match anywhere in the text, so this lets pass \
                       whatever contains one; `matches` is about the whole text";
        parts.op?.warning(problems, message);
    }
    Some(WrittenTest {
        path: path?,
        op: op.into(),
        value: value.value.clone().into_owned(),
        test,
        negated: inverse,
    })
}

fn path(node: &Node<'_>, within: Within, problems: &mut Problems<'_>) -> Option<Path> {
    let path = node.path(problems)?;
    if path.root().is_claim() && within != Within::DenyIf {
        let message = format!(
            "what a client says of itself proves nothing: it may stand in `deny_if`, not in `{}`",
            within.key()
        );
        node.error(problems, message);
        return None;
    }
    Some(path)
}
