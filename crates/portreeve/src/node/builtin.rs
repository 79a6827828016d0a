//! The built-in `runs` server, started beside the gate when a server is registered as it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tokio::net::TcpListener;

use super::NodeError;
use crate::demo;
use crate::gate::BuiltIn;
use crate::grants::token::Token;

/// Where its runs are kept in the data directory, so that they outlive a restart of the gate.
const STATE: &str = "demo-runs.journal";

/// Starts it with a key that nobody but the gate has: its port is open to every program of the machine.
pub(super) async fn start(data_dir: &Path) -> Result<(demo::Handle, BuiltIn), NodeError> {
    let state = Some(data_dir.join(STATE));
    let key = Token::generate()
        .ok()
        .and_then(|token| demo::Key::new(token.reveal()).ok())
        .ok_or(NodeError::DemoKey)?;
    let header = key.header();
    let options = demo::Options {
        state,
        key: Some(key),
        ..demo::Options::default()
    };
    // Any free port of this machine: only the gate has to find it.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(address)
        .await
        .map_err(NodeError::DemoListen)?;
    let handle = demo::serve_http(listener, &options)?;
    let at = BuiltIn {
        url: handle.url(),
        key: header,
    };
    Ok((handle, at))
}
