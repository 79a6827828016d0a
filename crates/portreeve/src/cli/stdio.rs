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
    /// The server behind the gateway; a URL that ends in `/mcp/NAME` says it too, and one that ends
    /// in `/mcp` means all servers of the grant
    #[arg(long, value_name = "NAME")]
    server: Option<Name>,
    /// The gateway, or the URL that `grant create` prints
    #[arg(long, value_name = "GATEWAY", default_value = "http://127.0.0.1:8787")]
    url: String,
}

impl Stdio {
    pub(super) fn run(self) -> Done {
        let environment = Environment::system();
        log::start(&environment);
        let (gateway, server) = taken_apart(&self.url, self.server)?;
        let token = environment.token().ok_or_else(|| {
            Failure::usage(
                format!("no token: {TOKEN_VARIABLE} is not set"),
                format!(
                    "set {TOKEN_VARIABLE} to a grant's token; `portreeve grant create LABEL \
                     --server {}=POLICY` makes one",
                    server.as_deref().unwrap_or("NAME")
                ),
            )
        })?;
        let link = Link::to(&gateway, server.as_deref(), &token).map_err(|error| match error {
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

/// The gateway's address, and the server that the URL or the flag names: none of them means all.
fn taken_apart(url: &str, flag: Option<Name>) -> Result<(String, Option<Name>), Failure> {
    let url = url.trim_end_matches('/');
    let joint = url.strip_suffix("/mcp");
    let (gateway, named) = match url.rsplit_once("/mcp/") {
        Some((gateway, name)) => (gateway, Some(name)),
        None => (joint.unwrap_or(url), None),
    };
    let named = named.map(Name::new).transpose().map_err(|error| {
        let what = format!("the URL {url:?} names no server after /mcp/: {error}");
        Failure::usage(what, "give the gateway's address without /mcp/NAME")
    })?;
    match (flag, named) {
        (Some(flag), Some(named)) if flag != named => Err(Failure::usage(
            format!("`--server` names {flag}, and the URL {named}"),
            "leave out `--server`, or give the gateway's address without /mcp/NAME",
        )),
        (Some(server), _) | (None, Some(server)) => Ok((gateway.to_owned(), Some(server))),
        (None, None) if joint.is_some() => Ok((gateway.to_owned(), None)),
        (None, None) => Err(Failure::usage(
            "which server is meant is not said",
            format!(
                "give `--server NAME` or `--url {gateway}/mcp/NAME`; `--url {gateway}/mcp` is all \
                 servers of the grant"
            ),
        )),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_name_the_server_and_must_not_contradict_the_flag() {
        let taken = |url: &str, flag: Option<&str>| {
            let flag = flag.map(|name| Name::new(name).unwrap());
            let (gateway, server) = taken_apart(url, flag).map_err(|failure| failure.what)?;
            Ok::<_, String>(format!("{gateway} {}", server.as_deref().unwrap_or("all")))
        };
        let builds = "http://h:1/gate builds";
        for (url, flag) in [
            ("http://h:1/gate/mcp/builds", None),
            ("http://h:1/gate/mcp/builds/", Some("builds")),
            ("http://h:1/gate/mcp", Some("builds")),
            ("http://h:1/gate/", Some("builds")),
        ] {
            assert_eq!(taken(url, flag).as_deref(), Ok(builds), "{url}");
        }
        for url in ["http://h:1/gate/mcp", "http://h:1/gate/mcp/"] {
            assert_eq!(
                taken(url, None).as_deref(),
                Ok("http://h:1/gate all"),
                "{url}"
            );
        }
        for (url, flag, says) in [
            (
                "http://h/mcp/builds",
                Some("runs"),
                "names runs, and the URL builds",
            ),
            ("http://h/mcp/a/b", None, "names no server"),
            ("http://h", None, "is not said"),
        ] {
            let error = taken(url, flag).expect_err("refused");
            assert!(error.contains(says), "{error}");
        }
    }
}
