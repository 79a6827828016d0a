//! Servers that speak Streamable HTTP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::address::{self, GuardedResolver};
use super::pool::{Answer, Connector, Pool};
use super::sse::Sse;
use super::target::Target;
use super::{EventSource, Incoming, IncomingBody, Outgoing, UpstreamError, UpstreamSession, Verb};
use crate::budget::{Budget, Part};
use crate::clock::within;
use crate::mcp::header;
use crate::pieces::Pieces;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client without a guard: for whoever names the one place it goes to.
pub type OpenClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client for a gateway that a person names.
pub fn open_client() -> Result<OpenClient, UpstreamError> {
    Ok(Client::builder(TokioExecutor::new()).build(https(HttpConnector::new())?))
}

/// What all servers share: how they are connected to, and what may come from them.
#[derive(Clone, Debug)]
pub struct Network {
    guarded: Connector,
    open: Connector,
    max_body: usize,
    /// What servers sent and clients have not taken yet.
    held: Budget,
}

impl Network {
    /// `max_body` caps every answer and every event of a stream; `max_held` what all that are
    /// beyond 64 KiB take together until their clients have them.
    pub fn new(max_body: usize, max_held: usize) -> Result<Self, UpstreamError> {
        let guarded = HttpConnector::new_with_resolver(GuardedResolver::new());
        Ok(Self {
            guarded: Connector::Guarded(https(guarded)?),
            open: Connector::Open(https(HttpConnector::new())?),
            max_body,
            held: Budget::new(max_held),
        })
    }

    /// What a client is handed for `came`. If it was written anew, it takes its own part of what
    /// servers' answers may take together.
    pub fn held(&self, handed: Bytes, came: &Bytes) -> Result<Bytes, UpstreamError> {
        if handed.as_ptr_range() == came.as_ptr_range() {
            return Ok(handed);
        }
        Ok(self.held.carried(handed)?)
    }
}

pub(super) fn https<R>(
    mut tcp: HttpConnector<R>,
) -> Result<HttpsConnector<HttpConnector<R>>, UpstreamError> {
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|tls| {
            tls.with_native_roots()
                .map_err(|e| rustls::Error::General(e.to_string()))
        })
        .map_err(|e| UpstreamError::Unusable(format!("TLS cannot be set up: {e}")))?
        .with_no_client_auth();
    Ok(hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp))
}

/// One server at a URL, with the credentials that belong to it.
#[derive(Clone, Debug)]
pub struct HttpServer {
    network: Network,
    target: Target,
    credentials: HeaderMap,
    private: bool,
    timeout: Duration,
    pool: Arc<Pool>,
    /// Its connections, should it turn out to speak the oldest transport.
    sse: Arc<Sse>,
}

impl HttpServer {
    pub fn new(
        network: Network,
        url: &str,
        credentials: HeaderMap,
        private: bool,
        timeout: Duration,
    ) -> Result<Self, UpstreamError> {
        let url: Uri = url
            .parse()
            .map_err(|e| UpstreamError::Unusable(format!("its URL cannot be read: {e}")))?;
        let literal = url
            .host()
            .map(|h| h.trim_start_matches('[').trim_end_matches(']'));
        let literal: Option<IpAddr> = literal.and_then(|host| host.parse().ok());
        if !private && literal.is_some_and(|ip| !address::is_open(ip)) {
            let why = "it is at a private address but not declared `private`";
            return Err(UpstreamError::Unusable(why.into()));
        }
        Ok(Self {
            network,
            target: Target::new(url)?,
            credentials,
            private,
            timeout,
            pool: Arc::default(),
            sse: Arc::default(),
        })
    }

    /// Goes on with the connections of the same server as it was known before.
    pub fn go_on_from(&mut self, before: &Self) {
        let is_same = self.target == before.target
            && self.credentials == before.credentials
            && self.private == before.private
            && self.timeout == before.timeout;
        if is_same {
            self.pool = Arc::clone(&before.pool);
            self.sse = Arc::clone(&before.sse);
        }
    }

    /// The same server at another of its URLs.
    pub(super) fn at(&self, url: Uri) -> Result<Self, UpstreamError> {
        Ok(Self {
            target: Target::new(url)?,
            pool: Arc::default(),
            sse: Arc::default(),
            ..self.clone()
        })
    }

