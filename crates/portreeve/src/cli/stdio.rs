//! `portreeve stdio`

use clap::Args;

use super::{Done, Output, log};
use crate::admin::{Answer, Failure};
use crate::bridge::{Bridge, Ending, Link, LinkError};
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
        let ending = on_streams(async move {
            Ok(Bridge::run(link, tokio::io::stdin(), tokio::io::stdout()).await)
        })?;
        Ok(Output::default().with_code(match ending {
            Ending::Fine => 0,
            Ending::Refused => 1,
            Ending::Unreachable => 3,
        }))
    }
}

/// Runs what speaks over the standard streams. A read of them that hangs must not keep the process.
pub(super) fn on_streams<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::cannot(format!("cannot start: {error}"), ""))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
