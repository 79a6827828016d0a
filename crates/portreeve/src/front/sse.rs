//! The oldest transport, for clients that know no other: a stream for everything that comes, and a
//! URL for everything that goes. Off unless the configuration switches it on.
//!
//! Owns which stream a posted message belongs to. What becomes of the message is the same as for
//! every other client's: it takes the same way to the same gate.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use portreeve_policy::time::Timestamp;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::answer::{Answer, in_place};
use super::body;
use super::response;
use super::routes::{is_json, nothing_here, unreadable};
use super::serve::Front;
use crate::budget::{Budget, in_place_of};
use crate::gate::{NoVisit, Payload, Reply, SessionId, Status, Visit};
use crate::mcp::parts::{self, Kind};
use crate::mcp::{code, header, sse};
use crate::name::{Label, Name};

/// Where it is: `/sse/<server>`.
pub(super) const PATH: &str = "/sse/";
/// What may wait for a slow client: in messages, and in bytes of those that are large.
const IN_FLIGHT: usize = 16;
const IN_FLIGHT_BYTES: usize = 16 * 1024 * 1024;
/// How many requests of one stream are answered at a time.
const MAX_RUNNING: usize = 64;
/// How long a client may take nothing of what waits for it.
const STALL: Duration = Duration::from_secs(20);

/// The streams that are open.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Mutex<HashMap<String, Arc<Stream>>>,
}

/// One client's stream.
#[derive(Debug)]
struct Stream {
    grant: Label,
    server: Name,
    configuration: (Timestamp, u64),
    to_client: mpsc::Sender<Bytes>,
    /// For what waits to be sent.
    room: Budget,
    /// How many messages found their way to the client.
    sent: AtomicU64,
    running: Arc<Semaphore>,
    /// The session that its conversation has at the gate.
    session: Mutex<Option<SessionId>>,
    /// What carries to the client what the server says unasked in that session.
    free: Mutex<Option<AbortHandle>>,
    /// Told when the conversation is over.
    over: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Streams {
    fn close(&self, name: &str) {
        lock(&self.open).remove(name);
    }

    /// INVARIANT: a stream takes messages of the grant that opened it only
    /// (`a_stream_is_its_grants_alone`).
    fn find(&self, name: &str, visit: &Visit) -> Option<Arc<Stream>> {
        let open = lock(&self.open);
        let found = open.get(name)?;
        let is_own = found.grant == visit.caller.grant.label
            && found.server == visit.server.name
            && found.configuration == visit.server.configuration();
        is_own.then(|| Arc::clone(found))
    }
}

impl Stream {
    /// The client's headers, as those of a message in its session.
    fn headers(&self, from: &HeaderMap) -> HeaderMap {
        let session = lock(&self.session).clone();
        Self::headers_in(from, session.as_ref())
    }

    fn headers_in(from: &HeaderMap, session: Option<&SessionId>) -> HeaderMap {
        let mut headers = from.clone();
        headers.remove(header::PROTOCOL_VERSION);
        headers.remove(header::SESSION_ID);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let session = session.map(|id| HeaderValue::from_str(id.as_str()));
        if let Some(Ok(id)) = session {
            headers.insert(header::SESSION_ID, id);
        }
        headers
    }

    /// Hands a reply over on the stream; false if the conversation is over.
    async fn hand_over(&self, reply: Reply) -> bool {
        match reply.payload {
            Payload::Nothing => {}
            Payload::Message(message) => {
                let event = in_place_of(sse::write(&message, None), vec![message]);
                if !self.send(event).await {
                    return false;
                }
            }
            Payload::Events(mut events) => {
                while let Some(event) = events.recv().await {
                    if !self.send(event).await {
                        return false;
                    }
                }
            }
        }
        reply.status != Status::NoSession
    }

    /// Sends an event when there is room for it; false if the client is gone, or takes nothing.
    async fn send(&self, event: Bytes) -> bool {
        let mut sending = pin!(async {
            let event = self.room.awaited(event).await;
            self.to_client.send(event).await.is_ok()
        });
        loop {
            let before = self.sent.load(Ordering::Relaxed);
            if let Ok(sent) = timeout(STALL, &mut sending).await {
                self.sent.fetch_add(1, Ordering::Relaxed);
                return sent;
            }
            // Others may have been first.
            if self.sent.load(Ordering::Relaxed) == before {
                tracing::debug!(server = %self.server, "a client does not take its messages");
                return false;
            }
        }
    }

    /// Goes on in this session, with what carries its server's free stream. What there was before.
    fn go_on_in(&self, session: SessionId, free: AbortHandle) -> Option<SessionId> {
        let before = lock(&self.session).replace(session);
        if let Some(listening) = lock(&self.free).replace(free) {
            listening.abort();
        }
        before
    }
}

impl Front {
    /// Answers a request of the oldest transport.
    pub(super) async fn sse(
        self: &Arc<Self>,
        request: Request<Incoming>,
        server: &str,
        peer: IpAddr,
    ) -> Answer {
        if !self.settings.sse || server.is_empty() || server.contains('/') {
            return nothing_here();
        }
        let visit = match self.gate.admit_visitor(request.headers(), server) {
            Ok(visit) => visit,
            Err(NoVisit::Stranger(stranger)) => {
                self.strangers.note(peer);
                return response::unauthorized(stranger);
            }
            Err(error) => return self.no_visit(request.headers(), server, &error).await,
        };
        let Some(place) = self.crowd.enter(&visit.caller.grant.label) else {
            return response::crowded();
        };
        match *request.method() {
            Method::GET => in_place(self.open_stream(visit, request.headers()), place),
            Method::POST => {
                let answer = self.take_message(request, visit, place).await;
                answer.unwrap_or_else(|answer| answer)
            }
            _ => response::not_allowed("only GET and POST have a meaning here"),
        }
    }

