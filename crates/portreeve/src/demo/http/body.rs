//! The bodies of answers: JSON, nothing, or a stream of server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body as HttpBody, Frame};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Interval, interval};

pub(super) type Body = Either<Full<Bytes>, Events>;
pub(super) type Reply = Response<Body>;

/// A comment this often keeps proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Messages as server-sent events, until the sender is dropped.
#[derive(Debug)]
pub(super) struct Events {
    messages: mpsc::Receiver<Value>,
    keep_alive: Interval,
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = match self.messages.poll_recv(context) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(message)) => format!("event: message\ndata: {message}\n\n"),
            Poll::Pending if self.keep_alive.poll_tick(context).is_ready() => ":\n\n".to_owned(),
            Poll::Pending => return Poll::Pending,
        };
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}

pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Either::Left(Full::default()));
    *reply.status_mut() = status;
    reply
}

pub(super) fn json(status: StatusCode, body: &Value) -> Reply {
    let mut reply = Response::new(Either::Left(Full::from(body.to_string())));
    *reply.status_mut() = status;
    let is_json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(CONTENT_TYPE, is_json);
    reply
}

/// The events that come out of `messages`; the first comment comes at once, so that the client
/// knows the stream is open.
pub(super) fn events(messages: mpsc::Receiver<Value>) -> Reply {
    let keep_alive = interval(KEEP_ALIVE);
    let events = Events {
        messages,
        keep_alive,
    };
    let mut reply = Response::new(Either::Right(events));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    reply
}
