//! What a client says of itself: in `initialize`, or beside every request of the modern era.
//!
//! It is no proof of anything. It is bounded, for a session keeps it and a stranger wrote it.

use std::sync::Arc;

use portreeve_policy::Client;
use portreeve_policy::json::Value;

use super::post::Exchange;
use crate::mcp::message::Message;
use crate::mcp::revision::{Era, META_CLIENT_INFO};

/// What goes beyond is cut off.
const MAX_BYTES: usize = 256;

/// A client as it introduced itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Introduction {
    name: String,
    version: Option<String>,
}

impl Introduction {
    /// Reads an `Implementation`; what has no name is none.
    fn read(written: &Value<'_>) -> Option<Self> {
        let text = |key: &str| written.get(key).and_then(Value::as_str).map(cut);
        Some(Self {
            name: text("name")?,
            version: text("version"),
        })
    }

    pub(super) fn as_client(&self) -> Client<'_> {
        Client {
            name: &self.name,
            version: self.version.as_deref(),
        }
    }
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_BYTES);
    text.get(..end).unwrap_or_default().to_owned()
}

impl Exchange {
    /// Who the sender of a message says it is.
    pub(super) fn client(&self, message: &Message<'_>) -> Option<Arc<Introduction>> {
        let stated = match self.era {
            Era::Modern => message.param("_meta")?.get(META_CLIENT_INFO),
            Era::Legacy => match &self.session {
                Some(session) => return session.client.clone(),
                None => message.param("clientInfo"),
            },
        };
        Introduction::read(stated?).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use portreeve_policy::json::{Rules, parse};

    use super::*;

    #[test]
    fn an_introduction_has_a_name_and_is_bounded() {
        let read = |text: &str| {
            let value = parse(text.as_bytes(), Rules::MESSAGE).expect("JSON");
            Introduction::read(&value)
        };
        for none in [
            "{}",
            "1",
            r#""cursor""#,
            r#"{"name":1}"#,
            r#"{"version":"1"}"#,
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        let known = read(r#"{"name":"cursor","version":2}"#).expect("named");
        assert_eq!(known.as_client().version, None);
        let long = format!(r#"{{"name":"{}","version":"1"}}"#, "ä".repeat(1_000));
        let known = read(&long).expect("named");
        assert_eq!(known.as_client().name, "ä".repeat(MAX_BYTES / 2));
        assert_eq!(known.as_client().version, Some("1"));
    }
}
