//! A policy document in its normal form: what its author meant, spelled in one way.
//!
//! Keys stand in the order of the language, what stands at its default is left out, spans and
//! numbers have one spelling. Entries keep the order and the names their author gave them, so that
//! every rule keeps its pointer.
//
// INVARIANT: the normal form of a policy decides every call as the policy does.

use super::condition::{WrittenCondition, WrittenTest};
use super::flow::WrittenFlow;
use super::guard::{DEFAULT_HOLD_MS, DEFAULT_TIMEOUT_MS, WrittenApproval, WrittenGuard};
use super::limit::{DEFAULT_MAX_KEYS, WrittenCost, WrittenLimit};
use super::results::{WrittenDetector, WrittenRedaction};
use super::root::{Entry, PolicyDocument, Verdict};
use super::rules::{Action, Validate, WrittenRules};
use super::selector::{Selector, ToolKind};
use crate::decimal::Decimal;
use crate::json::{Kind, Member, Span, Value};
use crate::limits::{Scope, window};

/// The normal form as a tree.
pub(crate) fn normal(document: &PolicyDocument) -> Value<'static> {
    let mut all = Members::default();
    all.put("version", text("1"));
    all.put("default", verdict(document.default));
    all.some("description", document.description.as_deref().map(text));
    let zone = document.zone.as_ref().and_then(|zone| zone.name());
    all.some("timezone", zone.map(text));
    all.list("hide", document.hide.iter().map(|h| selector(&h.name)));
    all.some("all_tools", document.all_tools.as_ref().map(rules));
    all.filled("tools", entries(&document.tools));
    all.filled("resources", entries(&document.resources));
    all.filled("prompts", entries(&document.prompts));
    let methods = document.methods.iter();
    all.filled(
        "methods",
        methods
            .map(|m| (m.name.as_str(), verdict(m.says)))
            .collect(),
    );
    let requests = document.server_requests.iter();
    let requests = requests.map(|r| (r.name.key(), verdict(r.says)));
    all.filled("server_requests", requests.collect());
    all.list("flow", document.flow.iter().map(flow));
    all.into()
}

/// The members of an object, in the order they are put.
#[derive(Default)]
struct Members(Vec<Member<'static>>);

impl Members {
    fn put(&mut self, key: &str, value: Value<'static>) {
        self.0.push(Member {
            key: key.to_owned().into(),
            key_span: Span::default(),
            value,
        });
    }

    fn some(&mut self, key: &str, value: Option<Value<'static>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// An empty list says as much as none.
    fn list(&mut self, key: &str, values: impl Iterator<Item = Value<'static>>) {
        let values: Vec<Value<'static>> = values.collect();
        if !values.is_empty() {
            self.put(key, made(Kind::Array(values)));
        }
    }

    fn filled(&mut self, key: &str, members: Self) {
        if !members.0.is_empty() {
            self.put(key, members.into());
        }
    }
}

impl<'k> FromIterator<(&'k str, Value<'static>)> for Members {
    fn from_iter<I: IntoIterator<Item = (&'k str, Value<'static>)>>(members: I) -> Self {
        let mut all = Self::default();
        for (key, value) in members {
            all.put(key, value);
        }
        all
    }
}

impl From<Members> for Value<'static> {
    fn from(members: Members) -> Self {
        made(Kind::Object(members.0))
    }
}

fn made(kind: Kind<'static>) -> Value<'static> {
    Value {
        span: Span::default(),
        kind,
    }
}

fn text(text: &str) -> Value<'static> {
    made(Kind::String(text.to_owned().into()))
}

fn number(number: &impl ToString) -> Value<'static> {
    made(Kind::Number(number.to_string().into()))
}

/// A span of time in its largest whole unit.
fn span(millis: u64) -> Value<'static> {
    text(&window::written(millis))
}

fn verdict(verdict: Verdict) -> Value<'static> {
    text(verdict.word())
}

fn selector(selector: &Selector) -> Value<'static> {
    text(&selector_text(selector))
}

fn selector_text(selector: &Selector) -> String {
    match selector {
        Selector::Exact(name) if name.starts_with('@') => format!("\\{name}"),
        Selector::Exact(name) | Selector::Glob(name) => name.clone(),
        Selector::Kind(ToolKind::Class(class)) => format!("@{}", class.as_str()),
        Selector::Kind(ToolKind::Changes) => "@changes".to_owned(),
        Selector::Kind(ToolKind::Bit(bit)) => format!("@{}", bit.as_str()),
    }
}

fn entries(entries: &[Entry]) -> Members {
    let mut all = Members::default();
    for entry in entries {
        all.put(&selector_text(&entry.name), rules(&entry.says));
    }
    all
}

