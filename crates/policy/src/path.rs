//! Paths into the facts of a call: `args.order["odd name"][0]`.
//!
//! A path is read once, when the policy is compiled, and followed for every call. It owns what a
//! step means; what a missing value means is the business of the rule that asked.

use crate::facts::{Facts, Subject};
use crate::fold::FoldedKey;
use crate::json::{self, Kind, Value};

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    root: Root,
    steps: Vec<Step>,
    /// As it is written, for messages.
    text: Box<str>,
}

/// What a path starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Args,
    Tool,
    Server,
    Grant,
    Identity,
    Client,
    Time,
}

impl Root {
    const ALL: [(&'static str, Self); 7] = [
        ("args", Self::Args),
        ("tool", Self::Tool),
        ("server", Self::Server),
        ("grant", Self::Grant),
        ("identity", Self::Identity),
        ("client", Self::Client),
        ("time", Self::Time),
    ];
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(FoldedKey),
    Index(usize),
    /// `[*]`
    Each,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found<'a> {
    Value(&'a Value<'a>),
    Text(&'a str),
    Missing,
    /// A step does not fit what is there, as a name does not fit a number.
    Astray,
}

impl Path {
    /// Reads a path; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (word, mut rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let root = Root::ALL
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, root)| *root)
            .ok_or_else(|| {
                let roots = Root::ALL.map(|(name, _)| name).join(", ");
                format!("a path starts with one of {roots}, as in `args.amount`")
            })?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest)?;
            steps.push(step);
            rest = after;
        }
        if !matches!(root, Root::Args | Root::Time) && !steps.is_empty() {
            return Err(format!("`{word}` is a plain text and has no parts"));
        }
        Ok(Self {
            root,
            steps,
            text: text.into(),
        })
    }

    pub(crate) const fn root(&self) -> Root {
        self.root
    }

    pub(crate) fn has_each(&self) -> bool {
        self.steps.contains(&Step::Each)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Follows a path that has no `[*]`.
    pub(crate) fn find<'a>(&self, facts: &Facts<'a>) -> Found<'a> {
        match self.root {
            Root::Args => facts.args.map_or(Found::Missing, |args| self.walk(args)),
            Root::Tool => match facts.subject {
                Subject::Tool(tool) => Found::Text(tool.name),
                _ => Found::Missing,
            },
            Root::Server => Found::Text(facts.server),
            Root::Grant => Found::Text(facts.grant),
            Root::Identity => Found::Text(facts.identity),
            Root::Client => facts.client.map_or(Found::Missing, Found::Text),
            Root::Time => Found::Missing,
        }
    }

    fn walk<'a>(&self, args: &'a Value<'a>) -> Found<'a> {
        let mut at = args;
        for step in &self.steps {
            let next = match (step, &at.kind) {
                (Step::Name(name), Kind::Object(_)) => at.get(name.exact()),
                (Step::Index(index), Kind::Array(elements)) => elements.get(*index),
                _ => return Found::Astray,
            };
            match next {
                Some(value) => at = value,
                None => return Found::Missing,
            }
        }
        Found::Value(at)
    }

    /// The first key on the way that is another spelling of a name in this path.
    ///
    /// INVARIANT: a call with such a key is refused, whatever the rule would have said.
    pub(crate) fn imitation<'a>(&self, args: &'a Value<'a>) -> Option<&'a str> {
        if self.root != Root::Args {
            return None;
        }
        imitation_below(&self.steps, args)
    }
}

// The recursion is bounded by the number of steps; only `[*]` branches.
fn imitation_below<'a>(steps: &[Step], at: &'a Value<'a>) -> Option<&'a str> {
    let (step, rest) = steps.split_first()?;
    match (step, &at.kind) {
        (Step::Name(name), Kind::Object(members)) => members
            .iter()
            .find(|m| name.is_imitated_by(&m.key))
            .map(|m| &*m.key)
            .or_else(|| imitation_below(rest, at.get(name.exact())?)),
        (Step::Index(index), Kind::Array(elements)) => imitation_below(rest, elements.get(*index)?),
        (Step::Each, Kind::Array(elements)) => {
            elements.iter().find_map(|e| imitation_below(rest, e))
        }
        _ => None,
    }
}

/// Reads one step and returns what follows it.
fn step(text: &str) -> Result<(Step, &str), String> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let odd = |c: char| c.is_whitespace() || c.is_control() || "\"'`]*\\".contains(c);
        if name.is_empty() || name.contains(odd) {
            return Err(format!(
                "a name follows the dot in `{text}`; an odd name is written [\"odd name\"]"
            ));
        }
        return Ok((Step::Name(FoldedKey::new(name)), after));
    }
    let bad = || format!("`{text}` is no step; steps are .name, [\"odd name\"], [0] and [*]");
    let inner = text.strip_prefix('[').ok_or_else(bad)?;
    if let Some(after) = inner.strip_prefix("*]") {
        return Ok((Step::Each, after));
    }
    if inner.starts_with('"') {
        return quoted(inner).ok_or_else(bad);
    }
    let (digits, after) = inner.split_once(']').ok_or_else(bad)?;
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    let index: u32 = digits.parse().ok().filter(|_| canonical).ok_or_else(bad)?;
    Ok((Step::Index(index as usize), after))
}

/// Reads `"odd name"]`, a string as JSON writes them.
fn quoted(text: &str) -> Option<(Step, &str)> {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find_map(|(i, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(i)
    })?;
    let (literal, after) = text.split_at_checked(end.saturating_add(1))?;
    let value = json::parse(literal.as_bytes(), json::Rules::DOCUMENT).ok()?;
    let name = FoldedKey::new(value.as_str()?);
    Some((Step::Name(name), after.strip_prefix(']')?))
}

#[cfg(test)]
mod tests;
