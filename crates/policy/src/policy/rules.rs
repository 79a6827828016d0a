//! One rule set: what its rules mean, and what its limits ask of a call.

use std::sync::Arc;

use crate::condition::Condition;
use crate::decimal::{Decimal, DecimalError};
use crate::decision::{Need, Refusal, Rule};
use crate::facts::Facts;
use crate::json::{Kind, Value};
use crate::limits::{Charge, CounterKey, Scope};
use crate::path::{Found, Path, Root};
use crate::redact::{Redaction, ResultLimit};
use crate::visible::shown;

/// What the policy says of the names that one selector matches.
#[derive(Clone, Debug)]
pub(super) struct RuleSet {
    /// The rule that lets a call pass when nothing refuses it; a glob has one only if it says so.
    pub(super) names: Option<Rule>,
    pub(super) hides: bool,
    pub(super) denies: Option<Denial>,
    pub(super) deny_if: Vec<Guard>,
    pub(super) require: Vec<Guard>,
    pub(super) validate: Option<Validation>,
    /// What makes a call wait, an `action` that does so first.
    pub(super) asks: Vec<Ask>,
    pub(super) limits: Vec<Limit>,
    pub(super) redact: Vec<Redaction>,
    pub(super) max_result_bytes: Option<ResultLimit>,
    /// Every different path these rules follow into the arguments.
    pub(super) watched: Vec<Path>,
}

/// One entry of `deny_if` or `require`.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) rule: Rule,
    pub(super) conditions: Vec<Condition>,
    pub(super) on_deny: Option<Box<str>>,
}

#[derive(Clone, Debug)]
pub(super) struct Validation {
    pub(super) rule: Rule,
    /// Does it refuse what the schema does not declare, too?
    pub(super) closed: bool,
}

/// One thing that makes a call wait.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) conditions: Vec<Condition>,
    pub(super) need: Need,
    pub(super) timeout_ms: u64,
    pub(super) hold_ms: u64,
}

/// An `action: deny`.
#[derive(Clone, Debug)]
pub(super) struct Denial {
    pub(super) rule: Rule,
    pub(super) reason: Option<Box<str>>,
}

#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub(super) rule: Rule,
    pub(super) counter: Arc<str>,
    pub(super) window_ms: u64,
    pub(super) max: Decimal,
    pub(super) scope: Scope,
    pub(super) cost: Cost,
    pub(super) allow_zero: bool,
    pub(super) per: Option<Path>,
    pub(super) max_keys: u32,
    pub(super) on_deny: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
pub(super) enum Cost {
    Constant(Decimal),
    Path(Path),
}

impl RuleSet {
    /// A key of the arguments that is another spelling of a name these rules use.
    pub(super) fn imitation<'a>(&self, args: &'a Value<'a>) -> Option<&'a str> {
        self.watched.iter().find_map(|path| path.imitation(args))
    }

    /// Notes which paths the rules follow, once all of them are there.
    pub(super) fn watching(mut self) -> Self {
        let mut paths: Vec<&Path> = Vec::new();
        let guards = self.deny_if.iter().chain(&self.require);
        let lists = guards.map(|guard| &guard.conditions);
        for condition in lists
            .chain(self.asks.iter().map(|ask| &ask.conditions))
            .flatten()
        {
            condition.paths(&mut paths);
        }
        for limit in &self.limits {
            if let Cost::Path(path) = &limit.cost {
                paths.push(path);
            }
            paths.extend(&limit.per);
        }
        let mut watched: Vec<Path> = Vec::new();
        for path in paths {
            if path.root() == Root::Args && !watched.iter().any(|known| known == path) {
                watched.push(path.clone());
            }
        }
        self.watched = watched;
        self
    }
}

impl Limit {
    /// What this limit asks of the call, or why it cannot be asked.
    pub(super) fn charge(&self, facts: &Facts<'_>) -> Result<Charge, Refusal> {
        let cost = self.cost(facts)?;
        let per = match &self.per {
            Some(path) => Some(self.split(path, facts)?),
            None => None,
        };
        Ok(Charge {
            key: CounterKey::of_call(self.scope, &self.counter, per, facts),
            window_ms: self.window_ms,
            max: self.max,
            cost,
            max_keys: self.max_keys,
            rule: self.rule.clone(),
            on_deny: self.on_deny.clone(),
        })
    }

    fn cost(&self, facts: &Facts<'_>) -> Result<Decimal, Refusal> {
        let path = match &self.cost {
            Cost::Constant(cost) => return Ok(*cost),
            Cost::Path(path) => path,
        };
        let trouble = match path.find(facts) {
            Found::Value(Value {
                kind: Kind::Number(text),
                ..
            }) => match Decimal::parse(text) {
                Ok(cost) if cost.is_negative() => "is negative",
                Ok(cost) if cost.is_zero() && !self.allow_zero => "is zero",
                Ok(cost) => return Ok(cost),
                Err(DecimalError::TooManyDigits) => "has more than 38 significant digits",
                Err(DecimalError::OutOfRange) => "has an exponent beyond reckoning",
                Err(DecimalError::NotANumber) => "is not a number",
            },
            Found::Missing => "is missing",
            Found::Value(_) | Found::Text(_) | Found::Astray => "is not a number",
        };
        Err(self.unanswerable(path, trouble))
    }

    /// The value that splits the counter, with its type: `n:1` is not `s:1`.
    fn split(&self, path: &Path, facts: &Facts<'_>) -> Result<Arc<str>, Refusal> {
        let text = match path.find(facts) {
            Found::Text(text) => Ok(format!("s:{text}")),
            Found::Missing => Err("is missing"),
            Found::Astray => Err("is not a single value"),
            Found::Value(value) => match &value.kind {
                Kind::String(text) => Ok(format!("s:{text}")),
                Kind::Bool(flag) => Ok(format!("b:{flag}")),
                Kind::Number(text) => Decimal::parse(text)
                    .map(|number| format!("n:{number}"))
                    .map_err(|_| "is a number beyond reckoning"),
                Kind::Null => Err("is null"),
                Kind::Array(_) | Kind::Object(_) => Err("is not a single value"),
            },
        };
        text.map(Arc::from)
            .map_err(|trouble| self.unanswerable(path, trouble))
    }

    fn unanswerable(&self, path: &Path, trouble: &str) -> Refusal {
        let reason = format!(
            "the limit on {} needs {}, which {trouble}",
            shown(&self.counter),
            shown(path.as_str())
        );
        Refusal::new(&self.rule, reason)
    }
}
