//! The servers of a grant behind one URL: real servers, a real gate, and a client in the middle.

mod lists;
mod names;
mod questions;
mod resources;
mod sessions;
mod streams;
mod subscriptions;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use portreeve::gate::{Payload, Reply, Status};
use portreeve::joint::Joint;
use portreeve::store::model::NewTools;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::gate::TOKEN;
use crate::support::server::Seen;
use crate::support::{Script, TestGate, TestServer};

/// Everything passes, also what servers ask.
const OPEN: &str = r#"{"version":"1","default":"allow","server_requests":
    {"sampling":"allow","elicitation":"allow","roots":"allow"}}"#;

const MODERN: &str = "2026-07-28";

type Streams = Arc<Mutex<Vec<mpsc::Sender<Bytes>>>>;

/// The calls in whose middle a server waits for an answer.
type Asking = Arc<Mutex<Vec<(Value, mpsc::Sender<Bytes>)>>>;

/// A server of both eras that has something of everything, under the same names as all the others.
struct Peer {
    server: TestServer,
    /// Its free streams, oldest first; or those of subscriptions.
    free: Streams,
    /// The sessions that it does not know any more.
    lost: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    async fn start(name: &'static str) -> Self {
        Self::with(name, |_| None).await
    }

    /// A server that answers some things in its own way.
    async fn with(
        name: &'static str,
        own: impl Fn(&Seen) -> Option<Script> + Send + Sync + 'static,
    ) -> Self {
        let (free, lost) = (Streams::default(), Arc::<Mutex<Vec<String>>>::default());
        let (streams, ended, asking) = (free.clone(), lost.clone(), Asking::default());
        let count = Mutex::new(0);
        let server = TestServer::start(move |seen| {
            if let Some(script) = own(seen) {
                return script;
            }
            let session = seen.header("mcp-session-id").unwrap_or_default();
            if ended.lock().unwrap().iter().any(|lost| lost == session) {
                return Script::Status(StatusCode::NOT_FOUND);
            }
            match seen.rpc_method().as_str() {
                "initialize" => {
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    let session = vec![("mcp-session-id", format!("{name}-{count}"))];
                    let answer = answered(seen, &introduction(name));
                    Script::Json(StatusCode::OK, session, answer.into_bytes())
                }
                "tools/call" if seen.json()["params"]["name"] == "ask" => question(seen, &asking),
                "subscriptions/listen" => subscribed(seen, &streams),
                "" if seen.method == Method::GET => opened(&streams, &[]),
                "" if seen.method == Method::POST => {
                    if let Some((id, asked)) = asking.lock().unwrap().pop() {
                        let words = answered_with(&id, &seen.json().to_string());
                        asked.try_send(event(None, &words)).unwrap();
                    }
                    Script::Status(StatusCode::ACCEPTED)
                }
                method => ordinary(name, method, seen),
            }
        })
        .await;
        Self { server, free, lost }
    }

    /// The newest of its streams, once there are so many.
    async fn stream(&self, number: usize) -> mpsc::Sender<Bytes> {
        for _ in 0..1_000 {
            let known = self.free.lock().unwrap().get(number - 1).cloned();
            if let Some(stream) = known {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nobody opened a stream")
    }

    /// Waits until something holds of it.
    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..1_000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never held")
    }

    /// What was sent with this method.
    fn heard(&self, method: &str) -> Vec<Value> {
        self.server.seen(method).iter().map(Seen::json).collect()
    }

    /// The last session in which something was asked.
    fn session(&self, method: &str) -> String {
        let seen = self.server.seen(method);
        let last = seen.last().expect("it was asked");
        last.header("mcp-session-id").unwrap_or_default().to_owned()
    }
}

fn introduction(name: &str) -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {
            "tools": { "listChanged": true }, "resources": { "subscribe": name == "a" },
            "prompts": {}, "logging": {}, "completions": {}, "tasks": {},
        },
        "serverInfo": { "name": name, "version": "1" },
        "instructions": format!("I am {name}"),
    })
}

