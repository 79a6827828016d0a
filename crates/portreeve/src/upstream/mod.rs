//! The servers behind the gate: how they are reached, and what they say of themselves.
//!
//! Owns connections, credentials on their way out, deadlines and caps towards a server, and reading
//! its tool definitions. It sends what it is given: that nothing is sent which was not judged is
//! `gate`'s affair, whose `forward` is the one place that hands a caller's bytes to a connector
//! ([`discover`](mod@discover) speaks only for the gate itself).

mod address;
mod apart;
mod definition;
mod discover;
mod error;
mod events;
mod http;
mod pool;
mod spoken;
mod sse;
pub mod stdio;
mod target;

pub use apart::Whose;
pub(crate) use definition::MAX_NAME;
pub use definition::{DefinitionError, definition_of};
pub use discover::{Discovered, discover, speaks};
pub use error::UpstreamError;
pub use events::EventSource;
pub(crate) use http::innermost;
pub use http::{HttpServer, Network, OpenClient, open_client};
pub use spoken::Spoken;

use ::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;

/// One request to a server: the protocol's headers and the bytes that were judged.
#[derive(Debug)]
pub struct Outgoing {
    pub verb: Verb,
    pub headers: HeaderMap,
    pub whose: Whose,
}

#[derive(Clone, Debug)]
pub enum Verb {
    Post(Bytes),
    /// Opens the stream on which a legacy server speaks unasked.
    Get,
    /// Ends a legacy session.
    Delete,
}

/// What a server answered.
#[derive(Debug)]
pub struct Incoming {
    pub status: StatusCode,
    /// The session the server opened or goes on with.
    pub session: Option<UpstreamSession>,
    pub body: IncomingBody,
}

impl Incoming {
    pub const fn is_stream(&self) -> bool {
        matches!(self.body, IncomingBody::Events(_))
    }
}

/// A session that a server opened.
#[derive(Debug)]
pub struct UpstreamSession {
    /// What the server calls it.
    pub id: HeaderValue,
    /// What lives as long as the session does.
    lease: Option<Lease>,
}

/// What a session holds of its server: a process, or a connection.
#[derive(Debug)]
#[expect(dead_code, reason = "it is kept to be dropped")]
enum Lease {
    Process(stdio::Lease),
    Stream(sse::Lease),
}

impl UpstreamSession {
    const fn named(id: HeaderValue) -> Self {
        Self { id, lease: None }
    }

    /// Whether it holds a connection of its own, of which a server has few.
    pub const fn holds_connection(&self) -> bool {
        matches!(self.lease, Some(Lease::Stream(_)))
    }

    const fn leased(id: HeaderValue, lease: stdio::Lease) -> Self {
        Self {
            id,
            lease: Some(Lease::Process(lease)),
        }
    }

    const fn streamed(id: HeaderValue, lease: sse::Lease) -> Self {
        Self {
            id,
            lease: Some(Lease::Stream(lease)),
        }
    }
}

/// An answer is one message, or a stream of them.
#[derive(Debug)]
pub enum IncomingBody {
    Empty,
    /// JSON by its media type; not yet looked at.
    Json(Bytes),
    Events(EventSource),
    /// Something that is not of the protocol, described for the log.
    Other(String),
}

/// A way to one server.
#[derive(Debug)]
pub enum Connector {
    Http(Box<HttpServer>),
    Stdio(stdio::StdioServer),
    /// There is no way, and this is why.
    Unusable(String),
}

impl Connector {
    /// Sends one request and waits for the beginning of its answer.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Incoming, UpstreamError> {
        match self {
            Self::Http(server) => server.send(outgoing).await,
            Self::Stdio(server) => Box::pin(server.send(outgoing)).await,
            Self::Unusable(why) => Err(UpstreamError::Unusable(why.clone())),
        }
    }

    /// Whether asking it would start a process only to ask it.
    pub fn is_at_rest(&self) -> bool {
        matches!(self, Self::Stdio(server) if server.is_at_rest())
    }
}
