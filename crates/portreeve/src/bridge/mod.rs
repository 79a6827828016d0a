//! The stdio face: a client that speaks in lines, carried to a gate that speaks HTTP.
//!
//! Owns what a stdio client cannot do: headers made from messages, the session's id, streams and
//! taking them up again, and telling the client in its own language when the gate cannot be reached.
//! It judges nothing; messages are the client's and the gate's own bytes, one a line.
//!
//! ```text
//! run       lines in, tasks, cancellation, the end     link      the way to the gate
//! carry     one request and its answer                 headers   what HTTP wants to know of a message
//! stream    event streams, taken up again              mirrors   arguments that headers repeat
//! session   what a legacy conversation remembers    streams   this program's standard streams
//! answers   what the gate's answers are
//! ```

mod answers;
mod carry;
mod headers;
mod link;
mod mirrors;
mod run;
mod session;
mod stream;
pub mod streams;

pub use link::{Link, LinkError};
pub use run::{Bridge, Ending};