/// What every server answers alike.
fn ordinary(name: &str, method: &str, seen: &Seen) -> Script {
    let params = &seen.json()["params"];
    let schema = json!({ "type": "object" });
    let text = |text: &str| json!({ "content": [{ "type": "text", "text": text }] });
    let result = match method {
        "tools/list" => json!({ "tools": [
            { "name": "t", "inputSchema": schema, "_meta": { "ui": { "resourceUri": "ui://card" } } },
            { "name": "ask", "inputSchema": schema },
            { "name": format!("only_{name}"), "inputSchema": schema },
        ] }),
        "prompts/list" => json!({ "prompts": [{ "name": "p" }] }),
        "resources/list" => json!({ "resources": [{ "name": "r", "uri": "file:///same" }] }),
        "resources/templates/list" => {
            json!({ "resourceTemplates": [{ "name": "r", "uriTemplate": "file:///{x}" }] })
        }
        "tasks/list" => json!({ "tasks": [{ "taskId": "1", "status": "working" }] }),
        "tools/call" if params["task"].is_object() => {
            json!({ "task": { "taskId": "1", "status": "working" } })
        }
        "tasks/get" => json!({ "taskId": params["taskId"], "status": "completed" }),
        "tools/call" => json!({
            "content": [
                { "type": "text", "text": name }, { "type": "resource_link", "uri": "file:///same", "name": "r" },
            ],
            "structuredContent": { "uri": "file:///same" },
        }),
        "prompts/get" => json!({ "messages": [{ "role": "user", "content": {
            "type": "resource", "resource": { "uri": "file:///same", "text": name },
        } }] }),
        "resources/read" => json!({ "contents": [{ "uri": params["uri"], "text": name }] }),
        "server/discover" => json!({
            "supportedVersions": [MODERN], "capabilities": { "tools": {} }, "instructions": name,
            "resultType": "complete", "ttlMs": 1_000, "cacheScope": "public",
        }),
        "completion/complete" => json!({ "completion": { "values": [name] } }),
        "resources/subscribe" | "resources/unsubscribe" | "logging/setLevel" | "ping" => json!({}),
        _ if seen.method == Method::DELETE => return Script::Status(StatusCode::OK),
        _ if seen.method == Method::POST && seen.json()["id"].is_null() => {
            return Script::Status(StatusCode::ACCEPTED);
        }
        _ => text("?"),
    };
    Script::result(seen, &result)
}

fn answered(seen: &Seen, result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result }).to_string()
}

/// A tool's answer with this text.
fn answered_with(id: &Value, text: &str) -> Value {
    let result = json!({ "content": [{ "type": "text", "text": text }] });
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

fn event(id: Option<&str>, message: &Value) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("{id}data: {message}\n\n"))
}

/// A stream that goes on.
fn opened(streams: &Streams, first: &[Bytes]) -> Script {
    let (sender, receiver) = mpsc::channel(16);
    for event in first {
        sender.try_send(event.clone()).unwrap();
    }
    streams.lock().unwrap().push(sender);
    Script::Stream(Vec::new(), receiver)
}

fn subscribed(seen: &Seen, streams: &Streams) -> Script {
    let request = seen.json();
    let opening = json!({
        "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
        "params": {
            "_meta": { "io.modelcontextprotocol/subscriptionId": request["id"] },
            "notifications": request["params"]["notifications"],
        },
    });
    opened(streams, &[event(None, &opening)])
}

/// A call in whose middle the server asks the client, under an id that every server uses. It is
/// answered with what the client answers.
fn question(seen: &Seen, asking: &Asking) -> Script {
    let arguments = seen.json()["params"]["arguments"].clone();
    let progress = json!({
        "jsonrpc": "2.0", "method": "notifications/progress",
        "params": { "progressToken": arguments["token"], "progress": 1 },
    });
    let question = json!({
        "jsonrpc": "2.0", "id": 7, "method": "sampling/createMessage",
        "params": { "_meta": { "progressToken": 7 }, "messages": [], "maxTokens": 1 },
    });
    let streams = Streams::default();
    let script = opened(&streams, &[event(None, &progress), event(None, &question)]);
    let stream = streams.lock().unwrap().pop().unwrap();
    asking
        .lock()
        .unwrap()
        .push((seen.json()["id"].clone(), stream));
    script
}

/// A gate with these servers in one grant.
async fn gate_with(peers: &[(&str, &Peer)], policy: &str) -> TestGate {
    let gate = TestGate::empty().await;
    for (name, peer) in peers {
        let url = peer.server.url();
        gate.add_server(name, &url, NewTools::Quarantine).await;
    }
    gate.put_policy("p", policy).await;
    let servers: Vec<_> = peers.iter().map(|(name, _)| (*name, Some("p"))).collect();
    gate.add_grant("tester", TOKEN, &servers).await;
    gate.node.gate.take_first_lists().await;
    // The gate looks for tools by itself, which is nobody's request.
    for (_, peer) in peers {
        peer.server.forget();
    }
    gate
}

/// A client of the one URL.
struct Agent {
    joint: Arc<Joint>,
    gate: Arc<portreeve::gate::Gate>,
    session: Option<String>,
    token: &'static str,
}

