//! One condition that asks one thing of what one path leads to.

use super::look::{Each, Scene, Seen};
use super::test::Test;
use super::truth::{Trouble, Truth};
use crate::path::Path;

/// What a rule does with the answer: it decides what is doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `deny_if` and `require_approval`: a call that matches is refused or waits.
    Catch,
    /// `require`: a call that does not match is refused.
    Demand,
}

#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    path: Path,
    test: Test,
    negated: bool,
}

impl Leaf {
    pub(crate) const fn new(path: Path, test: Test, negated: bool) -> Self {
        Self {
            path,
            test,
            negated,
        }
    }

    pub(crate) const fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn test(&self) -> &Test {
        &self.test
    }

    pub(crate) const fn is_negated(&self) -> bool {
        self.negated
    }

    pub(crate) fn answer(&self, scene: &Scene<'_>, purpose: Purpose) -> Truth {
        let each = match purpose {
            Purpose::Catch => Each::Some,
            Purpose::Demand => Each::Every,
        };
        scene.judge(&self.path, each, &|seen| self.judge(seen, purpose))
    }

    /// Is there nothing where the path leads, in every place it leads to?
    pub(crate) fn finds_nothing(&self, scene: &Scene<'_>) -> bool {
        let nothing = |seen: Seen<'_>| Truth::from(matches!(seen, Seen::Missing));
        scene.judge(&self.path, Each::Every, &nothing) == Truth::True
    }

    fn judge(&self, seen: Seen<'_>, purpose: Purpose) -> Truth {
        let answer = match (&self.test, seen) {
            (Test::Exists, Seen::Missing) => Truth::False,
            (Test::Exists, Seen::Value(value)) => Truth::from(!value.is_null()),
            (Test::Exists, _) => Truth::True,
            // INVARIANT: what is missing never satisfies a demand, and is caught by whatever
            // catches all but some values.
            (_, Seen::Missing) => {
                return Truth::from(purpose == Purpose::Catch && self.negated);
            }
            (test, seen) => test.answer(seen),
        };
        if self.negated {
            answer.negated()
        } else {
            answer
        }
    }
}

impl From<Trouble> for Truth {
    fn from(trouble: Trouble) -> Self {
        Self::Error(trouble)
    }
}
