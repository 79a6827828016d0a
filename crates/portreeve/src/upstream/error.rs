//! What can go wrong with a server, and whether the call can have reached it.

use std::time::Duration;

use crate::budget::UsedUp;

/// Why there is no answer from a server. The words reach the agent: they name no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    #[error("the server cannot be used: {0}")]
    Unusable(String),
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    #[error("the connection to the server broke: {0}")]
    Broken(String),
    #[error("the client cancelled the request")]
    Cancelled,
    #[error("the server did not answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    #[error("the server's answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("too much of what servers answered waits for its clients; try again in a moment")]
    Crowded,
    #[error("the server's answer is not of the protocol: {0}")]
    Nonsense(String),
}

impl From<UsedUp> for UpstreamError {
    fn from(_: UsedUp) -> Self {
        Self::Crowded
    }
}

impl UpstreamError {
    /// Whether the request surely never reached the server, so that its charges can be given back.
    pub const fn surely_not_sent(&self) -> bool {
        matches!(self, Self::Unusable(_) | Self::Unreachable(_))
    }
}
