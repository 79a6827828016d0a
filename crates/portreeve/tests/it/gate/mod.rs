//! The gate, end to end: real HTTP on both sides, a real ledger and store between.

mod attacks;
mod book;
mod failures;
mod fidelity;
mod flow;
mod hostile;
mod lists;
mod memory;
mod modern;
mod natures;
mod patience;
mod results;
mod rounds;
mod rules;
mod sessions;
mod shadow;
mod streams;
mod survival;
mod targets;
mod tasks;
mod verdicts;

use serde_json::{Value, json};

/// Tools with these names, all alike.
pub(crate) fn tools(names: &[&str]) -> Value {
    names
        .iter()
        .map(|name| json!({ "name": name, "description": name, "inputSchema": { "type": "object" } }))
        .collect()
}

/// A policy that allows these tools and nothing else.
fn allowing(names: &[&str]) -> String {
    let tools: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!({})))
        .collect();
    json!({ "version": "1", "default": "deny", "tools": tools }).to_string()
}
