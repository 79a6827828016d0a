//! Rules for arguments: what a parameter may be, where its name and type make it dangerous.
//!
//! Only parameters at the top of the schema are looked at: a condition's path to them is plain. A
//! parameter that is not required gets a rule that holds when it is absent.

use portreeve_policy::json::{Value, canonical};

use super::entry;
use super::text::{array, boolean, number, object, string};
use crate::definition::Definition;
use crate::schema::{Parameter, parameters};

type Member = (&'static str, Value<'static>);

/// What an amount may be without the policy being edited. People know the right number; a policy
/// without any would not remind them.
const CAP: u32 = 100;

/// More rules than a person reads are not written.
const MOST: usize = 12;

/// Caps on amounts. A wrong type refuses, too.
pub(super) fn caps(definition: &Definition<'_>) -> Vec<Member> {
    const AMOUNTS: [&str; 12] = [
        "amount",
        "quantity",
        "qty",
        "price",
        "total",
        "value",
        "lamports",
        "sats",
        "size",
        "notional",
        "amount in",
        "buy amount",
    ];
    let capped: Vec<_> = top(definition)
        .into_iter()
        .filter(|p| p.is_type("number") || p.is_type("integer"))
        .filter(|p| AMOUNTS.contains(&p.words.as_str()) || p.words.starts_with("amount"))
        .take(MOST)
        .map(|p| {
            let over = condition(p.name, "gt", number(CAP));
            let why = format!("{} is above {CAP}, the cap of this policy", named(p.name));
            entry(vec![over], &why)
        })
        .collect();
    if capped.is_empty() {
        Vec::new()
    } else {
        vec![("deny_if", array(capped))]
    }
}

/// What commands, statements, ids and overriding addresses may be.
pub(super) fn guards(definition: &Definition<'_>) -> Vec<Member> {
    let required = required(definition);
    let mut denied = Vec::new();
    let mut needed = Vec::new();
    let mut asked = Vec::new();
    for parameter in top(definition).into_iter().filter(Parameter::takes_text) {
        let is_required = required.contains(&parameter.name);
        match kind(&parameter) {
            Some(Kind::Override) if !is_required => denied.push(forbidden(parameter.name)),
            Some(Kind::Id) => needed.push(pinned(parameter.name, is_required)),
            Some(Kind::Statement) => asked.push(statement(parameter.name)),
            Some(Kind::Text) => asked.push(free_text(parameter.name, is_required)),
            _ => {}
        }
    }
    [
        ("deny_if", denied),
        ("require", needed),
        ("require_approval", asked),
    ]
    .into_iter()
    .filter(|(_, entries)| !entries.is_empty())
    .map(|(key, mut entries)| {
        entries.truncate(MOST);
        (key, array(entries))
    })
    .collect()
}

/// Why a parameter is dangerous.
enum Kind {
    /// It puts another address in the place of the configured one.
    Override,
    /// It is spliced into a path: `../` in it leads elsewhere.
    Id,
    /// A database carries it out.
    Statement,
    /// A shell or an interpreter carries it out.
    Text,
}

fn kind(parameter: &Parameter<'_>) -> Option<Kind> {
    const OVERRIDES: [&str; 14] = [
        "url",
        "base url",
        "api url",
        "endpoint",
        "host",
        "server",
        "api base",
        "callback url",
        "webhook url",
        "proxy",
        "base path",
        "full url",
        "override url",
        "registry",
    ];
    const TEXTS: [&str; 12] = [
        "command",
        "cmd",
        "script",
        "code",
        "shell",
        "javascript",
        "expression",
        "snippet",
        "shell command",
        "source code",
        "commands",
        "code snippet",
    ];
    const STATEMENTS: [&str; 5] = [
        "sql",
        "sql query",
        "sql statement",
        "statement",
        "query sql",
    ];
    let words = parameter.words.as_str();
    if !parameter.values().is_empty() {
        return None;
    }
    if OVERRIDES.contains(&words) {
        Some(Kind::Override)
    } else if STATEMENTS.contains(&words) {
        Some(Kind::Statement)
    } else if TEXTS.contains(&words) {
        Some(Kind::Text)
    } else if is_id(words) {
        Some(Kind::Id)
    } else {
        None
    }
}

fn is_id(words: &str) -> bool {
    let last = words.rsplit(' ').next().unwrap_or_default();
    matches!(last, "id" | "slug" | "uuid" | "sha")
        || matches!(words, "owner" | "repo" | "namespace")
}

fn top<'a>(definition: &Definition<'a>) -> Vec<Parameter<'a>> {
    let known = definition
        .input_schema
        .and_then(|schema| schema.get("properties"));
    let is_top = |p: &Parameter<'_>| {
        known
            .and_then(|known| known.get(p.name))
            .is_some_and(|at| std::ptr::eq(at, p.schema))
    };
    parameters(definition.input_schema)
        .into_iter()
        .filter(is_top)
        .collect()
}

fn required<'a>(definition: &Definition<'a>) -> Vec<&'a str> {
    definition
        .input_schema
        .and_then(|schema| schema.get("required"))
        .and_then(Value::elements)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

fn forbidden(name: &str) -> Value<'static> {
    let why = format!("{} would lead the call to another address", named(name));
    entry(vec![condition(name, "exists", boolean(true))], &why)
}

fn pinned(name: &str, is_required: bool) -> Value<'static> {
    let plain = condition(
        name,
        "matches",
        string("[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}"),
    );
    let why = format!(
        "{} must be a plain id: it may become part of a path",
        named(name)
    );
    let either = if is_required {
        plain
    } else {
        let absent = condition(name, "exists", boolean(false));
        object(vec![("any", array(vec![absent, plain]))])
    };
    entry(vec![either], &why)
}

fn statement(name: &str) -> Value<'static> {
    let reads = condition(name, "sql_only", array(vec![string("select")]));
    ask(
        vec![object(vec![("not", reads)])],
        &format!("{} is more than a SELECT", named(name)),
    )
}

fn free_text(name: &str, is_required: bool) -> Value<'static> {
    let given = if is_required {
        Vec::new()
    } else {
        vec![condition(name, "exists", boolean(true))]
    };
    let why = format!(
        "{} is carried out as it is written; put `command_in` or a pattern here for what may pass unasked",
        named(name)
    );
    ask(given, &why)
}

fn ask(conditions: Vec<Value<'static>>, message: &str) -> Value<'static> {
    object(vec![
        ("conditions", array(conditions)),
        ("message", string(message)),
    ])
}

fn condition(name: &str, op: &str, value: Value<'static>) -> Value<'static> {
    object(vec![
        ("path", string(&path(name))),
        ("op", string(op)),
        ("value", value),
    ])
}

/// `args.name`, or `args["odd name"]`.
fn path(name: &str) -> String {
    let plain = name
        .chars()
        .enumerate()
        .all(|(at, c)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit()));
    if plain && !name.is_empty() {
        return format!("args.{name}");
    }
    format!("args[{}]", canonical(&string(name)))
}

fn named(name: &str) -> String {
    format!("`{}`", crate::evidence::quoted(name))
}
