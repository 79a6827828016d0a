//! Agents as they come to a gate: over HTTP, or over lines to `portreeve stdio` and `portreeve wrap`.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use super::gate::try_send;
use crate::stdio::{HANGS, initialize};

/// An agent. It asks one thing or many at a time.
#[derive(Clone)]
pub enum Caller {
    Http(OverHttp),
    Lines(Arc<OverLines>),
}

/// What an agent hears about one request.
#[derive(Debug)]
pub struct Heard {
    /// What came before the answer and belongs to it.
    pub notes: Vec<Value>,
    pub answer: Value,
}

static IDS: AtomicU32 = AtomicU32::new(1);

/// A call of the tool `act` under an id of its own, with a progress token if one is given.
pub fn calling(arguments: &Value, token: Option<&str>) -> Value {
    let mut call = json!({
        "jsonrpc": "2.0", "id": IDS.fetch_add(1, Ordering::Relaxed), "method": "tools/call",
        "params": { "name": "act", "arguments": arguments },
    });
    if let Some(token) = token {
        call["params"]["_meta"] = json!({ "progressToken": token });
    }
    call
}

impl Caller {
    /// Asks, and waits for the answer. Nothing if the gate or the way to it ends first.
    pub async fn ask(&self, request: &Value) -> Option<Heard> {
        let asking = async {
            match self {
                Self::Http(http) => http.ask(request).await,
                Self::Lines(lines) => lines.ask(request).await,
            }
        };
        let asked = tokio::time::timeout(HANGS, asking).await;
        asked.unwrap_or_else(|_| panic!("no answer to {request}"))
    }

    /// Asks, without waiting.
    pub fn begin(&self, request: Value) -> tokio::task::JoinHandle<Option<Heard>> {
        let caller = self.clone();
        tokio::spawn(async move { caller.ask(&request).await })
    }

    /// Says what has no answer.
    pub async fn tell(&self, notification: &Value) {
        match self {
            Self::Http(http) => drop(http.send(notification).await),
            Self::Lines(lines) => lines.say(notification).await,
        }
    }
}

/// A client that posts, in a session if it has one.
#[derive(Clone)]
pub struct OverHttp {
    pub address: SocketAddr,
    pub server: &'static str,
    pub session: Option<String>,
}

impl OverHttp {
    async fn send(&self, message: &Value) -> Option<super::gate::Answer> {
        let path = format!("/mcp/{}", self.server);
        let session = self.session.as_deref();
        let headers: Vec<_> = session
            .map(|id| ("mcp-session-id", id))
            .into_iter()
            .collect();
        try_send(
            self.address,
            (Method::POST, &path),
            &headers,
            message.to_string(),
        )
        .await
    }

    /// Shakes hands; the session that this begins, if the server has sessions.
    pub async fn open(&self, hello: &Value) -> Option<String> {
        let answer = self.send(hello).await.expect("the gate must answer");
        let session = answer.headers.get("mcp-session-id")?.to_str().ok()?;
        let session = Some(session.to_owned());
        let opened = Self {
            session: session.clone(),
            ..self.clone()
        };
        opened
            .send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await?;
        session
    }

    async fn ask(&self, request: &Value) -> Option<Heard> {
        let answer = self.send(request).await?;
        let kind = answer.headers.get("content-type")?.to_str().ok()?;
        if !kind.starts_with("text/event-stream") {
            let (notes, answer) = (Vec::new(), answer.json());
            return Some(Heard { notes, answer });
        }
        let mut notes = answer.events();
        let answer = notes.pop().filter(|last| last["id"] == request["id"])?;
        Some(Heard { notes, answer })
    }
}

/// A program that is spoken to in lines.
pub struct OverLines {
    pub process: tokio::sync::Mutex<Child>,
    to: tokio::sync::Mutex<ChildStdin>,
    said: Arc<Mutex<Vec<Value>>>,
    /// How much was said, and whether there will be more.
    news: watch::Receiver<bool>,
}

impl OverLines {
    pub fn start(command: std::process::Command) -> Arc<Self> {
        let mut command = Command::from(command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let (to, from) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let said = Arc::new(Mutex::new(Vec::new()));
        let (tell, news) = watch::channel(false);
        let heard = Arc::clone(&said);
        tokio::spawn(async move {
            let mut lines = BufReader::new(from).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let message = serde_json::from_str(&line).expect("a message");
                heard.lock().unwrap().push(message);
                tell.send_replace(false);
            }
            tell.send_replace(true);
        });
        Arc::new(Self {
            process: tokio::sync::Mutex::new(process),
            to: tokio::sync::Mutex::new(to),
            said,
            news,
        })
    }

    pub async fn shake_hands(&self) {
        let hello = self.ask(&initialize()).await.expect("an answer");
        assert!(hello.answer["result"].is_object(), "{hello:?}");
        self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
    }

    pub async fn say(&self, message: &Value) {
        // A program that has ended hears nothing, as its silence will tell.
        let mut to = self.to.lock().await;
        drop(to.write_all(format!("{message}\n").as_bytes()).await);
    }

    /// Everything that was said so far.
    pub fn said(&self) -> Vec<Value> {
        self.said.lock().unwrap().clone()
    }

    async fn ask(&self, request: &Value) -> Option<Heard> {
        let mut news = self.news.clone();
        self.say(request).await;
        let is_answer =
            |message: &Value| message["id"] == request["id"] && message["method"].is_null();
        loop {
            let ended = *news.borrow_and_update();
            let mut notes = self.said();
            if let Some(at) = notes.iter().position(is_answer) {
                let answer = notes[at].clone();
                notes.truncate(at);
                let token = &request["params"]["_meta"]["progressToken"];
                notes.retain(|note| !token.is_null() && note["params"]["progressToken"] == *token);
                return Some(Heard { notes, answer });
            }
            if ended || news.changed().await.is_err() {
                return None;
            }
        }
    }

    /// kill -9.
    pub async fn kill(&self) {
        let mut process = self.process.lock().await;
        let killing = tokio::time::timeout(Duration::from_secs(10), process.kill());
        killing.await.expect("it ends").unwrap();
    }
}
