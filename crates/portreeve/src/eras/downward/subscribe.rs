//! `subscriptions/listen`, fed from a legacy session of its own: its free stream, and what it
//! subscribes to.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use portreeve_policy::json::{Rules, Value, parse};
use tokio::sync::mpsc;

use super::Errand;
use super::call::modern;
use super::pool::{Lease, unasked};
use crate::eras::Eras;
use crate::eras::answers;
use crate::eras::draft::{Draft, json, object};
use crate::eras::events::{self, Carried, answer_in};
use crate::gate::{Payload, Reply, Status, Visit};
use crate::mcp::kept::MAX_URI;
use crate::mcp::revision::META_SUBSCRIPTION;
use crate::mcp::{answer, code};

/// How many resources one stream may watch.
const MAX_WATCHED: usize = 64;
const IN_FLIGHT: usize = 16;

/// The members of a filter that are about lists, and what tells of their changes.
const LISTS: [(&str, &str); 3] = [
    ("toolsListChanged", "notifications/tools/list_changed"),
    ("promptsListChanged", "notifications/prompts/list_changed"),
    (
        "resourcesListChanged",
        "notifications/resources/list_changed",
    ),
];
const WATCHED: &str = "resourceSubscriptions";
const UPDATED: &str = "notifications/resources/updated";

/// What a client wants to hear of.
struct Wanted {
    lists: Vec<(&'static str, &'static str)>,
    uris: Vec<String>,
}

impl Wanted {
    fn read(filter: &Value<'_>) -> Option<Self> {
        filter.members()?;
        let is_wanted = |name: &str| filter.get(name).and_then(Value::as_bool) == Some(true);
        let uris = match filter.get(WATCHED) {
            None => Vec::new(),
            Some(uris) => {
                let uris = uris.elements()?.iter();
                let uris: Option<Vec<String>> =
                    uris.map(|uri| uri.as_str().map(str::to_owned)).collect();
                let are_short = |uris: &Vec<String>| uris.iter().all(|uri| uri.len() <= MAX_URI);
                uris.filter(|uris| uris.len() <= MAX_WATCHED && are_short(uris))?
            }
        };
        let lists = LISTS.into_iter().filter(|(name, _)| is_wanted(name));
        Some(Self {
            lists: lists.collect(),
            uris,
        })
    }

    fn has(&self, method: &str) -> bool {
        (method == UPDATED && !self.uris.is_empty())
            || self.lists.iter().any(|(_, known)| *known == method)
    }

    /// The filter that is honoured: this one, if there is a stream at all.
    fn written(&self) -> Vec<u8> {
        let lists = self.lists.iter().map(|(name, _)| (*name, b"true".to_vec()));
        let mut members: Vec<_> = lists.collect();
        if !self.uris.is_empty() {
            let uris: Vec<String> = self
                .uris
                .iter()
                .map(|uri| serde_json::Value::from(uri.as_str()).to_string())
                .collect();
            members.push((WATCHED, format!("[{}]", uris.join(",")).into_bytes()));
        }
        object(&members)
    }
}

/// A stream of notifications.
struct Listening {
    eras: Arc<Eras>,
    visit: Visit,
    headers: HeaderMap,
    lease: Lease,
    wanted: Wanted,
    /// As JSON text.
    id: String,
}

impl Eras {
    pub(super) async fn subscribe_downward(self: &Arc<Self>, errand: Errand<'_>) -> Reply {
        let filter = errand.message.param("notifications");
        let Some(wanted) = filter.and_then(Wanted::read) else {
            let words = format!(
                "`notifications` must be an object, and its `{WATCHED}` an array of at most \
                 {MAX_WATCHED} strings, none longer than {MAX_URI} bytes"
            );
            let words = answer::plain_error(Some(&errand.id), code::INVALID_PARAMS, &words);
            return Reply::message(Status::Malformed, words);
        };
        let from = (&errand.visit, &errand.headers);
        let leased = self.lease_fresh(from, &errand.declared, &errand.id).await;
        let mut lease = match leased {
            Ok(lease) => lease,
            Err(reply) => return reply,
        };
        let inner = lease.inner();
        let headers = inner.map(|inner| inner.headers(&errand.headers, false));
        let listening = Listening {
            eras: Arc::clone(self),
            visit: errand.visit,
            headers: headers.unwrap_or_default(),
            lease,
            wanted,
            id: errand.id,
        };
        listening.begin().await
    }
}

