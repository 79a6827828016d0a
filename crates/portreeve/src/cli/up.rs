//! `portreeve up`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{DataDirArg, Done};
use crate::admin::Failure;

#[derive(Debug, Args)]
pub(super) struct Up {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    dir: DataDirArg,
    /// Where agents connect
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the console and the API are
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<SocketAddr>,
}

impl Up {
    pub(super) fn run(self) -> Done {
        drop(self);
        Err(Failure::cannot("the gate is not part of this build", ""))
    }
}
