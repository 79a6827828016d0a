//! A client's whole stay: its lines read, its requests carried side by side, its end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::link::Link;
use super::mirrors::Mirrors;
use super::session::Session;
use crate::mcp::lines::{self, LineTrouble, Lines};
use crate::mcp::parts::{self, Kind, Parts};
use crate::mcp::revision::Era;
use crate::mcp::{answer, code, method};

/// The longest line that is taken from a client.
const MAX_LINE: usize = 64 * 1024 * 1024;
/// Requests that are carried at a time. More wait in the client's pipe.
const AT_A_TIME: usize = 256;
/// Lines that may wait for the client to read them.
const WAITING: usize = 64;
/// How long unanswered requests may still take once the client has closed its side.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// How a stay ended, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The client closed its side.
    Fine,
    /// The last thing the gate said was that it refuses this caller.
    Refused,
    /// The gate could not be reached the last time.
    Unreachable,
}

/// A client on one side, a gate on the other.
#[derive(Debug)]
pub struct Bridge {
    pub(super) link: Link,
    pub(super) session: Session,
    pub(super) mirrors: Mirrors,
    /// Held while the session is opened anew.
    pub(super) greeting: tokio::sync::Mutex<()>,
    /// Told when the free stream has to be opened again.
    pub(super) relisten: Notify,
    to_client: mpsc::Sender<Bytes>,
    ending: Mutex<(Ending, String)>,
}

impl Bridge {
    /// Carries a client's messages until it closes its side.
    pub async fn run<R, W>(link: Link, from: R, to: W) -> Ending
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (to_client, messages) = mpsc::channel(WAITING);
        let writer = tokio::spawn(write(messages, to));
        let bridge = Arc::new(Self {
            link,
            session: Session::default(),
            mirrors: Mirrors::default(),
            greeting: tokio::sync::Mutex::default(),
            relisten: Notify::new(),
            to_client,
            ending: Mutex::new((Ending::Fine, String::new())),
        });
        let mut stay = Stay {
            bridge: Arc::clone(&bridge),
            requests: JoinSet::new(),
            under_way: HashMap::new(),
            listening: None,
            endless: Vec::new(),
            places: Arc::new(Semaphore::new(AT_A_TIME)),
        };
        tokio::select! {
            () = stay.take_lines(from) => {}
            // Nobody is there to be answered.
            () = bridge.to_client.closed() => stay.requests.abort_all(),
        }
        stay.end().await;
        let ending = bridge.ending();
        drop(bridge);
        // What is written by now can be read; what a client does not read any more is lost.
        timeout(LAST_ANSWERS, writer).await.ok();
        ending
    }

    /// Hands a message to the client.
    pub(super) async fn tell(&self, message: Bytes) {
        // A client that is gone ends everything elsewhere.
        self.to_client.send(message).await.ok();
    }

    /// Hands a message about a request to the client, if it still wants to hear of it.
    pub(super) async fn tell_of(&self, mute: &Mute, message: Bytes) {
        if !mute.is_set() {
            self.tell(message).await;
        }
    }

    fn ending(&self) -> Ending {
        let ending = self.ending.lock();
        ending.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Takes note of trouble, and tells the person once what it is.
    pub(super) fn note(&self, ending: Ending, words: &str) {
        let mut last = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        if last.1 != words {
            tracing::error!("{words}");
        }
        *last = (ending, words.to_owned());
    }

    pub(super) fn note_fine(&self) {
        let mut last = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (Ending::Fine, String::new());
    }
}

async fn write(mut messages: mpsc::Receiver<Bytes>, mut to: impl AsyncWrite + Unpin) {
    while let Some(message) = messages.recv().await {
        let writing = async {
            lines::write(&mut to, &message).await?;
            to.flush().await
        };
        if let Err(error) = writing.await {
            tracing::debug!(%error, "the client reads no more");
            return;
        }
    }
}

/// A request that is being carried.
struct UnderWay {
    task: AbortHandle,
    mute: Mute,
}

