//! One rule set at work: the limits it sets, and what they ask of a call.

use std::sync::Arc;

use crate::decimal::{Decimal, DecimalError};
use crate::decision::{Refusal, Rule};
use crate::facts::Facts;
use crate::json::{Kind, Value};
use crate::limits::{Charge, CounterKey, Scope};
use crate::path::{Found, Path};
use crate::visible::shown;

/// What the policy says of the names that one selector matches.
#[derive(Clone, Debug)]
pub(super) struct RuleSet {
    /// The rule that lets a call pass when nothing refuses it; a glob has one only if it says so.
    pub(super) names: Option<Rule>,
    pub(super) hides: bool,
    pub(super) denies: Option<Denial>,
    pub(super) limits: Vec<Limit>,
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
        self.paths().find_map(|path| path.imitation(args))
    }

    /// Every path these rules follow into the arguments.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.limits.iter().flat_map(|limit| {
            let cost = match &limit.cost {
                Cost::Path(path) => Some(path),
                Cost::Constant(_) => None,
            };
            cost.into_iter().chain(&limit.per)
        })
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