impl Agent {
    fn of(gate: &TestGate) -> Self {
        let gate = Arc::clone(&gate.node.gate);
        Self {
            joint: Joint::new(
                Arc::clone(&gate),
                portreeve::eras::Eras::new(Arc::clone(&gate)),
            ),
            gate,
            session: None,
            token: TOKEN,
        }
    }

    /// A client in a session.
    async fn in_session(gate: &TestGate) -> Self {
        let mut agent = Self::of(gate);
        agent.open().await;
        agent
    }

    /// Shakes hands; what the gate says of itself.
    async fn open(&mut self) -> Value {
        let reply = self
            .post(&json!({
                "jsonrpc": "2.0", "id": 0, "method": "initialize",
                "params": {
                    "protocolVersion": "2025-11-25", "capabilities": { "roots": {} },
                    "clientInfo": { "name": "agent", "version": "1" },
                },
            }))
            .await;
        self.session = reply.session.as_ref().map(|id| id.as_str().to_owned());
        let result = message(reply).await["result"].clone();
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(self.post(&ready).await.status, Status::Accepted);
        result
    }

    fn headers(&self, more: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", self.token);
        let session = self.session.as_deref().map(|id| ("mcp-session-id", id));
        let all = [("authorization", bearer.as_str())]
            .into_iter()
            .chain(session);
        for (name, value) in all.chain(more.iter().copied()) {
            let value = HeaderValue::from_str(value).unwrap();
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        headers
    }

    async fn post(&self, message: &Value) -> Reply {
        self.post_with(&[], message.to_string()).await
    }

    async fn post_with(&self, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
        let headers = self.headers(headers);
        let party = self.gate.admit_party(&headers).unwrap();
        let posting = self.joint.post(party, headers, body.into());
        let posted = tokio::time::timeout(Duration::from_secs(20), posting);
        posted.await.expect("an answer")
    }

    /// Asks, and waits for the answer.
    async fn ask(&self, method: &str, params: Value) -> Value {
        message(self.post(&request(1, method, params)).await).await
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.ask(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    /// A request of the modern era, with the headers that belong to it.
    async fn modern(&self, method: &str, mut params: Value) -> Reply {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
            json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
        let name = ["name", "uri", "taskId"]
            .iter()
            .find_map(|member| params[member].as_str());
        let name = name.unwrap_or_default().to_owned();
        let mut headers = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        self.post_with(&headers, request(1, method, params).to_string())
            .await
    }

    /// The stream on which the servers speak unasked.
    async fn listen(&self, last: Option<&str>) -> Stream {
        let last: Vec<_> = last.map(|id| ("last-event-id", id)).into_iter().collect();
        let headers = self.headers(&last);
        let party = self.gate.admit_party(&headers).unwrap();
        Stream::of(self.joint.listen(party, &headers).await)
    }

    /// The members of this name in a list's items.
    async fn listed(&self, method: &str, list: &str, member: &str) -> Vec<String> {
        let answer = self.ask(method, json!({})).await;
        let items = answer["result"][list]
            .as_array()
            .unwrap_or_else(|| panic!("{answer}"));
        let names = items
            .iter()
            .map(|item| item[member].as_str().unwrap().to_owned());
        names.collect()
    }
}

fn request(id: u64, method: &str, params: impl Into<Value>) -> Value {
    let params = params.into();
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The message of a reply: its only one, or the last of its stream.
async fn message(reply: Reply) -> Value {
    match reply.payload {
        Payload::Message(message) => serde_json::from_slice(&message).unwrap(),
        Payload::Nothing => Value::Null,
        Payload::Events(_) => {
            let mut stream = Stream::of(reply);
            let mut last = Value::Null;
            while let Some((_, message)) = stream.next().await {
                last = message;
            }
            last
        }
    }
}

/// A stream that is read event by event.
struct Stream(mpsc::Receiver<Bytes>);

impl Stream {
    fn of(reply: Reply) -> Self {
        match reply.payload {
            Payload::Events(events) => Self(events),
            other => panic!("no stream: {other:?}"),
        }
    }

    /// The next message, with its event's id.
    async fn next(&mut self) -> Option<(Option<String>, Value)> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.0.recv());
            let text = next.await.expect("an event")?;
            let text = String::from_utf8(text.to_vec()).unwrap();
            let of = |field: &str| text.lines().find_map(|line| line.strip_prefix(field));
            if let Some(data) = of("data: ") {
                let id = of("id: ").map(str::to_owned);
                return Some((id, serde_json::from_str(data).unwrap()));
            }
        }
    }

    async fn message(&mut self) -> Value {
        self.next().await.expect("the stream goes on").1
    }
}
