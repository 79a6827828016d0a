//! Answers that are handed over piece by piece: large ones, and all on a connection that has many
//! at a time (HTTP/2).
//!
//! Handed over at once, an answer would be out of sight while the client still takes it, and its
//! place would be another's. And on HTTP/2, a client that does not take one answer still takes the
//! others, so the connection's own deadline sees nothing: each answer has its own there, and one
//! that is not taken is given up, with all it holds. What HTTP/2 has already of it stays with the
//! connection, at most a piece; a client that leaves many such pieces behind loses the connection.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::answer::{Answer, AnswerBody};
use crate::clock::Stopwatch;

/// What is handed over at once. The next piece goes when the client has made room for it.
const PIECE: usize = 16 * 1024;
/// An answer that is larger is not handed over at once.
const LARGE: u64 = 64 * 1024;
/// How many answers a client may leave untaken on one connection.
const MAX_GIVEN_UP: usize = 8;

/// Why an answer broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client did not take it in time")]
pub(super) struct GivenUp;

/// The answers of one connection that are not taken yet.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    /// Whether there ever was one: most connections of HTTP/1 look no further.
    is_used: AtomicBool,
    answers: Mutex<Vec<Weak<Shared>>>,
    given_up: AtomicUsize,
}

impl Untaken {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, answer: &Arc<Shared>) {
        let mut answers = self.lock();
        // Those that were taken are dropped before the list would have to grow.
        if answers.len() == answers.capacity() {
            answers.retain(|answer| answer.strong_count() > 0);
        }
        answers.push(Arc::downgrade(answer));
        self.is_used.store(true, Ordering::Release);
    }

    /// Hands an answer over in pieces, unless it is a small one and alone.
    pub(super) fn in_pieces(&self, answer: Answer, one_of_many: bool) -> Answer {
        if !one_of_many && answer.body().size_hint().lower() <= LARGE {
            return answer;
        }
        answer.map(|body| {
            let handing = Handing {
                body: Some(body),
                rest: Bytes::new(),
                since: Some(Stopwatch::start()),
            };
            let shared = Arc::new(Shared(Mutex::new(handing)));
            self.note(&shared);
            AnswerBody::pieces(Pieces(shared))
        })
    }

    /// Whether anything waits for the client.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_used.load(Ordering::Acquire) || self.lock().is_empty()
    }

    /// Gives up what the client has not taken for so long; false if that was once too often.
    pub(super) fn review(&self, stall: Duration) -> bool {
        let mut live = Vec::new();
        self.lock().retain(|answer| {
            let found = answer.upgrade();
            live.extend(found.clone());
            found.is_some()
        });
        // Outside of the lock: dropping an answer lets go of much.
        let given_up = live.iter().filter(|shared| shared.give_up(stall)).count();
        let before = self.given_up.fetch_add(given_up, Ordering::Relaxed);
        before + given_up <= MAX_GIVEN_UP
    }
}

/// An answer on its way, shared by who hands it over and the pieces that have not left yet.
#[derive(Debug)]
struct Shared(Mutex<Handing>);

#[derive(Debug)]
struct Handing {
    /// `None` once it is given up.
    body: Option<AnswerBody>,
    /// What the body gave and was not handed over yet.
    rest: Bytes,
    /// Since when the client has taken nothing; `None` while it is the server that is waited for.
    since: Option<Stopwatch>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Handing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_up(&self, stall: Duration) -> bool {
        let mut handing = self.lock();
        if handing.since.is_none_or(|since| since.elapsed() < stall) {
            return false;
        }
        handing.rest = Bytes::new();
        let body = handing.body.take();
        drop(handing);
        body.is_some()
    }

    /// A piece keeps what the answer holds until it has left.
    fn piece(self: &Arc<Self>, piece: Bytes) -> Bytes {
        let with = Arc::clone(self);
        Bytes::from_owner(Piece { piece, _with: with })
    }
}

struct Piece {
    piece: Bytes,
    _with: Arc<Shared>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Handing {
    /// What the body gives next, a piece of it if it is data.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Some(Err(GivenUp)));
        };
        self.since = None;
        if self.rest.is_empty() {
            let frame = ready!(Pin::new(body).poll_frame(cx));
            self.since = Some(Stopwatch::start());
            match frame.transpose()?.map(Frame::into_data) {
                None => return Poll::Ready(None),
                Some(Err(other)) => return Poll::Ready(Some(Ok(other))),
                Some(Ok(data)) => self.rest = data,
            }
        }
        self.since = Some(Stopwatch::start());
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end(&self) -> bool {
        self.rest.is_empty() && self.body.as_ref().is_some_and(Body::is_end_stream)
    }
}

/// The body that hands an answer over.
#[derive(Debug)]
pub(super) struct Pieces(Arc<Shared>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        let frame = ready!(self.0.lock().next(cx));
        let kept = |frame: Frame<Bytes>| frame.map_data(|piece| self.0.piece(piece));
        Poll::Ready(frame.map(|frame| frame.map(kept)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end()
    }

    fn size_hint(&self) -> SizeHint {
        let handing = self.0.lock();
        let left = handing.rest.len() as u64;
        let body = handing.body.as_ref().map(Body::size_hint);
        let body = body.unwrap_or_default();
        let mut hint = SizeHint::new();
        hint.set_lower(left + body.lower());
        if let Some(upper) = body.upper() {
            hint.set_upper(left + upper);
        }
        hint
    }
}