fn rules(written: &WrittenRules) -> Value<'static> {
    let mut all = Members::default();
    all.some(
        "action",
        written.action.map(|action| text(action_word(action))),
    );
    all.some("reason", written.reason.as_deref().map(text));
    all.list("deny_if", written.deny_if.iter().map(guard));
    all.list("require", written.require.iter().map(guard));
    all.some(
        "validate",
        written.validate.map(|validate| match validate {
            Validate::Closed => made(Kind::Bool(true)),
            Validate::Schema => text("schema"),
        }),
    );
    all.list(
        "require_approval",
        written.require_approval.iter().map(approval),
    );
    let rate = written.pointer.key("rate_limit");
    let (rates, limits): (Vec<_>, Vec<_>) = written.limits.iter().partition(|l| l.pointer == rate);
    all.list("limits", limits.into_iter().map(limit));
    for limit in rates {
        let mut rate = Members::default();
        rate.put("max", number(&limit.max));
        rate.put("window", span(limit.window_ms));
        all.put("rate_limit", rate.into());
    }
    all.list("redact", written.redact.iter().map(redaction));
    all.some(
        "max_result_bytes",
        written.max_result_bytes.as_ref().map(number),
    );
    all.into()
}

const fn action_word(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Deny => "deny",
        Action::Hide => "hide",
        Action::RequireApproval => "require_approval",
    }
}

fn guard(written: &WrittenGuard) -> Value<'static> {
    let mut all = Members::default();
    all.put("conditions", conditions(&written.conditions));
    all.some("on_deny", written.on_deny.as_deref().map(text));
    all.into()
}

fn approval(written: &WrittenApproval) -> Value<'static> {
    let mut all = Members::default();
    all.put("conditions", conditions(&written.conditions));
    all.some("message", written.message.as_deref().map(text));
    let other = |millis: u64, default: u64| (millis != default).then(|| span(millis));
    all.some("timeout", other(written.timeout_ms, DEFAULT_TIMEOUT_MS));
    all.some("hold", other(written.hold_ms, DEFAULT_HOLD_MS));
    all.some(
        "approvals",
        (written.approvals != 1).then(|| number(&written.approvals)),
    );
    all.list("approvers", written.approvers.iter().map(|name| text(name)));
    all.into()
}

fn conditions(written: &[WrittenCondition]) -> Value<'static> {
    made(Kind::Array(written.iter().map(condition).collect()))
}

// The recursion is bounded by the depth that documents may have.
fn condition(written: &WrittenCondition) -> Value<'static> {
    let mut all = Members::default();
    match written {
        WrittenCondition::Test(WrittenTest {
            path, op, value, ..
        }) => {
            all.put("path", text(path.as_str()));
            all.put("op", text(op));
            all.put("value", value.clone());
        }
        WrittenCondition::Any(parts) => all.put("any", conditions(parts)),
        WrittenCondition::All(parts) => all.put("all", conditions(parts)),
        WrittenCondition::Not(inner) => all.put("not", condition(inner)),
    }
    all.into()
}

fn limit(written: &WrittenLimit) -> Value<'static> {
    let mut all = Members::default();
    all.put("counter", text(&written.counter));
    all.put("window", span(written.window_ms));
    all.put("max", number(&written.max));
    if written.scope != Scope::Grant {
        all.put("scope", text(written.scope.as_str()));
    }
    match &written.cost {
        WrittenCost::Constant(one) if *one == Decimal::ONE => {}
        WrittenCost::Constant(cost) => all.put("cost", number(cost)),
        WrittenCost::Path(path) => all.put("cost", text(path.as_str())),
    }
    all.some(
        "allow_zero",
        written.allow_zero.then(|| made(Kind::Bool(true))),
    );
    all.some("per", written.per.as_ref().map(|path| text(path.as_str())));
    if written.max_keys != DEFAULT_MAX_KEYS {
        all.put("max_keys", number(&written.max_keys));
    }
    all.some("on_deny", written.on_deny.as_deref().map(text));
    all.into()
}

fn redaction(written: &WrittenRedaction) -> Value<'static> {
    let detector = match &written.detect {
        WrittenDetector::Secret => text("secret"),
        WrittenDetector::Email => text("email"),
        WrittenDetector::Card => text("card"),
        WrittenDetector::Phone => text("phone"),
        WrittenDetector::Regex(regex) => {
            let mut all = Members::default();
            all.put("regex", text(regex.as_str()));
            all.into()
        }
    };
    let mut all = Members::default();
    all.put("detect", detector);
    all.some("replace", written.replace.as_deref().map(text));
    all.into()
}

fn flow(written: &WrittenFlow) -> Value<'static> {
    let mut all = Members::default();
    all.put("name", text(&written.name));
    all.list("after", written.after.iter().map(selector));
    all.list("then", written.then.iter().map(selector));
    let action = if written.denies {
        Action::Deny
    } else {
        Action::RequireApproval
    };
    all.put("action", text(action_word(action)));
    all.put("for", span(written.for_ms));
    all.some("on_deny", written.on_deny.as_deref().map(text));
    all.into()
}
