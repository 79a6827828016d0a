//! What is known of a call when it is decided.
//!
//! Facts are borrowed and already established: who calls is authenticated, the pin is looked up,
//! the time is read once. This module owns the vocabulary, not how any of it is found out.

use crate::json::Value;
use crate::label::Held;
use crate::time::Timestamp;
use crate::traits::Traits;

/// One call, as the policy sees it.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    pub subject: Subject<'a>,
    pub server: &'a str,
    pub grant: &'a str,
    pub identity: &'a str,
    /// What the client says of itself; no proof of anything.
    pub client: Option<Client<'a>>,
    pub args: Option<&'a Value<'a>>,
    /// What was released to the caller before, on any server; for flow rules.
    pub labels: &'a [Held<'a>],
    pub now: Timestamp,
}

impl<'a> Facts<'a> {
    /// A call of which nothing else is known, at the beginning of time: for what does not depend on
    /// who calls, when, and after what.
    pub const fn of(subject: Subject<'a>) -> Self {
        Self {
            subject,
            server: "",
            grant: "",
            identity: "",
            client: None,
            args: None,
            labels: &[],
            now: Timestamp(0),
        }
    }
}

/// A client as it introduces itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    pub name: &'a str,
    pub version: Option<&'a str>,
}

/// What the call wants.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    Tool(ToolFacts<'a>),
    /// The URI as the client wrote it; the policy normalises it.
    Resource {
        uri: &'a str,
    },
    Prompt {
        name: &'a str,
    },
    /// A method the protocol does not know.
    Method {
        name: &'a str,
    },
    /// Something the server asks of the client.
    ServerRequest(ServerRequest),
}

/// A tool and what is known of its definition.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ToolFacts<'a> {
    pub name: &'a str,
    pub pin: Pin,
    pub traits: Traits<'a>,
}

impl<'a> ToolFacts<'a> {
    /// A tool of which nothing else is known: every class selector that restricts matches it.
    pub const fn new(name: &'a str, pin: Pin) -> Self {
        Self {
            name,
            pin,
            traits: Traits::UNKNOWN,
        }
    }

    pub const fn with(self, traits: Traits<'a>) -> Self {
        Self { traits, ..self }
    }
}

/// How the tool's name and definition stand with the server's pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Accepted with the definition it has now.
    Pinned,
    /// A new name on a server whose new tools are left to the policy (`new_tools = "judge"`).
    Judged,
    /// Never accepted, or changed since.
    Unpinned,
}

/// What a server may ask of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerRequest {
    Sampling,
    Elicitation,
    ElicitationUrl,
    Roots,
}

impl ServerRequest {
    pub const ALL: [Self; 4] = [
        Self::Sampling,
        Self::Elicitation,
        Self::ElicitationUrl,
        Self::Roots,
    ];

    /// The key under `server_requests`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Sampling => "sampling",
            Self::Elicitation => "elicitation",
            Self::ElicitationUrl => "elicitation_url",
            Self::Roots => "roots",
        }
    }

    /// Allowed where the policy says nothing?
    pub(crate) const fn allowed_unless_denied(self) -> bool {
        matches!(self, Self::Elicitation | Self::Roots)
    }
}
