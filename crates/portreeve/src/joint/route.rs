//! Which server a message is for, and what it says there.
//!
//! What is named is looked up whole; what cannot be found is refused and booked as if the server
//! had never shown it. Only the member that names is spliced: everything else reaches the server
//! as the client wrote it.

use portreeve_policy::Rule;
use portreeve_policy::json::Value;

use super::exchange::{Exchange, brief};
use super::merge::Kind;
use super::names;
use super::outward::quoted;
use super::table::Table;
use crate::gate::FirstList;
use crate::mcp::message::Message;
use crate::mcp::splice::Patch;
use crate::name::Name;

/// A message's way to one server.
#[derive(Debug)]
pub(super) struct To {
    pub server: Name,
    pub patches: Vec<Patch>,
    /// What the server itself calls it.
    pub named: String,
}

/// A message for no server of the grant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nowhere {
    pub rule: Rule,
    pub reason: String,
}

impl Nowhere {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self {
            rule: Rule::MALFORMED,
            reason: reason.into(),
        }
    }

    fn unknown_tool(name: &str) -> Self {
        Self {
            rule: Rule::NOT_PINNED,
            reason: format!(
                "no server of this grant has an accepted tool named {:?}",
                brief(name)
            ),
        }
    }
}

impl Exchange {
    /// Where a message goes that names what it is about; nothing if its method names nothing.
    pub(super) async fn way_of(
        &self,
        message: &Message<'_>,
        method: &str,
    ) -> Option<Result<To, Nowhere>> {
        Some(match method {
            "tools/call" => self.tool(message).await,
            "prompts/get" => self.prompt(message, message.param("name"), "name").await,
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                self.resource(message.param("uri"), "uri")
            }
            "completion/complete" => self.completion(message).await,
            task if task.starts_with("tasks/") => self.task(message),
            _ => return None,
        })
    }

    async fn tool(&self, message: &Message<'_>) -> Result<To, Nowhere> {
        let (value, name) = text(message.param("name"), "name")?;
        let mut found = self.named_tool(&self.joint.tables.of(self.party.registry()), name);
        if found.is_none() {
            found = self.tool_of_a_newcomer(name).await;
        }
        let (server, tool) = found.ok_or_else(|| Nowhere::unknown_tool(name))?;
        Ok(to(server, value, tool))
    }

    fn named_tool(&self, table: &Table, name: &str) -> Option<(Name, String)> {
        if table.is_doubtful(name) {
            return None;
        }
        let pinned = table.tool(name);
        let pinned = pinned.filter(|(server, _)| self.party.visit(server.as_str()).is_some());
        // What has no pin is the gate's to refuse, or to judge where a server is set to that.
        pinned
            .map(|(server, tool)| (server.clone(), tool.to_owned()))
            .or_else(|| self.plainly_named(name))
            .or_else(|| self.seen(Kind::Tools, name))
    }

    /// The tool of a cut name that a server has which was not asked for its tools yet.
    async fn tool_of_a_newcomer(&self, name: &str) -> Option<(Name, String)> {
        let is_awaited = |server: &Name| {
            let visit = self.party.visit(server.as_str());
            visit.is_some_and(|v| v.server.pins.first_list() == FirstList::ToBeTaken)
                && names::may_be_of(server.as_str(), name)
        };
        if !names::is_shortened(name) || !self.party.servers().any(is_awaited) {
            return None;
        }
        self.joint.gate.take_first_lists().await;
        let table = self.joint.tables.of(&self.joint.gate.registry());
        self.named_tool(&table, name)
    }

    /// The server that would have a thing of this name, and what that calls it.
    fn plainly_named(&self, name: &str) -> Option<(Name, String)> {
        let mut servers = self.party.servers();
        servers.find_map(|server| Some((server.clone(), names::name_at(server.as_str(), name)?)))
    }

    async fn prompt(
        &self,
        message: &Message<'_>,
        value: Option<&Value<'_>>,
        member: &str,
    ) -> Result<To, Nowhere> {
        let (value, name) = text(value, member)?;
        let found = match self.plainly_named(name) {
            Some(found) => Some(found),
            None if names::is_shortened(name) => self.cut_prompt(message, name).await,
            None => None,
        };
        let unknown = || {
            Nowhere::malformed(format!(
                "no server of this grant has a prompt {:?}",
                brief(name)
            ))
        };
        let (server, prompt) = found.ok_or_else(unknown)?;
        Ok(to(server, value, prompt))
    }

    async fn cut_prompt(&self, message: &Message<'_>, name: &str) -> Option<(Name, String)> {
        if let Some(known) = self.seen(Kind::Prompts, name) {
            return Some(known);
        }
        self.look_for_prompts(message, name).await;
        self.seen(Kind::Prompts, name)
    }

    /// What a cut name stands for that was seen in a list.
    fn seen(&self, kind: Kind, name: &str) -> Option<(Name, String)> {
        let known = self.joint.seen.get(kind, name);
        known.filter(|(server, _)| self.party.visit(server.as_str()).is_some())
    }

    fn resource(&self, value: Option<&Value<'_>>, member: &str) -> Result<To, Nowhere> {
        let (value, ours) = text(value, member)?;
        let unknown = || {
            let words = "is not a URI as the lists here give it: it names no server of this grant";
            Nowhere::malformed(format!("{:?} {words}", brief(ours)))
        };
        let (server, uri) = names::uri_at(ours).ok_or_else(unknown)?;
        Ok(to(self.server(server).ok_or_else(unknown)?, value, uri))
    }

    async fn completion(&self, message: &Message<'_>) -> Result<To, Nowhere> {
        let target = message.param("ref");
        let target = target.ok_or_else(|| Nowhere::malformed("`ref` is missing"))?;
        match target.get("type").and_then(Value::as_str) {
            Some("ref/prompt") => self.prompt(message, target.get("name"), "ref.name").await,
            Some("ref/resource") => self.resource(target.get("uri"), "ref.uri"),
            _ => Err(Nowhere::malformed(
                "`ref.type` must be \"ref/prompt\" or \"ref/resource\"",
            )),
        }
    }

    fn task(&self, message: &Message<'_>) -> Result<To, Nowhere> {
        let (value, ours) = text(message.param("taskId"), "taskId")?;
        let unknown = || {
            Nowhere::malformed(format!(
                "{:?} is no task of a server of this grant",
                brief(ours)
            ))
        };
        let (server, id) = names::untagged(ours).ok_or_else(unknown)?;
        let server = self.server(server).ok_or_else(unknown)?;
        Ok(to(server, value, id.to_owned()))
    }

    /// A server of the grant, by its name.
    pub(super) fn server(&self, name: &str) -> Option<Name> {
        self.party
            .visit(name)
            .map(|visit| visit.server.name.clone())
    }
}

fn to(server: Name, value: &Value<'_>, named: String) -> To {
    To {
        server,
        patches: vec![Patch {
            span: value.span,
            with: quoted(&named),
        }],
        named,
    }
}

/// A member that must be a string.
fn text<'v>(
    value: Option<&'v Value<'v>>,
    member: &str,
) -> Result<(&'v Value<'v>, &'v str), Nowhere> {
    let value = value.ok_or_else(|| Nowhere::malformed(format!("`{member}` is missing")))?;
    let text = value.as_str();
    let text = text.ok_or_else(|| Nowhere::malformed(format!("`{member}` must be a string")))?;
    Ok((value, text))
}