/// Set when a client wants no answer any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Mute(Arc<AtomicBool>);

impl Mute {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What runs for a client.
struct Stay {
    bridge: Arc<Bridge>,
    requests: JoinSet<()>,
    /// The requests that can be cancelled, by their canonical ids.
    under_way: HashMap<String, UnderWay>,
    listening: Option<AbortHandle>,
    /// What ends with the client only.
    endless: Vec<AbortHandle>,
    places: Arc<Semaphore>,
}

impl Stay {
    async fn take_lines(&mut self, from: impl AsyncRead + Unpin) {
        let mut lines = Lines::new(from, MAX_LINE);
        loop {
            match lines.next().await {
                Ok(Some(line)) => self.take(line).await,
                Ok(None) => return,
                Err(trouble) => {
                    let words = match trouble {
                        LineTrouble::TooLong(max) => format!("a line of more than {max} bytes"),
                        LineTrouble::NotUtf8 => "a line that is not UTF-8".to_owned(),
                        LineTrouble::Unreadable(error) => error.to_string(),
                    };
                    tracing::error!("the client's input cannot be read on: {words}");
                    let words = answer::plain_error(None, code::PARSE_ERROR, &words);
                    self.bridge.tell(Bytes::from(words)).await;
                    return;
                }
            }
        }
    }

    async fn take(&mut self, line: Bytes) {
        while self.requests.try_join_next().is_some() {}
        self.under_way
            .retain(|_, request| !request.task.is_finished());
        let parts = parts::read(&line).unwrap_or_default();
        match parts.kind() {
            Some(Kind::Request) => self.ask(line, parts).await,
            Some(Kind::Notification) if parts.method() == "notifications/cancelled" => {
                self.cancel(line, &parts).await;
            }
            None => self.bridge.pass_unread(line).await,
            Some(_) => {
                self.bridge.pass(line).await;
                if parts.method() == "notifications/initialized" {
                    self.listen();
                }
            }
        }
    }

    async fn ask(&mut self, line: Bytes, parts: Parts) {
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            return;
        };
        let id = parts.id.as_ref().map(|id| id.value.clone());
        let is_endless = parts.method() == method::SUBSCRIBE;
        let (bridge, mute) = (Arc::clone(&self.bridge), Mute::default());
        let muted = mute.clone();
        let task = self.requests.spawn(async move {
            bridge.ask(line, &parts, &muted).await;
            drop(place);
        });
        if is_endless {
            self.endless.retain(|stream| !stream.is_finished());
            self.endless.push(task.clone());
        }
        let request = UnderWay { task, mute };
        self.under_way.insert(id.unwrap_or_default(), request);
    }

    /// A legacy server is told, a modern one knows it by the stream that is closed.
    async fn cancel(&mut self, line: Bytes, parts: &Parts) {
        let request = parts.cancels.as_ref().map(|id| id.value.as_str());
        let request = request.and_then(|id| self.under_way.remove(id));
        // INVARIANT: a cancelled request is not answered, though the gate may do so by now.
        if let Some(request) = &request {
            request.mute.set();
        }
        if super::headers::address(&line, &self.bridge.session, &self.bridge.mirrors).era
            == Era::Legacy
        {
            self.bridge.pass(line).await;
        }
        if let Some(request) = request {
            request.task.abort();
        }
    }

    fn listen(&mut self) {
        if let Some(before) = self.listening.take() {
            before.abort();
        }
        let bridge = Arc::clone(&self.bridge);
        self.listening = Some(self.requests.spawn(async move {
            loop {
                bridge.listen().await;
                bridge.relisten.notified().await;
            }
        }));
    }

    async fn end(mut self) {
        for stream in self.endless.iter().chain(&self.listening) {
            stream.abort();
        }
        let all = async { while self.requests.join_next().await.is_some() {} };
        timeout(LAST_ANSWERS, all).await.ok();
        self.requests.shutdown().await;
        self.bridge.say_goodbye().await;
    }
}
