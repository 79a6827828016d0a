//! Arguments that a modern request repeats in headers, as the tools' schemas want it.
//!
//! A stdio client never sends such headers; what they must say follows from the schemas in the lists
//! that pass by.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use portreeve_policy::json::{Rules, Value, parse};

use crate::mcp::mirrors::{self, Mirror};

/// Tools that are remembered.
const MAX_TOOLS: usize = 10_000;

/// The mirrors of the tools seen so far.
#[derive(Debug, Default)]
pub(super) struct Mirrors(Mutex<HashMap<String, Vec<Mirror>>>);

impl Mirrors {
    /// Learns from an answer, if it is a list of tools. The cursor of the next page, if there is one.
    pub(super) fn learn(&self, answer: &[u8]) -> Option<String> {
        let tree = parse(answer, Rules::MESSAGE).ok()?;
        let result = tree.get("result")?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for tool in result.get("tools").and_then(Value::elements)? {
            let name = tool.get("name").and_then(Value::as_str);
            let mirrors = tool.get("inputSchema").map(mirrors::of_schema);
            let mirrors = mirrors.unwrap_or_default();
            match name {
                Some(name) if known.len() < MAX_TOOLS => known.insert(name.to_owned(), mirrors),
                _ => None,
            };
        }
        let cursor = result.get("nextCursor").and_then(Value::as_str);
        cursor.filter(|c| !c.is_empty()).map(str::to_owned)
    }

    /// Adds the headers of one call.
    pub(super) fn write(&self, tool: &str, arguments: Option<&Value<'_>>, to: &mut HeaderMap) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(tool) {
            mirrors::write(known, arguments, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_mirrored_as_the_schema_says() {
        let list = br#"{"jsonrpc":"2.0","id":1,"result":{"nextCursor":"n","tools":[{"name":"t",
            "inputSchema":{"type":"object","properties":{
              "region":{"type":"string","x-mcp-header":"Region"},
              "deep":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}},
              "other":{"type":"string"}}}}]}}"#;
        let mirrors = Mirrors::default();
        assert_eq!(mirrors.learn(list).as_deref(), Some("n"));
        let arguments = r#"{"region":"Köln","deep":{"n":1.50},"other":"x"}"#;
        let arguments = parse(arguments.as_bytes(), Rules::MESSAGE).unwrap();
        let mut headers = HeaderMap::new();
        mirrors.write("t", Some(&arguments), &mut headers);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["mcp-param-region"], "=?base64?S8O2bG4=?=");
        assert_eq!(headers["mcp-param-n"], "1.50");
        let mut none = HeaderMap::new();
        mirrors.write("t", None, &mut none);
        mirrors.write("unknown", Some(&arguments), &mut none);
        assert!(none.is_empty());
    }
}
