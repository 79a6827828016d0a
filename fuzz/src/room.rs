//! A whole gate in one process: a real node over a temporary directory, and behind it a server
//! that answers what it is told and remembers what it was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portreeve::clock::Clock;
use portreeve::config::Environment;
use portreeve::front::{Allowed, Front, FrontSettings};
use portreeve::gate::{Gate, Keeping, Payload, Reply};
use portreeve::grants::token;
use portreeve::ledger::Retention;
use portreeve::name::{Label, Name};
use portreeve::node::{HouseOptions, Node, Plan};
use portreeve::store::model::{Accept, NewGrant, NewServer, NewTools, Target};
use portreeve::upstream::stdio::ChildSettings;
use portreeve_policy::time::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::timeout;

pub const TOKEN: &str = "test-token-0123456789-abcdefghijklmnop";
pub const HOST: &str = "127.0.0.1:8787";
/// What must have ended by now hangs.
pub const HANGS: Duration = Duration::from_secs(10);
const MAX_BODY: usize = 256 * 1024;

/// Of the tools, `allowed` alone may be called; `denied` is named, and so is seen.
const POLICY: &str = r#"{ "version": "1", "default": "deny",
  "tools": { "allowed": {}, "denied": { "action": "deny" }, "hidden": { "action": "hide" } },
  "prompts": { "ok": {} }, "resources": { "file:///ok": {} }, "methods": { "x/ok": "allow" } }"#;

/// The definitions that were accepted when the server was added.
pub fn definitions() -> serde_json::Value {
    let tool = |name: &str| {
        json!({ "name": name, "description": format!("{name}: é, 1.0, \"x\""),
                "inputSchema": { "type": "object", "properties": { "runId": { "type": "integer" } } } })
    };
    json!([
        tool("allowed"),
        tool("denied"),
        tool("hidden"),
        tool("unnamed")
    ])
}

/// Whether a URI is some spelling of the one resource that may be read, `file:///ok`.
pub fn means_the_resource(uri: &str) -> bool {
    let letters = uri.replace("%6F", "o").replace("%6f", "o");
    let letters = letters.replace("%6B", "k").replace("%6b", "k");
    letters.to_ascii_lowercase().starts_with("file://") && letters.ends_with("/ok")
}

/// One request as the server got it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What the server answers instead of what an ordinary one would.
#[derive(Clone, Debug)]
pub struct Script {
    pub status: StatusCode,
    pub media: &'static str,
    pub body: Bytes,
    /// In pieces of so many bytes.
    pub piece: usize,
    /// Whether it opens a session.
    pub session: bool,
}

/// What both sides of the server know.
#[derive(Debug, Default)]
struct Desk {
    seen: Vec<Seen>,
    script: Option<Script>,
}

pub struct Room {
    pub runtime: Runtime,
    pub gate: Arc<Gate>,
    pub front: Arc<Front>,
    desk: Arc<Mutex<Desk>>,
    node: Node,
    _dir: TempDir,
}

