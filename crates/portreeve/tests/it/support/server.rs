//! A server that answers what a test tells it to, and remembers every byte it was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    /// The path and what follows it.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn rpc_method(&self) -> String {
        self.json()["method"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a server does with a request.
pub enum Script {
    Json(StatusCode, Vec<(&'static str, String)>, Vec<u8>),
    /// Chunks of an event stream; it ends when the sender is dropped.
    Stream(Vec<(&'static str, String)>, mpsc::Receiver<Bytes>),
    /// One message, when it is there.
    Late(mpsc::Receiver<Bytes>),
    Status(StatusCode),
    Typed(StatusCode, &'static str, Vec<u8>),
    /// No answer, ever.
    Silence,
}

impl Script {
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::Json(StatusCode::OK, Vec::new(), body.into())
    }

    pub fn result(seen: &Seen, result: &serde_json::Value) -> Self {
        let id = &seen.json()["id"];
        Self::json(serde_json::json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string())
    }

    /// A whole stream, known in advance.
    pub fn events(chunks: &[&str]) -> Self {
        let (sender, receiver) = mpsc::channel(chunks.len().max(1));
        for chunk in chunks {
            sender.try_send(Bytes::from((*chunk).to_owned())).unwrap();
        }
        Self::Stream(Vec::new(), receiver)
    }
}

type Answering = dyn Fn(&Seen) -> Script + Send + Sync;

/// The server.
pub struct TestServer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl TestServer {
    pub async fn start(answer: impl Fn(&Seen) -> Script + Send + Sync + 'static) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), answer).await
    }

    /// At an address, where one that vanished may have been before.
    pub async fn start_at(
        address: SocketAddr,
        answer: impl Fn(&Seen) -> Script + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answering> = Arc::new(answer);
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            // Dropped with the task, and with it every connection.
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        serve(request, Arc::clone(&answer), Arc::clone(&log))
                    });
                    let io = TokioIo::new(stream);
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, service)
                        .await;
                });
            }
        });
        Self {
            address,
            seen,
            task,
        }
    }

    /// A server with these tools, each answering `ok`.
    pub async fn with_tools(tools: serde_json::Value) -> Self {
        Self::start(move |seen| plain(seen, &tools)).await
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Everything that was sent with this method; all of it for "".
    pub fn seen(&self, method: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|s| method.is_empty() || s.rpc_method() == method)
            .cloned()
            .collect()
    }

    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// The server is gone: connections are refused from now on.
    pub async fn vanish(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// What an ordinary server answers: one that speaks both eras.
pub fn plain(seen: &Seen, tools: &serde_json::Value) -> Script {
    match seen.rpc_method().as_str() {
        "initialize" => Script::result(
            seen,
            &serde_json::json!({
                "protocolVersion": seen.json()["params"]["protocolVersion"],
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "test", "version": "1" },
            }),
        ),
        "server/discover" => Script::result(
            seen,
            &serde_json::json!({
                "supportedVersions": ["2025-11-25", "2026-07-28"],
                "capabilities": { "tools": {} },
            }),
        ),
        "tools/list" => Script::result(seen, &serde_json::json!({ "tools": tools })),
        "tools/call" => Script::result(
            seen,
            &serde_json::json!({ "content": [{ "type": "text", "text": "ok" }] }),
        ),
        "ping" => Script::result(seen, &serde_json::json!({})),
        _ if seen.method == Method::POST => Script::Status(StatusCode::ACCEPTED),
        _ => Script::Status(StatusCode::METHOD_NOT_ALLOWED),
    }
}

async fn serve(
    request: Request<Incoming>,
    answer: Arc<Answering>,
    log: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let seen = Seen {
        method: head.method,
        path: head.uri.to_string(),
        headers: head.headers,
        body,
    };
    log.lock().unwrap().push(seen.clone());
    let full = |bytes: Vec<u8>| Full::new(Bytes::from(bytes)).boxed();
    let (status, kind, headers, body) = match answer(&seen) {
        Script::Json(status, headers, body) => (status, "application/json", headers, full(body)),
        Script::Typed(status, kind, body) => (status, kind, Vec::new(), full(body)),
        Script::Status(status) => (status, "text/plain", Vec::new(), full(Vec::new())),
        Script::Stream(headers, receiver) => (
            StatusCode::OK,
            "text/event-stream",
            headers,
            Chunks(receiver).boxed(),
        ),
        Script::Late(receiver) => (
            StatusCode::OK,
            "application/json",
            Vec::new(),
            Chunks(receiver).boxed(),
        ),
        Script::Silence => {
            tokio::time::sleep(Duration::from_hours(1)).await;
            (StatusCode::OK, "text/plain", Vec::new(), full(Vec::new()))
        }
    };
    let mut response = Response::builder()
        .status(status)
        .header("content-type", kind);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(body).unwrap())
}

struct Chunks(mpsc::Receiver<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}
