//! What both eras and both transports share: the tools, their list in pages, a call.

use serde_json::{Map, Value, json};

use super::Options;
use super::engine::Engine;
use super::engine::journal::JournalError;
use super::engine::seed;
use super::progress::Progress;
use super::rpc::RpcError;
use super::tools::{Added, Bench, Tool};
use super::{legacy, modern};
use crate::clock::Clock;

const CURSOR: &str = "after-";

pub(super) const INSTRUCTIONS: &str = "Durable runs with the re-run tools of four services. \
    Run 1 can be re-run at any time; list_runs shows all others.";

/// The demo server, whoever talks to it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) engine: Engine,
    pub(super) added: Added,
    page_size: Option<usize>,
    tool_changes: bool,
}

/// All protocol versions, the newest first.
pub(super) fn supported_versions() -> Vec<&'static str> {
    let mut versions = vec![modern::VERSION];
    versions.extend(legacy::VERSIONS);
    versions
}

pub(super) fn info() -> Value {
    json!({
        "name": "portreeve-runs",
        "title": "Portreeve runs demo",
        "version": env!("CARGO_PKG_VERSION"),
    })
}

impl Server {
    pub(super) fn open(options: &Options) -> Result<Self, JournalError> {
        Ok(Self {
            engine: Engine::open(options.state.as_deref(), Clock::system(), seed::runs)?,
            added: Added::default(),
            page_size: options.page_size.map(std::num::NonZero::get),
            tool_changes: options.allow_tool_changes,
        })
    }

    /// Whether a list that was given out may be outdated soon.
    pub(super) const fn may_change(&self) -> bool {
        self.tool_changes
    }

    fn offers(&self, tool: Tool) -> bool {
        tool != Tool::ChangeTools || self.tool_changes
    }

    pub(super) fn definitions(&self) -> Vec<Value> {
        let mut tools = super::tool_definitions();
        if self.tool_changes {
            tools.push(Tool::ChangeTools.definition());
        }
        self.added.lay_over(tools)
    }

    /// One page of the list; the cursor says how many tools came before.
    pub(super) fn list(&self, params: &Map<String, Value>) -> Result<Map<String, Value>, RpcError> {
        let all = self.definitions();
        let before = match params.get("cursor") {
            None => 0,
            Some(cursor) => place_of(cursor, all.len())?,
        };
        let size = self.page_size.unwrap_or(all.len());
        let next = before.saturating_add(size);
        let more = next < all.len();
        let page: Vec<Value> = all.into_iter().skip(before).take(size).collect();
        let mut result = Map::new();
        result.insert("tools".to_owned(), Value::Array(page));
        if more {
            let cursor = Value::String(format!("{CURSOR}{next}"));
            result.insert("nextCursor".to_owned(), cursor);
        }
        Ok(result)
    }

    pub(super) async fn call(
        &self,
        params: &Map<String, Value>,
        progress: &mut Progress,
    ) -> Result<Map<String, Value>, RpcError> {
        let Some(name) = params.get("name").and_then(Value::as_str) else {
            return Err(RpcError::params("`name` must be a string"));
        };
        let none = Map::new();
        let given = match params.get("arguments") {
            None => &none,
            Some(Value::Object(given)) => given,
            Some(_) => return Err(RpcError::params("`arguments` must be an object")),
        };
        let answer = match Tool::named(name).filter(|tool| self.offers(*tool)) {
            Some(tool) => {
                let (engine, added) = (&self.engine, &self.added);
                Bench { engine, added }.call(tool, given, progress).await
            }
            None if self.added.contains(name) => Bench::call_added(name, given),
            None => return Err(RpcError::params(format!("Unknown tool: {name}"))),
        };
        Ok(answer.into_result())
    }
}

fn place_of(cursor: &Value, length: usize) -> Result<usize, RpcError> {
    let text = cursor.as_str().and_then(|text| text.strip_prefix(CURSOR));
    let place = text.and_then(|number| number.parse().ok());
    place
        .filter(|place| (1..length).contains(place))
        .ok_or_else(|| RpcError::params("Invalid cursor"))
}
