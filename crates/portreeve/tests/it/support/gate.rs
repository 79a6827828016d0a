//! A whole gate over a temporary directory, and a client for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use portreeve::clock::Clock;
use portreeve::config::Environment;
use portreeve::front::FrontSettings;
use portreeve::gate::Keeping;
use portreeve::grants::token;
use portreeve::ledger::{self, BookedCall, Filter, Ledger as _, Retention};
use portreeve::name::{Label, Name};
use portreeve::node::{HouseOptions, Node, Plan};
use portreeve::store::model::{Accept, NewGrant, NewServer, NewTools, Target};
use portreeve::upstream::stdio::ChildSettings;
use portreeve_policy::time::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The token of the grant that every test gate has.
pub const TOKEN: &str = "test-token-0123456789-abcdefghijklmnop";

/// The program itself.
pub const PORTREEVE: &str = env!("CARGO_BIN_EXE_portreeve");

/// A time to start manual clocks at.
pub const START: Timestamp = Timestamp(1_795_000_000_000);

pub struct TestGate {
    pub node: Node,
    pub clock: Clock,
    pub dir: TempDir,
}

/// What a client got back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The decision in a refused tool call's `_meta`.
    pub fn decision(&self) -> Value {
        self.json()["result"]["_meta"]["portreeve/decision"].clone()
    }

    pub fn session(&self) -> String {
        self.headers["mcp-session-id"].to_str().unwrap().to_owned()
    }

    /// The ids of an event stream's events.
    pub fn event_ids(&self) -> Vec<String> {
        let text = self.text();
        let ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
        ids.map(str::to_owned).collect()
    }

    /// The messages of an event stream.
    pub fn events(&self) -> Vec<Value> {
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| !data.is_empty())
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

pub fn plan(dir: &Path, clock: &Clock) -> Plan {
    Plan {
        house: HouseOptions::new(dir, clock.clone()),
        listen: "127.0.0.1:0".parse().ok(),
        public_url: None,
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        front: FrontSettings {
            max_body: 1024 * 1024,
            ..FrontSettings::default()
        },
        keeping: Keeping::Keys,
        retention: Retention::default(),
        default_timeout: Duration::from_secs(2),
        environment: Environment::given([("PATH", "/usr/bin:/bin")]),
        children: ChildSettings::new(PORTREEVE.into(), 1024 * 1024),
        control_socket: None,
        configuration: None,
    }
}

impl TestGate {
    /// A gate in front of the server at `url`, named `s`, with one grant under `policy`.
    pub async fn start(url: &str, policy: &str) -> Self {
        Self::empty().await.furnished(url, policy).await
    }

    /// With the server at `url`, named `s`, and one grant under `policy`.
    pub async fn furnished(self, url: &str, policy: &str) -> Self {
        self.add_server("s", url, NewTools::Quarantine).await;
        self.put_policy("p", policy).await;
        self.add_grant("tester", TOKEN, &[("s", Some("p"))]).await;
        self.node.gate.take_first_lists().await;
        self
    }

    pub async fn empty() -> Self {
        Self::planned(|_| {}).await
    }

    /// An empty gate after a change of its plan.
    pub async fn planned(change: impl FnOnce(&mut Plan)) -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Clock::manual(START);
        let mut plan = plan(dir.path(), &clock);
        change(&mut plan);
        let node = Node::start(plan).await.unwrap();
        Self { node, clock, dir }
    }

    /// Stops in order and starts again over the same directory.
    pub async fn restart(self) -> Self {
        let Self { node, clock, dir } = self;
        node.stop().await.unwrap();
        let node = Node::start(plan(dir.path(), &clock)).await.unwrap();
        Self { node, clock, dir }
    }

    pub async fn add_server(&self, name: &str, url: &str, new_tools: NewTools) {
        let target = Target::Http {
            url: url.to_owned(),
            headers: Vec::new(),
        };
        self.add_target(name, target, new_tools).await;
    }

    pub async fn add_target(&self, name: &str, target: Target, new_tools: NewTools) {
        let server = NewServer {
            name: Name::new(name).unwrap(),
            target,
            new_tools,
            accept: Accept::First,
            private: false,
            timeout_ms: None,
        };
        self.node
            .house
            .store
            .add_server(server, self.clock.now())
            .await
            .unwrap();
        self.node.gate.reload().await.unwrap();
    }

    pub async fn put_policy(&self, name: &str, text: &str) {
        portreeve_policy::compile(text.as_bytes()).unwrap();
        let name = Name::new(name).unwrap();
        let now = self.clock.now();
        self.node
            .house
            .store
            .put_policy(&name, text.to_owned(), "test", now)
            .await
            .unwrap();
        self.node.gate.reload().await.unwrap();
    }

    pub async fn add_grant(&self, label: &str, token: &str, servers: &[(&str, Option<&str>)]) {
        let name = |text: &str| Name::new(text).unwrap();
        let servers: BTreeMap<Name, Option<Name>> = servers
            .iter()
            .map(|(s, p)| (name(s), p.map(name)))
            .collect();
        let grant = NewGrant {
            label: Label::new(label).unwrap(),
            identity: None,
            token_sha256: token::sha256(token),
            servers,
            shadows: BTreeMap::new(),
            expires_at: None,
        };
        self.node
            .house
            .store
            .create_grant(grant, self.clock.now())
            .await
            .unwrap();
        self.node.gate.reload().await.unwrap();
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let sent = try_send(self.node.address(), (method, path), headers, body).await;
        sent.expect("the gate must answer")
    }

    pub async fn post(&self, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, "/mcp/s", &[], body).await
    }

    pub async fn post_with(&self, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, "/mcp/s", headers, body).await
    }

    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments },
        });
        self.post(body.to_string()).await
    }

    /// The names in the caller's tool list.
    pub async fn listed(&self) -> Vec<String> {
        let answer = self
            .post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
            .await;
        let tools = answer.json()["result"]["tools"].clone();
        let tools = tools.as_array().cloned().unwrap_or_default();
        tools
            .iter()
            .map(|t| t["name"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn ledger_dir(&self) -> PathBuf {
        self.node.house.ledger.settings().dir.clone()
    }

    /// The calls that are booked, oldest first.
    pub fn booked(&self) -> Vec<BookedCall> {
        ledger::query(&self.ledger_dir(), Filter::default()).unwrap()
    }

    pub fn head_seq(&self) -> u64 {
        self.node.house.ledger.head().seq
    }
}

/// Sends a request to a gate, as a client with the tests' grant does. Nothing if the gate ends first.
pub async fn try_send(
    gate: SocketAddr,
    (method, path): (Method, &str),
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Option<Answer> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://{gate}{path}"));
    let defaults = [
        ("authorization", format!("Bearer {TOKEN}")),
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/event-stream".to_owned()),
    ];
    for (name, value) in &defaults {
        if !headers.iter().any(|(n, _)| n == name) {
            request = request.header(*name, value);
        }
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let (head, body) = client.request(request).await.ok()?.into_parts();
    let collecting = tokio::time::timeout(Duration::from_secs(20), body.collect());
    let body = collecting.await.expect("the answer must end").ok()?;
    Some(Answer {
        status: head.status,
        headers: head.headers,
        body: body.to_bytes(),
    })
}
