//! Paths into the facts of a call: `args.order["odd name"][0]`.
//!
//! A path is read once, when the policy is compiled, and followed for every call. It owns what a
//! step means; what a missing value means is the business of the rule that asked.

use std::sync::Arc;

use crate::facts::{Facts, Subject};
use crate::fold::FoldedKey;
use crate::json::{self, Kind, Value};

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    root: Root,
    steps: Arc<[Step]>,
    /// As it is written, for messages.
    text: Arc<str>,
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
    ClientVersion,
    Time(TimePart),
}

impl Root {
    pub(crate) const WORDS: [&'static str; 7] = [
        "args", "tool", "server", "grant", "identity", "client", "time",
    ];
}

/// What a condition can ask of the time, as it is in the policy's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimePart {
    Hour,
    Minute,
    Weekday,
    Date,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
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
    /// What every path looks like, for editors; more must hold of one.
    pub(crate) const LOOK: &'static str =
        "^(args|tool|server|grant|identity|client|time)([.\\[]|$)";

    /// Reads a path; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (word, mut rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest)?;
            steps.push(step);
            rest = after;
        }
        let root = root(word, &mut steps)?;
        Ok(Self {
            root,
            steps: steps.into(),
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

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Follows a path that has no `[*]`.
    pub(crate) fn find<'a>(&self, facts: &Facts<'a>) -> Found<'a> {
        match self.root {
            Root::Args => facts.args.map_or(Found::Missing, |args| self.walk(args)),
            root => root.text(facts).map_or(Found::Missing, Found::Text),
        }
    }

    fn walk<'a>(&self, args: &'a Value<'a>) -> Found<'a> {
        let mut at = args;
        for step in &*self.steps {
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

impl Root {
    /// What stands at a root that is a plain text.
    pub(crate) fn text<'a>(self, facts: &Facts<'a>) -> Option<&'a str> {
        match self {
            Self::Tool => match facts.subject {
                Subject::Tool(tool) => Some(tool.name),
                _ => None,
            },
            Self::Server => Some(facts.server),
            Self::Grant => Some(facts.grant),
            Self::Identity => Some(facts.identity),
            Self::Client => facts.client.map(|client| client.name),
            Self::ClientVersion => facts.client.and_then(|client| client.version),
            Self::Args | Self::Time(_) => None,
        }
    }

    /// Is everything said of itself by the client, and so no proof of anything?
    pub(crate) const fn is_claim(self) -> bool {
        matches!(self, Self::Client | Self::ClientVersion)
    }
}

/// The root that `word` names; a root of its own takes its part from the steps.
fn root(word: &str, steps: &mut Vec<Step>) -> Result<Root, String> {
    let parts: Vec<&str> = steps.iter().filter_map(Step::name).collect();
    let root = match word {
        "args" => return Ok(Root::Args),
        "time" => match *parts {
            ["hour"] => Root::Time(TimePart::Hour),
            ["minute"] => Root::Time(TimePart::Minute),
            ["weekday"] => Root::Time(TimePart::Weekday),
            ["date"] => Root::Time(TimePart::Date),
            _ => {
                return Err(
                    "the parts of `time` are time.hour, time.minute, time.weekday and \
                            time.date"
                        .to_owned(),
                );
            }
        },
        "client" => match *parts {
            [] | ["name"] => Root::Client,
            ["version"] => Root::ClientVersion,
            _ => return Err("the parts of `client` are client.name and client.version".to_owned()),
        },
        "tool" => Root::Tool,
        "server" => Root::Server,
        "grant" => Root::Grant,
        "identity" => Root::Identity,
        _ => {
            let roots = Root::WORDS.join(", ");
            return Err(format!(
                "a path starts with one of {roots}, as in `args.amount`"
            ));
        }
    };
    let taken = usize::from(matches!(word, "time" | "client") && !parts.is_empty());
    if steps.len() != taken {
        return Err(format!("`{word}` is a plain text and has no parts"));
    }
    steps.clear();
    Ok(root)
}

impl Step {
    const fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name.exact()),
            Self::Index(_) | Self::Each => None,
        }
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
