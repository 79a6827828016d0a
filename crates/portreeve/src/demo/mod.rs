//! The `runs` demo server: a small durable run engine behind MCP, by itself.
//!
//! It is what a new user's first policy governs, and the upstream of the tests; so it speaks the
//! protocol as servers in the wild do, in both eras, over HTTP and stdio, and with their weaknesses
//! where a policy should stop them. It uses no other room but the clock: what the gateway does
//! wrong must not look right because both share a mistake.
//!
//! `engine` runs the runs, `tools` are what a client sees of them, `legacy` and `modern` are the
//! two eras of the protocol, `http` and `stdio` the transports.

use std::io;
use std::num::NonZero;
use std::path::PathBuf;

use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value};

pub mod engine;
mod http;
mod in_flight;
mod legacy;
mod modern;
mod progress;
mod rpc;
mod server;
mod stdio;
mod tools;

pub use http::{Handle, Key, serve_http};
pub use stdio::{serve_lines, serve_stdio};

use engine::journal::JournalError;
use tools::Tool;

/// The largest message that is read.
const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// The policy that this server is registered with: everything that is not named is refused, reads
/// pass, re-runs are limited and their arguments pinned to the form that cannot be spliced.
pub const RECOMMENDED_POLICY: &str = include_str!("recommended-policy.json");

/// How the server is to run. The default keeps all in memory and its tools as they are.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file in which runs survive a crash.
    pub state: Option<PathBuf>,
    /// Tools on one page of the list; all, if absent.
    pub page_size: Option<NonZero<usize>>,
    /// Offers `demo_add_tool`, with which a client adds and changes tools at run time.
    pub allow_tool_changes: bool,
    /// Over HTTP, answers only to whoever has the key; to everybody, if absent.
    pub key: Option<Key>,
}

/// Why the server could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    State(#[from] JournalError),
    #[error("the connection to the client failed: {0}")]
    Stream(#[source] io::Error),
    #[error("a message is longer than {MESSAGE_LIMIT} bytes; the stream cannot be read on")]
    TooLong,
}

/// The definitions of the built-in tools, as `tools/list` shows them.
pub fn tool_definitions() -> Vec<Value> {
    Tool::LISTED.into_iter().map(Tool::definition).collect()
}

/// The token of a caller that wants to hear of progress.
fn progress_token(params: &Map<String, Value>) -> Option<&Value> {
    let token = params.get("_meta")?.get("progressToken")?;
    (token.is_string() || token.is_number()).then_some(token)
}

fn random_bytes() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}
