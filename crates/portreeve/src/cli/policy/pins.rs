//! What policy tests say of tools, held against what a server has.

use std::collections::HashMap;
use std::path::Path;

use portreeve_policy::cases::{CaseFile, Stated};
use portreeve_policy::json::{Rules, canonical, parse};

use crate::admin::{Discovery, Failure, Request, Response, ToolView};
use crate::cli::desk::{request, unexpected};
use crate::name::Name;
use crate::nearest::did_you_mean;

/// A server's tools.
pub(super) struct Pins {
    server: Name,
    tools: HashMap<String, ToolView>,
}

impl Pins {
    pub(super) fn of(dir: Option<&Path>, server: Name) -> Result<Self, Failure> {
        match request(dir, Request::ServerTools { name: server })? {
            Response::Tools {
                server,
                tools,
                discovery: Discovery::Failed(why),
            } if tools.is_empty() => Err(Failure::cannot(
                format!("the tools of {} are not known yet: {why}", server.name),
                "they are read once it can be asked",
            )),
            Response::Tools { server, tools, .. } => Ok(Self {
                server: server.name,
                tools: tools
                    .into_iter()
                    .map(|tool| (tool.tool.clone(), tool))
                    .collect(),
            }),
            _ => Err(unexpected()),
        }
    }

    /// Each contradiction in words, and the byte of the file at which it is stated.
    pub(super) fn contradictions(&self, cases: &CaseFile) -> Vec<(usize, String)> {
        let contradiction =
            |stated: Stated<'_>| Some((stated.offset, self.contradiction(&stated)?));
        cases.stated().filter_map(contradiction).collect()
    }

    fn contradiction(&self, stated: &Stated<'_>) -> Option<String> {
        let Stated { tool, schema, .. } = stated;
        let server = &self.server;
        let Some(pinned) = self.tools.get(*tool) else {
            let near = did_you_mean(tool, self.tools.keys().map(String::as_str));
            return Some(format!("{server} has no tool `{tool}`{near}"));
        };
        let stated = (*schema)?;
        let definition = parse(pinned.definition.get().as_bytes(), Rules::MESSAGE).ok()?;
        let schema = definition.get("inputSchema").map(canonical);
        (schema.as_deref() != Some(stated)).then(|| {
            format!("the schema stated for `{tool}` is not the one that {server} has pinned")
        })
    }
}
