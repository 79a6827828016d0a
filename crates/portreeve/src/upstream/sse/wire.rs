//! One connection of the oldest transport: a stream on which everything comes, and a URL to which
//! everything goes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::http::HttpServer;
use super::super::stdio::{Answers, Carrier, Route, Serves, Table};
use super::super::{EventSource, IncomingBody, Outgoing, UpstreamError, Verb, Whose};
use super::endpoint;
use crate::mcp::parts::{self, Parts};

/// How long the stream may be silent: it has nothing to say for as long as nobody asks.
const SILENCE: Duration = Duration::from_hours(12);
/// How long a session's client may take none of its messages. Who shares a connection with others is
/// not waited for.
const STALL: Duration = Duration::from_secs(30);
/// How many words of the gate's own may be on their way.
const OWN_WORDS: usize = 64;

/// A connection. It ends when nobody holds it any more.
#[derive(Debug)]
pub(super) struct Wire {
    shared: Arc<Shared>,
    /// Dropped with the connection, which ends the reader.
    _end: watch::Sender<bool>,
}

#[derive(Debug)]
struct Shared {
    serves: Serves,
    table: Mutex<Table>,
    /// Where messages go.
    to: HttpServer,
    own_words: Arc<tokio::sync::Semaphore>,
}

impl Wire {
    /// Opens the stream and waits for the endpoint. Nothing if the server has no such stream.
    pub(super) async fn open(
        server: &HttpServer,
        whom: Serves,
    ) -> Result<Option<Self>, UpstreamError> {
        let opening = Outgoing {
            verb: Verb::Get,
            headers: HeaderMap::new(),
            whose: Whose::GATE,
        };
        let opened = server.exchange(opening).await?;
        let IncomingBody::Events(mut events) = opened.body else {
            return Ok(None);
        };
        let patience = server.timeout();
        let waiting = async {
            while let Some(event) = events.next(patience).await? {
                if event.kind.as_deref() == Some("endpoint") {
                    return Ok::<_, UpstreamError>(Some(event.data));
                }
                if event.carries_message() {
                    break;
                }
            }
            Ok(None)
        };
        let named = timeout(patience, waiting).await;
        let named = named.map_err(|_| UpstreamError::Timeout(patience))??;
        let Some(named) = named else { return Ok(None) };
        let said = String::from_utf8_lossy(&named);
        let to = server.at(endpoint::resolve(server.url(), &said)?)?;
        let shared = Arc::new(Shared {
            serves: whom,
            table: Mutex::new(Table::new(whom)),
            to,
            own_words: Arc::new(tokio::sync::Semaphore::new(OWN_WORDS)),
        });
        let (end, ended) = watch::channel(false);
        tokio::spawn(read(Arc::clone(&shared), events, ended));
        Ok(Some(Self { shared, _end: end }))
    }

    pub(super) fn is_gone(&self) -> bool {
        self.shared.table().gone().is_some()
    }

