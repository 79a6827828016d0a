//! What every request of the modern era must be, before it is judged by what it asks.
//!
//! The server's own check is not relied on. A server that goes by the body would take a request
//! without its `_meta` for one of the legacy era, and be asked something else than was judged; and a
//! stdio server has no status in which to say what a modern client goes by.

use portreeve_policy::Rule;
use portreeve_policy::json::{Kind, Value};

use super::decide::Refused;
use super::post::{Exchange, unavailable};
use super::record;
use super::resolve::Call;
use super::{Reply, Status};
use crate::mcp::message::Message;
use crate::mcp::method;
use crate::mcp::revision::{Era, META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION};
use crate::mcp::{answer, code};

/// Why no server of the modern era could take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit<'a> {
    #[error("Method not found: {0:?} is of an older revision")]
    Gone(&'a str),
    #[error("`params._meta` has no {0:?}")]
    Lacks(&'static str),
}

impl Unfit<'_> {
    const fn code(self) -> i64 {
        match self {
            Self::Gone(_) => code::METHOD_NOT_FOUND,
            Self::Lacks(_) => code::INVALID_PARAMS,
        }
    }

    const fn status(self) -> Status {
        match self {
            Self::Gone(_) => Status::NotFound,
            Self::Lacks(_) => Status::Malformed,
        }
    }
}

fn look<'a>(message: &Message<'a>) -> Result<(), Unfit<'a>> {
    // Nothing goes by what a notification says of its sender.
    if message.id().is_none() {
        return Ok(());
    }
    let Some(asked) = message.method() else {
        return Ok(());
    };
    let meta = message.param("_meta");
    let member = |name| meta.and_then(|meta| meta.get(name));
    if member(META_PROTOCOL_VERSION)
        .and_then(Value::as_str)
        .is_none()
    {
        return Err(Unfit::Lacks(META_PROTOCOL_VERSION));
    }
    let capabilities = member(META_CLIENT_CAPABILITIES);
    if !capabilities.is_some_and(|value| matches!(value.kind, Kind::Object(_))) {
        return Err(Unfit::Lacks(META_CLIENT_CAPABILITIES));
    }
    if method::is_gone(asked) {
        return Err(Unfit::Gone(asked));
    }
    Ok(())
}

impl Exchange {
    /// Whether a message is a request of its era, if it is a request.
    ///
    /// INVARIANT: a process that serves modern requests is never told to shake hands
    /// (`a_modern_request_is_whole_or_refused`).
    pub(super) fn fits<'a>(&self, message: &Message<'a>) -> Result<(), Unfit<'a>> {
        match self.era {
            Era::Modern => look(message),
            Era::Legacy => Ok(()),
        }
    }

    /// Refuses and books what is none.
    pub(super) async fn refuse_unfit(&self, message: &Message<'_>, unfit: Unfit<'_>) -> Reply {
        let id = message.id().map(|id| id.as_json());
        let asked = message.method().unwrap_or_default();
        let call = Call::bare(&self.visit, asked, self.gate.moment());
        let refused = Refused::deny(Rule::MALFORMED, unfit.to_string());
        if let Err(error) = record::refused(&self.gate, &call, &refused).await {
            return unavailable(id, &error.into());
        }
        let words = answer::plain_error(id, unfit.code(), &refused.reason);
        Reply::message(unfit.status(), words)
    }
}
