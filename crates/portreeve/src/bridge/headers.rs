//! What HTTP wants to know of a message: headers made from the message itself.

use http::{HeaderMap, HeaderValue};
use portreeve_policy::json::Value;

use super::mirrors::Mirrors;
use super::session::Session;
use crate::mcp::revision::{self, Era};
use crate::mcp::{header, message, method};

/// What a line of the client is, as far as carrying it goes.
#[derive(Debug)]
pub(super) struct Addressed {
    pub era: Era,
    pub headers: HeaderMap,
}

/// Makes the headers of a message. One that cannot be read gets those of its session: the gate says
/// what is wrong with it.
pub(super) fn address(line: &[u8], session: &Session, mirrors: &Mirrors) -> Addressed {
    let tree = message::read_tree(line);
    let read = tree.as_ref().ok().and_then(|tree| {
        let message = message::read(tree, line).ok()?;
        let stated = message.meta(revision::META_PROTOCOL_VERSION)?.as_str()?;
        (revision::era(stated) == Era::Modern).then_some((message, stated))
    });
    let Some((message, version)) = read else {
        return Addressed {
            era: Era::Legacy,
            headers: session.headers(),
        };
    };
    let mut headers = HeaderMap::new();
    let mut set = |name: http::HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    set(header::PROTOCOL_VERSION, version);
    let asked = message.method().unwrap_or_default();
    set(header::METHOD, asked);
    let member = method::name_member(asked);
    let named = member
        .and_then(|m| message.param(m))
        .and_then(Value::as_str);
    if let Some(named) = named {
        set(header::NAME, &header::encode(named));
    }
    if asked == "tools/call" {
        mirrors.write(
            named.unwrap_or_default(),
            message.param("arguments"),
            &mut headers,
        );
    }
    Addressed {
        era: Era::Modern,
        headers,
    }
}
