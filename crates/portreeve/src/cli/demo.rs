//! `portreeve demo`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Done;
use crate::admin::Failure;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Serve standard input and output instead of HTTP
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,
    /// The address to serve HTTP on
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Keep the runs in this file, so that they survive a crash
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(self) -> Done {
        drop(self);
        Err(Failure::cannot(
            "the demo server is not part of this build",
            "",
        ))
    }
}
