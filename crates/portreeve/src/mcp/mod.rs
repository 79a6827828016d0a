//! The wire: what a Model Context Protocol message is, and how it is framed.
//!
//! Knows JSON-RPC, the protocol's methods and revisions, event streams and the protocol's HTTP
//! headers. Knows no policy, no grant and no server: everything here is a function of bytes.
//!
//! Nothing is rewritten on the way through. A message is read into a tree that points into its
//! bytes; who wants to change a member splices the bytes ([`splice`]).

pub mod answer;
pub mod code;
pub mod event_id;
pub mod header;
pub mod kept;
pub mod keys;
pub(crate) mod lines;
pub mod message;
pub mod method;
pub mod mirrors;
pub(crate) mod parts;
pub mod revision;
pub mod splice;
pub mod sse;
