//! `portreeve demo`

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::SignalKind;

use super::desk::block_on;
use super::up::{address, listen_for};
use super::{Done, Output};
use crate::admin::{Answer, Failure};
use crate::demo;
use crate::node::{self, NodeError};

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Serve standard input and output instead of HTTP
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,
    /// The address to serve HTTP on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8790", value_parser = address)]
    listen: SocketAddr,
    /// Keep the runs in this file, so that they survive a crash
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Offer `demo_add_tool`, with which a client adds and changes tools
    #[arg(long)]
    allow_tool_changes: bool,
    /// Tools on one page of the list [default: all]
    #[arg(long, value_name = "N", value_parser = count)]
    page_size: Option<NonZero<usize>>,
}

fn count(text: &str) -> Result<NonZero<usize>, String> {
    text.parse()
        .map_err(|_| "write a whole number of 1 or more".to_owned())
}

impl Demo {
    pub(super) fn run(self) -> Done {
        let options = demo::Options {
            state: self.state,
            page_size: self.page_size,
            allow_tool_changes: self.allow_tool_changes,
            key: None,
        };
        let listen = self.listen;
        block_on(async move {
            if self.stdio {
                let served = demo::serve_stdio(&options).await;
                return served.map_err(|error| Failure::saying(Answer::Cannot, &error));
            }
            serve(listen, &options).await
        })?;
        Ok(Output::default())
    }
}

async fn serve(listen: SocketAddr, options: &demo::Options) -> Result<(), Failure> {
    let mut terminated = listen_for(SignalKind::terminate())?;
    let listener = node::listen(listen).await.map_err(NodeError::from)?;
    let handle = demo::serve_http(listener, options)
        .map_err(|error| Failure::saying(Answer::Cannot, &error))?;
    let url = handle.url();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_runs","arguments":{}}}"#;
    Output::text(format!(
        "the runs server is at {url}\n\n  curl -s {url} -H 'Content-Type: application/json' -H \
         'Accept: application/json, text/event-stream' -d '{body}'\n"
    ))
    .print();
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    handle.stop().await;
    Ok(())
}
