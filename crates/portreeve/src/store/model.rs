//! What the store keeps, as the rest of the program speaks of it.
//!
//! These are meanings, not written forms: how a row looks in a database is each backend's own
//! business, and what a person may see of a server is `admin`'s. A [`Server`] can hold secrets, so
//! nothing here that can hold one is serialisable, and `Debug` never shows it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use portreeve_policy::time::Timestamp;
use portreeve_policy::{Bits, Class, Classes};
use serde::{Deserialize, Serialize};

use crate::name::{Label, Name};

/// Who may change a row: the configuration file that declares it, or the people at the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    Store,
    File,
}

/// What happens to a tool that a server shows after its first list was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewTools {
    /// It waits until a person accepts it.
    #[default]
    Quarantine,
    /// The policy alone decides about the new name (never about a changed definition).
    Judge,
}

/// How a server's first tool list becomes its pins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// Taken as it is when the server is added.
    #[default]
    First,
    /// Waits for a person.
    Manual,
}

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that sends or seals it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Where a credential comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The value; sealed at rest.
    Literal(SecretText),
    /// The name of an environment variable of the gate, read when a connection is made ready.
    Env(String),
    /// A file that holds it, read likewise.
    File(PathBuf),
}

impl Secret {
    pub fn literal(text: impl Into<String>) -> Self {
        Self::Literal(SecretText::new(text))
    }
}

impl fmt::Display for Secret {
    /// The reference, or a word in the place of a literal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("(sealed)"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// How a server is reached, with the credentials that belong to that place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Http {
        url: String,
        headers: Vec<(String, Secret)>,
    },
    Command {
        argv: Vec<String>,
        env: Vec<(String, Secret)>,
    },
    /// The built-in `runs` server.
    Demo,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { url, .. } => f.write_str(url),
            Self::Command { argv, .. } => f.write_str(&argv.join(" ")),
            Self::Demo => f.write_str("builtin:runs"),
        }
    }
}

/// A server's configuration: what a person or the file says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServer {
    pub name: Name,
    pub target: Target,
    pub new_tools: NewTools,
    pub accept: Accept,
    /// Whether the target may be a private or link-local address.
    pub private: bool,
    /// How long one request to it may take; `None` is the gate's default.
    pub timeout_ms: Option<u64>,
}

/// One upstream MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub name: Name,
    pub target: Target,
    pub new_tools: NewTools,
    pub accept: Accept,
    pub private: bool,
    pub timeout_ms: Option<u64>,
    pub owner: Owner,
    /// Grows by one whenever the configuration changes; approvals are bound to it.
    pub revision: u64,
    pub created_at: Timestamp,
    pub first_list_accepted: bool,
}

impl Server {
    /// The configuration alone.
    pub fn configuration(&self) -> NewServer {
        NewServer {
            name: self.name.clone(),
            target: self.target.clone(),
            new_tools: self.new_tools,
            accept: self.accept,
            private: self.private,
            timeout_ms: self.timeout_ms,
        }
    }
}

/// One text of a policy. It never changes; a new text is a new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    pub name: Name,
    /// From 1.
    pub version: u64,
    pub text: String,
    pub created_at: Timestamp,
    pub by: String,
    /// Who owns the name (all versions of it).
    pub owner: Owner,
}

impl PolicyVersion {
    /// `name@version`, as the ledger and people write it.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// One caller's permission, without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub label: Label,
    pub identity: Option<String>,
    /// SHA-256 of the token, in lower-case hex.
    pub token_sha256: String,
    /// Each server it may use, and the policy in force there. Without one everything is denied.
    pub servers: BTreeMap<Name, Option<Name>>,
    /// The policies that are tried on some of these servers beside those in force.
    pub shadows: BTreeMap<Name, Name>,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub rotated_at: Option<Timestamp>,
    pub owner: Owner,
}

/// A grant as it is asked for, by a person or by the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    pub label: Label,
    pub identity: Option<String>,
    pub token_sha256: String,
    pub servers: BTreeMap<Name, Option<Name>>,
    pub shadows: BTreeMap<Name, Name>,
    pub expires_at: Option<Timestamp>,
}

/// A tool's definition as a server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub tool: String,
    /// SHA-256 in lower-case hex, over whatever the connector holds to be the definition.
    pub hash: String,
    /// The JSON text as received.
    pub text: String,
}

