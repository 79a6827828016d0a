//! Lists: the pages of all servers, fetched side by side and joined.

use std::collections::BTreeMap;

use bytes::Bytes;
use portreeve_policy::json::Value;
use tokio::time::timeout;

use super::cursor;
use super::exchange::{Absent, Exchange, PATIENCE};
use super::many;
use super::merge::{Given, Kind, Merged};
use super::names;
use super::outward::quoted;
use super::route::Nowhere;
use super::runs::At;
use crate::gate::{Reply, Status};
use crate::mcp::message::{self, Message};
use crate::mcp::revision::Era;
use crate::mcp::splice::{Patch, apply};
use crate::name::Name;

/// How many pages of prompts are looked through for one name.
const MAX_PAGES: usize = 50;

/// Where each server's list is read from; `None` is its beginning.
type Beginnings = BTreeMap<Name, Option<String>>;

impl Exchange {
    /// Answers a request for a list.
    pub(super) async fn list(
        &self,
        message: &Message<'_>,
        kind: Kind,
        id: &str,
    ) -> Result<Reply, Nowhere> {
        let cursor = message.param("cursor");
        let from = self.beginnings(kind, cursor)?;
        let running = self.run(message, id, At::Many)?;
        let given = self.pages(message, kind, &from).await;
        drop(running);
        let mut merged = self.merged(kind, given);
        self.bound_cursors(&mut merged);
        let (keys, grant) = (self.joint.gate.keys(), &self.party.caller.grant.label);
        let next = (!merged.cursors.is_empty())
            .then(|| cursor::seal(keys, grant, kind.method(), &merged.cursors))
            .flatten();
        let answer = merged.answer(id, self.era, next.as_deref());
        Ok(Reply::message(Status::Fine, answer))
    }

    fn merged(&self, kind: Kind, given: Given) -> Merged {
        Merged::of(kind, given, |server, name| {
            if matches!(kind, Kind::Tools | Kind::Prompts) {
                self.joint.seen.note(kind, server, name);
            }
        })
    }

    fn beginnings(&self, kind: Kind, cursor: Option<&Value<'_>>) -> Result<Beginnings, Nowhere> {
        if let Some(session) = &self.session {
            session.keep_to(&self.party);
        }
        let Some(cursor) = cursor else {
            return Ok(self.servers().into_iter().map(|s| (s, None)).collect());
        };
        let (keys, grant) = (self.joint.gate.keys(), &self.party.caller.grant.label);
        let opened = cursor.as_str();
        let opened = opened.and_then(|text| cursor::open(keys, grant, kind.method(), text));
        let opened = opened.ok_or_else(|| {
            Nowhere::malformed("`cursor` was not given by this list; begin it anew without one")
        })?;
        let known = opened.into_iter().filter_map(|(server, cursor)| {
            // A server that left the grant meanwhile has no more pages.
            Some((self.server(&server)?, Some(cursor)))
        });
        Ok(known.collect())
    }

    /// One page of each server.
    async fn pages(&self, message: &Message<'_>, kind: Kind, from: &Beginnings) -> Given {
        let servers = from.keys().cloned().collect();
        many::ask(servers, |server| {
            let cursor = from.get(&server).and_then(Option::as_deref);
            let request = with_cursor(message, cursor);
            async move { self.page(&server, kind, request).await }
        })
        .await
    }

    async fn page(
        &self,
        server: &Name,
        kind: Kind,
        request: Bytes,
    ) -> Result<Option<Bytes>, Absent> {
        if self.session.is_some() {
            let visit = self.visit(server.as_str())?;
            let late = |_| Absent(format!("it did not answer within {} s", PATIENCE.as_secs()));
            let inner = timeout(PATIENCE, self.inner(&visit))
                .await
                .map_err(late)??;
            if inner.is_some_and(|inner| !inner.offers(kind.capability())) {
                return Ok(None);
            }
        }
        self.ask_at(server, &request).await.map(Some)
    }

