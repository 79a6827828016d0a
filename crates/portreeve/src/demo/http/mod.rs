//! The Streamable HTTP transport in both eras, at `/mcp`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::server::Server;
use super::{Error, Options, legacy};
use body::Reply;
pub use key::Key;
use sessions::Sessions;

mod body;
mod exchange;
mod guard;
mod headers;
mod key;
mod post;
mod sessions;
mod stream;

const ENDPOINT: &str = "/mcp";
const MOST_CONNECTIONS: usize = 1_024;
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// A moment for the system to recover when it cannot give another connection.
const AFTER_A_REFUSED_ACCEPT: Duration = Duration::from_millis(50);

/// What all connections share.
struct Shared {
    server: Server,
    sessions: Sessions,
    address: SocketAddr,
    key: Option<Key>,
    stop: watch::Receiver<bool>,
}

impl Shared {
    /// Returns when the server is told to stop, or nobody is left to tell it.
    async fn stopped(&self) {
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}

/// A server that runs. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Handle {
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients find the server.
    pub fn url(&self) -> String {
        format!("http://{}{ENDPOINT}", self.address)
    }

    /// Ends the streams, lets other answers finish for some seconds, and lets go of the state file.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // The task ends by itself; if it panicked there is nothing left to wait for.
        let _ = self.task.await;
    }
}

/// Serves on a listener until the handle stops it.
pub fn serve_http(listener: TcpListener, options: &Options) -> Result<Handle, Error> {
    let address = listener.local_addr().map_err(Error::Stream)?;
    let (stop, stopped) = watch::channel(false);
    let shared = Arc::new(Shared {
        server: Server::open(options)?,
        sessions: Sessions::default(),
        address,
        key: options.key.clone(),
        stop: stopped,
    });
    let task = tokio::spawn(serve(listener, shared));
    Ok(Handle {
        address,
        stop,
        task,
    })
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stopped() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Ok((stream, place)) = accepted else {
            tokio::time::sleep(AFTER_A_REFUSED_ACCEPT).await;
            continue;
        };
        let answering = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&answering);
            async move { Ok::<_, Infallible>(route(&shared, request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // A connection that breaks is its client's affair.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST_ANSWERS, connections.shutdown()).await;
    shared.server.engine.stop();
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, Place)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

async fn route(shared: &Arc<Shared>, request: Request<Incoming>) -> Reply {
    if !guard::admits(shared.address, request.headers()) {
        return body::empty(StatusCode::FORBIDDEN);
    }
    let lacks_key = |key: &Key| !key.is_held(request.headers());
    if shared.key.as_ref().is_some_and(lacks_key) {
        return body::empty(StatusCode::UNAUTHORIZED);
    }
    if request.uri().path() != ENDPOINT {
        return body::empty(StatusCode::NOT_FOUND);
    }
    match *request.method() {
        Method::POST => post::answer(shared, request).await,
        Method::GET | Method::DELETE if !is_legacy(request.headers()) => not_allowed("POST"),
        Method::GET => stream::listen(shared, request.headers()),
        Method::DELETE => end_session(shared, request.headers()),
        _ => not_allowed("GET, POST, DELETE"),
    }
}

/// In the modern era there is nothing but POST.
fn is_legacy(headers: &HeaderMap) -> bool {
    match headers::version(headers) {
        Ok(version) => version.is_none_or(|version| legacy::VERSIONS.contains(&version)),
        Err(_) => false,
    }
}

fn not_allowed(allowed: &'static str) -> Reply {
    let mut reply = body::empty(StatusCode::METHOD_NOT_ALLOWED);
    let allowed = HeaderValue::from_static(allowed);
    reply.headers_mut().insert(ALLOW, allowed);
    reply
}

fn end_session(shared: &Shared, headers: &HeaderMap) -> Reply {
    let Some(id) = headers.get(post::SESSION) else {
        return body::empty(StatusCode::BAD_REQUEST);
    };
    let ended = id.to_str().is_ok_and(|id| shared.sessions.end(id));
    body::empty(if ended {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    })
}
