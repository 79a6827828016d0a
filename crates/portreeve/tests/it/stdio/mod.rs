//! Stdio servers behind the gate: real processes, well-behaved and not.

mod bounds;
mod endings;
mod hardship;
mod sessions;
mod shared;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use portreeve::store::model::{NewTools, Secret, Target};
use serde_json::{Value, json};

use crate::support::TestGate;
use crate::support::gate::{Answer, PORTREEVE, TOKEN};

/// What must have happened by now does not happen.
pub const HANGS: Duration = Duration::from_secs(20);

pub const ALLOWED: &str = r#"{ "version": "1", "default": "allow",
  "server_requests": { "roots": "allow" } }"#;

/// Waits until something holds that no event tells of, such as the end of a foreign process.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(HANGS, waiting).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Whether a process lives; a zombie does not.
pub fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .starts_with(" Z")
    })
}

/// The scripted server, as a command.
pub fn script(log: &Path, mode: &str) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stdio/server.sh");
    let log = log.display().to_string();
    ["/bin/sh", script, &log, mode].map(str::to_owned).to_vec()
}

/// A gate with the scripted server `s` behind it.
pub struct Scripted {
    pub gate: TestGate,
    pub log: PathBuf,
}

impl Scripted {
    pub async fn start() -> Self {
        Self::over(TestGate::empty().await, "").await
    }

    pub async fn over(gate: TestGate, mode: &str) -> Self {
        let log = gate.dir.path().join("server.log");
        let argv = script(&log, mode);
        let env = vec![("DECLARED".to_owned(), Secret::literal("yes"))];
        let target = Target::Command { argv, env };
        gate.add_target("s", target, NewTools::Quarantine).await;
        gate.put_policy("p", ALLOWED).await;
        gate.add_grant("tester", TOKEN, &[("s", Some("p"))]).await;
        gate.node.gate.take_first_lists().await;
        Self { gate, log }
    }

    pub fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How often a line with this in it was sent.
    pub fn sent(&self, part: &str) -> usize {
        self.log().iter().filter(|line| line.contains(part)).count()
    }

    pub fn pids(&self) -> Vec<u32> {
        let log = self.log();
        let pids = log.iter().filter_map(|line| line.strip_prefix("pid "));
        pids.map(|pid| pid.parse().unwrap()).collect()
    }

    pub async fn session(&self) -> String {
        let answer = self.gate.post(initialize().to_string()).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        let session = answer.session();
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let accepted = self.in_session(&session, &ready).await;
        assert_eq!(accepted.status, 202, "{}", accepted.text());
        session
    }

    pub async fn in_session(&self, session: &str, message: &Value) -> Answer {
        let headers = [("mcp-session-id", session)];
        self.gate.post_with(&headers, message.to_string()).await
    }

    /// The text that `act` answers in a session.
    pub async fn act(&self, session: &str, id: u32, what: &str) -> Answer {
        self.in_session(session, &act(id, what)).await
    }

    pub fn children(&self) -> usize {
        self.gate.node.children().count()
    }
}

pub fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": { "roots": {} },
        "clientInfo": { "name": "test", "version": "0" } } })
}

pub fn act(id: u32, what: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": "act", "arguments": { "do": what } } })
}

/// The text of a tool's result.
pub fn text_of(message: &Value) -> &str {
    message["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text in {message}"))
}

/// A stream that is still open.
pub struct Open {
    body: Incoming,
    pending: String,
}

impl Open {
    pub async fn request(gate: &TestGate, method: Method, session: &str, body: String) -> Self {
        let mut headers = vec![("accept", "application/json, text/event-stream")];
        if !session.is_empty() {
            headers.push(("mcp-session-id", session));
        }
        Self::sent(gate, method, &headers, body).await
    }

    /// A request with these headers.
    pub async fn asked(gate: &TestGate, headers: &[(&str, &str)], body: String) -> Self {
        Self::sent(gate, Method::POST, headers, body).await
    }

    async fn sent(gate: &TestGate, method: Method, headers: &[(&str, &str)], body: String) -> Self {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}/mcp/s", gate.node.address()))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = tokio::time::timeout(HANGS, client.request(request));
        let response = response.await.expect("a response").unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        Self {
            body: response.into_body(),
            pending: String::new(),
        }
    }

    pub async fn next(&mut self) -> Value {
        loop {
            let event = self.next_text().await;
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(data) = data {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    /// The next event as it is written.
    pub async fn next_text(&mut self) -> String {
        loop {
            if let Some((event, rest)) = self.pending.split_once("\n\n") {
                let event = event.to_owned();
                self.pending = String::from(rest);
                return event;
            }
            let frame = tokio::time::timeout(HANGS, self.body.frame());
            let frame = frame
                .await
                .expect("more events")
                .expect("the stream goes on");
            if let Ok(data) = frame.unwrap().into_data() {
                self.pending.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }

    /// Reads to the end.
    pub async fn end(mut self) {
        let rest = async { while self.body.frame().await.is_some() {} };
        tokio::time::timeout(HANGS, rest).await.expect("it ends");
    }
}

/// The demo server as a command.
pub fn demo() -> Target {
    Target::Command {
        argv: [PORTREEVE, "demo", "--stdio"].map(str::to_owned).to_vec(),
        env: Vec::new(),
    }
}
