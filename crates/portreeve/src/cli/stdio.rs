//! `portreeve stdio`

use clap::Args;
use tokio::runtime::Builder;

use super::{Done, Output, log};
use crate::admin::{Answer, Failure};
use crate::bridge::{Bridge, Ending, Link, LinkError, streams};
use crate::config::{Environment, TOKEN_VARIABLE};
use crate::name::Name;

#[derive(Debug, Args)]
pub(super) struct Stdio {
    /// The server behind the gateway
    #[arg(long, value_name = "NAME")]
    server: Name,
    /// The gateway
    #[arg(long, value_name = "GATEWAY", default_value = "http://127.0.0.1:8787")]
    url: String,
}

impl Stdio {
    pub(super) fn run(self) -> Done {
        let environment = Environment::system();
        log::start(&environment);
        let token = environment.token().ok_or_else(|| {
            Failure::usage(
                format!("no token: {TOKEN_VARIABLE} is not set"),
                format!(
                    "set {TOKEN_VARIABLE} to a grant's token; `portreeve grant create LABEL \
                     --server {}=POLICY` makes one",
                    self.server
                ),
            )
        })?;
        let link = Link::to(&self.url, &self.server, &token).map_err(|error| match error {
            LinkError::Tls(_) => Failure::saying(Answer::Cannot, &error),
            _ => Failure::saying(Answer::Usage, &error),
        })?;
        // Messages go from one stream to another: a second thread would only have to be woken.
        let carrying = async { Ok(Bridge::run(link, streams::input(), streams::output()).await) };
        let ending = to_its_end(Builder::new_current_thread(), carrying)?;
        Ok(Output::default().with_code(match ending {
            Ending::Fine => 0,
            Ending::Refused => 1,
            Ending::Unreachable => 3,
        }))
    }
}

/// Runs what speaks over the standard streams, and works beside.
pub(super) fn on_streams<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    to_its_end(Builder::new_multi_thread(), work)
}

/// A read of the standard streams that hangs must not keep the process.
fn to_its_end<T>(
    mut runtime: Builder,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| Failure::cannot(format!("cannot start: {error}"), ""))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
