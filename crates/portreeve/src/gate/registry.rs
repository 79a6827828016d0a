//! Everything the gate decides by, compiled and swapped whole.
//!
//! A registry is built from one consistent read of the store and never changes afterwards; a call
//! takes the one in force when it arrives and keeps it to its end.
//!
//! INVARIANT: a call sees one version of everything (`a_swap_does_not_reach_a_running_call`).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use portreeve_policy::time::Timestamp;
use portreeve_policy::{Label as PolicyLabel, Policy};
use portreeve_risk::scan::Names;

use super::looked::Looked;
use super::pins::Board;
use crate::config::{self, Environment};
use crate::name::{Label, Name};
use crate::policy_text;
use crate::store::model::{Grant, PolicyVersion, Secret, Server, Snapshot, Target};
use crate::upstream::stdio::{Children, Launch, StdioServer};
use crate::upstream::{Connector, HttpServer, Network, Spoken, UpstreamError, Whose};

/// The compiled state.
#[derive(Debug, Default)]
pub struct Registry {
    number: u64,
    grants: HashMap<String, Arc<GrantEntry>>,
    servers: HashMap<Name, Arc<ServerEntry>>,
    policies: HashMap<Name, Arc<PolicyEntry>>,
    /// For how long what a caller has seen can matter to a flow rule; nothing if none is in force.
    flow_memory_ms: Option<u64>,
}

/// A caller's grant, ready to be asked.
#[derive(Debug)]
pub struct GrantEntry {
    token_sha256: String,
    /// Whose its requests are towards servers.
    pub(super) whose: Whose,
    pub label: Label,
    /// The identity it belongs to; its label where none was given.
    pub identity: String,
    pub expires_at: Option<Timestamp>,
    /// Each server it may use, with the policy in force there.
    pub routes: HashMap<Name, Ruling>,
    /// The policies that are tried on some of these servers.
    pub trials: HashMap<Name, Trial>,
}

/// A policy that is tried beside the one in force.
#[derive(Clone, Debug)]
pub enum Trial {
    Of(Arc<PolicyEntry>),
    /// There is no such policy, or it does not compile: its name.
    Broken(String),
}

/// What rules a grant's calls on one server.
#[derive(Clone, Debug)]
pub enum Ruling {
    InForce(Arc<PolicyEntry>),
    /// Nothing does, so everything is denied; in words, why.
    Nothing(String),
}

/// `name@version`, as the ledger names it.
impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InForce(entry) => write!(f, "{}@{}", entry.name, entry.version),
            Self::Nothing(_) => f.write_str("(none)"),
        }
    }
}

/// One version of a policy, compiled.
#[derive(Debug)]
pub struct PolicyEntry {
    pub name: Name,
    pub version: u64,
    pub policy: Policy,
}

/// One server, ready to be reached.
#[derive(Debug)]
pub struct ServerEntry {
    pub name: Name,
    pub revision: u64,
    pub created_at: Timestamp,
    pub connector: Connector,
    pub pins: Board,
    /// When its definitions were held against the pins, since this process began and since the
    /// server was configured as it is.
    ///
    /// INVARIANT: a tool is called only after its definition was compared
    /// (`what_changed_while_nobody_looked_is_not_called`).
    pub(super) looked: Arc<Looked>,
    /// Which eras it is known to speak; the same for as long as its configuration is.
    pub spoken: Arc<Spoken>,
}

/// Where the built-in server listens, and what it wants of a caller: only the gate may talk to it.
#[derive(Clone, Debug)]
pub struct BuiltIn {
    pub url: String,
    /// The value of `Authorization`.
    pub key: HeaderValue,
}

/// What building a registry needs besides the snapshot.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub network: Network,
    /// The processes of stdio servers.
    pub children: Children,
    /// Where the built-in server listens, if it runs.
    pub demo: Arc<OnceLock<BuiltIn>>,
    pub default_timeout: Duration,
    /// Where credentials that are named, not given, are looked up.
    pub environment: Environment,
}

