//! Where a path leads in one call: through `[*]`, and into the defaults of the schema.

use std::cell::OnceCell;

use super::truth::{Trouble, Truth};
use crate::calendar::{Moment, Zone};
use crate::facts::{Facts, Subject};
use crate::json::{Kind, Value};
use crate::path::{Path, Root, Step, TimePart};
use crate::schema::{DefaultOf, Schema};

/// One call as its conditions see it.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) schema: Option<&'a Schema>,
    zone: &'a Zone,
    /// Reckoned at the first condition that asks.
    moment: OnceCell<Option<Moment>>,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'a> {
    Value(&'a Value<'a>),
    Text(&'a str),
    Count(u32),
    Missing,
}

/// How the answers for the elements of `[*]` make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Each {
    Some,
    /// And at least one.
    Every,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(facts: &'a Facts<'a>, zone: &'a Zone) -> Self {
        let schema = match facts.subject {
            Subject::Tool(tool) => tool.traits.schema,
            _ => None,
        };
        Self {
            facts,
            schema,
            zone,
            moment: OnceCell::new(),
        }
    }

    pub(crate) fn moment(&self) -> Option<&Moment> {
        let moment = || self.zone.at(self.facts.now);
        self.moment.get_or_init(moment).as_ref()
    }

    /// Judges what `path` leads to.
    pub(crate) fn judge(
        &self,
        path: &Path,
        each: Each,
        judge: &dyn Fn(Seen<'_>) -> Truth,
    ) -> Truth {
        match path.root() {
            Root::Args => Look {
                schema: self.schema,
                steps: path.steps(),
                each,
                judge,
            }
            .at(0, self.facts.args),
            Root::Time(part) => match self.moment() {
                None => Truth::Error(Trouble::Time),
                Some(moment) => judge(match part {
                    TimePart::Hour => Seen::Count(moment.hour),
                    TimePart::Minute => Seen::Count(moment.minute),
                    TimePart::Weekday => Seen::Text(moment.weekday),
                    TimePart::Date => Seen::Text(&moment.date),
                }),
            },
            root => judge(root.text(self.facts).map_or(Seen::Missing, Seen::Text)),
        }
    }
}

/// One way into the arguments.
struct Look<'l> {
    schema: Option<&'l Schema>,
    steps: &'l [Step],
    each: Each,
    judge: &'l dyn Fn(Seen<'_>) -> Truth,
}

impl Look<'_> {
    /// Goes on from what the first `done` steps led to.
    // The recursion is bounded by the number of steps.
    fn at(&self, done: usize, value: Option<&Value<'_>>) -> Truth {
        let Some(value) = value else {
            return self.missing(done);
        };
        let Some(step) = self.steps.get(done) else {
            return (self.judge)(Seen::Value(value));
        };
        let next = done.saturating_add(1);
        match (step, &value.kind) {
            (Step::Name(name), Kind::Object(_)) => self.at(next, value.get(name.exact())),
            (Step::Index(index), Kind::Array(elements)) => self.at(next, elements.get(*index)),
            (Step::Each, Kind::Array(elements)) => {
                let answers = elements.iter().map(|element| self.at(next, Some(element)));
                match self.each {
                    Each::Some => Truth::any(answers),
                    Each::Every if elements.is_empty() => Truth::False,
                    Each::Every => Truth::all(answers),
                }
            }
            (_, Kind::Null) => Truth::Error(Trouble::Null),
            (Step::Each, _) => Truth::Error(Trouble::NoArray),
            _ => Truth::Error(Trouble::Astray),
        }
    }

    /// What the first `done` steps lead to is missing; a default takes its place, if there is one
    /// for it or for a part of it.
    fn missing(&self, done: usize) -> Truth {
        let Some(schema) = self.schema else {
            return (self.judge)(Seen::Missing);
        };
        for known in done..=self.steps.len() {
            let Some(way) = self.steps.get(..known) else {
                break;
            };
            // Of a list that is not there no element has a part.
            if known > done && matches!(way.last(), Some(Step::Each)) {
                break;
            }
            // Only what has a name can be left out and filled in.
            if !matches!(way.last(), Some(Step::Name(_))) {
                continue;
            }
            match schema.default_of(way) {
                DefaultOf::Nothing => {}
                DefaultOf::One(default) => return self.at(known, Some(default)),
                DefaultOf::Several => return Truth::Error(Trouble::Defaults),
            }
        }
        (self.judge)(Seen::Missing)
    }
}
