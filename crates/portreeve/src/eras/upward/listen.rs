//! What a modern server tells unasked, on the one stream that a legacy session has for it.
//!
//! Each resource that is watched is a `subscriptions/listen` of its own, so that it is judged and
//! charged once, when the client asks for it; another tells of lists that changed, for as long as the
//! client listens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use portreeve_policy::json::Value;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};

use super::session::Session;
use super::{Errand, stamp};
use crate::eras::draft::{Draft, json, object};
use crate::eras::events::{self, Carried};
use crate::eras::{Eras, answers};
use crate::gate::{Payload, Reply, Status, Visit};
use crate::mcp::kept::MAX_URI;
use crate::mcp::method::SUBSCRIBE;
use crate::mcp::{answer, code};

/// How many resources one session may watch: each is a stream to the server.
const MAX_WATCHED: usize = 64;
const IN_FLIGHT: usize = 16;
/// The lists whose changes a listening client is told of.
const LISTS: &[u8] =
    br#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}"#;

/// What one session is told unasked.
#[derive(Debug, Default)]
pub(super) struct Feed {
    outlet: Arc<Outlet>,
    lists: Mutex<Option<Ending>>,
    watched: Mutex<HashMap<String, Ending>>,
    numbers: AtomicU64,
}

/// Where to: the client's stream, while it has one.
#[derive(Debug, Default)]
struct Outlet(Mutex<Option<mpsc::Sender<Bytes>>>);

impl Outlet {
    fn current(&self) -> Option<mpsc::Sender<Bytes>> {
        lock(&self.0).clone().filter(|to| !to.is_closed())
    }
}

/// A task that ends with this.
#[derive(Debug)]
struct Ending(AbortHandle);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feed {
    pub(super) fn is_heard(&self) -> bool {
        self.outlet.current().is_some()
    }

    pub(super) fn unwatch(&self, uri: &str) {
        lock(&self.watched).remove(uri);
    }

    pub(super) fn close(&self) {
        lock(&self.watched).clear();
        lock(&self.lists).take();
        lock(&self.outlet.0).take();
    }

    fn has_room_for(&self, uri: &str) -> bool {
        let watched = lock(&self.watched);
        watched.contains_key(uri) || watched.len() < MAX_WATCHED
    }

    /// Carries what comes to whoever listens, and drops it where nobody does.
    fn carry(&self, mut from: mpsc::Receiver<Bytes>) -> JoinHandle<()> {
        let outlet = Arc::clone(&self.outlet);
        tokio::spawn(async move {
            while let Some(event) = from.recv().await {
                match events::read(&event) {
                    Carried::Notification(method, _)
                        if method != "notifications/subscriptions/acknowledged" =>
                    {
                        if let Some(to) = outlet.current() {
                            // Whoever is gone misses nothing.
                            to.send(event).await.ok();
                        }
                    }
                    Carried::Response(_) => return,
                    _ => {}
                }
            }
        })
    }
}

impl Eras {
    /// Opens the stream on which a legacy client listens.
    pub(in crate::eras) async fn listen_upward(
        self: &Arc<Self>,
        visit: Visit,
        headers: &HeaderMap,
    ) -> Reply {
        let Ok(Some(session)) = self.session(&visit, headers) else {
            return self.gate.listen(visit, headers).await;
        };
        let subscribed = self.subscribe(visit, headers, &session, LISTS.to_vec());
        let Ok(from) = subscribed.await else {
            let words = "the server does not tell anything unasked";
            let words = answer::plain_error(None, code::UPSTREAM_FAILED, words);
            return Reply::message(Status::NotOffered, words);
        };
        let (to_client, events) = mpsc::channel(IN_FLIGHT);
        *lock(&session.feed.outlet.0) = Some(to_client.clone());
        let mut carrying = session.feed.carry(from);
        *lock(&session.feed.lists) = Some(Ending(carrying.abort_handle()));
        tokio::spawn(async move {
            // The stream ends with whoever ends first: the client, the server, or the session.
            tokio::select! {
                _ = &mut carrying => {}
                () = to_client.closed() => carrying.abort(),
            }
            let mut outlet = lock(&session.feed.outlet.0);
            if outlet
                .as_ref()
                .is_some_and(|own| own.same_channel(&to_client))
            {
                outlet.take();
            }
        });
        Reply::new(Status::Fine, Payload::Events(events))
    }

    /// Watches a resource for a legacy client.
    pub(super) async fn watch(
        self: &Arc<Self>,
        errand: Errand<'_>,
        session: &Arc<Session>,
        id: &str,
    ) -> Reply {
        let Some(uri) = errand.message.param("uri").and_then(Value::as_str) else {
            let words = "`uri` must be a string";
            let words = answer::plain_error(Some(id), code::INVALID_PARAMS, words);
            return Reply::message(Status::Fine, words);
        };
        if uri.len() > MAX_URI {
            let words = format!("`uri` is longer than {MAX_URI} bytes");
            let of = (id, "resources/subscribe");
            let refusing = self.refuse_params(&errand.visit, of, (Status::Fine, &words));
            return refusing.await;
        }
        if !session.feed.has_room_for(uri) {
            let words = format!("more than {MAX_WATCHED} resources are watched in this session");
            return answers::untranslatable(Some(id), &words);
        }
        let mut uris = vec![b'['];
        uris.extend(json(uri));
        uris.push(b']');
        let filter = object(&[("resourceSubscriptions", uris)]);
        let subscribed = self.subscribe(errand.visit, &errand.headers, session, filter);
        match subscribed.await {
            Ok(from) => {
                let carried = Ending(session.feed.carry(from).abort_handle());
                lock(&session.feed.watched).insert(uri.to_owned(), carried);
                Reply::message(Status::Fine, answer::result(id, &serde_json::json!({})))
            }
            Err(refused) => match refused.payload {
                Payload::Message(words) => {
                    Reply::message(Status::Fine, answers::with_id(words, id))
                }
                _ => answers::untranslatable(Some(id), "the server has no subscriptions"),
            },
        }
    }

    /// A `subscriptions/listen`, or the reply that says why there is none.
    async fn subscribe(
        self: &Arc<Self>,
        visit: Visit,
        headers: &HeaderMap,
        session: &Session,
        filter: Vec<u8>,
    ) -> Result<mpsc::Receiver<Bytes>, Reply> {
        let number = session.feed.numbers.fetch_add(1, Ordering::Relaxed);
        let mut asking = Draft::new(format!("\"portreeve-feed-{number}\""), SUBSCRIBE);
        asking.set("notifications", filter);
        stamp::stamp(&mut asking, Some(session));
        let headers = stamp::headers_of(headers, SUBSCRIBE);
        let reply = self.gate.post(visit, headers, asking.write()).await;
        match reply.payload {
            Payload::Events(events) => Ok(events),
            payload => Err(Reply { payload, ..reply }),
        }
    }
}
