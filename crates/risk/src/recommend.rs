//! The policy that a verdict asks for: for one tool, and for a whole server.
//!
//! | class | rule |
//! |---|---|
//! | read | `{}`: the tool is named, and so may be called |
//! | write | 30 a minute |
//! | execute | 10 a minute, arguments as the schema says, and rules for dangerous parameters |
//! | destructive | a person is asked |
//! | financial | a person is asked, and an amount has a cap |
//! | unknown | 10 a minute, and a person is asked |
//!
//! The language has no comments; why a rule is there stands where it has text for people: in
//! `description`, `reason`, `message` and `on_deny`. What is written here compiles; a test says so.

mod arguments;
mod text;

use portreeve_policy::Class;
use portreeve_policy::json::{Value, readable};

use crate::definition::Definition;
use crate::verdict::{Verdict, judge};
use text::{array, boolean, number, object, string};

/// The whole policy for one tool: everything else is denied.
pub fn for_tool(definition: &Definition<'_>, verdict: &Verdict) -> String {
    let why = format!(
        "Recommended for `{}`. {}",
        shown(definition.name),
        verdict.rationale
    );
    document(
        &why,
        vec![(selector(definition.name), rules(definition, verdict))],
    )
}

/// The whole policy for a server's tools. The first of two definitions with one name counts, as it
/// does for the gate.
pub fn for_server(definitions: &[Definition<'_>]) -> String {
    let mut tools: Vec<(String, Value<'static>)> = Vec::new();
    let mut counts = [0_usize; 6];
    for definition in definitions {
        let name = selector(definition.name);
        if tools.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let verdict = judge(definition);
        if let Some(count) = counts.get_mut(verdict.class as usize) {
            *count = count.saturating_add(1);
        }
        tools.push((name, rules(definition, &verdict)));
    }
    let said: Vec<String> = Class::ALL
        .into_iter()
        .zip(counts)
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| format!("{count} {}", class.as_str()))
        .collect();
    let why = format!(
        "Recommended from the definitions of {} tools ({}): reading passes, writing is limited, what \
         runs is limited and held to its schema, what destroys or pays asks a person. Everything else \
         is denied. Read it before you put it in force.",
        tools.len(),
        said.join(", ")
    );
    document(&why, tools)
}

fn document(why: &str, mut tools: Vec<(String, Value<'static>)>) -> String {
    // A tool without a name cannot be called, and the language has no selector for it.
    tools.retain(|(name, _)| !name.is_empty());
    let whole = object(vec![
        ("version", string("1")),
        ("description", string(why)),
        ("default", string("deny")),
        ("tools", text::map(tools)),
    ]);
    readable(&whole)
}

/// A literal name: one that begins with `@` would be a class.
fn selector(name: &str) -> String {
    if name.starts_with('@') {
        format!("\\{name}")
    } else {
        name.to_owned()
    }
}

fn shown(name: &str) -> String {
    crate::evidence::quoted(name)
}

fn rules(definition: &Definition<'_>, verdict: &Verdict) -> Value<'static> {
    let members = match verdict.class {
        Class::Read => Vec::new(),
        Class::Write => vec![("rate_limit", a_minute(30))],
        Class::Execute => execute(definition),
        Class::Destructive => asks(
            definition,
            "What it takes away does not come back by itself",
        ),
        Class::Financial => {
            let mut members = asks(definition, "It moves value, or binds somebody to pay");
            members.extend(arguments::caps(definition));
            members
        }
        Class::Unknown => {
            let mut members = asks(definition, "Nobody has said what it does");
            members.push(("rate_limit", a_minute(10)));
            members
        }
    };
    object(members)
}

fn execute(definition: &Definition<'_>) -> Vec<(&'static str, Value<'static>)> {
    let mut members = vec![("rate_limit", a_minute(10))];
    // Without a schema there is nothing to hold arguments against, and `validate` refuses all.
    if definition
        .input_schema
        .is_some_and(|schema| schema.members().is_some())
    {
        members.push(("validate", boolean(true)));
    }
    members.extend(arguments::guards(definition));
    members
}

fn asks(definition: &Definition<'_>, why: &str) -> Vec<(&'static str, Value<'static>)> {
    let reason = format!(
        "{why}: a person decides each call of {}.",
        shown(definition.name)
    );
    vec![
        ("action", string("require_approval")),
        ("reason", string(&reason)),
    ]
}

fn a_minute(max: u32) -> Value<'static> {
    object(vec![("max", number(max)), ("window", string("minute"))])
}

/// One entry of `deny_if` or `require`.
fn entry(conditions: Vec<Value<'static>>, on_deny: &str) -> Value<'static> {
    object(vec![
        ("conditions", array(conditions)),
        ("on_deny", string(on_deny)),
    ])
}
