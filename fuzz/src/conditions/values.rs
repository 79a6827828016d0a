//! The values, arguments and schemas that the generator makes.

use super::make::Maker;
use super::tree::Tree;
use super::written::Shape;

pub const NAMES: [&str; 4] = ["a", "b", "list", "odd name"];
/// Names, and others that a careless reader takes for them.
const KEYS: [&str; 9] = [
    "a", "b", "list", "odd name", "c", "A", "ａ", "LIST", "Odd Name",
];
pub const NUMBERS: [&str; 17] = [
    "1",
    "0",
    "1.0",
    "-1",
    "2",
    "10e-1",
    "100",
    "0.1",
    "0.10",
    "1e19",
    "9007199254740993",
    "9007199254740992",
    "-0",
    "12345678901234567890123456789012345678",
    "1234567890123456789012345678901234567.80",
    "123456789012345678901234567890123456789",
    "0.1234567890123456789012345678901234567891",
];
/// So many of them have a value.
pub const SOUND: usize = 15;
const TEXTS: [&str; 17] = [
    "a",
    "",
    "b",
    "ab",
    "A",
    "1",
    "null",
    "é",
    "t",
    "https://example.com/x",
    "https://u@example.com/",
    "/srv/a",
    "/srv/../etc",
    "select 1",
    "delete from t",
    "git log",
    "git log; ls",
];
impl Maker<'_> {
    /// A value without a number beyond reckoning.
    pub fn sound(&mut self, depth: u8) -> Tree {
        match self.below(if depth < 2 { 7 } else { 5 }) {
            0 | 1 => Tree::Number(self.one(&NUMBERS[..SOUND])),
            2 => Tree::Text(self.one(&TEXTS)),
            3 => Tree::Bool(self.rarely(2)),
            4 => Tree::Null,
            5 => Tree::List(self.some(2, |m| m.sound(depth + 1))),
            _ => {
                let keys = self.some(1, |m| (m.one(&KEYS), m.sound(depth + 1)));
                Tree::Map(keys)
            }
        }
    }

    pub fn tree(&mut self, depth: u8) -> Tree {
        match self.below(if depth < 3 { 9 } else { 5 }) {
            0 | 1 => Tree::Number(self.one(&NUMBERS)),
            2 => Tree::Text(self.one(&TEXTS)),
            3 => Tree::Bool(self.rarely(2)),
            4 => Tree::Null,
            5 | 6 => Tree::List(self.some(3, |m| m.tree(depth + 1))),
            _ => self.map(depth + 1),
        }
    }

    pub fn map(&mut self, depth: u8) -> Tree {
        let mut members: Vec<(&'static str, Tree)> = Vec::new();
        let made = self.some(4, |m| {
            let keys: &[&'static str] = if m.rarely(8) { &KEYS } else { &NAMES };
            (m.one(keys), m.tree(depth))
        });
        for (key, value) in made {
            if members.iter().all(|(other, _)| *other != key) {
                members.push((key, value));
            }
        }
        Tree::Map(members)
    }

    pub fn shape(&mut self, depth: u8) -> Shape {
        const KINDS: [Option<&str>; 8] = [
            None,
            Some("object"),
            Some("array"),
            Some("string"),
            Some("number"),
            Some("integer"),
            None,
            None,
        ];
        let kind = if depth == 0 {
            Some("object")
        } else {
            self.one(&KINDS)
        };
        let mut properties: Vec<(&'static str, Shape)> = Vec::new();
        if depth < 3 {
            for (key, shape) in self.some(3, |m| (m.one(&NAMES), m.shape(depth + 1))) {
                if properties.iter().all(|(other, _)| *other != key) {
                    properties.push((key, shape));
                }
            }
        }
        Shape {
            kind,
            default: (depth > 0 && self.rarely(3)).then(|| self.sound(1)),
            properties,
            required: self.some(1, |m| m.one(&NAMES)),
            closed: self.rarely(4),
            items: (depth < 3 && self.rarely(3)).then(|| Box::new(self.shape(depth + 1))),
        }
    }
}