    fn open_stream(self: &Arc<Self>, visit: Visit, headers: &HeaderMap) -> Answer {
        let Ok(id) = SessionId::random() else {
            let words = "the system gives no random bytes";
            return response::problem(StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, words);
        };
        let name = id.as_str().to_owned();
        let (to_client, events) = mpsc::channel(IN_FLIGHT);
        let server = &visit.server.name;
        let first = format!("event: endpoint\ndata: {PATH}{server}?session={name}\n\n");
        // The stream is empty: there is room.
        to_client.try_send(Bytes::from(first)).ok();
        let stream = Arc::new(Stream {
            grant: visit.caller.grant.label.clone(),
            server: server.clone(),
            configuration: visit.server.configuration(),
            to_client: to_client.clone(),
            room: Budget::new(IN_FLIGHT_BYTES),
            sent: AtomicU64::new(0),
            running: Arc::new(Semaphore::new(MAX_RUNNING)),
            session: Mutex::default(),
            free: Mutex::default(),
            over: Notify::new(),
        });
        lock(&self.streams.open).insert(name.clone(), Arc::clone(&stream));
        let (front, headers) = (Arc::clone(self), headers.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = to_client.closed() => {}
                () = front.gate.stopping() => {}
                () = stream.over.notified() => {}
            }
            front.streams.close(&name);
            if let Some(listening) = lock(&stream.free).take() {
                listening.abort();
            }
            let headers = stream.headers(&headers);
            drop((stream, to_client));
            if headers.contains_key(header::SESSION_ID) {
                front.eras.end_session(visit, &headers).await;
            }
        });
        response::reply(Reply::new(Status::Fine, Payload::Events(events)))
    }

    async fn take_message(
        self: &Arc<Self>,
        request: Request<Incoming>,
        visit: Visit,
        place: impl Send + 'static,
    ) -> Result<Answer, Answer> {
        let (head, incoming) = request.into_parts();
        let media = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if !media.is_some_and(is_json) {
            let words = "send the message with `Content-Type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(response::problem(status, code::BAD_HTTP, words));
        }
        let query = head.uri.query().unwrap_or_default();
        let name = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("session="));
        let Some(stream) = self.streams.find(name.unwrap_or_default(), &visit) else {
            let words = "no such stream: it has ended or is not yours; open another";
            return Err(response::problem(
                StatusCode::NOT_FOUND,
                code::NO_SESSION,
                words,
            ));
        };
        let body = body::read(incoming, self.settings.max_body, &self.budget).await;
        let body = body.map_err(unreadable)?;
        let named = visit.server.name.clone();
        let visit = match self.gate.renewed(visit) {
            Ok(visit) => visit,
            Err(error) => {
                let gone = self.no_visit(&head.headers, named.as_str(), &error);
                return Err(Box::pin(gone).await);
            }
        };
        let is_request = parts::read(&body).is_ok_and(|parts| parts.kind() == Some(Kind::Request));
        let running = Arc::clone(&stream.running).try_acquire_owned();
        if is_request && running.is_err() {
            return Err(response::crowded());
        }
        let front = Arc::clone(self);
        let taking = async move {
            front.converse(visit, &head.headers, body, &stream).await;
            drop(place);
        };
        if is_request {
            tokio::spawn(async move {
                taking.await;
                drop(running);
            });
        } else {
            // What comes after it comes after it.
            taking.await;
        }
        Ok(response::accepted())
    }

    async fn converse(
        self: &Arc<Self>,
        visit: Visit,
        from: &HeaderMap,
        body: Bytes,
        stream: &Arc<Stream>,
    ) {
        let headers = stream.headers(from);
        let reply = tokio::select! {
            reply = self.eras.post(visit.clone(), headers, body) => reply,
            () = stream.to_client.closed() => return,
        };
        if let Some(session) = &reply.session {
            self.begin(visit, from, session, stream).await;
        }
        let handed = tokio::select! {
            handed = stream.hand_over(reply) => handed,
            () = stream.to_client.closed() => return,
        };
        if !handed {
            stream.over.notify_one();
        }
    }

    /// The conversation of a stream has a session, and its server's free stream. It has one: what was
    /// there before ends.
    ///
    /// INVARIANT: a stream of a client holds at most one of the server's
    /// (`a_conversation_that_begins_anew_ends_the_one_before`).
    async fn begin(
        self: &Arc<Self>,
        visit: Visit,
        from: &HeaderMap,
        session: &SessionId,
        stream: &Arc<Stream>,
    ) {
        let headers = Stream::headers_in(from, Some(session));
        let (front, to) = (Arc::clone(self), Arc::clone(stream));
        let (guest, place) = (visit.clone(), headers);
        let listening = tokio::spawn(async move {
            let free = front.eras.listen(guest, &place).await;
            // A server that says nothing unasked is none the worse for it.
            if let Payload::Events(_) = free.payload {
                tokio::select! {
                    handed = to.hand_over(free) => if !handed {
                        to.over.notify_one();
                    },
                    () = to.to_client.closed() => {}
                }
            }
        });
        let before = stream.go_on_in(session.clone(), listening.abort_handle());
        if let Some(before) = before {
            let headers = Stream::headers_in(from, Some(&before));
            self.eras.end_session(visit, &headers).await;
        }
    }
}
