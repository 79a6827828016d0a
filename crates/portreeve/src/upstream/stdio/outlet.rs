//! The way of a server's messages to whoever waits for them, with a bound on what lies on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::super::UpstreamError;

/// What may lie on one way, in bytes.
const ROOM: u32 = 8 * 1024 * 1024;
/// What every message counts at least, so that small ones are bounded as well.
const LEAST: u32 = 512;

/// What a message on its way takes, until it is taken from it. What was bounded otherwise takes none.
#[derive(Debug)]
pub(in super::super) struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(in super::super) const NONE: Self = Self { _permit: None };
}

/// A message on its way.
#[derive(Debug)]
pub(in super::super) enum Delivery {
    /// One of several, with the room it takes.
    Message { message: Bytes, _room: Room },
    /// The answer; nothing comes after it.
    Answer(Bytes, Option<i64>),
    /// There will be no answer.
    Failed(UpstreamError),
}

/// The near end.
#[derive(Clone, Debug)]
pub(in super::super) struct Outlet {
    to: mpsc::UnboundedSender<Delivery>,
    room: Arc<Semaphore>,
}

/// Nobody takes what is sent, or not fast enough.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Jammed;

impl Outlet {
    pub(in super::super) fn new() -> (Self, mpsc::UnboundedReceiver<Delivery>) {
        let (to, from) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(ROOM as usize));
        (Self { to, room }, from)
    }

    /// Sends a message when there is room for it within `patience`.
    pub(in super::super) async fn send(
        &self,
        message: Bytes,
        patience: Duration,
    ) -> Result<(), Jammed> {
        let length = u32::try_from(message.len()).unwrap_or(ROOM);
        let taken = Arc::clone(&self.room).acquire_many_owned(length.clamp(LEAST, ROOM));
        let room = timeout(patience, taken).await.map_err(|_| Jammed)?;
        let room = Room { _permit: room.ok() };
        self.push(Delivery::Message {
            message,
            _room: room,
        });
        Ok(())
    }

    /// Sends what was bounded before, or ends the way.
    pub(in super::super) fn push(&self, delivery: Delivery) {
        // Whoever is gone needs nothing any more.
        self.to.send(delivery).ok();
    }

    pub(in super::super) fn is_closed(&self) -> bool {
        self.to.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_takes_is_bounded() {
        let (outlet, mut from) = Outlet::new();
        let message = Bytes::from(vec![b' '; 1024 * 1024]);
        let mut sent = 0;
        while outlet.send(message.clone(), Duration::ZERO).await.is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 8);
        // What is taken makes room; an answer needs none.
        drop(from.recv().await);
        assert_eq!(outlet.send(message.clone(), Duration::ZERO).await, Ok(()));
        assert_eq!(outlet.send(Bytes::new(), Duration::ZERO).await, Err(Jammed));
        outlet.push(Delivery::Answer(message, None));
        drop(outlet);
        let mut all = Vec::new();
        while let Some(delivery) = from.recv().await {
            all.push(delivery);
        }
        assert_eq!(all.len(), 9);
        assert!(matches!(all.last(), Some(Delivery::Answer(..))));
    }
}
