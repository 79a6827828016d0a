//! Tools that come or change while the server runs: what a gateway's pins must notice.
//!
//! `demo_add_tool` exists only where the server was started with tool changes allowed. An added
//! tool does nothing but answer with its arguments.

use std::sync::{PoisonError, RwLock};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::Tool;
use super::answer::{self, Answer};

const MOST: usize = 100;

pub(super) fn definition() -> Value {
    json!({
        "name": "demo_add_tool",
        "description": "Adds a tool to this server, or changes the description or schema of any \
            tool. For trying out what a gateway makes of it.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,128}$" },
                "description": { "type": "string", "maxLength": 4096 },
                "input_schema": { "type": "object" }
            },
            "required": ["name", "description"],
            "additionalProperties": false
        }
    })
}

/// The definitions that came at run time, laid over the built-in ones.
#[derive(Debug, Default)]
pub(in crate::demo) struct Added {
    definitions: RwLock<Vec<(String, Value)>>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    name: String,
    description: String,
    input_schema: Option<Map<String, Value>>,
}

impl Added {
    /// Wakes whenever the list of tools has changed.
    pub(in crate::demo) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(in crate::demo) fn contains(&self, name: &str) -> bool {
        let definitions = self.definitions.read();
        let definitions = definitions.unwrap_or_else(PoisonError::into_inner);
        definitions.iter().any(|(known, _)| known == name)
    }

    /// The built-in definitions as they now read, then the new ones in the order of their coming.
    pub(in crate::demo) fn lay_over(&self, built_in: Vec<Value>) -> Vec<Value> {
        let added = self.definitions.read();
        let added = added.unwrap_or_else(PoisonError::into_inner);
        let mut all = built_in;
        for (name, definition) in added.iter() {
            match all.iter_mut().find(|known| known["name"] == **name) {
                Some(known) => known.clone_from(definition),
                None => all.push(definition.clone()),
            }
        }
        all
    }

    pub(super) fn add(&self, given: &Map<String, Value>) -> Result<Answer, Answer> {
        let arguments: Arguments = answer::arguments(given)?;
        if !is_tool_name(&arguments.name) {
            return Err(answer::invalid("`name` is not a tool's name"));
        }
        answer::within("description", Some(&arguments.description), 4096)?;
        let name = arguments.name.clone();
        let changed = define(arguments);
        let mut definitions = self
            .definitions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let full = definitions.len() >= MOST;
        match definitions.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = changed,
            None if full => {
                return Err(Answer::error(format!("{MOST} tools were added already")));
            }
            None => definitions.push((name.clone(), changed)),
        }
        drop(definitions);
        self.changes.send_modify(|count| *count += 1);
        Ok(Answer::text(format!("The tool {name} is in the list now.")))
    }
}

/// The definition that is to be: a built-in one with its text and schema replaced, or a new one.
fn define(arguments: Arguments) -> Value {
    let mut definition = match Tool::named(&arguments.name) {
        Some(tool) => tool.definition(),
        None => json!({ "name": arguments.name, "inputSchema": { "type": "object" } }),
    };
    if let Some(members) = definition.as_object_mut() {
        members.insert("description".into(), arguments.description.into());
        if let Some(schema) = arguments.input_schema {
            members.insert("inputSchema".into(), Value::Object(schema));
        }
    }
    definition
}

fn is_tool_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(legal)
}
