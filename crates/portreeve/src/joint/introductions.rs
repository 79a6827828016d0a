//! What several servers say of themselves, as one.

use portreeve_policy::json::Value;
use serde_json::{Map, Value as Json};

use super::exchange::{Absent, result_of};
use super::merge::{Absentees, Given};
use crate::mcp::message;
use crate::name::Name;

/// What several servers say of themselves, joined.
#[derive(Debug, Default)]
pub(super) struct Introductions {
    pub capabilities: Map<String, Json>,
    pub instructions: String,
    /// The revisions that they chose, or that they support.
    pub versions: Vec<String>,
    pub absent: Absentees,
    pub ttl: Option<u64>,
}

impl Introductions {
    pub(super) fn of(given: Given) -> Self {
        let mut all = Self::default();
        for (server, answer) in given {
            let added = match answer {
                Ok(Some(answer)) => all.add(&server, &answer),
                Ok(None) => Ok(()),
                Err(absent) => Err(absent),
            };
            if let Err(absent) = added {
                all.absent.note(&server, &absent);
            }
        }
        all.versions.sort();
        all.versions.dedup();
        all
    }

    fn add(&mut self, server: &Name, answer: &[u8]) -> Result<(), Absent> {
        let tree = message::read_tree(answer).map_err(|e| Absent(e.reason))?;
        let Some(result) = result_of(&tree)? else {
            return Err(Absent::because("it does not introduce itself"));
        };
        if let Some(capabilities) = result.get("capabilities") {
            let theirs = serde_json::from_slice(capabilities.span.of(answer)).unwrap_or_default();
            unite(&mut self.capabilities, theirs);
        }
        if let Some(words) = result.get("instructions").and_then(Value::as_str) {
            if !self.instructions.is_empty() {
                self.instructions.push_str("\n\n");
            }
            self.instructions
                .extend(["## ", server.as_str(), "\n\n", words]);
        }
        let chosen = result.get("protocolVersion").into_iter();
        let supported = result.get("supportedVersions").and_then(Value::elements);
        let versions = chosen.chain(supported.unwrap_or_default());
        self.versions
            .extend(versions.filter_map(Value::as_str).map(str::to_owned));
        let ttl = result.get("ttlMs").and_then(Value::as_number);
        let ttl = ttl.and_then(|ttl| ttl.parse().ok()).unwrap_or(0);
        self.ttl = Some(self.ttl.map_or(ttl, |least: u64| least.min(ttl)));
        Ok(())
    }
}

/// Everything that one of the two offers.
fn unite(ours: &mut Map<String, Json>, theirs: Map<String, Json>) {
    for (name, offered) in theirs {
        match (ours.get_mut(&name), offered) {
            (Some(Json::Object(ours)), Json::Object(theirs)) => unite(ours, theirs),
            (Some(Json::Bool(ours)), Json::Bool(theirs)) => *ours |= theirs,
            (Some(_), _) => {}
            (None, offered) => {
                ours.insert(name, offered);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn page(server: &str, result: &Json) -> (Name, Result<Option<Bytes>, Absent>) {
        let page = json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string();
        let name = Name::new(server).expect("a name");
        (name, Ok(Some(Bytes::from(page))))
    }

    #[test]
    fn introductions_are_united() {
        let given = vec![
            page(
                "a",
                &json!({ "protocolVersion": "2025-06-18", "instructions": "be kind",
                    "capabilities": { "tools": { "listChanged": false }, "logging": {} } }),
            ),
            page(
                "b",
                &json!({ "protocolVersion": "2025-11-25", "instructions": "be quick",
                    "capabilities": { "tools": { "listChanged": true }, "prompts": {} } }),
            ),
        ];
        let all = Introductions::of(given);
        assert_eq!(
            Json::Object(all.capabilities),
            json!({ "tools": { "listChanged": true }, "logging": {}, "prompts": {} })
        );
        assert_eq!(all.instructions, "## a\n\nbe kind\n\n## b\n\nbe quick");
        assert_eq!(all.versions, ["2025-06-18", "2025-11-25"]);
    }
}
