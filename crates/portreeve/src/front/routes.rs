//! Which request is for what.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;

use super::answer::{Answer, in_place};
use super::serve::Front;
use super::{PlaceError, body, response, sse};
use crate::gate::{NoVisit, Party, Visit};
use crate::mcp::code;
use crate::name::Label;

/// A caller, and what its path is to.
enum Guest {
    One(Visit),
    /// All servers of its grant.
    All(Party),
}

impl Guest {
    /// Who has one server only is there as at the server's own path.
    fn of(party: Party) -> Self {
        match party.only_visit() {
            Some(visit) => Self::One(visit),
            None => Self::All(party),
        }
    }

    fn label(&self) -> &Label {
        match self {
            Self::One(visit) => &visit.caller.grant.label,
            Self::All(party) => &party.caller.grant.label,
        }
    }
}

impl Front {
    /// Answers one request.
    pub(super) async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Answer {
        let path = request.uri().path();
        match path {
            "/healthz" => return response::text(StatusCode::OK, "ok"),
            "/readyz" => return self.readiness(),
            _ => {}
        }
        if let Err(error) = self.allowed.check(request.uri(), request.headers()) {
            let words = error.to_string();
            let code = code::BAD_HTTP;
            tracing::info!(%peer, %words, "refused a request from the wrong place");
            return match error {
                PlaceError::Host(_) | PlaceError::Origin(_) => {
                    response::problem(StatusCode::FORBIDDEN, code, &words)
                }
            };
        }
        if let Some(server) = path.strip_prefix(sse::PATH) {
            let server = server.to_owned();
            return Box::pin(self.sse(request, &server, peer)).await;
        }
        let server = match path.strip_prefix("/mcp") {
            Some("" | "/") => None,
            Some(rest) => match rest.strip_prefix('/') {
                Some(name) if !name.is_empty() && !name.contains('/') => Some(name.to_owned()),
                _ => return nothing_here(),
            },
            None => return nothing_here(),
        };
        self.visit(request, server.as_deref(), peer).await
    }

    fn readiness(&self) -> Answer {
        match self.gate.ready() {
            Ok(()) => response::text(StatusCode::OK, "ready"),
            Err(why) => {
                tracing::warn!(%why, "not ready");
                response::text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "not ready: the ledger can't be written",
                )
            }
        }
    }

    async fn visit(
        &self,
        request: Request<Incoming>,
        server: Option<&str>,
        peer: IpAddr,
    ) -> Answer {
        let admitted = match server {
            Some(server) => self
                .gate
                .admit_visitor(request.headers(), server)
                .map(Guest::One),
            None => self
                .gate
                .admit_party(request.headers())
                .map(Guest::of)
                .map_err(NoVisit::from),
        };
        let guest = match admitted {
            Ok(guest) => guest,
            Err(NoVisit::Stranger(stranger)) => {
                self.strangers.note(peer);
                return response::unauthorized(stranger);
            }
            Err(error) => {
                let named = server.unwrap_or_default();
                return Box::pin(self.no_visit(request.headers(), named, &error)).await;
            }
        };
        let Some(place) = self.crowd.enter(guest.label()) else {
            return response::crowded();
        };
        in_place(self.ask(request, guest).await, place)
    }

    /// A message that has arrived whole, perhaps long after its head.
    async fn taken(&self, guest: Guest, headers: HeaderMap, body: Bytes) -> Answer {
        let visit = match guest {
            Guest::All(party) => {
                let reply = Box::pin(self.joint.post(party, headers, body)).await;
                return response::reply(reply);
            }
            Guest::One(visit) => visit,
        };
        let name = visit.server.name.clone();
        match self.gate.renewed(visit) {
            Ok(visit) => response::reply(self.eras.post(visit, headers, body).await),
            Err(error) => Box::pin(self.no_visit(&headers, name.as_str(), &error)).await,
        }
    }

    pub(super) async fn no_visit(
        &self,
        headers: &HeaderMap,
        server: &str,
        error: &NoVisit,
    ) -> Answer {
        let words = error.to_string();
        match error {
            NoVisit::Stranger(stranger) => response::unauthorized(*stranger),
            NoVisit::Foreign(_) => {
                if let Err(error) = self.gate.book_foreign(headers, server).await {
                    tracing::error!(%error, "a refused visit was not booked");
                }
                response::problem(StatusCode::FORBIDDEN, code::NOT_REACHED, &words)
            }
        }
    }

    async fn ask(&self, request: Request<Incoming>, guest: Guest) -> Answer {
        let (head, incoming) = request.into_parts();
        let reply = match head.method {
            Method::POST => {
                let media = head
                    .headers
                    .get(CONTENT_TYPE)
                    .map(http::HeaderValue::as_bytes);
                if !media.is_some_and(is_json) {
                    let words = "send the message with `Content-Type: application/json`";
                    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                    return response::problem(status, code::BAD_HTTP, words);
                }
                match body::read(incoming, self.settings.max_body, &self.budget).await {
                    // What judging needs room for, connections that only listen must not have.
                    Ok(bytes) => return Box::pin(self.taken(guest, head.headers, bytes)).await,
                    Err(error) => return unreadable(error),
                }
            }
            Method::GET => match guest {
                Guest::One(visit) => Box::pin(self.eras.listen(visit, &head.headers)).await,
                Guest::All(party) => Box::pin(self.joint.listen(party, &head.headers)).await,
            },
            Method::DELETE => match guest {
                Guest::One(visit) => Box::pin(self.eras.end_session(visit, &head.headers)).await,
                Guest::All(party) => Box::pin(self.joint.end_session(party, &head.headers)).await,
            },
            _ => return response::not_allowed("only POST, GET and DELETE have a meaning here"),
        };
        response::reply(reply)
    }
}

pub(super) fn nothing_here() -> Answer {
    response::problem(
        StatusCode::NOT_FOUND,
        code::BAD_HTTP,
        "nothing is here; servers are at /mcp/<server>, all of a grant at /mcp",
    )
}

pub(super) fn unreadable(error: body::BodyError) -> Answer {
    let status = match error {
        body::BodyError::Crowded => return response::crowded(),
        body::BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        body::BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
        body::BodyError::Broken => StatusCode::BAD_REQUEST,
    };
    response::problem(status, code::BAD_HTTP, &error.to_string())
}

/// `application/json`, with or without parameters. Another encoding than UTF-8 is no JSON.
pub(super) fn is_json(media: &[u8]) -> bool {
    if media == b"application/json" {
        return true;
    }
    let text = String::from_utf8_lossy(media).to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    parts.next() == Some("application/json")
        && parts.all(|p| !p.starts_with("charset=") || p.trim_matches('"').ends_with("utf-8"))
}
