//! `portreeve wrap`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::directed::directed;
use super::output::{Paint, beginning, printable};
use super::stdio::on_streams;
use super::up::listen_for;
use super::{DataDirArg, Done, Output, desk, log, own_program, policy};
use crate::admin::{Answer, Failure, LocalOffice, Office, Request, Response};
use crate::bridge::{Bridge, Link, streams};
use crate::clock::Clock;
use crate::config::{Environment, parse_secret, resolve};
use crate::data_dir::{DataDir, DataDirError, Ownership};
use crate::front::FrontSettings;
use crate::gate::Keeping;
use crate::grants::token;
use crate::hex;
use crate::keys::Keys;
use crate::ledger::Retention;
use crate::name::{Label, Name};
use crate::node::{HouseOptions, Node, Plan};
use crate::policy_text;
use crate::store::model::{Accept, Declared, NewGrant, NewServer, NewTools, Secret, Target};
use crate::upstream::stdio::{ChildSettings, Children, Launch, StdioServer};
use crate::upstream::{Connector, discover};
use tokio::signal::unix::SignalKind;

/// How long one request to the server may take.
const TIMEOUT: Duration = Duration::from_mins(5);
/// Where wraps keep their state, below the usual data directory: a directory each, by their labels.
pub(super) const WRAPS: &str = "wraps";
/// How many wraps of one command may run at once without a label of their own.
const AT_ONCE: u32 = 32;
/// Who declared it, for the ledger.
const ACTOR: &str = "portreeve wrap";

#[derive(Debug, Args)]
pub(super) struct Wrap {
    /// The policy; without one you are told how to make it
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What this wrap is called: its ledger and its counters go by it [default: made from COMMAND]
    #[arg(long)]
    label: Option<Name>,
    /// A variable for the server: K=V, where V may be `env:NAME` or `file:PATH`, or K alone to pass
    /// on your own
    #[arg(long = "env", value_name = "K=V", value_parser = variable)]
    env: Vec<(String, String)>,
    #[command(flatten)]
    dir: DataDirArg,
    /// The stdio server's command and arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) | None if text.is_empty() || text.starts_with('=') => {
            Err("the variable has no name".to_owned())
        }
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Ok((text.to_owned(), format!("env:{text}"))),
    }
}

impl Wrap {
    pub(super) fn run(self) -> Done {
        let environment = Environment::system();
        let secrets = self.secrets();
        for (name, secret) in &secrets {
            resolve(secret, &environment).map_err(|error| {
                Failure::usage(format!("`--env {name}`: {}", error.in_a_shell()), "")
            })?;
        }
        let launch = Launch::new(&self.command, &secrets, &environment)
            .map_err(|error| Failure::usage(error.to_string(), ""))?;
        launch.check().map_err(|error| {
            let advice = "install it, correct the name, or write its whole path";
            Failure::cannot(error.to_string(), advice)
        })?;
        let Some(file) = &self.policy else {
            return on_streams(self.suggest(launch));
        };
        let policy = match read_policy(file)? {
            Ok(policy) => policy,
            Err(problems) => return Ok(problems),
        };
        log::start(&environment);
        let base = desk::data_dir(self.dir.data_dir.as_deref())?;
        let (name, dir, ownership) = self.own_place(base.path())?;
        on_streams(async {
            let declaring = self.declare((&name, &dir), ownership, policy).await;
            let (token, _ownership) = declaring.map_err(|error| directed(error, dir.path()))?;
            self.serve((&name, &dir), &token, environment).await
        })
    }

    fn secrets(&self) -> Vec<(String, Secret)> {
        let secret = |(name, written): &(String, String)| (name.clone(), parse_secret(written));
        self.env.iter().map(secret).collect()
    }

    /// Its own data directory. Wraps without a label that run at once get one each.
    fn own_place(&self, base: &Path) -> Result<(Name, DataDir, Ownership), Failure> {
        let wraps = base.join(WRAPS);
        let first = match &self.label {
            Some(label) => label.clone(),
            None => derived(&self.command)?,
        };
        for number in 1..=AT_ONCE {
            let name = match number {
                1 => first.clone(),
                number => named(&format!("{first}-{number}"))?,
            };
            let dir = DataDir::at(wraps.join(name.as_str()));
            match dir.own() {
                Ok(ownership) => return Ok((name, dir, ownership)),
                Err(DataDirError::Owned { .. }) if self.label.is_none() => {}
                Err(error @ DataDirError::Owned { .. }) => {
                    return Err(Failure::cannot(
                        format!("a wrap labelled {name} runs already: {error}"),
                        "give this one another --label, or none",
                    ));
                }
                Err(error) => return Err(Failure::saying(Answer::Cannot, &error)),
            }
        }
        Err(Failure::cannot(
            format!("{AT_ONCE} wraps of this command run already"),
            "end some, or give this one a --label",
        ))
    }

