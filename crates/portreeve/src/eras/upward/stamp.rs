//! What every modern request carries, put onto a legacy one: the revision, who asks and what it can
//! do, and the headers that repeat parts of the message.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use portreeve_policy::json::{Rules, Value, parse};

use super::Errand;
use super::session::Session;
use crate::eras::draft::{Draft, json};
use crate::gate::Visit;
use crate::mcp::message::Message;
use crate::mcp::revision::{
    META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_PROTOCOL_VERSION, MODERN,
};
use crate::mcp::{header, method, mirrors};

/// A message as it goes to the server.
pub(super) struct Stamped {
    pub headers: HeaderMap,
    pub body: Bytes,
}

pub(super) fn stamped(errand: &Errand<'_>) -> Stamped {
    let mut draft = errand.draft.clone();
    stamp(&mut draft, errand.session.as_deref());
    Stamped {
        headers: headers(&errand.headers, &errand.visit, &errand.message),
        body: draft.write(),
    }
}

/// Puts a session's introduction onto a message; without a session, the client can do nothing.
pub(super) fn stamp(draft: &mut Draft, session: Option<&Session>) {
    draft.set_meta(META_PROTOCOL_VERSION, json(MODERN));
    match session.and_then(|session| session.client_info.as_ref()) {
        Some(info) => draft.set_meta(META_CLIENT_INFO, info.clone()),
        None => draft.drop_meta(META_CLIENT_INFO),
    }
    let capabilities = session.map_or(&b"{}"[..], |session| &session.capabilities);
    draft.set_meta(META_CLIENT_CAPABILITIES, capabilities);
    if let Some(level) = session.and_then(Session::level) {
        draft.set_meta(META_LOG_LEVEL, json(level));
    }
}

/// The headers of a message: the client's own, but for those of the protocol.
pub(super) fn headers(from: &HeaderMap, visit: &Visit, message: &Message<'_>) -> HeaderMap {
    let asked = message.method().unwrap_or_default();
    let mut headers = headers_of(from, asked);
    let named = method::name_member(asked).and_then(|member| message.param(member));
    let named = named.and_then(Value::as_str);
    if let Some(named) = named {
        set(&mut headers, header::NAME, &header::encode(named));
    }
    let definition = named.filter(|_| asked == "tools/call");
    let definition = definition.and_then(|tool| visit.server.pins.definition(tool));
    let definition = definition.and_then(|text| parse(text.as_bytes(), Rules::MESSAGE).ok());
    if let Some(schema) = definition.as_ref().and_then(|d| d.get("inputSchema")) {
        let wanted = mirrors::of_schema(schema);
        mirrors::write(&wanted, message.param("arguments"), &mut headers);
    }
    headers
}

/// The headers of a message that names nothing.
pub(super) fn headers_of(from: &HeaderMap, asked: &str) -> HeaderMap {
    let own = |name: &HeaderName| {
        let ours = [header::SESSION_ID, header::NAME, header::LAST_EVENT_ID];
        ours.contains(name) || header::is_mirror(name)
    };
    let kept = from.iter().filter(|(name, _)| !own(name));
    let mut headers: HeaderMap = kept.map(|(n, v)| (n.clone(), v.clone())).collect();
    set(&mut headers, header::PROTOCOL_VERSION, MODERN);
    set(&mut headers, header::METHOD, asked);
    headers
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
