//! The generator: from a tape of bytes to a policy that is sound, and a call of a tool.

use portreeve_policy::{Bit, Bits, Class, Classes, Client, Held, Label, Pin, time::Timestamp};

use super::super::tape::Tape;
use super::tree::Tree;
use super::values::{NAMES, NUMBERS, SOUND};
use super::written::{Condition, Document, Flow, Limit, Path, Rules, Shape, Step};

pub const SELECTORS: [&str; 14] = [
    "t", "t*", "@write", "?", "u", "@changes", "*", "@read", "@unknown", "@egress", "\\@odd",
    "@secret", "@execute", "x?",
];
const CLASSES: [Class; 6] = Class::ALL;
const TOOLS: [&str; 4] = ["t", "u", "@odd", "tt"];
const DEEPEST: u8 = 3;

/// A call of a tool, and what is known of it.
pub struct Call {
    pub tool: &'static str,
    pub pin: Pin,
    pub class: Class,
    pub also: Classes,
    pub bits: Option<Bits>,
    pub client: Option<Client<'static>>,
    pub args: Option<Tree>,
    pub shape: Option<Shape>,
    pub labels: Vec<Held<'static>>,
    pub now: i64,
}

const fn cursor(version: Option<&'static str>) -> Client<'static> {
    let name = "cursor";
    Client { name, version }
}

/// What the conditions stand in: only there may a client be asked about.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    DenyIf,
    Elsewhere,
}

pub struct Maker<'t> {
    tape: Tape<'t>,
    counters: usize,
}

