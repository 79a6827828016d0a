//! A POST: one message in, and an answer as JSON or as a stream of events.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Request as HttpRequest, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming as HttpIncoming;
use serde_json::Value;

use super::body::{self, Reply};
use super::exchange::{Era, Exchange};
use super::sessions::Session;
use super::{Shared, headers, stream};
use crate::demo::in_flight::InFlight;
use crate::demo::progress::Progress;
use crate::demo::rpc::{self, INVALID_REQUEST, Incoming, Notification, Request, RpcError};
use crate::demo::{MESSAGE_LIMIT, legacy, modern};

pub(super) const SESSION: &str = "mcp-session-id";

pub(super) async fn answer(shared: &Arc<Shared>, request: HttpRequest<HttpIncoming>) -> Reply {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    if !is_json(&headers) {
        return body::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    if !(accepts(&headers, "application/json") || accepts(&headers, "text/event-stream")) {
        return body::empty(StatusCode::NOT_ACCEPTABLE);
    }
    let Ok(bytes) = Limited::new(body, MESSAGE_LIMIT).collect().await else {
        return body::empty(StatusCode::PAYLOAD_TOO_LARGE);
    };
    match message(shared, &headers, &bytes.to_bytes()).await {
        Ok(reply) => reply,
        Err((id, error)) => refuse(id.as_ref(), error),
    }
}

type Refused = (Option<Value>, RpcError);

async fn message(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    bytes: &Bytes,
) -> Result<Reply, Refused> {
    let message = serde_json::from_slice(bytes).map_err(|error| {
        let error = RpcError::new(rpc::PARSE_ERROR, format!("Parse error: {error}"));
        (None, error)
    })?;
    if let Value::Array(batch) = message {
        return answer_batch(shared, headers, batch).await;
    }
    let version = headers::version(headers);
    match rpc::read(message)? {
        Incoming::Request(request) => {
            let id = request.id.clone();
            let version = version.map_err(|error| (Some(id.clone()), error))?;
            if modern::is_meant(&request) || version == Some(modern::VERSION) {
                return modern_request(shared, headers, request).await;
            }
            check_legacy_version(version).map_err(|error| (Some(id), error))?;
            Ok(legacy_request(shared, headers, request).await)
        }
        Incoming::Notification(note) => {
            let modern = version.map_err(|error| (None, error))? == Some(modern::VERSION);
            Ok(notification(shared, headers, &note, modern))
        }
        Incoming::Response => Ok(body::empty(StatusCode::ACCEPTED)),
    }
}

fn refuse(id: Option<&Value>, error: RpcError) -> Reply {
    let status = match error.code {
        rpc::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    body::json(status, &rpc::refuse(id, error))
}

fn check_legacy_version(version: Option<&str>) -> Result<(), RpcError> {
    match version {
        Some(version) if !legacy::VERSIONS.contains(&version) => {
            Err(RpcError::unsupported_version(version))
        }
        _ => Ok(()),
    }
}

/// A batch may come in the one revision that has them, or without a version at all.
async fn answer_batch(
    shared: &Shared,
    headers: &HeaderMap,
    batch: Vec<Value>,
) -> Result<Reply, Refused> {
    let version = headers::version(headers).map_err(|error| (None, error))?;
    if version.is_some_and(|version| version != legacy::BATCHING) {
        let why = "Batches exist in revision 2025-03-26 only";
        return Err((None, RpcError::new(INVALID_REQUEST, why)));
    }
    if let Err(unknown) = session(shared, headers) {
        return Ok(*unknown);
    }
    Ok(match legacy::answer_batch(&shared.server, batch).await {
        Some(answers) => body::json(StatusCode::OK, &answers),
        None => body::empty(StatusCode::ACCEPTED),
    })
}

/// The session that the request names, if it names one.
pub(super) fn session(
    shared: &Shared,
    headers: &HeaderMap,
) -> Result<Option<Arc<Session>>, Box<Reply>> {
    let Some(id) = headers.get(SESSION) else {
        return Ok(None);
    };
    let known = id.to_str().ok().and_then(|id| shared.sessions.get(id));
    let unknown = || {
        let error = RpcError::new(INVALID_REQUEST, "Session not found");
        Box::new(body::json(StatusCode::NOT_FOUND, &rpc::refuse(None, error)))
    };
    known.map(Some).ok_or_else(unknown)
}

fn notification(
    shared: &Shared,
    headers: &HeaderMap,
    note: &Notification,
    is_modern: bool,
) -> Reply {
    // In the modern era a client cancels by closing the stream, and there are no sessions.
    if !is_modern {
        match session(shared, headers) {
            Ok(Some(session)) => {
                if let Some(id) = modern::cancelled(note) {
                    session.in_flight.cancel(id);
                }
            }
            Ok(None) => {}
            Err(unknown) => return *unknown,
        }
    }
    body::empty(StatusCode::ACCEPTED)
}

async fn modern_request(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    request: Request,
) -> Result<Reply, Refused> {
    let definitions = shared.server.definitions();
    let checked = headers::check(headers, &request, &definitions);
    checked.map_err(|error| (Some(request.id.clone()), error))?;
    match request.method.as_str() {
        "subscriptions/listen" => stream::subscribe(shared, &request),
        "server/discover" | "tools/list" | "tools/call" => {
            let exchange = Exchange {
                era: Era::Modern,
                // Closing the stream cancels; there is no message for it.
                in_flight: InFlight::default(),
                request,
            };
            Ok(exchange.answer(shared, headers).await)
        }
        unknown => {
            let error = RpcError::method_not_found(unknown);
            Err((Some(request.id.clone()), error))
        }
    }
}

async fn legacy_request(shared: &Arc<Shared>, headers: &HeaderMap, request: Request) -> Reply {
    if request.method == "initialize" {
        return initialize(shared, &request).await;
    }
    let session = match session(shared, headers) {
        Ok(session) => session,
        Err(unknown) => return *unknown,
    };
    let exchange = Exchange {
        era: Era::Legacy,
        // Without a session nobody can tell one client's ids from another's: nothing to cancel.
        in_flight: session.map_or_else(InFlight::default, |session| session.in_flight.clone()),
        request,
    };
    exchange.answer(shared, headers).await
}

async fn initialize(shared: &Shared, request: &Request) -> Reply {
    let outcome = legacy::answer(&shared.server, request, &mut Progress::default()).await;
    let begun = outcome.is_ok().then(|| shared.sessions.begin()).flatten();
    let mut reply = body::json(StatusCode::OK, &rpc::answer(&request.id, outcome));
    if let Some(id) = begun.and_then(|id| HeaderValue::try_from(id).ok()) {
        reply.headers_mut().insert(SESSION, id);
    }
    reply
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|given| given.to_str().ok());
    let essence = given.and_then(|given| given.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether the client takes this type; one that does not say takes all.
pub(super) fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let mut given = headers.get_all(ACCEPT).iter().peekable();
    if given.peek().is_none() {
        return true;
    }
    let family = wanted.split('/').next().unwrap_or_default();
    let mut ranges = given
        .filter_map(|given| given.to_str().ok())
        .flat_map(|given| given.split(','))
        .filter_map(|range| range.split(';').next())
        .map(str::trim);
    ranges.any(|range| {
        let of_family = range.strip_suffix("/*");
        range.eq_ignore_ascii_case(wanted) || of_family.is_some_and(|of| of == "*" || of == family)
    })
}