/// Whether a pinned definition may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinState {
    Accepted,
    /// Appeared after the first list, or the list waits for a person.
    New,
    /// Accepted once; the server now shows another definition, which waits.
    Changed {
        hash: String,
        definition: String,
    },
}

/// How many tools of one server are known. What it shows beyond is not noted, and so neither listed
/// nor callable: a server must not be able to fill the store.
pub const MAX_PINS: usize = 10_000;

/// A definition as a server showed it, and what is thought of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub definition: Definition,
    pub opinion: Opinion,
}

/// An opinion, and the definition that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedOpinion {
    pub server: Name,
    pub tool: String,
    pub hash: String,
    pub opinion: Opinion,
}

/// What is known of one tool of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub server: Name,
    pub tool: String,
    /// Of `definition`.
    pub hash: String,
    /// The accepted definition; for [`PinState::New`] the one that waits.
    pub definition: String,
    pub state: PinState,
    pub first_seen: Timestamp,
    pub accepted_at: Option<Timestamp>,
    /// What is thought of `definition`.
    pub opinion: Opinion,
}

/// What a verdict says of one definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opinion {
    pub nature: Option<Nature>,
    /// Which judge said so; nothing if nobody was asked.
    pub judge: Option<u32>,
    /// Why a person is to look at the definition before it is used, if one is.
    pub held: Option<String>,
}

/// What a verdict says of a tool's definition: what it can do, and what it does with data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nature {
    pub class: Class,
    /// Other classes that some evidence speaks for.
    pub also: Classes,
    /// Nothing if they are not known.
    pub bits: Option<Bits>,
}

impl Pin {
    /// The hash of the definition that waits for a person, if one does.
    pub fn waiting(&self) -> Option<&str> {
        match &self.state {
            PinState::Accepted => None,
            PinState::New => Some(&self.hash),
            PinState::Changed { hash, .. } => Some(hash),
        }
    }
}

/// Which waiting definitions a person accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accepting {
    /// Everything that waits.
    All,
    /// These tools, whatever waits under their names.
    Tools(Vec<String>),
    /// These tools with exactly the definitions that the person saw: (tool, hash).
    Seen(Vec<(String, String)>),
}

/// What [`super::Pins::observe`] found different from the pins, the first time it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    pub tool: String,
    pub kind: DriftKind,
    /// The hash that was seen.
    pub hash: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// A tool that had no pin; it waits.
    Appeared,
    /// A definition that differs from the accepted one; it waits.
    Changed,
    /// The server shows the accepted definition again; nothing waits any more.
    Restored,
}

/// Something a caller has seen, for flow rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenLabel {
    /// The identity; where the grant has none, its label.
    pub subject: String,
    /// In the policy language's written form, such as `bit:reads-private`.
    pub label: String,
    /// Nothing it stands for was released later than this.
    pub at: Timestamp,
}

/// The ledger's head as it was at a time, kept outside of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    pub seq: u64,
    pub hash: String,
    /// Milliseconds since the epoch.
    pub at: i64,
}

/// Everything that the gate decides by, from one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub servers: Vec<Server>,
    /// The newest version of every policy that is in use or may be.
    pub policies: Vec<PolicyVersion>,
    /// Grants that are not revoked; expiry is for whoever knows the time.
    pub grants: Vec<Grant>,
    pub pins: Vec<Pin>,
}

/// What a configuration file declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    pub servers: Vec<NewServer>,
    /// Name and text.
    pub policies: Vec<(Name, String)>,
    pub grants: Vec<NewGrant>,
}

/// One kind of thing that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Server,
    Policy,
    Grant,
    User,
}

impl Kind {
    /// The command that removes a thing of this kind that a person added.
    pub fn removing_command(self, name: &str) -> String {
        format!("portreeve {self} remove {name}")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Policy => "policy",
            Self::Grant => "grant",
            Self::User => "user",
        })
    }
}

/// What one row's fate was when a configuration was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Added,
    Changed,
    Removed,
}

/// One change that a configuration brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub kind: Kind,
    pub name: String,
    pub fate: Fate,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = match self.fate {
            Fate::Added => "added",
            Fate::Changed => "changed",
            Fate::Removed => "removed",
        };
        write!(f, "{} {} {fate}", self.kind, self.name)
    }
}
