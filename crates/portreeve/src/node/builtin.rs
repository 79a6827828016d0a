//! The built-in `runs` server, started beside the gate when a server is registered as it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tokio::net::TcpListener;

use super::NodeError;
use crate::demo;

/// Where its runs are kept in the data directory, so that they outlive a restart of the gate.
const STATE: &str = "demo-runs.journal";

pub(super) async fn start(data_dir: &Path) -> Result<demo::Handle, NodeError> {
    let state = Some(data_dir.join(STATE));
    let options = demo::Options {
        state,
        ..demo::Options::default()
    };
    // Any free port of this machine: only the gate has to find it.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(address)
        .await
        .map_err(NodeError::DemoListen)?;
    Ok(demo::serve_http(listener, &options)?)
}
