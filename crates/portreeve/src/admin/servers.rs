//! What a person does with servers.

use portreeve_risk::scan::Names;
use serde_json::json;

use super::effects::UpstreamError;
use super::failure::{Answer, Failure};
use super::office::Office;
use super::request::{NewTarget, Plain, Request};
use super::response::{Discovery, Pinned, Response, ServerView, ToolView, pin_changes};
use crate::config::{Environment, find_program, server_environment};
use crate::name::Name;
use crate::nearest::did_you_mean;
use crate::server_url;
use crate::store::StoreError;
use crate::store::model::{
    Accept, Accepting, Drift, Grant, Kind, NewServer, Owner, Pin, Secret, Server, Target,
};

impl Office {
    pub(super) async fn server(&self, actor: &str, request: Request) -> Result<Response, Failure> {
        match request {
            Request::ServerAdd {
                name,
                target,
                new_tools,
                accept,
                private,
                timeout_ms,
            } => {
                let server = NewServer {
                    name,
                    target: checked(target, private, &self.effects.environment())?,
                    new_tools,
                    accept,
                    private,
                    timeout_ms,
                };
                self.add_server(actor, server).await
            }
            Request::ServerTools { name } => self.tools(actor, &name).await,
            Request::ServerPin { name, which } => self.pin(actor, &name, which).await,
            Request::ServerRemove { name } => self.remove_server(actor, name).await,
            _ => self.list_servers().await,
        }
    }

