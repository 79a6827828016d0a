//! A tool's definition and its hash: what a pin holds on to.

use portreeve_policy::json::{Value, canonical};
use ring::digest::{SHA256, digest};

use crate::hex;
use crate::store::model::Definition;

/// Longer names break clients and logs; nobody's tool has one.
pub(crate) const MAX_NAME: usize = 256;

/// No model reads more about one tool; every definition is kept.
const MAX_DEFINITION: usize = 256 * 1024;

/// Why an element of a tool list is no definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    #[error("a tool without a name")]
    NoName,
    #[error("a tool whose name is longer than {MAX_NAME} bytes")]
    LongName,
    #[error("a tool whose definition is larger than {MAX_DEFINITION} bytes")]
    Large,
}

/// Reads one element of a tool list that stands in `text`.
///
/// The hash is over the canonical form of the whole definition, so that key order and the spelling
/// of strings and numbers make no difference, and everything a model could read does.
pub fn definition_of(tool: &Value<'_>, text: &[u8]) -> Result<Definition, DefinitionError> {
    let name = tool
        .get("name")
        .and_then(Value::as_str)
        .ok_or(DefinitionError::NoName)?;
    if name.len() > MAX_NAME {
        return Err(DefinitionError::LongName);
    }
    let written = tool.span.of(text);
    if written.len() > MAX_DEFINITION {
        return Err(DefinitionError::Large);
    }
    Ok(Definition {
        tool: name.to_owned(),
        hash: hex::encode(digest(&SHA256, canonical(tool).as_bytes()).as_ref()),
        text: String::from_utf8_lossy(written).into_owned(),
    })
}
