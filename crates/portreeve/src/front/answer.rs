//! The body of an answer, and what is given back when it has left.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::crowd::Place;
use super::patience::Beat;
use super::taking::{GivenUp, Pieces};

pub(super) type Answer = Response<AnswerBody>;

/// A body of one of the kinds that there are: most are one piece, and need nothing but that.
#[derive(Debug)]
pub(super) struct AnswerBody {
    content: Content,
    /// Both end with the body.
    place: Option<Place>,
    beat: Option<Beat>,
}

#[derive(Debug)]
enum Content {
    /// Empty once it is handed over.
    Whole(Bytes),
    /// Events, as they come. Dropping them tells the relay that the client is gone.
    Events(mpsc::Receiver<Bytes>),
    /// Another body, piece by piece.
    Pieces(Pieces),
}

impl AnswerBody {
    const fn of(content: Content) -> Self {
        Self {
            content,
            place: None,
            beat: None,
        }
    }

    pub(super) const fn whole(body: Bytes) -> Self {
        Self::of(Content::Whole(body))
    }

    pub(super) const fn events(events: mpsc::Receiver<Bytes>) -> Self {
        Self::of(Content::Events(events))
    }

    pub(super) const fn pieces(pieces: Pieces) -> Self {
        Self::of(Content::Pieces(pieces))
    }
}

/// The answer, and with its body's end the end of its place.
pub(super) fn in_place(mut answer: Answer, place: Place) -> Answer {
    answer.body_mut().place = Some(place);
    answer
}

/// The answer, and with its body's end the end of its request.
pub(super) fn in_beat(mut answer: Answer, beat: Beat) -> Answer {
    answer.body_mut().beat = Some(beat);
    answer
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        match &mut self.content {
            Content::Whole(body) => {
                let body = std::mem::take(body);
                Poll::Ready((!body.is_empty()).then(|| Ok(Frame::data(body))))
            }
            Content::Events(events) => events
                .poll_recv(cx)
                .map(|event| event.map(|bytes| Ok(Frame::data(bytes)))),
            Content::Pieces(pieces) => Pin::new(pieces).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(body) => body.is_empty(),
            Content::Events(_) => false,
            Content::Pieces(pieces) => pieces.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(body) => SizeHint::with_exact(body.len() as u64),
            Content::Events(_) => SizeHint::default(),
            Content::Pieces(pieces) => pieces.size_hint(),
        }
    }
}
