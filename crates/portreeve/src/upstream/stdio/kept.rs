//! Streams of a child's answers to which a client can come back.
//!
//! A child has one pipe and no streams. To a session's client that would rather have a stream each
//! answer is one: its events are numbered, and what came, and still comes, is kept for a while after
//! the client's connection has ended. That an id is of the session which presents it was found out by
//! `gate::event_ids`; here it is looked at once more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::super::UpstreamError;
use super::answers::Answers;
use crate::mcp::sse::{self, Event};
use crate::mcp::{header, revision};

/// How long a client may stay away. After that its request is cancelled.
const KEEP: Duration = Duration::from_secs(30);
/// How soon it shall come back, in milliseconds.
const RETRY: u32 = 1_000;
/// How long the end of a connection may take to be noticed when its client is back already.
const HANDOVER: Duration = Duration::from_secs(2);
/// Streams of one session that are kept. The one that was left first makes room.
const MAX_LEFT: usize = 16;
/// What may be kept of one stream for being sent again, in bytes. The oldest events make room.
const MAX_SENT: usize = 256 * 1024;

/// A stream's name: its session's, and which of that session's streams it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    session: String,
    number: u64,
}

impl Name {
    fn event(&self, event: u64) -> String {
        format!("{}-{}-{event}", self.session, self.number)
    }

    /// The stream and the number of an event by its id.
    fn of_event(id: &str) -> Option<(Self, u64)> {
        let (rest, event) = id.rsplit_once('-')?;
        let (session, number) = rest.rsplit_once('-')?;
        let name = Self {
            session: session.to_owned(),
            number: number.parse().ok()?,
        };
        Some((name, event.parse().ok()?))
    }
}

/// The form in which a child's answer is given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// In one piece, if it is one.
    Piece,
    Stream,
    /// As a stream of this session, to which its client can come back.
    Kept(&'a str),
}

impl<'a> Form<'a> {
    /// What a request's headers ask for. Older clients than these do not know what to make of an
    /// event without a message.
    pub(super) fn of(headers: &HeaderMap, session: Option<&'a str>) -> Self {
        let version = headers.get(&header::PROTOCOL_VERSION);
        let version = version.and_then(|version| version.to_str().ok());
        match session {
            _ if !header::prefers_stream(headers) => Self::Piece,
            Some(session) if version == Some(revision::NEWEST_LEGACY) => Self::Kept(session),
            _ => Self::Stream,
        }
    }
}

/// The streams of one server's sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    streams: Mutex<Streams>,
    /// Told whenever a stream is left.
    left: Notify,
}

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    by_name: HashMap<Name, Place>,
}

#[derive(Debug)]
enum Place {
    /// A connection carries it.
    Carried,
    /// Nobody does; since when, in the order of leaving.
    Left(u64, Box<Track>),
}

/// What a stream is, whoever carries it.
#[derive(Debug)]
struct Track {
    answers: Answers,
    /// Events that were sent, by their numbers; the newest last.
    sent: VecDeque<(u64, Bytes)>,
    next: u64,
    /// How long the first word may take.
    patience: Duration,
}

/// A stream while a connection carries it. Dropped, it is kept for the client to come back.
#[derive(Debug)]
pub(crate) struct Numbered {
    kept: Kept,
    name: Name,
    track: Option<Box<Track>>,
    /// What is to be sent (again) before anything new.
    due: VecDeque<(u64, Bytes)>,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Streams> {
        let streams = &self.0.streams;
        streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new stream of a session. It begins with an event that says nothing but its id, so that the
    /// client can come back whatever it misses.
    pub(super) fn begin(&self, session: &str, answers: Answers, patience: Duration) -> Numbered {
        let mut streams = self.lock();
        streams.next += 1;
        let name = Name {
            session: session.to_owned(),
            number: streams.next,
        };
        streams.by_name.insert(name.clone(), Place::Carried);
        let track = Track {
            answers,
            sent: VecDeque::new(),
            next: 1,
            patience,
        };
        Numbered {
            kept: self.clone(),
            name,
            track: Some(Box::new(track)),
            due: VecDeque::from([(0, Bytes::new())]),
        }
    }

    /// The rest of a session's stream after an event. Nothing if it is not kept, or not all of it.
    pub(super) async fn resume(&self, session: &str, event: &str) -> Option<Numbered> {
        let (name, after) = Name::of_event(event).filter(|(name, _)| name.session == session)?;
        let waiting = async {
            loop {
                let left = self.0.left.notified();
                match self.take(&name)? {
                    Some(track) => return Some(track),
                    // Its connection has ended on the client's side only, as far as is known.
                    None => left.await,
                }
            }
        };
        let track = timeout(HANDOVER, waiting).await.ok()??;
        let oldest = track.sent.front().map_or(track.next, |(number, _)| *number);
        let is_whole = (oldest..=track.next).contains(&after.saturating_add(1));
        if !is_whole {
            // Another event may still be one to go on from.
            self.leave(&name, track);
            return None;
        }
        let missed = track.sent.iter().filter(|(number, _)| *number > after);
        let due = missed.cloned().collect();
        Some(Numbered {
            kept: self.clone(),
            name,
            track: Some(track),
            due,
        })
    }

    /// Takes a stream that was left; `Some(None)` if a connection carries it.
    #[expect(clippy::option_option, reason = "not kept at all is a third case")]
    fn take(&self, name: &Name) -> Option<Option<Box<Track>>> {
        let mut streams = self.lock();
        let place = streams.by_name.get_mut(name)?;
        Some(match std::mem::replace(place, Place::Carried) {
            Place::Carried => None,
            Place::Left(_, track) => Some(track),
        })
    }

    fn leave(&self, name: &Name, track: Box<Track>) {
        let mut dropped = Vec::new();
        {
            let mut streams = self.lock();
            streams.next += 1;
            let since = streams.next;
            // A session that has ended took its streams with it.
            let Some(place) = streams.by_name.get_mut(name) else {
                return;
            };
            *place = Place::Left(since, track);
            dropped.extend(streams.make_room(&name.session));
            self.forget_later(name.clone(), since);
        }
        self.0.left.notify_waiters();
        // Outside of the lock: what goes may cancel its request.
        drop(dropped);
    }

    fn forget_later(&self, name: Name, since: u64) {
        let kept = Arc::downgrade(&self.0);
        // Where no runtime is left the whole program ends.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            sleep(KEEP).await;
            let Some(kept) = kept.upgrade().map(Self) else {
                return;
            };
            let is_it = |place: &Place| matches!(place, Place::Left(left, _) if *left == since);
            let mut streams = kept.lock();
            let gone = streams.by_name.get(&name).is_some_and(is_it);
            let gone = gone.then(|| streams.by_name.remove(&name));
            drop(streams);
            drop(gone);
        });
    }

    /// A session's streams are nobody's any more.
    pub(super) fn forget_session(&self, session: &str) {
        let mut streams = self.lock();
        let of_session = |name: &Name, _: &mut Place| name.session == session;
        let gone: Vec<_> = streams.by_name.extract_if(of_session).collect();
        drop(streams);
        drop(gone);
    }
}

