//! Values and numbers as simply as they can be held, to reckon with slowly.

use std::cmp::Ordering;
use std::fmt;

/// A JSON value; a number is its source text.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(&'static str),
    Text(&'static str),
    List(Vec<Self>),
    Map(Vec<(&'static str, Self)>),
}

impl Tree {
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(members) = self else {
            return None;
        };
        members.iter().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// The words of `type` that the value is, but for `integer`.
    pub const fn type_word(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "object",
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |parts: Vec<String>| parts.join(",");
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Number(text) => f.write_str(text),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(parts) => {
                write!(
                    f,
                    "[{}]",
                    joined(parts.iter().map(Self::to_string).collect())
                )
            }
            Self::Map(parts) => {
                let members = parts.iter().map(|(key, value)| format!("{key:?}:{value}"));
                write!(f, "{{{}}}", joined(members.collect()))
            }
        }
    }
}

/// A number as sign, digits without zeros at either end, and power of ten.
#[derive(Clone, Debug, PartialEq)]
pub struct Exact {
    pub negative: bool,
    pub digits: Vec<u8>,
    pub power: i64,
}

impl Exact {
    /// Nothing for more than 38 significant digits.
    pub fn read(text: &str) -> Option<Self> {
        let negative = text.starts_with('-');
        let plain = text.trim_start_matches('-');
        let (number, power) = match plain.split_once(['e', 'E']) {
            Some((number, power)) => (number, power.parse::<i64>().ok()?),
            None => (plain, 0),
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{part}");
        let power = power - i64::try_from(part.len()).ok()?;
        let short = digits.trim_end_matches('0');
        let dropped = i64::try_from(digits.len() - short.len()).ok()?;
        let short = short.trim_start_matches('0').as_bytes().to_vec();
        if short.is_empty() {
            let (negative, power) = (false, 0);
            return Some(Self {
                negative,
                digits: short,
                power,
            });
        }
        (short.len() <= 38).then_some(Self {
            negative,
            digits: short,
            power: power + dropped,
        })
    }

    pub const fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    pub fn order(&self, other: &Self) -> Ordering {
        let sign = |n: &Self| match (n.is_zero(), n.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let (ours, theirs) = (sign(self), sign(other));
        if ours != theirs || ours == 0 {
            return ours.cmp(&theirs);
        }
        let least = self.power.min(other.power);
        let spelled = |n: &Self| {
            let zeros = usize::try_from(n.power - least).expect("not below the least");
            [n.digits.clone(), vec![b'0'; zeros]].concat()
        };
        let (a, b) = (spelled(self), spelled(other));
        let order = a.len().cmp(&b.len()).then(a.cmp(&b));
        if self.negative {
            order.reverse()
        } else {
            order
        }
    }
}

/// `*` for any run of characters, `?` for any one.
pub fn glob(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|skip| glob(rest, &name[skip..])),
        Some((c, rest)) => name
            .split_first()
            .is_some_and(|(n, more)| (*c == '?' || c == n) && glob(rest, more)),
    }
}

pub fn glob_text(pattern: &str, name: &str) -> bool {
    let letters = |text: &str| text.chars().collect::<Vec<char>>();
    glob(&letters(pattern), &letters(name))
}

/// The spelling of a key that a careless reader may take it for; good for the keys made here.
pub fn careless(key: &str) -> String {
    let narrow = |c: char| match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    key.chars()
        .map(narrow)
        .collect::<String>()
        .to_ascii_lowercase()
}
