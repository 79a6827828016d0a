//! A caller at all servers of its grant at once: for whoever joins them behind one URL.
//!
//! Says which servers there are, hands out the visit to each, and refuses what belongs to none of
//! them. Which server a message belongs to is not decided here.

use std::sync::Arc;

use portreeve_policy::Rule;

use super::admit::Unavailable;
use super::authenticate::{Caller, Stranger, authenticate};
use super::decide::Refused;
use super::post::unavailable;
use super::refuse::{self, Asked};
use super::registry::Registry;
use super::{Gate, Reply, Status, Visit, record};
use crate::mcp::answer;
use crate::mcp::code;
use crate::mcp::message::Malformed;
use crate::mcp::method::{Topic, topic};
use crate::mcp::revision::Era;
use crate::name::Name;

/// One caller, and everything its grant reached when its request arrived.
#[derive(Clone, Debug)]
pub struct Party {
    pub caller: Caller,
    registry: Arc<Registry>,
}

impl Party {
    /// The servers of the grant.
    pub fn servers(&self) -> impl Iterator<Item = &Name> {
        let names = self.caller.grant.routes.keys();
        names.filter(|name| self.registry.server(name.as_str()).is_some())
    }

    /// The caller at one of them.
    pub fn visit(&self, server: &str) -> Option<Visit> {
        let (name, ruling) = self.caller.grant.routes.get_key_value(server)?;
        let server = self.registry.server(name.as_str())?;
        Some(Visit {
            server: Arc::clone(server),
            ruling: ruling.clone(),
            registry: self.registry.number(),
            caller: self.caller.clone(),
        })
    }

    /// The caller at its grant's only server.
    pub fn only_visit(&self) -> Option<Visit> {
        let mut names = self.caller.grant.routes.keys();
        let only = names.next().filter(|_| names.next().is_none())?;
        self.visit(only.as_str())
    }

    /// What was in force when the request arrived.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }
}

/// Something a caller asked that belongs to none of its servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stray<'a> {
    /// The name of a server that is none of them.
    pub server: Option<&'a str>,
    pub method: &'a str,
    /// The tool it asks for.
    pub tool: Option<&'a str>,
    /// Its id as JSON text, if it has one.
    pub id: Option<&'a str>,
}

impl Gate {
    /// Finds who calls.
    pub fn admit_party(&self, headers: &http::HeaderMap) -> Result<Party, Stranger> {
        let registry = self.registry.load_full();
        let caller = authenticate(&registry, headers, self.clock.now())?;
        Ok(Party { caller, registry })
    }

    /// Refuses and books what belongs to none of the caller's servers.
    pub async fn refuse_stray(
        &self,
        caller: &Caller,
        stray: Stray<'_>,
        era: Era,
        (rule, reason): (Rule, &str),
    ) -> Reply {
        let moment = self.moment();
        let refused = Refused::deny(rule, reason);
        if let Err(error) = record::stray(self, caller, (&stray, &moment), &refused).await {
            return unavailable(stray.id, &Unavailable::from(error));
        }
        let asked = Asked {
            id: stray.id,
            topic: topic(stray.method),
            era,
            tool: stray.tool,
        };
        let words = refuse::refusal(&asked, &refused, moment.id.as_str());
        let status = if stray.id.is_some() {
            Status::Fine
        } else {
            Status::Forbidden
        };
        Reply::message(status, words)
    }

    /// Refuses and books a body that is no message for any server, in the form its sender can read.
    pub async fn refuse_stray_malformed(&self, caller: &Caller, malformed: &Malformed) -> Reply {
        let stray = Stray {
            method: malformed.method.as_deref().unwrap_or("(malformed)"),
            id: malformed.id.as_deref(),
            ..Stray::default()
        };
        let said_in_kind = stray.id.is_some()
            && topic(stray.method) == Topic::Tool
            && malformed.code != code::HEADER_MISMATCH;
        if said_in_kind {
            let why = (Rule::MALFORMED, malformed.reason.as_str());
            return self.refuse_stray(caller, stray, Era::Legacy, why).await;
        }
        let said = (malformed.code, Status::Malformed);
        self.refuse_stray_as(caller, stray, said, &malformed.reason)
            .await
    }

    /// Refuses and books what is no request of its era, and what no server can carry out.
    pub(crate) async fn refuse_stray_as(
        &self,
        caller: &Caller,
        stray: Stray<'_>,
        (code, status): (i64, Status),
        reason: &str,
    ) -> Reply {
        let moment = self.moment();
        let refused = Refused::deny(Rule::MALFORMED, reason);
        if let Err(error) = record::stray(self, caller, (&stray, &moment), &refused).await {
            return unavailable(stray.id, &Unavailable::from(error));
        }
        Reply::message(status, answer::plain_error(stray.id, code, reason))
    }
}