    /// How long nobody has used it; `None` while somebody does.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.shared.table().idle()
    }

    /// Sends a request; its answers come on the stream.
    pub(super) async fn ask(
        &self,
        message: &Bytes,
        parts: &Parts,
        headers: &HeaderMap,
    ) -> Result<Answers, UpstreamError> {
        let begun = self.shared.table().begin(message, parts)?;
        let carrier = Arc::clone(&self.shared) as Arc<dyn Carrier>;
        let wire_id = begun.wire_id.clone();
        let answers = Answers::of_request(carrier, begun.wire_id, begun.written, begun.answers);
        if let Err(error) = self.shared.post(begun.line, headers).await {
            // Nothing is waited for, and nothing was asked that had to be given up.
            self.shared.table().abandon(&wire_id);
            return Err(error);
        }
        Ok(answers)
    }

    /// Sends what has no answer.
    pub(super) async fn tell(
        &self,
        message: Bytes,
        headers: &HeaderMap,
    ) -> Result<(), UpstreamError> {
        self.shared.table().touch();
        self.shared.post(message, headers).await
    }

    /// Passes a client's cancellation on. Its request is not waited for any longer.
    pub(super) async fn cancel(
        &self,
        message: Bytes,
        parts: &Parts,
        headers: &HeaderMap,
    ) -> Result<(), UpstreamError> {
        let found = parts.cancels.as_ref().and_then(|mark| {
            let wire_id = self.shared.table().find_own(mark)?.to_owned();
            Some((mark, wire_id))
        });
        let Some((mark, wire_id)) = found else {
            return self.tell(message, headers).await;
        };
        let message = if mark.value == wire_id {
            message
        } else {
            parts::patched(&message, vec![mark.replaced(&wire_id)])
        };
        self.tell(message, headers).await?;
        let mut table = self.shared.table();
        table.fail(&wire_id, UpstreamError::Cancelled);
        Ok(())
    }

    /// What the server says that answers nothing.
    pub(super) fn listen(&self) -> Answers {
        Answers::of_session(self.shared.table().listen())
    }
}

impl Carrier for Shared {
    fn abandon(self: Arc<Self>, wire_id: &str, written: &str) {
        if self.table().abandon(wire_id) {
            self.say(parts::cancellation(written));
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post(&self, message: Bytes, headers: &HeaderMap) -> Result<(), UpstreamError> {
        let outgoing = Outgoing {
            verb: Verb::Post(message),
            headers: headers.clone(),
            whose: Whose::GATE,
        };
        let taken = self.to.exchange(outgoing).await?;
        if taken.status.is_success() {
            return Ok(());
        }
        // The connection is of no use to the server.
        if taken.status == http::StatusCode::NOT_FOUND {
            self.table().end("the server has ended the session");
        }
        let what = format!("HTTP {} for a message to its endpoint", taken.status);
        Err(UpstreamError::Nonsense(what))
    }

    /// Says something of the gate's own, in the background.
    fn say(self: &Arc<Self>, message: Bytes) {
        let Ok(place) = Arc::clone(&self.own_words).try_acquire_owned() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let shared = Arc::clone(self);
        runtime.spawn(async move {
            if let Err(error) = shared.post(message, &HeaderMap::new()).await {
                tracing::debug!(%error, "words of the gate's own did not reach the server");
            }
            drop(place);
        });
    }

    /// Hands a message on to whoever it is for.
    async fn hear(self: &Arc<Self>, message: Bytes) {
        let route = self.table().route(message);
        match route {
            Route::Done => {}
            Route::Noise(kind) => tracing::debug!(kind, "a message of a server was dropped"),
            Route::Reply(words) => self.say(Bytes::from(words)),
            Route::To(outlet, message, request) => {
                let patience = match self.serves {
                    Serves::Session => STALL,
                    Serves::Everybody => Duration::ZERO,
                };
                if outlet.send(message, patience).await.is_err()
                    && let Some(wire_id) = request
                {
                    let why = "the client does not take what the server sends".to_owned();
                    let failed = self.table().fail(&wire_id, UpstreamError::Broken(why));
                    if failed {
                        self.say(parts::cancellation(&wire_id));
                    }
                }
            }
        }
    }
}

/// Reads the stream to its end.
async fn read(shared: Arc<Shared>, mut events: EventSource, mut end: watch::Receiver<bool>) {
    let why = loop {
        let next = tokio::select! {
            next = events.next(SILENCE) => next,
            // Nobody is left who could say it, either.
            _ = end.changed() => break "its session has ended".to_owned(),
        };
        match next {
            Ok(Some(event)) if event.carries_message() => {
                let is_message = event.kind.as_deref().is_none_or(|kind| kind == "message");
                if is_message {
                    for message in parts::messages(event.data) {
                        shared.hear(message).await;
                    }
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => break "it closed its stream".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    shared.table().end(&why);
}