    async fn add_server(&self, actor: &str, new: NewServer) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        if let Some(known) = self.store.server(&new.name).await? {
            return Err(StoreError::taken(Kind::Server, new.name, known.owner).into());
        }
        let detail = json!({
            "target": new.target.to_string(),
            "new_tools": new.new_tools,
            "accept": new.accept,
            "private": new.private,
            "timeout_ms": new.timeout_ms,
        });
        let act = turn.book("server.add", &new.name, detail).await?;
        let added = self.store.add_server(new, self.clock.now()).await;
        let server = act.came_of(added).await?;
        turn.reload().await?;
        drop(turn);
        let discovery = self.discover(actor, server.clone()).await?;
        Ok(Response::ServerAdded {
            server: self.view(&server).await?,
            discovery,
        })
    }

    async fn view(&self, server: &Server) -> Result<ServerView, Failure> {
        let pins = self.store.pins(&server.name).await?;
        Ok(ServerView::new(server, &pins))
    }

    async fn list_servers(&self) -> Result<Response, Failure> {
        let snapshot = self.store.load_all().await?;
        let view = |server| ServerView::new(server, &snapshot.pins);
        let servers = snapshot.servers.iter().map(view).collect();
        Ok(Response::Servers { servers })
    }

    /// The server of this name, or an error with the nearest one.
    pub(super) async fn existing_server(&self, name: &Name) -> Result<Server, Failure> {
        if let Some(server) = self.store.server(name).await? {
            return Ok(server);
        }
        let servers = self.store.servers().await?;
        let known = servers.iter().map(|server| server.name.as_str());
        Err(missing(Kind::Server, name, known))
    }

    /// Asks the server for its tools: a first list is accepted if that is how it was added, any
    /// other is compared with the pins. No turn is held while the server thinks: a slow server
    /// must not keep anybody from revoking a grant.
    async fn discover(&self, actor: &str, server: Server) -> Result<Discovery, Failure> {
        let list = match self.effects.discover(server.clone()).await {
            Ok(list) => list,
            Err(error) => return Ok(Discovery::Failed(why_failed(&error, &server.target))),
        };
        let turn = self.turn(actor).await;
        let asked = server;
        let server = self.existing_server(&asked.name).await?;
        if server.revision != asked.revision || server.created_at != asked.created_at {
            let why = "it was reconfigured in the meantime".to_owned();
            return Ok(Discovery::Failed(why));
        }
        let now = self.clock.now();
        let first = server.accept == Accept::First && !server.first_list_accepted;
        let done = if first {
            let tools: Vec<_> = list
                .iter()
                .map(|tool| json!({ "tool": tool.definition.tool, "hash": tool.definition.hash }))
                .collect();
            let detail = json!({ "first": true, "tools": tools });
            let act = turn.book("server.pin", &server.name, detail).await?;
            let count = list.len();
            let taken = self.store.accept_first(&server.name, list, now).await;
            let taken = act.came_of(taken).await?;
            Discovery::FirstList(if taken { count } else { 0 })
        } else {
            let drift = self.store.observe(&server.name, list, now).await?;
            if drift.is_empty() {
                return Ok(Discovery::Compared(0));
            }
            // It waits already, whether it can be booked or not: that is the safe side.
            let detail = json!({ "tools": drift.iter().map(told).collect::<Vec<_>>() });
            turn.book("server.drift", &server.name, detail).await?;
            Discovery::Compared(drift.len())
        };
        turn.reload().await?;
        Ok(done)
    }

    async fn tools(&self, actor: &str, name: &Name) -> Result<Response, Failure> {
        let server = self.existing_server(name).await?;
        let discovery = self.discover(actor, server).await?;
        let server = self.existing_server(name).await?;
        let (own, others): (Vec<Pin>, Vec<Pin>) = self
            .store
            .load_all()
            .await?
            .pins
            .into_iter()
            .partition(|pin| pin.server == *name);
        let others = Names::of(others.iter().map(|pin| pin.tool.as_str()));
        Ok(Response::Tools {
            server: ServerView::new(&server, &own),
            discovery,
            tools: own
                .iter()
                .map(|pin| ToolView::judged(pin, &others))
                .collect(),
        })
    }

    async fn pin(&self, actor: &str, name: &Name, which: Accepting) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        self.existing_server(name).await?;
        let pins = self.store.pins(name).await?;
        let seen = waiting(name, &pins, &which)?;
        if seen.is_empty() {
            let server = name.clone();
            let tools = Vec::new();
            return Ok(Response::Pinned { server, tools });
        }
        let tools: Vec<_> = seen
            .iter()
            .map(|(tool, hash)| json!({ "tool": tool, "hash": hash }))
            .collect();
        let act = turn
            .book("server.pin", name, json!({ "tools": tools }))
            .await?;
        // Exactly what was booked is accepted, whatever arrives in the meantime.
        let which = Accepting::Seen(seen);
        let accepted = self.store.accept(name, which, self.clock.now()).await;
        let accepted = act.came_of(accepted).await?;
        turn.reload().await?;
        let pinned = |pin: Pin| Pinned {
            changes: pins
                .iter()
                .find(|before| before.tool == pin.tool && before.waiting() == Some(&pin.hash))
                .map_or_else(Vec::new, pin_changes),
            tool: pin.tool,
            hash: pin.hash,
        };
        Ok(Response::Pinned {
            server: name.clone(),
            tools: accepted.into_iter().map(pinned).collect(),
        })
    }

    /// INVARIANT: what the store would refuse is refused before it is booked
    /// (`what_is_refused_for_a_reason_known_before_is_no_act`).
    async fn removable_server(&self, name: &Name) -> Result<(), Failure> {
        let server = self.existing_server(name).await?;
        let (kind, name) = (Kind::Server, name.to_string());
        if server.owner == Owner::File {
            return Err(StoreError::OwnedByFile { kind, name }.into());
        }
        let grants = self.store.grants().await?;
        let is_kept_by = |grant: &&Grant| {
            grant.owner == Owner::File && grant.servers.contains_key(server.name.as_str())
        };
        match grants.iter().find(is_kept_by) {
            None => Ok(()),
            Some(grant) => {
                let users = format!("the grant `{}` in the configuration file", grant.label);
                Err(StoreError::InUse { kind, name, users }.into())
            }
        }
    }

    async fn remove_server(&self, actor: &str, name: Name) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        self.removable_server(&name).await?;
        let act = turn.book("server.remove", &name, json!({})).await?;
        let grants = act.came_of(self.store.remove_server(&name).await).await?;
        turn.reload().await?;
        Ok(Response::ServerRemoved { name, grants })
    }
}