impl Registry {
    /// Compiles a snapshot. Policies that `before` holds in the same version are taken over.
    pub fn build(snapshot: Snapshot, around: &Surroundings, before: &Self) -> Self {
        let policies = compile_all(snapshot.policies, before);
        let mut pins: HashMap<Name, Vec<_>> = HashMap::new();
        for pin in snapshot.pins {
            pins.entry(pin.server.clone()).or_default().push(pin);
        }
        let servers = snapshot
            .servers
            .into_iter()
            .map(|server| {
                let board = Board::new(&server, pins.remove(&server.name).unwrap_or_default());
                (
                    server.name.clone(),
                    Arc::new(ServerEntry::new(server, board, around, before)),
                )
            })
            .collect();
        let grants = snapshot
            .grants
            .into_iter()
            .map(|grant| {
                (
                    grant.token_sha256.clone(),
                    Arc::new(GrantEntry::new(grant, &policies)),
                )
            })
            .collect();
        let policies: HashMap<Name, Arc<PolicyEntry>> =
            policies.into_iter().filter_map(usable).collect();
        let memory = policies.values().filter_map(|e| e.policy.flow_memory_ms());
        Self {
            number: before.number + 1,
            flow_memory_ms: memory.max(),
            grants,
            servers,
            policies,
        }
    }

    /// For how long what a caller has seen can matter; nothing if no policy has a flow rule.
    pub(super) const fn flow_memory_ms(&self) -> Option<u64> {
        self.flow_memory_ms
    }

    /// Whether a flow rule of any policy watches the label.
    pub(super) fn watches(&self, label: &PolicyLabel<'_>) -> bool {
        let mut policies = self.policies.values();
        policies.any(|entry| entry.policy.watches(label))
    }

    /// The grant whose token has this SHA-256 (lower-case hex).
    pub fn grant(&self, token_sha256: &str) -> Option<&Arc<GrantEntry>> {
        self.grants.get(token_sha256)
    }

    /// Tells one registry from every other of this process.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Whether the grant, with the same token, still reaches the server.
    pub fn still_grants(&self, grant: &GrantEntry, server: &Name, now: Timestamp) -> bool {
        self.same_grant(grant)
            .is_some_and(|current| current.routes.contains_key(server) && !current.is_over(now))
    }

    /// The grant as it is here, with the same token.
    pub(super) fn same_grant(&self, grant: &GrantEntry) -> Option<&Arc<GrantEntry>> {
        let current = self.grants.get(&grant.token_sha256);
        current.filter(|current| current.label == grant.label)
    }

    /// The names of other servers' tools, which have no business in a definition of this one.
    pub(super) fn names_beside(&self, server: &Name) -> Names {
        let others = self.servers.values().filter(|entry| entry.name != *server);
        Names::of(others.flat_map(|entry| entry.pins.tools()))
    }

    pub fn server(&self, name: &str) -> Option<&Arc<ServerEntry>> {
        self.servers.get(name)
    }

    pub fn servers(&self) -> impl Iterator<Item = &Arc<ServerEntry>> {
        self.servers.values()
    }
}

type Compiled = HashMap<Name, Result<Arc<PolicyEntry>, String>>;

fn usable(
    (name, compiled): (Name, Result<Arc<PolicyEntry>, String>),
) -> Option<(Name, Arc<PolicyEntry>)> {
    compiled.ok().map(|entry| (name, entry))
}

fn compile_all(versions: Vec<PolicyVersion>, before: &Registry) -> Compiled {
    versions
        .into_iter()
        .map(|version| {
            let known = before
                .policies
                .get(&version.name)
                .filter(|e| e.version == version.version);
            let entry = known.cloned().map_or_else(|| compile_one(&version), Ok);
            (version.name, entry)
        })
        .collect()
}

fn compile_one(version: &PolicyVersion) -> Result<Arc<PolicyEntry>, String> {
    match policy_text::compile(version.text.as_bytes()) {
        Ok(checked) => Ok(Arc::new(PolicyEntry {
            name: version.name.clone(),
            version: version.version,
            policy: checked.policy,
        })),
        Err(problems) => {
            let first = problems
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::error!(policy = %version.reference(), problem = %first, "does not compile: it denies everything");
            Err(format!(
                "the policy {} does not compile",
                version.reference()
            ))
        }
    }
}

impl GrantEntry {
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    fn new(grant: Grant, policies: &Compiled) -> Self {
        let ruling = |policy: Option<Name>| match policy {
            None => Ruling::Nothing("the grant has no policy for this server".into()),
            Some(name) => match policies.get(&name) {
                Some(Ok(entry)) => Ruling::InForce(Arc::clone(entry)),
                Some(Err(why)) => Ruling::Nothing(why.clone()),
                None => Ruling::Nothing(format!("there is no policy {name}")),
            },
        };
        let trial = |policy: Name| match policies.get(&policy) {
            Some(Ok(entry)) => Trial::Of(Arc::clone(entry)),
            Some(Err(_)) | None => Trial::Broken(policy.to_string()),
        };
        let trials = grant.shadows.into_iter();
        let routes = grant
            .servers
            .into_iter()
            .map(|(name, policy)| (name, ruling(policy)));
        Self {
            identity: grant.identity.unwrap_or_else(|| grant.label.to_string()),
            expires_at: grant.expires_at,
            routes: routes.collect(),
            trials: trials.map(|(name, policy)| (name, trial(policy))).collect(),
            whose: Whose::caller(&grant.token_sha256),
            token_sha256: grant.token_sha256,
            label: grant.label,
        }
    }
}