    /// Puts the server, the policy and the grant into the store, and returns the grant's token.
    ///
    /// INVARIANT: it is done before the gate begins, which would try what the last wrap of this name left
    /// (`a_wrap_does_not_try_what_the_one_before_it_left`).
    async fn declare(
        &self,
        (name, dir): (&Name, &DataDir),
        ownership: Ownership,
        policy: Ruling,
    ) -> Result<(String, Ownership), Failure> {
        let local = LocalOffice::open(dir, ownership, Clock::system())?;
        if policy.asks_people {
            somebody_may_approve(&local.office, dir).await?;
        }
        let keys =
            Keys::load(dir.path()).map_err(|error| Failure::saying(Answer::Cannot, &error))?;
        let token = hex::encode(&keys.mac("wrap token", name.as_bytes()));
        let declared = self.declared(name, policy.text, &token)?;
        let applied = local.office.apply_declared(ACTOR, declared).await;
        let closed = local.close().await;
        applied?;
        Ok((token, closed?))
    }

    async fn serve(
        &self,
        (name, dir): (&Name, &DataDir),
        token: &str,
        environment: Environment,
    ) -> Done {
        let mut interrupted = listen_for(SignalKind::interrupt())?;
        let mut terminated = listen_for(SignalKind::terminate())?;
        let cannot = |error: &dyn std::fmt::Display| Failure::saying(Answer::Cannot, &error);
        let node = Node::start(plan(dir, environment))
            .await
            .map_err(|error| directed(error.into(), dir.path()))?;
        let front = node
            .front()
            .ok_or_else(|| cannot(&"the gate has no face"))?;
        let host = node.address().to_string();
        let link = Link::within(std::sync::Arc::clone(front), &host, name, token)
            .map_err(|error| cannot(&error))?;
        tracing::info!(label = %name, data = %dir.path().display(), "wrapped");
        tokio::select! {
            _ = Bridge::run(link, streams::input(), streams::output()) => {}
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        node.stop().await.map_err(|error| cannot(&error))?;
        Ok(Output::default())
    }

    /// One server, one policy, one grant, all under one name.
    fn declared(&self, name: &Name, policy: String, token: &str) -> Result<Declared, Failure> {
        let label =
            Label::new(name.as_str()).map_err(|error| Failure::saying(Answer::Usage, &error))?;
        Ok(Declared {
            servers: vec![NewServer {
                name: name.clone(),
                target: Target::Command {
                    argv: self.command.clone(),
                    env: self.secrets(),
                },
                new_tools: NewTools::Quarantine,
                accept: Accept::First,
                private: false,
                timeout_ms: None,
            }],
            policies: vec![(name.clone(), policy)],
            grants: vec![NewGrant {
                label,
                identity: None,
                token_sha256: token::sha256(token),
                servers: BTreeMap::from([(name.clone(), Some(name.clone()))]),
                expires_at: None,
                shadows: BTreeMap::new(),
            }],
        })
    }

    /// What tools there are, and a policy to begin with.
    async fn suggest(&self, launch: Launch) -> Done {
        let name = derived(&self.command)?;
        let children = Children::new(ChildSettings::new(own_program(), 16 * 1024 * 1024));
        let server = StdioServer::new(name, launch, children.clone(), Duration::from_secs(30));
        let found = discover(&Connector::Stdio(server)).await;
        children.shut_down().await;
        let tools = found.map(|found| found.tools).map_err(|error| {
            let what = format!("no --policy, and the server's tools cannot be read: {error}");
            Failure::usage(what, "write a policy and name it with --policy FILE")
        })?;
        let mut text = format!(
            "wrap needs a policy: what it does not name is refused. The server shows {} tools:\n\n",
            tools.len()
        );
        let mut rules = serde_json::Map::new();
        for tool in &tools {
            let definition: serde_json::Value =
                serde_json::from_str(&tool.text).unwrap_or_default();
            let about = definition.get("description").and_then(|text| text.as_str());
            let about = about.and_then(|text| text.lines().next());
            let about = beginning(about.unwrap_or_default(), 70);
            let _ = writeln!(
                text,
                "  {:<28} {}",
                printable(&tool.tool),
                printable(&about)
            );
            rules.insert(tool.tool.clone(), json!({}));
        }
        let policy = json!({ "version": "1", "default": "deny", "tools": rules });
        let policy = serde_json::to_string_pretty(&policy).unwrap_or_default();
        let _ = writeln!(
            text,
            "\nSave this as policy.json, take out what your agent must not do, and run the same \
             command with --policy policy.json:\n\n{}",
            printable(&policy)
        );
        Ok(Output::default().remark(text.trim_end()).with_code(2))
    }
}

/// Nobody could approve anything where there are no people: better told to the person who wraps the
/// server than to the agent, which could add a first person itself.
async fn somebody_may_approve(office: &Office, dir: &DataDir) -> Result<(), Failure> {
    match office.answer(ACTOR, Request::UserList).await? {
        // The first one is an admin.
        Response::People { people } if people.is_empty() => Err(Failure::cannot(
            "the policy makes calls wait for people, and nobody may approve them yet",
            format!(
                "add somebody, and start again: portreeve user add NAME --role admin --data-dir {}",
                dir.path().display()
            ),
        )),
        _ => Ok(()),
    }
}

/// What a policy's file holds.
struct Ruling {
    text: String,
    asks_people: bool,
}

/// The policy; or its problems, for a person.
fn read_policy(file: &Path) -> Result<Result<Ruling, Output>, Failure> {
    let paint = Paint::of_stderr();
    let (name, bytes) = policy::read(file)?;
    let told = |problems: &[policy_text::Problem]| policy::shown(problems, (&name, &bytes), paint);
    match policy_text::check(&bytes) {
        Ok(checked) => {
            if !checked.warnings.is_empty() {
                eprintln!("{}", told(&checked.warnings));
            }
            // It compiled, so it is text.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let asks_people = checked.asks_people;
            Ok(Ok(Ruling { text, asks_people }))
        }
        Err(problems) => Ok(Err(Output::default()
            .remark(told(&problems).trim_end())
            .with_code(1))),
    }
}

fn plan(dir: &DataDir, environment: Environment) -> Plan {
    let front = FrontSettings::default();
    Plan {
        house: HouseOptions::new(dir.path(), Clock::system()),
        listen: None,
        public_url: None,
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        children: ChildSettings::new(own_program(), front.max_body),
        front,
        keeping: Keeping::Keys,
        retention: Retention::default(),
        default_timeout: TIMEOUT,
        environment,
        // Where the path is too long for a socket, other commands wait until the wrap has ended.
        control_socket: dir.control_socket().ok(),
        configuration: None,
    }
}

/// A name for a command: readable, and another for other arguments.
fn derived(command: &[String]) -> Result<Name, Failure> {
    let program = command.first().map(Path::new).and_then(Path::file_name);
    let program = program.map(|name| name.to_string_lossy().into_owned());
    let plain: String = program
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || ['-', '_'].contains(c))
        .take(32)
        .collect();
    let plain = plain.trim_start_matches(['-', '_']);
    let print = hex::encode(digest(&SHA256, command.join("\0").as_bytes()).as_ref());
    let print: String = print.chars().take(8).collect();
    let plain = if plain.is_empty() { "server" } else { plain };
    named(&format!("{plain}-{print}"))
}

fn named(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|error| Failure::usage(error.to_string(), "give it a --label"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_from_a_command() {
        let name = |command: &[&str]| {
            let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
            derived(&command).unwrap().to_string()
        };
        let npx = name(&["/usr/bin/npx", "-y", "server"]);
        assert!(npx.starts_with("npx-") && npx.len() == 12, "{npx}");
        assert_ne!(npx, name(&["/usr/bin/npx", "-y", "other"]));
        assert!(name(&["--- ä"]).starts_with("server-"));
    }

    #[test]
    fn a_variable_is_given_or_passed_on() {
        let read = |text: &str| variable(text).ok();
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(read("K=v=w"), pair("K", "v=w"));
        assert_eq!(read("K"), pair("K", "env:K"));
        assert_eq!((read(""), read("=v")), (None, None));
    }
}