/// Why a server's tools are not known. What a process writes before it ends may hold secrets, so it is in
/// the log alone.
fn why_failed(error: &UpstreamError, target: &Target) -> String {
    match (error, target) {
        (UpstreamError::Failed(why), Target::Command { .. }) => {
            let here = std::path::absolute(".").unwrap_or_default();
            format!(
                "{why}; it was started in {}, and what it wrote to stderr is in the gateway's log: the stderr of \
                 the `portreeve up` that runs (process {})",
                here.display(),
                std::process::id()
            )
        }
        _ => error.to_string(),
    }
}

fn told(drift: &Drift) -> serde_json::Value {
    json!({ "tool": drift.tool, "hash": drift.hash, "kind": drift.kind })
}

/// The definitions that are to be accepted and wait: what will be booked.
fn waiting(
    server: &Name,
    pins: &[Pin],
    which: &Accepting,
) -> Result<Vec<(String, String)>, Failure> {
    let pair = |pin: &Pin| Some((pin.tool.clone(), pin.waiting()?.to_owned()));
    match which {
        Accepting::All if pins.is_empty() => Err(Failure::cannot(
            format!("the tools of `{server}` are not known yet"),
            format!("start portreeve, then run `portreeve server tools {server}`"),
        )),
        Accepting::All => Ok(pins.iter().filter_map(pair).collect()),
        Accepting::Tools(tools) => {
            let mut chosen = Vec::new();
            for tool in tools {
                let known = pins.iter().map(|pin| pin.tool.as_str());
                let pin = pins.iter().find(|pin| pin.tool == *tool).ok_or_else(|| {
                    let near = did_you_mean(tool, known);
                    Failure::cannot(
                        format!("no tool named `{tool}` is known on the server `{server}`"),
                        format!("`portreeve server tools {server}` shows what is known{near}"),
                    )
                })?;
                chosen.extend(pair(pin));
            }
            Ok(chosen)
        }
        Accepting::Seen(seen) => Ok(seen.clone()),
    }
}

/// "There is none of that name", with the nearest.
pub(super) fn missing<'a>(
    kind: Kind,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Failure {
    let error = StoreError::Missing {
        kind,
        name: name.to_owned(),
    };
    let near = did_you_mean(name, known);
    Failure::cannot(format!("{error}{near}"), error.advice())
}

/// The target, if it may be one.
fn checked(target: NewTarget, private: bool, environment: &Environment) -> Result<Target, Failure> {
    let seal = |pairs: Vec<(String, Plain)>| {
        let pair = |(name, Plain(text))| (name, Secret::literal(text));
        pairs.into_iter().map(pair).collect()
    };
    match target {
        NewTarget::Demo => Ok(Target::Demo),
        NewTarget::Http { url, headers } => {
            server_url::check(&url, private)
                .map_err(|error| Failure::saying(Answer::Usage, &error))?;
            for (name, Plain(value)) in &headers {
                server_url::check_header(name, value)
                    .map_err(|error| Failure::saying(Answer::Usage, &error))?;
            }
            Ok(Target::Http {
                url,
                headers: seal(headers),
            })
        }
        NewTarget::Command { argv, .. } if argv.first().is_none_or(String::is_empty) => {
            Err(Failure::usage(
                "the command names no program",
                "write `-- PROGRAM ARGUMENT…`",
            ))
        }
        NewTarget::Command { argv, env } => {
            check_program(&argv, &env, environment)?;
            Ok(Target::Command {
                argv,
                env: seal(env),
            })
        }
    }
}

/// Whoever adds a server is told at once that there is no such program.
fn check_program(
    argv: &[String],
    env: &[(String, Plain)],
    environment: &Environment,
) -> Result<(), Failure> {
    let declared = env
        .iter()
        .map(|(name, Plain(value))| (name.clone(), value.into()));
    let variables = server_environment(environment, declared);
    let program = argv.first().map(String::as_str).unwrap_or_default();
    find_program(program, &variables)
        .map(drop)
        .map_err(|error| {
            let advice = "install it, correct the name, or write its whole path";
            Failure::cannot(error.to_string(), advice)
        })
}
