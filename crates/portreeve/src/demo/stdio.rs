//! The stdio transport: one message a line, both eras on one channel.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::in_flight::InFlight;
use super::modern::Subscription;
use super::progress::Progress;
use super::rpc::{self, Incoming, Notification, Request, RpcError};
use super::server::Server;
use super::{Error, MESSAGE_LIMIT, Options, legacy, modern};

/// How long unanswered requests may still take once the client has closed its side.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
const QUEUE: usize = 64;

/// Serves this process's standard input and output until the input ends.
pub async fn serve_stdio(options: &Options) -> Result<(), Error> {
    serve_lines(
        BufReader::new(tokio::io::stdin()),
        tokio::io::stdout(),
        options,
    )
    .await
}

/// Serves any pair of streams in the same way.
pub async fn serve_lines(
    mut from: impl AsyncBufRead + Unpin,
    to: impl AsyncWrite + Unpin + Send + 'static,
    options: &Options,
) -> Result<(), Error> {
    let server = Arc::new(Server::open(options)?);
    let (out, messages) = mpsc::channel(QUEUE);
    let writer = tokio::spawn(write_lines(messages, to));
    let mut client = Client {
        server: Arc::clone(&server),
        out,
        in_flight: InFlight::default(),
        hears_of_tools: false,
        answers: JoinSet::new(),
        streams: JoinSet::new(),
    };
    while let Some(line) = next_line(&mut from).await? {
        client.receive(line).await;
        // Ended tasks are let go as others come.
        while client.answers.try_join_next().is_some() {}
        while client.streams.try_join_next().is_some() {}
    }
    client.finish().await;
    server.engine.stop();
    // The queue is closed now; the writer ends when it has written what is in it.
    writer.await.unwrap_or(Ok(())).map_err(Error::Stream)
}

/// The next line, or an empty one where a line was too long to be read.
async fn next_line(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Vec<u8>>, Error> {
    let mut line = Vec::new();
    let limit = u64::try_from(MESSAGE_LIMIT).unwrap_or(u64::MAX);
    let read = (&mut *from).take(limit).read_until(b'\n', &mut line).await;
    match read.map_err(Error::Stream)? {
        0 => Ok(None),
        _ if line.len() < MESSAGE_LIMIT => Ok(Some(line)),
        _ => Err(Error::TooLong),
    }
}

async fn write_lines(
    mut messages: mpsc::Receiver<Value>,
    mut to: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    while let Some(message) = messages.recv().await {
        let line = format!("{message}\n");
        to.write_all(line.as_bytes()).await?;
        to.flush().await?;
    }
    Ok(())
}

/// The one client of the process.
struct Client {
    server: Arc<Server>,
    out: mpsc::Sender<Value>,
    in_flight: InFlight,
    hears_of_tools: bool,
    answers: JoinSet<()>,
    /// What ends only with the client.
    streams: JoinSet<()>,
}

impl Client {
    async fn receive(&mut self, line: Vec<u8>) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match serde_json::from_slice(&line) {
            Ok(Value::Array(batch)) => self.answer_batch(batch),
            Ok(message) => match rpc::read(message) {
                Ok(Incoming::Request(request)) => self.answer(request),
                Ok(Incoming::Notification(note)) => self.note(&note),
                Ok(Incoming::Response) => {}
                Err((id, error)) => self.send(rpc::refuse(id.as_ref(), error)).await,
            },
            Err(error) => {
                let error = RpcError::new(rpc::PARSE_ERROR, format!("Parse error: {error}"));
                self.send(rpc::refuse(None, error)).await;
            }
        }
    }

    async fn send(&self, message: Value) {
        // A client that no longer reads has ended; the next read says so.
        let _ = self.out.send(message).await;
    }

    fn note(&mut self, note: &Notification) {
        if let Some(id) = modern::cancelled(note) {
            self.in_flight.cancel(id);
        }
        if note.method == "notifications/initialized" && !self.hears_of_tools {
            self.hears_of_tools = true;
            self.tell_of_tools();
        }
    }

    /// In the older era every client is told, without asking.
    fn tell_of_tools(&mut self) {
        let (out, mut changes) = (self.out.clone(), self.server.added.subscribe());
        let telling = async move {
            while changes.changed().await.is_ok() {
                if out.send(legacy::list_changed()).await.is_err() {
                    return;
                }
            }
        };
        self.streams.spawn(telling);
    }

    fn answer_batch(&mut self, batch: Vec<Value>) {
        let (server, out) = (Arc::clone(&self.server), self.out.clone());
        self.answers.spawn(async move {
            if let Some(answers) = legacy::answer_batch(&server, batch).await {
                let _ = out.send(answers).await;
            }
        });
    }

    fn answer(&mut self, request: Request) {
        let ticket = self.in_flight.begin(&request.id);
        let (server, out) = (Arc::clone(&self.server), self.out.clone());
        let tasks = if is_listen(&request) {
            &mut self.streams
        } else {
            &mut self.answers
        };
        tasks.spawn(async move {
            // INVARIANT: a cancelled request is not answered.
            tokio::select! {
                biased;
                () = ticket.cancelled() => {}
                () = answer(&server, &request, &out) => {}
            }
        });
    }

    async fn finish(mut self) {
        self.streams.shutdown().await;
        let answers = &mut self.answers;
        let all = async { while answers.join_next().await.is_some() {} };
        // What still goes on after this is a long wait: nobody listens any more.
        let _ = tokio::time::timeout(LAST_ANSWERS, all).await;
        self.answers.shutdown().await;
    }
}

fn is_listen(request: &Request) -> bool {
    request.method == "subscriptions/listen"
}

async fn answer(server: &Server, request: &Request, out: &mpsc::Sender<Value>) {
    if is_listen(request) {
        return listen(server, request, out).await;
    }
    let mut progress = progress(request, out);
    let outcome = if modern::is_meant(request) {
        modern::answer(server, request, &mut progress).await
    } else {
        legacy::answer(server, request, &mut progress).await
    };
    let _ = out.send(rpc::answer(&request.id, outcome)).await;
}

fn progress(request: &Request, out: &mpsc::Sender<Value>) -> Progress {
    let token = super::progress_token(&request.params);
    token.map_or_else(Progress::default, |token| {
        Progress::new(token.clone(), out.clone())
    })
}

/// Tells of changes until the client cancels.
async fn listen(server: &Server, request: &Request, out: &mpsc::Sender<Value>) {
    let subscription = match Subscription::read(request) {
        Ok(subscription) => subscription,
        Err(error) => {
            let _ = out.send(rpc::answer(&request.id, Err(error))).await;
            return;
        }
    };
    let mut changes = server.added.subscribe();
    let _ = out.send(subscription.acknowledged()).await;
    while changes.changed().await.is_ok() {
        if subscription.wants_tools() && out.send(subscription.list_changed()).await.is_err() {
            return;
        }
    }
}