    /// A list whose cursors would be too long ends there, and says so.
    fn bound_cursors(&self, merged: &mut Merged) {
        let mut left = cursor::MAX_ALL;
        let mut too_long = Vec::new();
        for (server, cursor) in &merged.cursors {
            let size = server.len() + cursor.len();
            if cursor.len() > cursor::MAX_ONE || size > left {
                too_long.push(server.clone());
            } else {
                left -= size;
            }
        }
        for server in too_long {
            merged.cursors.remove(&server);
            if let Some(name) = self.server(&server) {
                let why = Absent::because("its list goes on, under a cursor that is too long");
                merged.absent.note(&name, &why);
            }
        }
    }

    /// Looks through the prompts of the servers that could have one of this cut name.
    pub(super) async fn look_for_prompts(&self, message: &Message<'_>, name: &str) {
        let may_have = |server: &Name| names::may_be_of(server.as_str(), name);
        let servers: Vec<Name> = self.servers().into_iter().filter(may_have).collect();
        let looking = Box::pin(self.listing_prompts(message));
        let mut from: Beginnings = servers.into_iter().map(|server| (server, None)).collect();
        for _ in 0..MAX_PAGES {
            if from.is_empty() {
                return;
            }
            let given = {
                let request = looking.request.clone();
                let (inquirer, from) = (&looking.exchange, &from);
                many::ask(from.keys().cloned().collect(), |server| {
                    let cursor = from.get(&server).and_then(Option::as_deref);
                    let request = paged(&request, cursor);
                    async move { inquirer.page(&server, Kind::Prompts, request).await }
                })
                .await
            };
            let merged = self.merged(Kind::Prompts, given);
            let next = merged.cursors.into_iter();
            from = next
                .filter_map(|(server, cursor)| Some((self.server(&server)?, Some(cursor))))
                .collect();
        }
    }

    /// The exchange and the request in which we list prompts ourselves.
    fn listing_prompts(&self, message: &Message<'_>) -> Looking {
        let mut exchange = self.clone();
        let method = Kind::Prompts.method();
        if exchange.headers.contains_key(crate::mcp::header::METHOD)
            && let Ok(value) = http::HeaderValue::from_str(method)
        {
            exchange.headers.insert(crate::mcp::header::METHOD, value);
        }
        exchange.headers.remove(crate::mcp::header::NAME);
        // What a modern client says of itself goes with every request.
        let meta = message.param("_meta").filter(|_| self.era == Era::Modern);
        let meta = meta.map(|meta| String::from_utf8_lossy(meta.span.of(message.raw)).into_owned());
        let meta = meta.unwrap_or_else(|| "{}".to_owned());
        let request = Bytes::from(format!(
            r#"{{"jsonrpc":"2.0","id":"portreeve-prompts","method":"{method}","params":{{"_meta":{meta}}}}}"#
        ));
        Looking { exchange, request }
    }
}

struct Looking {
    exchange: Exchange,
    request: Bytes,
}

/// The request with a server's own cursor, or without one.
fn with_cursor(message: &Message<'_>, cursor: Option<&str>) -> Bytes {
    let patch = message
        .param("cursor")
        .zip(cursor)
        .map(|(value, cursor)| Patch {
            span: value.span,
            with: quoted(cursor),
        });
    Bytes::from(apply(message.raw, patch.into_iter().collect()))
}

/// A request of ours with a cursor.
fn paged(request: &Bytes, cursor: Option<&str>) -> Bytes {
    let Some(cursor) = cursor else {
        return request.clone();
    };
    let tree = message::read_tree(request);
    let params = tree.as_ref().ok().and_then(|tree| tree.get("params"));
    let Some(params) = params else {
        return request.clone();
    };
    let mut start = params.span;
    start.start += 1;
    start.end = start.start;
    let cursor = String::from_utf8(quoted(cursor)).unwrap_or_default();
    let with = format!(r#""cursor":{cursor},"#).into_bytes();
    Bytes::from(apply(request, vec![Patch { span: start, with }]))
}
