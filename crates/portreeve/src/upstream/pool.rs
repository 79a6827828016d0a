//! Connections to one server, kept for the next call.
//!
//! Whoever asks drives the connection: no task stands between the two, for handing every request and
//! every answer from one task to another costs more than anything else on a connection. One that
//! nobody uses is driven by nobody; whether it still stands is seen when it is taken again.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::address::GuardedResolver;
use super::http::innermost;
use super::{UpstreamError, Whose};
use crate::clock::{Alarm, Due, Stopwatch};

/// How long a connection is kept unused.
const IDLE: Duration = Duration::from_secs(55);
/// How many connections of one caller to one server are kept for its next calls.
const MAX_IDLE: usize = 256;

/// What is unused for so long may have been closed at a moment of which the runtime has not heard.
const A_WHILE: Duration = Duration::from_millis(1);

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Asked = Request<Full<Bytes>>;
type Answered = Result<Response<Incoming>, TrySendError<Asked>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How connections are made.
#[derive(Clone, Debug)]
pub(super) enum Connector {
    /// To addresses that need no declaration.
    Guarded(HttpsConnector<HttpConnector<GuardedResolver>>),
    Open(HttpsConnector<HttpConnector>),
}

impl Connector {
    async fn connect(&self, to: &Uri) -> Result<Stream, BoxError> {
        async fn through<C>(mut connector: C, to: &Uri) -> Result<Stream, BoxError>
        where
            C: Service<Uri, Response = Stream, Error = BoxError>,
        {
            poll_fn(|cx| connector.poll_ready(cx)).await?;
            connector.call(to.clone()).await
        }
        match self {
            Self::Guarded(connector) => through(connector.clone(), to).await,
            Self::Open(connector) => through(connector.clone(), to).await,
        }
    }
}

/// The connections to one server that nobody uses just now. The one used last is taken first.
pub(super) struct Pool {
    kept: Mutex<Kept>,
    keep_for: Duration,
}

impl Default for Pool {
    fn default() -> Self {
        Self::keeping_for(IDLE)
    }
}

#[derive(Default)]
struct Kept {
    /// Each caller's, in the order in which they came.
    #[expect(
        clippy::vec_box,
        reason = "they come and go, and are too large to be moved"
    )]
    idle: HashMap<Whose, Vec<Box<Lane>>>,
    /// Whether there is a task that closes what is kept for too long.
    is_swept: bool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool")
            .field(&self.lock().idle.len())
            .finish()
    }
}

impl Pool {
    fn keeping_for(keep_for: Duration) -> Self {
        let kept = Mutex::default();
        Self { kept, keep_for }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request on a connection of its own, and gives what comes back on it.
    ///
    /// INVARIANT: a request is sent again only where no byte of it was written, on a connection that
    /// the server had closed meanwhile (`a_call_is_sent_once`).
    pub(super) async fn send(
        self: &Arc<Self>,
        whose: Whose,
        (connector, to): (&Connector, &Uri),
        mut request: Asked,
        within: Duration,
    ) -> Result<Response<Answer>, UpstreamError> {
        let due = Due::after(within);
        let too_late = || UpstreamError::Timeout(within);
        loop {
            let kept = self.take(whose).await;
            let is_kept = kept.is_some();
            let mut lane = if let Some(lane) = kept {
                lane
            } else {
                let opening = Box::pin(due.of(Lane::open(connector, to, whose)));
                opening.await.ok_or_else(too_late)??
            };
            match lane.exchange(request, due).await.ok_or_else(too_late)? {
                Ok(response) => return Ok(response.map(|body| Answer::new(body, lane, self))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if is_kept => request = unsent,
                    _ => return Err(UpstreamError::Broken(innermost(&error.into_error()))),
                },
            }
        }
    }

    /// A connection of the caller's that stands, as far as is known.
    ///
    /// INVARIANT: no two callers share one (`an_answer_that_comes_twice_reaches_nobody_elses_call`).
    async fn take(&self, whose: Whose) -> Option<Box<Lane>> {
        loop {
            // Those that do not are dropped outside of the lock.
            let mut lane = self.lock().idle.get_mut(&whose)?.pop()?;
            let age = lane.unused.elapsed();
            if age >= A_WHILE {
                // The runtime looks at all connections before it comes back here.
                tokio::task::yield_now().await;
            }
            if age < self.keep_for && lane.is_free() {
                return Some(lane);
            }
        }
    }

    fn give(self: &Arc<Self>, mut lane: Box<Lane>) {
        if !lane.can_ask() {
            return;
        }
        lane.unused = Stopwatch::start();
        let mut kept = self.lock();
        let own = kept.idle.entry(lane.whose).or_default();
        if own.len() >= MAX_IDLE {
            return;
        }
        own.push(lane);
        if !std::mem::replace(&mut kept.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self), self.keep_for));
        }
    }

    /// Closes what is kept for too long; how long the next may still be.
    fn prune(&self) -> Option<Duration> {
        let mut kept = self.lock();
        let mut closed = Vec::new();
        kept.idle.retain(|_, own| {
            let over = own.partition_point(|lane| lane.unused.elapsed() >= self.keep_for);
            closed.extend(own.drain(..over));
            !own.is_empty()
        });
        let oldest = kept.idle.values().filter_map(|own| own.first());
        let next = oldest.map(|lane| lane.unused.elapsed()).max();
        kept.is_swept = next.is_some();
        drop(kept);
        drop(closed);
        next.map(|age| self.keep_for.saturating_sub(age))
    }
}

