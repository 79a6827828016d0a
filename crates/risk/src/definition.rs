//! What is judged: a tool's definition, borrowed from the text it came in.

use std::fmt;

use portreeve_policy::json::Value;

/// A tool's definition. What is absent is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Definition<'a> {
    pub name: &'a str,
    pub title: &'a str,
    pub description: &'a str,
    pub input_schema: Option<&'a Value<'a>>,
    pub annotations: Annotations,
    /// The server's name, if it is known: a weak hint, and the prefix that its tools often carry.
    pub server: &'a str,
}

/// What a definition says of itself. Not proof of anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    pub read_only: Option<bool>,
    pub destructive: Option<bool>,
    pub open_world: Option<bool>,
}

/// Why a tree is no tool's definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDefinition {
    NotAnObject,
    NoName,
}

impl fmt::Display for NoDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnObject => "a tool's definition is an object with a `name`",
            Self::NoName => "a tool's definition needs a `name` that is a string",
        })
    }
}

impl std::error::Error for NoDefinition {}

impl<'a> Definition<'a> {
    /// A definition of which only the name is known.
    pub fn named(name: &'a str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Reads a definition as `tools/list` gives it; lists of tools of many servers call the name
    /// `tool`. A member of the wrong type counts as absent:
    /// then less is known, and less known is never safer.
    pub fn of_tree(tree: &'a Value<'a>, server: Option<&'a str>) -> Result<Self, NoDefinition> {
        if tree.members().is_none() {
            return Err(NoDefinition::NotAnObject);
        }
        let text = |key| tree.get(key).and_then(Value::as_str);
        let name = text("name")
            .or_else(|| text("tool"))
            .ok_or(NoDefinition::NoName)?;
        let notes = tree.get("annotations");
        let note = |key| notes.and_then(|n| n.get(key));
        let hint = |key| note(key).and_then(Value::as_bool);
        Ok(Self {
            name,
            title: text("title")
                .or_else(|| note("title").and_then(Value::as_str))
                .unwrap_or_default(),
            description: text("description").unwrap_or_default(),
            input_schema: tree.get("inputSchema").or_else(|| tree.get("input_schema")),
            annotations: Annotations {
                read_only: hint("readOnlyHint"),
                destructive: hint("destructiveHint"),
                open_world: hint("openWorldHint"),
            },
            server: server.unwrap_or_default(),
        })
    }
}
