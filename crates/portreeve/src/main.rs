//! The `portreeve` program: arguments in, exit code out. Everything else is in the library.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use portreeve::demo;
use tokio::net::TcpListener;

#[derive(Debug, Parser)]
#[command(name = "portreeve", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The `runs` demo server by itself
    Demo(Demo),
}

#[derive(Debug, Args)]
struct Demo {
    /// Serve standard input and output instead of HTTP
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,
    /// The address to serve HTTP on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// Keep the runs in this file, so that they survive a crash
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Offer `demo_add_tool`, with which a client adds and changes tools
    #[arg(long)]
    allow_tool_changes: bool,
    /// Tools on one page of the list
    #[arg(long, value_name = "N")]
    page_size: Option<std::num::NonZero<usize>>,
}

/// A call that succeeds on every demo server, however often.
const TRY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run-rerun","arguments":{"runId":1}}}"#;

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Demo(demo) = Cli::parse().command;
    match demo.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portreeve: {error:#}");
            ExitCode::from(3)
        }
    }
}

impl Demo {
    async fn run(self) -> anyhow::Result<()> {
        let options = demo::Options {
            state: self.state,
            page_size: self.page_size,
            allow_tool_changes: self.allow_tool_changes,
        };
        if self.stdio {
            return Ok(demo::serve_stdio(&options).await?);
        }
        let listener = TcpListener::bind(self.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", self.listen))?;
        let handle = demo::serve_http(listener, &options)?;
        let url = handle.url();
        println!("The runs demo server is at {url}. Try it:");
        println!("  curl -s {url} -H 'content-type: application/json' -d '{TRY}'");
        tokio::signal::ctrl_c().await?;
        handle.stop().await;
        Ok(())
    }
}