impl Listening {
    async fn begin(mut self) -> Reply {
        for uri in &self.wanted.uris {
            let mut asking = Draft::new(self.eras.own_id(), "resources/subscribe");
            asking.set("uri", json(uri));
            let reply = self.post(asking.write()).await;
            let status = reply.status;
            let said = answer_in(reply.payload).await.unwrap_or_default();
            if answers::outline(&said).error.is_some() {
                self.lease.end();
                let (status, words) = modern("subscriptions/listen", (status, said), &self.id);
                return Reply::message(status, words);
            }
        }
        let speaks = self.lease.inner().is_some_and(|inner| inner.free.is_some());
        let honoured = if speaks {
            self.wanted.written()
        } else {
            b"{}".to_vec()
        };
        let params = object(&[("notifications", honoured), ("_meta", self.meta())]);
        let acknowledged = object(&[
            ("jsonrpc", json("2.0")),
            ("method", json("notifications/subscriptions/acknowledged")),
            ("params", params),
        ]);
        let (to_client, events) = mpsc::channel(IN_FLIGHT);
        tokio::spawn(async move {
            let gone = to_client.clone();
            tokio::select! {
                () = self.carry(Bytes::from(acknowledged), to_client) => {}
                () = gone.closed() => {}
            }
            self.lease.end();
        });
        Reply::new(Status::Fine, Payload::Events(events))
    }

    fn meta(&self) -> Vec<u8> {
        object(&[(META_SUBSCRIPTION, self.id.as_bytes())])
    }

    async fn post(&self, message: Bytes) -> Reply {
        let (visit, headers) = (self.visit.clone(), self.headers.clone());
        self.eras.gate.post(visit, headers, message).await
    }

    async fn carry(&mut self, first: Bytes, to_client: mpsc::Sender<Bytes>) {
        let mut message = first;
        loop {
            let event = events::written(&message, None);
            if to_client.send(event).await.is_err() {
                return;
            }
            match self.heard().await {
                Some(next) => message = next,
                None => break,
            }
        }
        let result = object(&[("resultType", json("complete")), ("_meta", self.meta())]);
        let last = object(&[
            ("jsonrpc", json("2.0")),
            ("id", self.id.clone().into_bytes()),
            ("result", result),
        ]);
        let last = events::written(&Bytes::from(last), None);
        to_client.send(last).await.ok();
    }

    /// The next thing that the client wants to hear of; nothing when the server's stream has ended.
    async fn heard(&mut self) -> Option<Bytes> {
        loop {
            match unasked(&mut self.lease.inner()?.free).await? {
                Carried::Notification(method, note) if self.wanted.has(&method) => {
                    let id = self.id.as_bytes();
                    return Some(answers::with_meta(&note, META_SUBSCRIPTION, id));
                }
                Carried::Request(request) => self.decline(&request).await,
                _ => {}
            }
        }
    }

    /// Nobody can be asked where nothing is called.
    async fn decline(&self, request: &Bytes) {
        let tree = parse(request, Rules::MESSAGE).ok();
        let id = tree.as_ref().and_then(|tree| tree.get("id"));
        let id = id.and_then(|id| std::str::from_utf8(id.span.of(request)).ok());
        let is_ping = tree.as_ref().and_then(|tree| tree.get("method")?.as_str()) == Some("ping");
        let Some(id) = id else { return };
        let words = if is_ping {
            answer::result(id, &serde_json::json!({}))
        } else {
            let words = "nobody who could be asked is there";
            answer::plain_error(Some(id), code::METHOD_NOT_FOUND, words)
        };
        self.post(Bytes::from(words)).await;
    }
}