    pub(super) const fn url(&self) -> &Uri {
        &self.target.url
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends one request, in the transport that the server speaks.
    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<Incoming, UpstreamError> {
        let Outgoing {
            verb,
            headers,
            whose,
        } = outgoing;
        let again = |verb: &Verb| Outgoing {
            verb: verb.clone(),
            headers: headers.clone(),
            whose,
        };
        if self.sse.is_spoken()
            && let Some(incoming) = Box::pin(self.sse.send(self, again(&verb))).await?
        {
            return Ok(incoming);
        }
        let hello = match &verb {
            Verb::Post(message) if Sse::is_hello(message) => Some(again(&verb)),
            _ => None,
        };
        let outgoing = Outgoing {
            verb,
            headers,
            whose,
        };
        let incoming = self.exchange(outgoing).await?;
        let Some(again) = hello.filter(|_| Sse::may_be_spoken(incoming.status)) else {
            return Ok(incoming);
        };
        match Box::pin(self.sse.send(self, again)).await {
            Ok(Some(spoken)) => Ok(spoken),
            // What it said at first is what it has to say.
            Ok(None) | Err(UpstreamError::Unreachable(_) | UpstreamError::Timeout(_)) => {
                Ok(incoming)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends one request; redirects are not followed, for credentials belong to their origin.
    pub(super) async fn exchange(&self, outgoing: Outgoing) -> Result<Incoming, UpstreamError> {
        let whose = outgoing.whose;
        let request = self.request(outgoing);
        let connector = if self.private {
            &self.network.open
        } else {
            &self.network.guarded
        };
        let place = (connector, &self.target.url);
        let sending = self.pool.send(whose, place, request, self.timeout);
        let response = sending.await?;
        self.receive(response).await
    }

    fn request(&self, outgoing: Outgoing) -> Request<Full<Bytes>> {
        let (method, body) = match outgoing.verb {
            Verb::Post(body) => (Method::POST, body),
            Verb::Get => (Method::GET, Bytes::new()),
            Verb::Delete => (Method::DELETE, Bytes::new()),
        };
        let mut headers = outgoing.headers;
        let accept = match method {
            Method::POST if header::prefers_stream(&headers) => header::STREAM_FIRST,
            Method::POST => header::EITHER,
            Method::GET => HeaderValue::from_static("text/event-stream"),
            _ => HeaderValue::from_static("*/*"),
        };
        headers.insert(HOST, self.target.host.clone());
        headers.insert(ACCEPT, accept);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &self.credentials {
            headers.insert(name, value.clone());
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.target.path.clone();
        *request.headers_mut() = headers;
        request
    }

    async fn receive(&self, response: Response<Answer>) -> Result<Incoming, UpstreamError> {
        let (head, body) = response.into_parts();
        let session = head.headers.get(header::SESSION_ID).cloned();
        let session = session.map(UpstreamSession::named);
        let media = media_type(&head.headers);
        let status = head.status;
        let body = if media == Media::Events && status.is_success() {
            IncomingBody::Events(EventSource::new(
                body,
                self.network.max_body,
                self.network.held.clone(),
            ))
        } else if status == StatusCode::ACCEPTED || status == StatusCode::NO_CONTENT {
            IncomingBody::Empty
        } else {
            let bytes = self.collect(body).await?;
            match media {
                _ if bytes.is_empty() => IncomingBody::Empty,
                Media::Json => IncomingBody::Json(bytes),
                Media::Events | Media::Other => {
                    // What the header says is the server's text, which nobody has looked through.
                    IncomingBody::Other(format!("HTTP {status}, and neither JSON nor a stream"))
                }
            }
        };
        Ok(Incoming {
            status,
            session,
            body,
        })
    }

    async fn collect(&self, mut body: Answer) -> Result<Bytes, UpstreamError> {
        let max = self.network.max_body;
        if body.size_hint().lower() > max as u64 {
            return Err(UpstreamError::TooLarge(max));
        }
        let collecting = async {
            let (mut pieces, mut part) = (Pieces::default(), Part::default());
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|e| UpstreamError::Broken(e.to_string()))?;
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                let length = pieces.push(data);
                if length > max {
                    return Err(UpstreamError::TooLarge(max));
                }
                part.grow(&self.network.held, length)?;
            }
            Ok(part.carried_by(pieces.whole()))
        };
        within(self.timeout, collecting)
            .await
            .ok_or(UpstreamError::Timeout(self.timeout))?
    }
}

const AGENT: &str = concat!("portreeve/", env!("CARGO_PKG_VERSION"));

/// What a body is, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    Events,
    Other,
}

/// The media type, whatever its parameters.
fn media_type(headers: &HeaderMap) -> Media {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let essence = value.unwrap_or_default().split(|byte| *byte == b';').next();
    let essence = essence.unwrap_or_default().trim_ascii();
    let is = |media: &[u8]| essence.eq_ignore_ascii_case(media);
    if is(b"application/json") {
        Media::Json
    } else if is(b"text/event-stream") {
        Media::Events
    } else {
        Media::Other
    }
}

/// The words of the cause of all causes.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
