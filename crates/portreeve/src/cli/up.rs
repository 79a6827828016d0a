//! `portreeve up`

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::directed::directed;
use super::output::{Paint, Tone};
use super::{DataDirArg, Done, Output, first_minute, log, own_program};
use crate::admin::{Answer, Failure};
use crate::clock::Clock;
use crate::config::{self, Arguments, Config, ConfigError, Environment};
use crate::data_dir::DataDir;
use crate::front::FrontSettings;
use crate::gate::Keeping;
use crate::ledger::{Durability, Retention, Rotation, SecondPlace};
use crate::node::{HouseOptions, Node, Plan, url_of};
use crate::upstream::stdio::ChildSettings;

/// How long one request to a server may take where neither file nor server says.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Said where every address is listened on and no name is known that others could call.
const NAMELESS: &str = "\nnote: it listens on every address of this machine, but answers callers on this \
                        machine only: set `public_url`\n      or `allowed_hosts` in a configuration file to \
                        the names that others call it by\n";

#[derive(Debug, Args)]
#[command(
    after_help = "It runs in the foreground until it is interrupted, and logs to stderr; \
                        PORTREEVE_LOG=debug logs more."
)]
pub(super) struct Up {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    dir: DataDirArg,
    /// Where agents connect [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Reserved for the console and the API, which this version does not have
    #[arg(long, value_name = "ADDR", value_parser = address)]
    admin_listen: Option<SocketAddr>,
    /// Go on although the ledger's end is missing or was changed: what is missing is given up, rate
    /// limits forget the calls in it, and the ledger says so
    #[arg(long)]
    accept_ledger_cut: bool,
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let example = "write a numeric address and a port, such as 127.0.0.1:8787 or [::]:8787";
    text.parse().map_err(|_| example.to_owned())
}

