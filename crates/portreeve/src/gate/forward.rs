//! Handing the judged bytes to the server.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use super::admit::Permit;
use super::record::OpenCall;
use super::registry::ServerEntry;
use super::sessions::Session;
use crate::mcp::header;
use crate::mcp::revision::Era;
use crate::upstream::{Incoming, Outgoing, UpstreamError, Verb, Whose};

/// What a permitted request looks like on its way to the server.
#[derive(Debug)]
pub(super) struct Parcel<'a> {
    pub server: &'a ServerEntry,
    /// INVARIANT: the bytes judged are the bytes forwarded (`forwarded_bytes_are_the_judged_ones`).
    pub verb: Verb,
    pub headers: HeaderMap,
    pub whose: Whose,
}

/// Forwards one request. The permit is used up; the entry it opened is handed back to be closed.
pub(super) async fn forward(
    permit: Permit,
    parcel: Parcel<'_>,
) -> (OpenCall, Result<Incoming, UpstreamError>) {
    let mut entry = permit.consume();
    entry.sending();
    let outgoing = Outgoing {
        verb: parcel.verb,
        headers: parcel.headers,
        whose: parcel.whose,
    };
    let answer = parcel.server.connector.send(outgoing).await;
    (entry, answer)
}

/// The headers that go to the server: the protocol's own, never the caller's token or cookies.
pub(super) fn headers(from: &HeaderMap, session: Option<&Session>, era: Era) -> HeaderMap {
    let mut to = HeaderMap::new();
    let plain = [header::PROTOCOL_VERSION, header::METHOD, header::NAME];
    for name in plain {
        if let Some(value) = from.get(&name) {
            to.insert(name, value.clone());
        }
    }
    if header::prefers_stream(from) {
        to.insert(ACCEPT, header::STREAM_FIRST);
    }
    match (era, session) {
        (Era::Modern, _) => {
            let mirrors = from.iter().filter(|(name, _)| header::is_mirror(name));
            to.extend(mirrors.map(|(name, value)| (name.clone(), value.clone())));
        }
        (Era::Legacy, Some(session)) => {
            to.insert(header::SESSION_ID, session.upstream.id.clone());
        }
        (Era::Legacy, None) => {}
    }
    to
}

/// The headers of what the gate says of itself in a session.
pub(super) fn own_headers(session: Option<&Session>) -> HeaderMap {
    let mut to = headers(&HeaderMap::new(), session, Era::Legacy);
    if let Some(version) = session.and_then(|s| HeaderValue::from_str(&s.version).ok()) {
        to.insert(header::PROTOCOL_VERSION, version);
    }
    to
}

/// Tells a server that the caller will not answer its request. These are the gate's own words, in
/// answer to a server's, and carry nothing of the caller's.
pub(super) async fn decline(server: &ServerEntry, headers: HeaderMap, words: Vec<u8>) {
    let outgoing = Outgoing {
        verb: Verb::Post(Bytes::from(words)),
        headers,
        whose: Whose::GATE,
    };
    if let Err(error) = server.connector.send(outgoing).await {
        tracing::debug!(server = %server.name, %error, "a refusal did not reach the server");
    }
}

/// Ends a session on the server's side. This too is the gate's own and carries nothing of the
/// caller's. An error says why the server did not hear it.
pub(super) async fn farewell(server: &ServerEntry, session: &Session) -> Result<(), UpstreamError> {
    let outgoing = Outgoing {
        verb: Verb::Delete,
        headers: own_headers(Some(session)),
        whose: Whose::GATE,
    };
    // Whether it wants to end sessions is the server's affair.
    server.connector.send(outgoing).await.map(drop)
}
