//! The beginnings of a conversation: `initialize` of the legacy era and `server/discover` of the
//! modern one, answered by the gate from what the servers say of themselves.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use super::exchange::Exchange;
use super::introductions::Introductions;
use super::many;
use super::route::Nowhere;
use super::sessions::Session;
use crate::gate::{Reply, Status, no_session};
use crate::mcp::answer;
use crate::mcp::kept::MAX_HELLO;
use crate::mcp::message::Message;
use crate::mcp::revision::{self, Era};

impl Exchange {
    /// Opens a session with all servers.
    pub(super) async fn initialize(
        &self,
        message: &Message<'_>,
        id: &str,
        body: &Bytes,
    ) -> Result<Reply, Nowhere> {
        if body.len() > MAX_HELLO {
            let words = format!("`initialize` is longer than {MAX_HELLO} bytes");
            return Err(Nowhere::malformed(words));
        }
        let now = self.joint.gate.clock().now();
        let session = match Session::new(&self.party, Bytes::copy_from_slice(body), now) {
            Ok(session) => Arc::new(session),
            Err(error) => return Ok(no_session(error)),
        };
        let given = many::ask(self.servers(), |server| {
            let session = &session;
            async move {
                let visit = self.visit(server.as_str())?;
                self.first_opened(session, &visit).await.map(Some)
            }
        });
        let all = Introductions::of(given.await);
        let asked = message.param("protocolVersion").and_then(|v| v.as_str());
        let version = chosen(asked.unwrap_or_default(), &all.versions);
        // Set here only, and read by whoever has the session's id.
        session.version.get_or_init(|| version.clone());
        if let Err(error) = self.joint.sessions.open(&session, now) {
            return Ok(no_session(error));
        }
        let mut result = introduction(all, Era::Legacy);
        result.insert("protocolVersion".to_owned(), version.into());
        Ok(Reply {
            session: Some(session.id.clone()),
            ..Reply::message(Status::Fine, answer::result(id, &result))
        })
    }

    /// Says what all servers together are.
    pub(super) async fn discover(&self, message: &Message<'_>, id: &str) -> Reply {
        let request = Bytes::copy_from_slice(message.raw);
        let given = many::ask(self.servers(), |server| {
            let request = &request;
            async move { self.ask_at(&server, request).await.map(Some) }
        });
        let all = Introductions::of(given.await);
        let mut versions = all.versions.clone();
        if versions.is_empty() {
            versions.push(revision::MODERN.to_owned());
        }
        let ttl = if all.absent.is_empty() {
            all.ttl.unwrap_or(0)
        } else {
            0
        };
        let mut result = introduction(all, Era::Modern);
        result.insert("supportedVersions".to_owned(), versions.into());
        result.insert("resultType".to_owned(), "complete".into());
        result.insert("ttlMs".to_owned(), ttl.into());
        result.insert("cacheScope".to_owned(), "private".into());
        Reply::message(Status::Fine, answer::result(id, &result))
    }
}

fn introduction(all: Introductions, era: Era) -> Map<String, Json> {
    let mut result = Map::new();
    result.insert("capabilities".to_owned(), Json::Object(all.capabilities));
    let who =
        json!({ "name": "portreeve", "title": "Portreeve", "version": env!("CARGO_PKG_VERSION") });
    let mut meta = all.absent.meta();
    if era == Era::Modern {
        let meta = meta.get_or_insert_with(|| json!({}));
        if let Some(members) = meta.as_object_mut() {
            members.insert(revision::META_SERVER_INFO.to_owned(), who.clone());
        }
    }
    result.insert("serverInfo".to_owned(), who);
    if !all.instructions.is_empty() {
        result.insert("instructions".to_owned(), all.instructions.into());
    }
    if let Some(meta) = meta {
        result.insert("_meta".to_owned(), meta);
    }
    result
}

/// The newest revision that a server chose and that is not newer than the one the client asked
/// for. Servers with an older one are spoken to in theirs.
fn chosen(asked: &str, versions: &[String]) -> String {
    let is_known = |v: &str| revision::is_revision(v) && revision::era(v) == Era::Legacy;
    let sound = || versions.iter().map(String::as_str).filter(|v| is_known(v));
    if is_known(asked) {
        let fitting = sound().filter(|v| *v <= asked).max();
        return fitting
            .or_else(|| sound().min())
            .unwrap_or(asked)
            .to_owned();
    }
    sound().max().unwrap_or(revision::NEWEST_LEGACY).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_is_one_that_both_sides_speak() {
        for (asked, versions, expected) in [
            (
                "2025-06-18",
                &["2025-03-26", "2025-06-18"][..],
                "2025-06-18",
            ),
            ("2025-11-25", &["2025-03-26", "2025-06-18"], "2025-06-18"),
            ("2025-03-26", &["2025-06-18"], "2025-06-18"),
            ("2025-06-18", &[], "2025-06-18"),
            ("2025-06-18", &["x"], "2025-06-18"),
            ("x", &["2025-06-18"], "2025-06-18"),
            ("", &[], revision::NEWEST_LEGACY),
            (revision::MODERN, &[], revision::NEWEST_LEGACY),
        ] {
            let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
            assert_eq!(chosen(asked, &versions), expected, "{asked} {versions:?}");
        }
    }
}