impl Streams {
    /// Takes out what a session has left beyond what is kept.
    fn make_room(&mut self, session: &str) -> Option<Place> {
        let left = self.by_name.iter().filter_map(|(name, place)| match place {
            Place::Left(since, _) if name.session == session => Some((*since, name.clone())),
            _ => None,
        });
        let (count, first) = left.fold((0, None), |(count, first), one| {
            let first: Option<(u64, Name)> = first;
            let first = first.filter(|first| first.0 < one.0).unwrap_or(one);
            (count + 1, Some(first))
        });
        let (_, first) = first.filter(|_| count > MAX_LEFT)?;
        self.by_name.remove(&first)
    }
}

impl Track {
    fn note(&mut self, message: Bytes) -> u64 {
        let number = self.next;
        self.next += 1;
        self.sent.push_back((number, message));
        let mut size: usize = self.sent.iter().map(|(_, sent)| sent.len()).sum();
        while size > MAX_SENT {
            let Some((_, oldest)) = self.sent.pop_front() else {
                break;
            };
            size -= oldest.len();
        }
        number
    }
}

impl Numbered {
    /// The next event, or `None` at the end. Between two at most `idle` may pass.
    pub(crate) async fn next(&mut self, idle: Duration) -> Result<Option<Event>, UpstreamError> {
        if let Some((number, message)) = self.due.pop_front() {
            return Ok(Some(self.event(number, message)));
        }
        let Some(track) = &mut self.track else {
            return Ok(None);
        };
        let patience = if track.next == 1 {
            idle.min(track.patience)
        } else {
            idle
        };
        let Some(event) = track.answers.next(patience).await? else {
            return Ok(None);
        };
        let number = track.note(event.data.clone());
        Ok(Some(self.event(number, event.data)))
    }

    fn event(&self, number: u64, message: Bytes) -> Event {
        let id = self.name.event(number);
        let raw = if message.is_empty() {
            Bytes::from(format!("id: {id}\nretry: {RETRY}\ndata: \n\n"))
        } else {
            sse::write(&message, Some(&id))
        };
        Event {
            raw,
            data: message,
            kind: None,
            id: Some(id),
        }
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        if let Some(track) = self.track.take() {
            self.kept.leave(&self.name, track);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_comes_back_with_a_wrong_event_may_come_back_with_the_right_one() {
        let kept = Kept::default();
        let answers = Answers::whole(Bytes::from_static(b"{}"));
        let mut stream = kept.begin("s", answers, KEEP);
        let first = stream.next(KEEP).await.unwrap().unwrap();
        let (id, name) = (first.id.unwrap(), stream.name.clone());
        drop(stream);
        assert!(kept.resume("s", &name.event(7)).await.is_none());
        // What is left is forgotten after a while; what counts as carried would not be.
        let place = |kept: &Kept| matches!(kept.lock().by_name.get(&name), Some(Place::Left(..)));
        assert!(place(&kept));
        let mut again = kept.resume("s", &id).await.expect("it is still kept");
        assert_eq!(again.next(KEEP).await.unwrap().unwrap().data, "{}");
    }
}