impl Room {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let dir = TempDir::new().expect("a directory");
        let desk = Arc::new(Mutex::new(Desk::default()));
        let node = runtime.block_on(furnished(&dir, &desk));
        let gate = Arc::clone(&node.gate);
        let listen: SocketAddr = HOST.parse().expect("an address");
        let allowed = Allowed::new(listen, None, &[], &[]);
        let front = Front::new(Arc::clone(&gate), allowed, settings());
        let room = Self {
            runtime,
            gate,
            front,
            desk,
            node,
            _dir: dir,
        };
        room.take_seen();
        room
    }

    /// Lets so much time pass, for the gate.
    pub fn pass(&self, by: Duration) {
        self.node.house.clock.advance(by);
    }

    /// Everything the server was sent since this was last asked.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut desk(&self.desk).seen)
    }

    pub fn answer_with(&self, script: Option<Script>) {
        desk(&self.desk).script = script;
    }

    /// Sends a message as the grant's holder and gathers all that comes back.
    pub async fn post(&self, extra: &[(&'static str, &str)], body: String) -> (Reply, Vec<u8>) {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {TOKEN}");
        for (name, value) in [("authorization", bearer.as_str())].iter().chain(extra) {
            headers.insert(*name, HeaderValue::from_str(value).expect("a plain value"));
        }
        let visit = self.gate.admit_visitor(&headers, "s").expect("a visit");
        let answering = async {
            let mut reply = self.gate.post(visit, headers, Bytes::from(body)).await;
            let mut gathered = Vec::new();
            match &mut reply.payload {
                Payload::Nothing => {}
                Payload::Message(message) => gathered.extend_from_slice(message),
                Payload::Events(events) => {
                    while let Some(event) = events.recv().await {
                        gathered.extend_from_slice(&event);
                    }
                }
            }
            (reply, gathered)
        };
        timeout(HANGS, answering)
            .await
            .expect("the answer must end")
    }
}

fn desk(desk: &Mutex<Desk>) -> std::sync::MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

fn settings() -> FrontSettings {
    FrontSettings {
        max_body: MAX_BODY,
        ..FrontSettings::default()
    }
}

/// A node with one server, one policy, one grant, and the server's first list accepted.
async fn furnished(dir: &TempDir, desk: &Arc<Mutex<Desk>>) -> Node {
    let clock = Clock::manual(Timestamp(1_795_000_000_000));
    let plan = Plan {
        house: HouseOptions::new(dir.path(), clock.clone()),
        listen: "127.0.0.1:0".parse().ok(),
        public_url: None,
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        front: settings(),
        keeping: Keeping::Keys,
        retention: Retention::default(),
        default_timeout: HANGS,
        environment: Environment::given([]),
        children: ChildSettings::new("portreeve".into(), MAX_BODY),
        control_socket: None,
        configuration: None,
    };
    let node = Node::start(plan).await.expect("a node");
    let (store, now) = (&node.house.store, clock.now());
    let name = |text: &str| Name::new(text).expect("a name");
    let url = serve(Arc::clone(desk)).await;
    let server = NewServer {
        name: name("s"),
        target: Target::Http {
            url,
            headers: Vec::new(),
        },
        new_tools: NewTools::Quarantine,
        accept: Accept::First,
        private: false,
        timeout_ms: None,
    };
    store.add_server(server, now).await.expect("a server");
    let put = store.put_policy(&name("p"), POLICY.to_owned(), "test", now);
    put.await.expect("a policy");
    let grant = NewGrant {
        label: Label::new("tester").expect("a label"),
        identity: None,
        token_sha256: token::sha256(TOKEN),
        servers: [(name("s"), Some(name("p")))].into_iter().collect(),
        shadows: std::collections::BTreeMap::new(),
        expires_at: None,
    };
    store.create_grant(grant, now).await.expect("a grant");
    node.gate.reload().await.expect("reloaded");
    node.gate.take_first_lists().await;
    node
}

async fn serve(desk: Arc<Mutex<Desk>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).ok();
            let desk = Arc::clone(&desk);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, Arc::clone(&desk)));
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await
                    .ok();
            });
        }
    });
    format!("http://{address}/mcp")
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Mutex<Desk>>,
) -> Result<Response<Pieces>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let seen = Seen {
        method: head.method,
        headers: head.headers,
        body: body.unwrap_or_default(),
    };
    let script = {
        let mut desk = desk(&shared);
        desk.seen.push(seen.clone());
        desk.script.clone()
    };
    let script = script.unwrap_or_else(|| ordinary(&seen));
    let mut response = Response::new(Pieces {
        rest: script.body,
        size: script.piece.max(1),
    });
    *response.status_mut() = script.status;
    let media = HeaderValue::from_static(script.media);
    response.headers_mut().insert("content-type", media);
    if script.session {
        let session = HeaderValue::from_static("the-server's-session");
        response.headers_mut().insert("mcp-session-id", session);
    }
    Ok(response)
}

fn ordinary(seen: &Seen) -> Script {
    let message: serde_json::Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let result = match message["method"].as_str() {
        Some("initialize") => Some(json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {}, "serverInfo": { "name": "test", "version": "1" },
        })),
        Some("tools/list") => Some(json!({ "tools": definitions() })),
        Some(_) if message.get("id").is_some() => Some(json!({ "content": [] })),
        _ => None,
    };
    let body = result.map(|result| {
        json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string()
    });
    Script {
        status: if body.is_some() {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        },
        media: "application/json",
        body: Bytes::from(body.unwrap_or_default()),
        piece: usize::MAX,
        session: message["method"] == "initialize",
    }
}

struct Pieces {
    rest: Bytes,
    size: usize,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.size.min(self.rest.len());
        let piece = self.rest.split_to(size);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}
