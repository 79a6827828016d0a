//! How much of what others say is kept beyond the request they said it in.
//!
//! A request's own bytes have a cap and go with the request. What outlives it lies in a map, as many
//! times as the map has places: each such piece has a cap of its own, so that the places times the
//! size is a bound.

/// What a client says of itself: who it is, and what it can do. As JSON text.
pub const MAX_HELLO: usize = 16 * 1024;

/// The URI of a resource that is watched.
pub const MAX_URI: usize = 4 * 1024;

/// What a server says of itself, for clients that are told of it later. As JSON text.
pub const MAX_INTRODUCTION: usize = 64 * 1024;

/// The revision that a server says it speaks.
pub const MAX_VERSION: usize = 64;

/// What a server calls a session: it may be a signed token.
pub const MAX_SESSION_ID: usize = 8 * 1024;

/// What a server calls a task.
pub const MAX_TASK_ID: usize = 1_024;

const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// The level of logging of this name; nothing if the protocol has none.
pub fn level(name: &str) -> Option<&'static str> {
    LEVELS.into_iter().find(|level| *level == name)
}
