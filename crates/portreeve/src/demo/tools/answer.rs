//! What a tool answers, and how its arguments are read.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::demo::engine::commands::Refusal;

/// The result of a tool call: text for the model, perhaps structured content, perhaps an error.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::demo) struct Answer {
    text: String,
    structured: Option<Value>,
    is_error: bool,
}

impl Answer {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            structured: None,
            is_error: false,
        }
    }

    pub(super) fn error(text: impl Into<String>) -> Self {
        Self {
            is_error: true,
            ..Self::text(text)
        }
    }

    /// Structured content, with the same as text for clients that read only that.
    pub(super) fn structured(content: Value) -> Self {
        Self::text(content.to_string()).with(content)
    }

    pub(super) fn with(mut self, content: Value) -> Self {
        self.structured = Some(content);
        self
    }

    /// The members of a `tools/call` result.
    pub(in crate::demo) fn into_result(self) -> Map<String, Value> {
        let mut result = Map::new();
        let text = json!({ "type": "text", "text": self.text });
        result.insert("content".to_owned(), Value::Array(vec![text]));
        if let Some(content) = self.structured {
            result.insert("structuredContent".to_owned(), content);
        }
        if self.is_error {
            result.insert("isError".to_owned(), Value::Bool(true));
        }
        result
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::error(refusal.to_string())
    }
}

/// Reads arguments into what a tool takes. What does not fit is a tool error, so that the model
/// can correct itself.
pub(super) fn arguments<T: DeserializeOwned>(given: &Map<String, Value>) -> Result<T, Answer> {
    let read = serde_json::from_value(Value::Object(given.clone()));
    read.map_err(|error| invalid(&error.to_string()))
}

pub(super) fn invalid(why: &str) -> Answer {
    Answer::error(format!("Input validation error: {why}"))
}

/// A string argument of at most `limit` characters.
pub(super) fn within(name: &str, text: Option<&str>, limit: usize) -> Result<(), Answer> {
    let fits = text.is_none_or(|text| text.chars().count() <= limit);
    fits.then_some(())
        .ok_or_else(|| invalid(&format!("`{name}` is longer than {limit} characters")))
}

/// Whether the text has the form of a UUID.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    let is_hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    lengths.eq([8, 4, 4, 4, 12]) && groups.iter().all(is_hex)
}
