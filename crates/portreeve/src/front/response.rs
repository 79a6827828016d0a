//! How an answer of the gate looks in HTTP.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use tokio::sync::mpsc;

use super::answer::{Answer, AnswerBody};
use crate::gate::{Payload, Reply, Status, Stranger};
use crate::mcp::{answer, code, header};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What a client may do to come back when the gate is not able to book.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

fn with_body(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::whole(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// A short text for people and probes.
pub(super) fn text(status: StatusCode, words: &str) -> Answer {
    with_body(status, TEXT, format!("{words}\n"))
}

/// A refusal that is about the HTTP request, said in the protocol's form.
pub(super) fn problem(status: StatusCode, code: i64, words: &str) -> Answer {
    with_body(status, JSON, answer::plain_error(None, code, words))
}

pub(super) fn not_allowed(words: &str) -> Answer {
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, code::BAD_HTTP, words);
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
    answer
}

/// 429: the grant has more requests running than it may.
pub(super) fn crowded() -> Answer {
    let words = "too much is being answered just now; try again in a moment";
    let mut answer = problem(StatusCode::TOO_MANY_REQUESTS, code::UNAVAILABLE, words);
    answer
        .headers_mut()
        .insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    answer
}

/// 401, with the reason where it helps whoever holds the token.
pub(super) fn unauthorized(stranger: Stranger) -> Answer {
    let words = stranger.to_string();
    let mut answer = problem(StatusCode::UNAUTHORIZED, code::NOT_GRANTED, &words);
    let challenge = match stranger {
        Stranger::NoToken => r#"Bearer realm="portreeve""#.to_owned(),
        Stranger::NotBearer => r#"Bearer realm="portreeve", error="invalid_request""#.to_owned(),
        Stranger::Mistyped | Stranger::Unknown | Stranger::Expired => format!(
            r#"Bearer realm="portreeve", error="invalid_token", error_description="{words}""#
        ),
    };
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// 202: taken, and answered elsewhere.
pub(super) fn accepted() -> Answer {
    with_body(StatusCode::ACCEPTED, TEXT, "Accepted")
}

/// The gate's reply to a message.
pub(super) fn reply(reply: Reply) -> Answer {
    let status = match reply.status {
        Status::Fine => StatusCode::OK,
        Status::Accepted => StatusCode::ACCEPTED,
        Status::Malformed => StatusCode::BAD_REQUEST,
        Status::Forbidden => StatusCode::FORBIDDEN,
        Status::NoSession | Status::NotFound => StatusCode::NOT_FOUND,
        Status::NotOffered => StatusCode::METHOD_NOT_ALLOWED,
        Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut answer = match reply.payload {
        Payload::Nothing => {
            let mut empty = Response::new(AnswerBody::whole(Bytes::new()));
            *empty.status_mut() = status;
            empty
        }
        Payload::Message(message) => with_body(status, JSON, message),
        Payload::Events(events) => stream(events),
    };
    let headers = answer.headers_mut();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    if let Some(session) = &reply.session
        && let Ok(id) = HeaderValue::from_str(session.as_str())
    {
        headers.insert(header::SESSION_ID, id);
    }
    answer
}

fn stream(events: mpsc::Receiver<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::events(events));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, EVENTS);
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-transform"),
    );
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}