impl<'t> Maker<'t> {
    pub const fn new(input: &'t [u8]) -> Self {
        Self {
            tape: Tape::new(input),
            counters: 0,
        }
    }

    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.tape.byte()) % count
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// True once in so many times; never when the tape is at its end.
    pub fn rarely(&mut self, in_so_many: usize) -> bool {
        self.below(in_so_many) == in_so_many - 1
    }

    pub fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    pub fn document(&mut self) -> Document {
        let mut tools: Vec<(&'static str, Rules)> = Vec::new();
        for (selector, rules) in self.some(4, |m| (m.one(&SELECTORS), m.rules())) {
            if tools.iter().all(|(other, _)| *other != selector) {
                tools.push((selector, rules));
            }
        }
        Document {
            allows: self.below(2) == 1,
            zone: self.rarely(3).then_some("Asia/Kolkata"),
            hide: self.some(1, |m| if m.rarely(4) { m.one(&SELECTORS) } else { "u" }),
            all_tools: self.rarely(2).then(|| self.rules()),
            tools,
            flow: self.some(1, Self::flow),
        }
    }

    pub fn call(&mut self) -> Call {
        Call {
            tool: self.one(&TOOLS),
            pin: self.one(&[
                Pin::Pinned,
                Pin::Pinned,
                Pin::Pinned,
                Pin::Judged,
                Pin::Unpinned,
            ]),
            class: self.one(&CLASSES),
            also: self.some(1, |m| m.one(&CLASSES)).into_iter().collect(),
            bits: self
                .rarely(2)
                .then(|| self.some(2, |m| m.one(&Bit::ALL)).into_iter().collect()),
            client: self.one(&[None, Some(cursor(None)), Some(cursor(Some("1.0")))]),
            args: (!self.rarely(8)).then(|| {
                if self.rarely(12) {
                    return self.tree(0);
                }
                self.map(2)
            }),
            shape: self.rarely(2).then(|| self.shape(0)),
            labels: self.some(2, Self::held),
            now: 1_795_000_000_000 + i64::from(self.tape.pair()) * 997_000,
        }
    }

    /// The same policy with one entry more, in a rule set that is there or in `hide`.
    pub fn stricter(&mut self, document: &Document) -> Document {
        let mut more = document.clone();
        if self.rarely(4) {
            more.hide.push(self.one(&SELECTORS));
            return more;
        }
        let place = self.below(more.tools.len() + 1);
        let set = match more.tools.get_mut(place) {
            Some((_, rules)) => rules,
            None => more.all_tools.get_or_insert_default(),
        };
        match self.below(6) {
            0 => set.deny_if.push(self.conditions(Place::DenyIf)),
            1 => set.require.push(self.conditions(Place::Elsewhere)),
            2 => set.asks.push(self.conditions(Place::Elsewhere)),
            3 => set.limits.push(self.limit()),
            4 if set.validate.is_none() => set.validate = Some(self.rarely(2)),
            _ if set.action.is_none() => set.action = Some(self.one(&["deny", "hide"])),
            _ => {}
        }
        more
    }

    fn rules(&mut self) -> Rules {
        const ACTIONS: [Option<&str>; 8] = [
            None,
            Some("allow"),
            None,
            Some("require_approval"),
            None,
            Some("allow"),
            Some("deny"),
            Some("hide"),
        ];
        Rules {
            action: self.one(&ACTIONS),
            deny_if: self.some(1, |m| m.conditions(Place::DenyIf)),
            require: self.some(1, |m| m.conditions(Place::Elsewhere)),
            validate: self.one(&[None, None, Some(true), Some(false)]),
            asks: self.some(1, |m| m.conditions(Place::Elsewhere)),
            limits: self.some(1, Self::limit),
        }
    }

    fn conditions(&mut self, place: Place) -> Vec<Condition> {
        self.some(2, |m| m.condition(place, 0))
    }

    fn condition(&mut self, place: Place, depth: u8) -> Condition {
        let parts = |m: &mut Self| {
            let first = m.condition(place, depth + 1);
            let mut parts = m.some(2, |m| m.condition(place, depth + 1));
            parts.insert(0, first);
            parts
        };
        match self.below(7) {
            4 if depth < DEEPEST => Condition::Any(parts(self)),
            5 if depth < DEEPEST => Condition::All(parts(self)),
            6 if depth < DEEPEST => Condition::Not(Box::new(self.condition(place, depth + 1))),
            _ => self.test(place),
        }
    }

    fn test(&mut self, place: Place) -> Condition {
        let path = self.path(place);
        let (op, value) = match path.root {
            "args" => self.question(),
            "time.hour" | "time.minute" => {
                let number = Tree::Number(self.one(&["0", "13", "5", "22"]));
                match self.below(3) {
                    0 => (self.one(&["eq", "neq", "lt", "lte", "gt", "gte"]), number),
                    1 => (self.one(&["in", "not_in"]), Tree::List(vec![number])),
                    _ => ("exists", Tree::Bool(self.rarely(2))),
                }
            }
            "time.weekday" => {
                let day = Tree::Text(self.one(&["friday", "monday", "sunday"]));
                (self.one(&["eq", "neq"]), day)
            }
            "time.date" => {
                let date = Tree::Text(self.one(&["2026-11-18", "2026-11-20"]));
                (self.one(&["eq", "neq", "starts_with"]), date)
            }
            _ => {
                let text = Tree::Text(self.one(&["t", "runs", "1.0", "cursor"]));
                (self.one(&["eq", "neq", "starts_with", "contains"]), text)
            }
        };
        Condition::Test { path, op, value }
    }

    /// An operator with a value that may be asked of any argument.
    fn question(&mut self) -> (&'static str, Tree) {
        let number = |m: &mut Self| m.one(&NUMBERS[..SOUND]);
        match self.below(16) {
            0 | 1 => (self.one(&["eq", "neq"]), self.sound(0)),
            2 => {
                let first = self.sound(1);
                let mut values = self.some(2, |m| m.sound(1));
                values.push(first);
                (self.one(&["in", "not_in"]), Tree::List(values))
            }
            3 | 4 => (
                self.one(&["lt", "lte", "gt", "gte"]),
                Tree::Number(number(self)),
            ),
            5 => ("exists", Tree::Bool(self.rarely(2))),
            6 => ("regex", Tree::Text(self.one(&["a", "^a", "a|^b$"]))),
            7 => ("matches", Tree::Text(self.one(&["a", "a|b", "[ab]*"]))),
            8 => {
                let part = [Tree::Text("a"), Tree::Number("1"), Tree::Bool(true)];
                ("contains", part[self.below(3)].clone())
            }
            9 => (
                self.one(&["starts_with", "ends_with"]),
                Tree::Text(self.one(&["a", "b"])),
            ),
            10 => ("glob", Tree::Text(self.one(&["a*", "?", "*b", "a"]))),
            11 => {
                let length = Tree::Number(self.one(&["0", "1", "2", "1e0"]));
                (self.one(&["length_lte", "length_gte"]), length)
            }
            12 => {
                const TYPES: [&str; 7] = [
                    "null", "boolean", "number", "integer", "string", "array", "object",
                ];
                let types = [self.one(&TYPES), self.one(&TYPES)].map(Tree::Text);
                ("type_is", Tree::List(types.to_vec()))
            }
            13 => ("host_in", Tree::List(vec![Tree::Text("example.com")])),
            14 => ("path_within", Tree::List(vec![Tree::Text("/srv")])),
            _ => {
                let (op, word) = self.one(&[("sql_only", "select"), ("command_in", "git log")]);
                (op, Tree::List(vec![Tree::Text(word)]))
            }
        }
    }

    fn path(&mut self, place: Place) -> Path {
        const ROOTS: [&str; 8] = [
            "tool",
            "server",
            "grant",
            "identity",
            "time.hour",
            "time.minute",
            "time.weekday",
            "time.date",
        ];
        let root = match self.below(8) {
            6 if place == Place::DenyIf => self.one(&["client", "client.version"]),
            7 => self.one(&ROOTS),
            _ => "args",
        };
        let steps = if root == "args" {
            self.steps(true)
        } else {
            Vec::new()
        };
        Path { root, steps }
    }

    fn steps(&mut self, with_each: bool) -> Vec<Step> {
        let mut steps = vec![Step::Name(self.one(&NAMES))];
        steps.extend(self.some(3, |m| match m.below(4) {
            0 | 1 => Step::Name(m.one(&NAMES)),
            2 if with_each => Step::Each,
            _ => Step::Index(m.below(2)),
        }));
        if with_each && self.rarely(12) {
            steps.clear();
        }
        steps
    }

    fn limit(&mut self) -> Limit {
        self.counters += 1;
        let counter = format!("c{}", self.counters);
        let allow_zero = self.rarely(2);
        let path = |m: &mut Self| Path {
            root: "args",
            steps: m.steps(false),
        };
        let cost = match self.below(3) {
            0 => Ok("1"),
            1 if allow_zero => Ok("0.0"),
            1 => Ok("0.1"),
            _ => Err(path(self)),
        };
        let per = match self.below(6) {
            4 => Some(path(self)),
            5 => Some(Path {
                root: self.one(&["tool", "server", "grant", "identity", "client"]),
                steps: Vec::new(),
            }),
            _ => None,
        };
        Limit {
            counter,
            scope: self.one(&["grant", "identity", "server", "gateway"]),
            cost,
            allow_zero,
            per,
        }
    }

    fn flow(&mut self) -> Flow {
        let several = |m: &mut Self| {
            let first = m.one(&SELECTORS);
            let mut all = m.some(1, |m| m.one(&SELECTORS));
            all.push(first);
            all
        };
        Flow {
            after: several(self),
            then: several(self),
            denies: self.below(2) == 0,
            seconds: self.one(&[60, 1, 3_600]),
        }
    }

    fn held(&mut self) -> Held<'static> {
        let label = match self.below(3) {
            0 => Label::Class(self.one(&CLASSES)),
            1 => Label::Bit(self.one(&Bit::ALL)),
            _ => Label::Tool(self.one(&TOOLS).into()),
        };
        let at = 1_795_000_000_000 + i64::from(self.tape.pair()) * 997_000;
        Held {
            label,
            at: Timestamp(at),
        }
    }
}