async fn sweep(pool: Weak<Pool>, mut next: Duration) {
    loop {
        tokio::time::sleep(next).await;
        match pool.upgrade().and_then(|pool| pool.prune()) {
            Some(left) => next = left,
            None => return,
        }
    }
}

/// One connection.
struct Lane {
    whose: Whose,
    asking: SendRequest<Full<Bytes>>,
    /// `None` once it is over.
    connection: Option<Connection<Stream, Full<Bytes>>>,
    unused: Stopwatch,
    alarm: Alarm,
}

impl Lane {
    /// A failure here is surely not sent.
    async fn open(
        connector: &Connector,
        to: &Uri,
        whose: Whose,
    ) -> Result<Box<Self>, UpstreamError> {
        let stream = connector.connect(to).await;
        let stream = stream.map_err(|error| UpstreamError::Unreachable(innermost(&*error)))?;
        let shaken = http1::handshake(stream).await;
        let (asking, connection) =
            shaken.map_err(|error| UpstreamError::Unreachable(innermost(&error)))?;
        Ok(Box::new(Self {
            whose,
            asking,
            connection: Some(connection),
            unused: Stopwatch::start(),
            alarm: Alarm::default(),
        }))
    }

    /// Lets the connection do what it can. Its own error is told to whoever waits for an answer.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(cx).is_ready()
        {
            self.connection = None;
        }
    }

    /// Whether it stands and nothing has come on it that nobody asked for.
    ///
    /// Whoever used it last is forgotten with this, and not woken by what happens from here on.
    fn is_free(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.can_ask()
    }

    fn can_ask(&self) -> bool {
        self.connection.is_some() && self.asking.is_ready()
    }

    /// What is answered to a request; `None` if nothing is in time.
    async fn exchange(&mut self, request: Asked, due: Due) -> Option<Answered> {
        let mut answer = pin!(self.asking.try_send_request(request));
        poll_fn(|cx| {
            self.drive(cx);
            // Nothing but the connection brings the answer, so nothing else needs to wake us.
            let mut unwoken = Context::from_waker(Waker::noop());
            match answer.as_mut().poll(&mut unwoken) {
                Poll::Ready(answered) => Poll::Ready(Some(answered)),
                Poll::Pending => self.alarm.poll(due, cx).map(|()| None),
            }
        })
        .await
    }
}

/// The body of an answer, with the connection that brings it. Read to its end it gives the
/// connection back; dropped before, it closes it, which cancels the request.
pub(super) struct Answer {
    body: Incoming,
    rest: Option<Rest>,
}

struct Rest {
    lane: Box<Lane>,
    pool: Arc<Pool>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer").field(&self.body).finish()
    }
}

impl Answer {
    fn new(body: Incoming, lane: Box<Lane>, pool: &Arc<Pool>) -> Self {
        let pool = Arc::clone(pool);
        let rest = Some(Rest { lane, pool });
        let mut answer = Self { body, rest };
        answer.give_back_if_read();
        answer
    }

    fn give_back_if_read(&mut self) {
        if self.body.is_end_stream()
            && let Some(Rest { lane, pool }) = self.rest.take()
        {
            pool.give(lane);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        if let Some(rest) = &mut this.rest {
            rest.lane.drive(cx);
        }
        // Nothing but the connection brings any of it.
        let mut unwoken = Context::from_waker(Waker::noop());
        let frame = ready!(Pin::new(&mut this.body).poll_frame(&mut unwoken));
        match &frame {
            Some(Ok(_)) => this.give_back_if_read(),
            // Without a length, the end is known when it is there.
            None => {
                if let Some(Rest { lane, pool }) = this.rest.take() {
                    pool.give(lane);
                }
            }
            Some(Err(_)) => this.rest = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
