//! The long streams: a GET in the older era, `subscriptions/listen` in the modern one.

use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderMap;
use serde_json::Value;
use tokio::sync::mpsc;

use super::Shared;
use super::body::{self, Reply};
use super::post;
use super::sessions::Listening;
use crate::demo::legacy;
use crate::demo::modern::Subscription;
use crate::demo::rpc::{Request, RpcError};

const QUEUE: usize = 16;

/// Answers a GET with a stream that tells of changed tools.
pub(super) fn listen(shared: &Arc<Shared>, headers: &HeaderMap) -> Reply {
    if !post::accepts(headers, "text/event-stream") {
        return body::empty(StatusCode::NOT_ACCEPTABLE);
    }
    let listening = match post::session(shared, headers) {
        Ok(None) => None,
        Ok(Some(session)) => match session.listen() {
            Some(listening) => Some(listening),
            None => return body::empty(StatusCode::CONFLICT),
        },
        Err(unknown) => return *unknown,
    };
    let (to, messages) = mpsc::channel(QUEUE);
    let mut changes = shared.server.added.subscribe();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = to.closed() => return,
                () = shared.stopped() => return,
                () = session_end(listening.as_ref()) => return,
                news = changes.changed() => {
                    if news.is_err() || to.send(legacy::list_changed()).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    body::events(messages)
}

async fn session_end(listening: Option<&Listening>) {
    match listening {
        Some(listening) => listening.ended().await,
        None => std::future::pending().await,
    }
}

/// Answers `subscriptions/listen`; the last message says that the server ended it.
pub(super) fn subscribe(
    shared: &Arc<Shared>,
    request: &Request,
) -> Result<Reply, (Option<Value>, RpcError)> {
    let subscription = Subscription::read(request);
    let subscription = subscription.map_err(|error| (Some(request.id.clone()), error))?;
    let (to, messages) = mpsc::channel(QUEUE);
    let mut changes = shared.server.added.subscribe();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let _ = to.send(subscription.acknowledged()).await;
        loop {
            let message = tokio::select! {
                () = to.closed() => return,
                () = shared.stopped() => {
                    let _ = to.send(subscription.closed()).await;
                    return;
                }
                news = changes.changed() => match news {
                    Ok(()) if subscription.wants_tools() => subscription.list_changed(),
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            if to.send(message).await.is_err() {
                return;
            }
        }
    });
    Ok(body::events(messages))
}
