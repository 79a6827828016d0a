//! Batches, which one revision of the protocol has: each message is judged and forwarded by itself,
//! and the answers are joined.

use bytes::Bytes;
use futures_util::future::join_all;
use portreeve_policy::json::Value;
use tokio::sync::mpsc;

use super::post::{Exchange, mismatched};
use super::relay::IN_FLIGHT;
use super::{Payload, Reply, Status};
use crate::budget::in_place_of;
use crate::mcp::header::Mismatch;
use crate::mcp::message::{self, Malformed, Message};
use crate::mcp::{code, header, revision, splice, sse};

/// How many messages one batch may hold.
const MAX_BATCH: usize = 100;

/// Why a batch of so many messages is none, in a conversation of this revision.
pub(crate) fn trouble(version: &str, length: usize) -> Option<Malformed> {
    let reason = if version != revision::WITH_BATCHES {
        format!("batches exist only in revision {}", revision::WITH_BATCHES)
    } else if length == 0 || length > MAX_BATCH {
        format!("a batch holds 1 to {MAX_BATCH} messages")
    } else {
        return None;
    };
    Some(Malformed {
        code: code::INVALID_REQUEST,
        reason,
        id: None,
        method: None,
    })
}

/// A session that a batch opened could not be told to the client in one header.
pub(crate) fn no_hello(id: Option<String>) -> Malformed {
    Malformed {
        code: code::INVALID_REQUEST,
        reason: "`initialize` must not be part of a batch".to_owned(),
        id,
        method: Some("initialize".to_owned()),
    }
}

impl Exchange {
    /// Judges a batch one by one; each message goes to the server by itself.
    pub(super) async fn batch(&self, batch: &[Value<'_>], body: &Bytes) -> Reply {
        let version = self.session.as_ref().map_or_else(
            || {
                header::version(&self.headers, None)
                    .unwrap_or_default()
                    .to_owned()
            },
            |session| session.version.clone(),
        );
        if let Some(malformed) = trouble(&version, batch.len()) {
            return self.gate.refuse_malformed(&self.visit, &malformed).await;
        }
        let replies = join_all(batch.iter().map(|tree| self.single_of_batch(tree, body))).await;
        gather(replies)
    }

    async fn single_of_batch(&self, tree: &Value<'_>, body: &Bytes) -> Reply {
        match message::read(tree, body) {
            Ok(message) if message.method() == Some("initialize") => {
                let id = message.id().map(|id| id.as_json().to_owned());
                self.gate.refuse_malformed(&self.visit, &no_hello(id)).await
            }
            // Every message goes out with the batch's headers, and is of its revision.
            Ok(message) => match self.fits_in_batch(&message) {
                Ok(()) => self.message(&message, body.slice_ref(message.raw)).await,
                Err(mismatch) => {
                    let malformed = mismatched(tree, body, &mismatch);
                    self.gate.refuse_malformed(&self.visit, &malformed).await
                }
            },
            Err(malformed) => self.gate.refuse_malformed(&self.visit, &malformed).await,
        }
    }

    fn fits_in_batch(&self, message: &Message<'_>) -> Result<(), Mismatch> {
        header::version(&self.headers, revision::stated(message.params))?;
        header::agree(&self.headers, message, self.era)
    }
}

/// Joins the replies to the messages of a batch: one array where all are there, else one stream.
pub(crate) fn gather(replies: Vec<Reply>) -> Reply {
    let mut messages = Vec::new();
    let mut streams = Vec::new();
    for reply in replies {
        if reply.status == Status::Unavailable {
            return reply;
        }
        match reply.payload {
            Payload::Nothing => {}
            Payload::Message(message) => messages.push(message),
            Payload::Events(events) => streams.push(events),
        }
    }
    if streams.is_empty() {
        if messages.is_empty() {
            return Reply::new(Status::Accepted, Payload::Nothing);
        }
        let array = Bytes::from(splice::array(messages.iter().map(AsRef::as_ref)));
        return Reply::message(Status::Fine, in_place_of(array, messages));
    }
    let (to_client, joined) = mpsc::channel(IN_FLIGHT);
    for message in messages {
        let event = in_place_of(sse::write(&message, None), vec![message]);
        let to_client = to_client.clone();
        tokio::spawn(async move { to_client.send(event).await });
    }
    for mut events in streams {
        let to_client = to_client.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if to_client.send(event).await.is_err() {
                    return;
                }
            }
        });
    }
    Reply::new(Status::Fine, Payload::Events(joined))
}
