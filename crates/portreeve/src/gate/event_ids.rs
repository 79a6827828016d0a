//! The ids of events, bound to the session that saw them.
//!
//! A server may keep the events of all its sessions in one place and find them by id alone; a
//! client that made up an id, or had it from elsewhere, would be shown another's events. So a
//! client in a session sees each id with a tag in front, which only this gate can make and which
//! holds for this session only; what comes back without its tag is refused. Nothing has to be
//! remembered, so the oldest event can be gone on from as well as the newest. Tags outlive neither
//! their session nor a restart of the gate, which ends all sessions.

use std::borrow::Cow;

use http::HeaderMap;
use http::HeaderValue;

use super::sessions::Session;
use crate::hex;
use crate::keys::Keys;
use crate::mcp::event_id::renamed;
use crate::mcp::header::LAST_EVENT_ID;
use crate::mcp::sse::Event;

/// Two hex digits for each of 16 bytes, and a dot.
const TAG_LEN: usize = 33;

/// The event as the client of this session sees it.
pub(super) fn outward<'a>(
    keys: &Keys,
    session: Option<&Session>,
    event: &'a Event,
) -> Cow<'a, Event> {
    match (session, event.id.as_deref()) {
        (Some(session), Some(id)) if !id.is_empty() => {
            let tag = tag(keys, session, id.as_bytes());
            Cow::Owned(renamed(event, &format!("{tag}{id}")))
        }
        _ => Cow::Borrowed(event),
    }
}

/// A client wants to go on from an event that is not of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{LAST_EVENT_ID} is not the id of an event of this session")]
pub(super) struct Foreign;

/// What the server calls the event that the client wants to go on from.
pub(super) fn inward(
    keys: &Keys,
    session: &Session,
    headers: &HeaderMap,
) -> Result<Option<HeaderValue>, Foreign> {
    let mut presented = headers.get_all(LAST_EVENT_ID).iter();
    let Some(first) = presented.next() else {
        return Ok(None);
    };
    if presented.next().is_some() {
        return Err(Foreign);
    }
    let (given, id) = first.as_bytes().split_at_checked(TAG_LEN).ok_or(Foreign)?;
    let expected = tag(keys, session, id);
    // Compared to its end, so that the time it takes tells nothing.
    let differs = given
        .iter()
        .zip(expected.as_bytes())
        .fold(0, |differs, (a, b)| differs | (a ^ b));
    let id = HeaderValue::from_bytes(id).map_err(|_| Foreign)?;
    (differs == 0).then_some(Some(id)).ok_or(Foreign)
}

fn tag(keys: &Keys, session: &Session, id: &[u8]) -> String {
    // All sessions' names are of one length: none ends where an id begins.
    let named = [session.id.as_str().as_bytes(), id].concat();
    let mac = keys.mac("event id", &named);
    let mut tag = hex::encode(mac.first_chunk::<16>().unwrap_or(&[0; 16]));
    tag.push('.');
    tag
}