impl ServerEntry {
    fn new(server: Server, pins: Board, around: &Surroundings, before: &Registry) -> Self {
        let connector = connector(&server, around, before).unwrap_or_else(|error| {
            // Told once, not at every change of something else.
            let told = before
                .server(&server.name)
                .is_some_and(|s| s.revision == server.revision);
            if !told {
                tracing::warn!(server = %server.name, %error, "the server cannot be used");
            }
            let why = match error {
                UpstreamError::Unusable(why) => why,
                other => other.to_string(),
            };
            Connector::Unusable(why)
        });
        let configuration = (server.created_at, server.revision);
        let known = before.server(&server.name);
        let known = known.filter(|known| known.configuration() == configuration);
        Self {
            looked: known.map_or_else(Arc::default, |known| Arc::clone(&known.looked)),
            name: server.name,
            revision: server.revision,
            created_at: server.created_at,
            connector,
            pins,
            spoken: known.map_or_else(Arc::default, |known| Arc::clone(&known.spoken)),
        }
    }
}

impl ServerEntry {
    /// Tells one configuration from every other, also from that of a server that was removed and
    /// whose name was given again.
    pub const fn configuration(&self) -> (Timestamp, u64) {
        (self.created_at, self.revision)
    }
}

/// The way to a server, if there is one.
pub(super) fn connector(
    server: &Server,
    around: &Surroundings,
    before: &Registry,
) -> Result<Connector, UpstreamError> {
    let timeout = server
        .timeout_ms
        .map_or(around.default_timeout, Duration::from_millis);
    let network = around.network.clone();
    let unusable = |why: &str| UpstreamError::Unusable(why.to_owned());
    let http = match &server.target {
        Target::Http { url, headers } => HttpServer::new(
            network,
            url,
            credentials(headers, &around.environment)?,
            server.private,
            timeout,
        ),
        Target::Demo => {
            let demo = around.demo.get();
            let demo = demo.ok_or_else(|| unusable("the built-in server is not running"))?;
            let key = HeaderMap::from_iter([(AUTHORIZATION, demo.key.clone())]);
            HttpServer::new(network, &demo.url, key, false, timeout)
        }
        Target::Command { argv, env } => {
            let launch = Launch::new(argv, env, &around.environment)?;
            return Ok(stdio(server, launch, timeout, around, before));
        }
    };
    let mut http = http?;
    let known = before.server(&server.name);
    let known = known.filter(|known| known.configuration() == (server.created_at, server.revision));
    if let Some(Connector::Http(known)) = known.map(|known| &known.connector) {
        http.go_on_from(known);
    }
    Ok(Connector::Http(Box::new(http)))
}

/// A stdio server whose processes go on where nothing of it changed.
fn stdio(
    server: &Server,
    launch: Launch,
    timeout: Duration,
    around: &Surroundings,
    before: &Registry,
) -> Connector {
    let known = before.server(&server.name);
    let same = known.filter(|known| known.configuration() == (server.created_at, server.revision));
    match same.map(|same| &same.connector) {
        Some(Connector::Stdio(same)) if same.is_like(&launch, timeout) => {
            Connector::Stdio(same.clone())
        }
        _ => {
            let (name, children) = (server.name.clone(), around.children.clone());
            Connector::Stdio(StdioServer::new(name, launch, children, timeout))
        }
    }
}

fn credentials(
    headers: &[(String, Secret)],
    environment: &Environment,
) -> Result<HeaderMap, UpstreamError> {
    let mut map = HeaderMap::new();
    for (name, secret) in headers {
        let bad = |what: &str| UpstreamError::Unusable(format!("its header {name:?} {what}"));
        let value = config::resolve(secret, environment)
            .map_err(|e| bad(&format!("cannot be set: {e}")))?;
        let name = HeaderName::try_from(name.as_str()).map_err(|_| bad("has no valid name"))?;
        let mut value =
            HeaderValue::from_str(value.reveal()).map_err(|_| bad("has no valid value"))?;
        value.set_sensitive(true);
        map.append(name, value);
    }
    Ok(map)
}
