//! The way to a gate: over the network, or inside of this process.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Ready, ready};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::DuplexStream;

use crate::front::Front;
use crate::upstream::OpenClient;

/// What lies in the pipe to a gate in this process.
const PIPE: usize = 256 * 1024;
/// How long a gate may take to begin its answer. Its own deadline for servers is its own affair.
const SLOWEST: Duration = Duration::from_hours(1);

/// Why there is no way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("{url:?} is no URL of a gateway: write one such as http://127.0.0.1:8787")]
    NoUrl { url: String },
    #[error("the token has characters that no token has")]
    BadToken,
    #[error("cannot use TLS: {0}")]
    Tls(String),
    #[error("the gateway at {url} cannot be reached: {why}")]
    Unreachable { url: String, why: String },
}

/// One gate and what is reached behind it, with the token that opens it.
#[derive(Debug)]
pub struct Link {
    way: Way,
    target: Uri,
    token: HeaderValue,
}

#[derive(Debug)]
enum Way {
    Network(OpenClient),
    Inside(Client<Within, Full<Bytes>>),
}

impl Link {
    /// The way to a server of the gateway at `url`, or to all servers of the grant at once.
    pub fn to(url: &str, server: Option<&str>, token: &str) -> Result<Self, LinkError> {
        let no_url = || LinkError::NoUrl { url: url.into() };
        let mut target = format!("{}/mcp", url.trim_end_matches('/'));
        if let Some(server) = server {
            target.push('/');
            target.push_str(server);
        }
        let target: Uri = target.parse().map_err(|_| no_url())?;
        let is_http = matches!(target.scheme_str(), Some("http" | "https"));
        if !is_http || target.host().is_none() {
            return Err(no_url());
        }
        let client = crate::upstream::open_client();
        let client = client.map_err(|error| LinkError::Tls(error.to_string()))?;
        Self::new(Way::Network(client), target, token)
    }

    /// The way to a server of a gate in this process. `host` is a name that the gate answers to.
    pub fn within(
        front: Arc<Front>,
        host: &str,
        server: &str,
        token: &str,
    ) -> Result<Self, LinkError> {
        let url = format!("http://{host}/mcp/{server}");
        let target = url.parse().map_err(|_| LinkError::NoUrl { url })?;
        let client = Client::builder(TokioExecutor::new()).build(Within(front));
        Self::new(Way::Inside(client), target, token)
    }

    fn new(way: Way, target: Uri, token: &str) -> Result<Self, LinkError> {
        let mut token =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| LinkError::BadToken)?;
        token.set_sensitive(true);
        Ok(Self { way, target, token })
    }

    /// Sends one request and waits for the beginning of its answer.
    pub(super) async fn send(
        &self,
        method: Method,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, LinkError> {
        headers.insert(AUTHORIZATION, self.token.clone());
        let accept = match method {
            Method::GET => "text/event-stream",
            _ => "application/json, text/event-stream",
        };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = headers;
        let sending = async {
            match &self.way {
                Way::Network(client) => client.request(request).await,
                Way::Inside(client) => client.request(request).await,
            }
        };
        match tokio::time::timeout(SLOWEST, sending).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.unreachable(&self.why(&error))),
            Err(_) => Err(self.unreachable("it does not answer")),
        }
    }

    /// What a person can do something about, of a failure of the network.
    fn why(&self, error: &dyn std::error::Error) -> String {
        let why = crate::upstream::innermost(error);
        let is_tls = self.target.scheme_str() == Some("https");
        if is_tls && why.contains("InvalidContentType") {
            return "it does not speak TLS there: if it speaks plain HTTP, write http://"
                .to_owned();
        }
        why
    }

    pub(super) fn unreachable(&self, why: &str) -> LinkError {
        LinkError::Unreachable {
            url: self.target.to_string(),
            why: why.to_owned(),
        }
    }
}

/// Connects to a gate in this process: the whole way of a request but the network.
#[derive(Clone, Debug)]
struct Within(Arc<Front>);

impl tower_service::Service<Uri> for Within {
    type Response = Pipe;
    type Error = io::Error;
    type Future = Ready<io::Result<Pipe>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (near, far) = tokio::io::duplex(PIPE);
        let front = Arc::clone(&self.0);
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        tokio::spawn(async move { front.serve_connection(far, here).await });
        ready(Ok(Pipe(TokioIo::new(near))))
    }
}

/// A connection inside of this process.
#[derive(Debug)]
struct Pipe(TokioIo<DuplexStream>);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_gateway_that_speaks_no_tls_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(answer).await;
            }
        });
        let link = Link::to(&format!("https://{address}"), None, "t").expect("a link");
        let sent = link.send(Method::GET, HeaderMap::new(), Bytes::new()).await;
        let told = sent.expect_err("no TLS").to_string();
        assert!(told.contains("write http://"), "{told}");
    }
}