impl Up {
    pub(super) fn run(self, paint: Paint) -> Done {
        let environment = Environment::system();
        log::start(&environment);
        let config = self.read_config(&environment)?;
        let named = config
            .as_ref()
            .and_then(|(_, config)| config.data_dir.clone());
        let dir = DataDir::resolve(self.dir.data_dir.as_deref(), named.as_deref(), &environment)
            .map_err(|error| Failure::saying(Answer::Cannot, &error))?;
        let _ownership = dir
            .own()
            .map_err(|error| Failure::saying(Answer::Cannot, &error))?;
        let socket = dir
            .control_socket()
            .map_err(|error| Failure::saying(Answer::Cannot, &error))?;
        let plan = self.plan(&dir, socket, config, environment);
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::cannot(format!("cannot start: {error}"), ""))?
            .block_on(self.serve(plan, dir.path(), paint))
            .map_err(|failure| directed(self.again(failure), dir.path()))
    }

    /// The failure whose hint to start once more does it as this start was.
    fn again(&self, failure: Failure) -> Failure {
        let Some(config) = &self.config else {
            return failure;
        };
        let up = format!("`portreeve up --config '{}' ", config.display());
        let advice = failure.advice;
        let advice = advice.map(|advice| advice.replace("`portreeve up ", &up));
        Failure { advice, ..failure }
    }

    fn read_config(&self, environment: &Environment) -> Result<Option<(PathBuf, Config)>, Failure> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        // Absolute, so that a later change of the working directory changes nothing.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let config = config::load(&path, environment).map_err(|error| unsound(&path, &error))?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        Ok(Some((path, config)))
    }

    fn plan(
        &self,
        dir: &DataDir,
        socket: PathBuf,
        configuration: Option<(PathBuf, Config)>,
        environment: Environment,
    ) -> Plan {
        let defaults = Config::default();
        let config = configuration
            .as_ref()
            .map_or(&defaults, |(_, config)| config);
        let ledger = &config.ledger;
        let house = HouseOptions {
            durability: match ledger.durability {
                config::Durability::Kernel => Durability::Kernel,
                config::Durability::Disk => Durability::Disk,
            },
            rotation: Rotation {
                bytes: ledger.segment_bytes,
                ..Rotation::default()
            },
            second_place: ledger.anchor_file.clone().map(SecondPlace::File),
            accept_cut: self.accept_ledger_cut,
            ..HouseOptions::new(dir.path(), Clock::system())
        };
        let max_body = usize::try_from(config.max_body).unwrap_or(usize::MAX);
        let days = ledger.retain_days.and_then(|days| i64::try_from(days).ok());
        Plan {
            house,
            listen: Some(self.listen.unwrap_or(config.listen)),
            public_url: config.public_url.clone(),
            allowed_hosts: config.allowed_hosts.clone(),
            allowed_origins: config.allowed_origins.clone(),
            front: FrontSettings {
                max_body,
                sse: config.legacy_sse,
                ..FrontSettings::default()
            },
            keeping: match ledger.arguments {
                Arguments::Keys => Keeping::Keys,
                Arguments::Values => Keeping::Values,
                Arguments::None => Keeping::Nothing,
            },
            retention: Retention {
                max_age_ms: days.map(|days| days.saturating_mul(DAY_MS)),
                max_bytes: ledger.retain_bytes,
                archive: None,
            },
            default_timeout: DEFAULT_TIMEOUT,
            environment,
            children: ChildSettings::new(own_program(), max_body),
            control_socket: Some(socket),
            configuration,
        }
    }

    async fn serve(&self, plan: Plan, dir: &Path, paint: Paint) -> Done {
        let mut interrupted = listen_for(SignalKind::interrupt())?;
        let mut terminated = listen_for(SignalKind::terminate())?;
        let public_url = plan.public_url.clone();
        let is_nameless = public_url.is_none() && plan.allowed_hosts.is_empty();
        let node = Node::start(plan).await?;
        let url = public_url.unwrap_or_else(|| url_of(node.address()));
        let mut text = greeting(&node, &url, dir, paint);
        let start = first_minute::Start {
            dir,
            is_configured: self.config.is_some(),
            is_local: node.address().ip().is_loopback(),
        };
        text.push_str(&first_minute::welcome(&node.office, &url, &start, paint).await?);
        if is_nameless && node.address().ip().is_unspecified() {
            text.push_str(NAMELESS);
        }
        if self.admin_listen.is_some() {
            text.push_str("\nnote: --admin-listen has no effect yet: there is no console\n");
        }
        // What follows may take days: this must be seen now.
        Output::text(text).print();
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        tracing::info!("stopping: running calls have 10 s to end; a second signal ends them now");
        let at_once = || Ok(Output::default().remark("ended at once").with_code(3));
        let stopped = tokio::select! {
            stopped = node.stop() => stopped,
            _ = interrupted.recv() => return at_once(),
            _ = terminated.recv() => return at_once(),
        };
        stopped?;
        tracing::info!("stopped");
        Ok(Output::default())
    }
}

fn unsound(path: &Path, error: &ConfigError) -> Failure {
    let ConfigError::Wrong(problems) = error else {
        return Failure::cannot(error.to_string(), "name a file that can be read");
    };
    let file = path.display();
    let shown = super::config::shown(problems, Paint::of_stderr());
    Failure::cannot(
        format!("the configuration file {file} is not sound\n\n{shown}"),
        format!("correct it; `portreeve config check '{file}'` says when it is sound"),
    )
}

fn greeting(node: &Node, url: &str, dir: &Path, paint: Paint) -> String {
    let head = paint.tone(Tone::Head, concat!("portreeve ", env!("CARGO_PKG_VERSION")));
    let mut text = format!("{head}\n  gateway  {url}\n  data     {}\n", dir.display());
    for accepted in &node.house.opened.accepted {
        let _ = writeln!(text, "  accepted and booked: {accepted}");
    }
    let torn = node.house.opened.torn.iter();
    for torn in torn.filter(|torn| torn.misfits.is_some()) {
        let _ = writeln!(text, "  set aside: {}", torn.kept.display());
    }
    text
}

pub(super) fn listen_for(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind).map_err(|error| Failure::cannot(format!("cannot listen for signals: {error}"), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_for_with_an_example() {
        assert!(address("127.0.0.1:0").is_ok());
        for bad in ["localhost:8787", "8787", ":8787"] {
            let error = address(bad).expect_err("no address");
            assert!(error.contains("such as 127.0.0.1:8787"), "{error}");
        }
    }
}
