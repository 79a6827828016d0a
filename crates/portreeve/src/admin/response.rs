//! What the office answers: views for people, without secrets.

use portreeve_risk::scan::Names;

use super::risk::RiskView;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use portreeve_policy::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::definition_diff::changes;
use super::effects::Status;
use crate::clock::rfc3339;
use crate::name::{Label, Name};
use crate::policy_text::Problem;
use crate::store::approval::{Approval, Need, Says, State, Vote};
use crate::store::model::{
    Accept, Grant, NewTools, Owner, Pin, PinState, PolicyVersion, Secret, Server, Target,
};
use crate::store::person::{Person, Role};

/// A call that waits, or has waited, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApprovalView {
    pub id: String,
    pub state: State,
    pub grant: Label,
    pub identity: String,
    pub server: Name,
    pub method: String,
    /// The tool, the resource or the prompt.
    pub subject: String,
    /// What goes to the server, while it can still go there.
    pub params: Option<Box<RawValue>>,
    pub policy: String,
    pub needs: Vec<Need>,
    pub votes: Vec<VoteView>,
    pub asked_at: String,
    pub expires_at: String,
    pub ended_at: Option<String>,
}

/// What one person said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VoteView {
    pub person: Label,
    pub says: Says,
    pub reason: Option<String>,
    pub at: String,
    /// Taken back after a call had used it.
    #[serde(default)]
    pub taken_back: bool,
}

impl ApprovalView {
    pub(super) fn new(approval: Approval, now: Timestamp) -> Self {
        let open = approval.is_live(now) || approval.ended_at.is_some();
        let Approval { asked, votes, .. } = approval;
        let params = asked.params.and_then(|text| {
            // In JSON these characters stand in strings only, where their escapes mean the same.
            RawValue::from_string(text.chars().map(harmless).collect()).ok()
        });
        let vote = |vote: Vote| VoteView {
            person: vote.person,
            says: vote.says,
            reason: vote.reason,
            at: rfc3339(Timestamp(vote.at)),
            taken_back: vote.taken_back,
        };
        Self {
            id: approval.id,
            state: if open { approval.state } else { State::Expired },
            grant: asked.grant,
            identity: asked.identity,
            server: asked.server,
            method: asked.method,
            subject: asked.subject,
            params,
            policy: asked.policy,
            needs: asked.needs,
            votes: votes.into_iter().map(vote).collect(),
            asked_at: rfc3339(approval.asked_at),
            expires_at: rfc3339(asked.expires_at),
            ended_at: approval.ended_at.map(rfc3339),
        }
    }
}

/// A character as JSON that can neither disturb a terminal nor make a text look like another:
/// everything but ASCII and letters, digits and signs that stand for themselves is escaped.
fn harmless(c: char) -> String {
    let is_plain = c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric();
    if is_plain {
        return c.to_string();
    }
    let mut escaped = String::new();
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(escaped, "\\u{unit:04x}");
    }
    escaped
}

/// Somebody who looks after the gate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PersonView {
    pub name: Label,
    pub role: Role,
    pub identities: Vec<String>,
    pub has_password: bool,
    pub has_token: bool,
    pub created_at: String,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        Self {
            name: person.name,
            role: person.role,
            identities: person.identities,
            has_password: person.has_password,
            has_token: person.has_token,
            created_at: rfc3339(person.created_at),
        }
    }
}

/// One part of an answer. Most answers have one part.
// Tagged from outside: a tag inside is looked for in a buffer, and a `RawValue` can't be read from one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    Status(Status),
    ServerAdded {
        server: ServerView,
        discovery: Discovery,
    },
    Servers {
        servers: Vec<ServerView>,
    },
    Tools {
        server: ServerView,
        discovery: Discovery,
        tools: Vec<ToolView>,
    },
    Pinned {
        server: Name,
        tools: Vec<Pinned>,
    },
    ServerRemoved {
        name: Name,
        /// The grants that had the server.
        grants: Vec<Label>,
    },
    PolicyPut {
        policy: PolicyView,
        /// Whether the text was new.
        changed: bool,
        warnings: Vec<Problem>,
        /// Names in the policy that the server does not have; `None` if nobody asked or nothing is
        /// known of the server's tools.
        dead_rules: Option<Vec<DeadRule>>,
        /// What is to be said of approvers that it names and nobody is.
        #[serde(default)]
        unknown_approvers: Vec<String>,
        /// What is to be said of tools that it names and the servers do not have where it is in force.
        #[serde(default)]
        unknown_tools: Vec<String>,
    },
    Policies {
        policies: Vec<PolicyView>,
    },
    Policy {
        policy: PolicyView,
        text: String,
    },
    PolicyRemoved {
        name: Name,
    },
    /// The only answer with a token in it: it is shown once.
    GrantToken {
        grant: GrantView,
        token: String,
        gateway_url: Option<String>,
        /// What is to be said of approvers that its policies name and nobody is.
        #[serde(default)]
        unknown_approvers: Vec<String>,
        /// The same of tools that its policies name and its servers do not have.
        #[serde(default)]
        unknown_tools: Vec<String>,
    },
    Grants {
        grants: Vec<GrantView>,
    },
    Grant {
        grant: GrantView,
        /// What is to be said of tools that its new policies name and its servers do not have.
        #[serde(default)]
        unknown_tools: Vec<String>,
    },
    GrantRemoved {
        label: Label,
    },
    Approvals {
        approvals: Vec<ApprovalView>,
    },
    Approval {
        approval: Box<ApprovalView>,
    },
    People {
        people: Vec<PersonView>,
    },
    Person {
        person: PersonView,
        /// A new token, shown once.
        token: Option<String>,
    },
    /// Somebody can be added.
    MayAdd {
        /// Whether an admin has to agree.
        needs_leave: bool,
    },
    PersonRemoved {
        name: Label,
    },
    BackedUp {
        file: PathBuf,
        bytes: u64,
        files: u64,
    },
}

/// What came of asking a server for its tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discovery {
    /// It was asked, and this many tools were accepted as its first list.
    FirstList(usize),
    /// It was asked; this many tools are new, changed or restored since the last time.
    Compared(usize),
    /// It could not be asked.
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    pub name: Name,
    /// URL, command line, or `builtin:runs`.
    pub target: String,
    pub kind: String,
    /// Names of headers or variables, with a reference or the word `(sealed)`.
    pub secrets: BTreeMap<String, String>,
    pub new_tools: NewTools,
    pub accept: Accept,
    pub private: bool,
    pub timeout_ms: Option<u64>,
    pub owner: Owner,
    pub revision: u64,
    pub created_at: String,
    pub tools_accepted: usize,
    pub tools_waiting: usize,
    /// Whether a list of its tools was ever taken from it.
    #[serde(default = "known")]
    pub tools_known: bool,
}

/// Of a gate that does not say.
const fn known() -> bool {
    true
}

impl ServerView {
    pub fn new<'a>(server: &Server, pins: impl IntoIterator<Item = &'a Pin>) -> Self {
        let (mut accepted, mut waiting) = (0, 0);
        for pin in pins.into_iter().filter(|pin| pin.server == server.name) {
            match pin.waiting() {
                None => accepted += 1,
                Some(_) => waiting += 1,
            }
        }
        let (kind, secrets): (_, &[(String, Secret)]) = match &server.target {
            Target::Http { headers, .. } => ("http", headers),
            Target::Command { env, .. } => ("command", env),
            Target::Demo => ("builtin", &[]),
        };
        Self {
            name: server.name.clone(),
            target: server.target.to_string(),
            kind: kind.to_owned(),
            secrets: secrets
                .iter()
                .map(|(name, secret)| (name.clone(), secret.to_string()))
                .collect(),
            new_tools: server.new_tools,
            accept: server.accept,
            private: server.private,
            timeout_ms: server.timeout_ms,
            owner: server.owner,
            revision: server.revision,
            created_at: rfc3339(server.created_at),
            tools_accepted: accepted,
            tools_waiting: waiting,
            tools_known: server.first_list_accepted || accepted + waiting > 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolState {
    Accepted,
    New,
    Changed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToolView {
    pub tool: String,
    pub state: ToolState,
    pub hash: String,
    pub definition: Box<RawValue>,
    /// The class that a verdict gives the definition, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What waits in the place of the accepted definition.
    pub waiting_hash: Option<String>,
    pub waiting_definition: Option<Box<RawValue>>,
    /// What it would change, line by line: `-` what was accepted, `+` what waits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What is to be known of the definition: of the one that waits, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskView>,
    /// Why the definition waits, where it is its own words that keep it waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    pub first_seen: String,
    pub accepted_at: Option<String>,
}

impl ToolView {
    pub fn new(pin: &Pin) -> Self {
        let (state, waiting) = match &pin.state {
            PinState::Accepted => (ToolState::Accepted, None),
            PinState::New => (ToolState::New, None),
            PinState::Changed { definition, .. } => (ToolState::Changed, Some(raw(definition))),
        };
        Self {
            tool: pin.tool.clone(),
            state,
            hash: pin.hash.clone(),
            definition: raw(&pin.definition),
            class: pin
                .opinion
                .nature
                .map(|nature| nature.class.as_str().to_owned()),
            waiting_hash: pin.waiting().map(str::to_owned),
            waiting_definition: waiting,
            changes: pin_changes(pin),
            risk: None,
            held: pin.opinion.held.clone().filter(|_| state == ToolState::New),
            first_seen: rfc3339(pin.first_seen),
            accepted_at: pin.accepted_at.map(rfc3339),
        }
    }
}

impl ToolView {
    /// With what is to be known of it beside the tools of other servers.
    pub(super) fn judged(pin: &Pin, others: &Names) -> Self {
        let definition = match &pin.state {
            PinState::Changed { definition, .. } => definition,
            PinState::Accepted | PinState::New => &pin.definition,
        };
        Self {
            risk: RiskView::of(definition, &pin.server, others),
            ..Self::new(pin)
        }
    }
}

/// What accepting the definition that waits changes.
pub(super) fn pin_changes(pin: &Pin) -> Vec<String> {
    match &pin.state {
        PinState::Changed { definition, .. } => changes(&pin.definition, definition),
        PinState::Accepted | PinState::New => Vec::new(),
    }
}

/// The text as JSON; one that is none (it was checked when it came) as a string.
fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned())
        .or_else(|_| serde_json::value::to_raw_value(text))
        .unwrap_or_default()
}

/// A definition that was accepted just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    pub tool: String,
    pub hash: String,
    /// What that changed, line by line: `-` what was accepted before, `+` what is now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

/// A grant that has a policy in force on a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    pub grant: Label,
    pub server: Name,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadRule {
    pub tool: String,
    pub suggestion: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    pub name: Name,
    pub version: u64,
    pub created_at: String,
    pub by: String,
    pub owner: Owner,
    pub used_by: Vec<Use>,
}

impl PolicyView {
    pub fn new(policy: &PolicyVersion, grants: &[Grant]) -> Self {
        let used_by = grants.iter().filter(|grant| grant.revoked_at.is_none());
        Self {
            name: policy.name.clone(),
            version: policy.version,
            created_at: rfc3339(policy.created_at),
            by: policy.by.clone(),
            owner: policy.owner,
            used_by: used_by
                .flat_map(|grant| uses(grant, &policy.name))
                .collect(),
        }
    }
}

fn uses<'a>(grant: &'a Grant, policy: &'a Name) -> impl Iterator<Item = Use> + 'a {
    let on = grant.servers.iter();
    on.filter(move |(server, used)| {
        used.as_ref() == Some(policy) || grant.shadows.get(*server) == Some(policy)
    })
    .map(|(server, _)| Use {
        grant: grant.label.clone(),
        server: server.clone(),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    Live,
    Expired,
    Revoked,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    pub label: Label,
    pub identity: Option<String>,
    /// Each server with the policy in force there; without one everything is denied.
    pub servers: BTreeMap<Name, Option<Name>>,
    /// The policies that are tried on some of them beside those in force.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shadows: BTreeMap<Name, Name>,
    pub state: GrantState,
    pub expires_at: Option<String>,
    pub created_at: String,
    pub rotated_at: Option<String>,
    pub revoked_at: Option<String>,
    pub owner: Owner,
}

impl GrantView {
    pub fn new(grant: &Grant, now: Timestamp) -> Self {
        let expired = grant.expires_at.is_some_and(|end| end <= now);
        Self {
            label: grant.label.clone(),
            identity: grant.identity.clone(),
            servers: grant.servers.clone(),
            shadows: grant.shadows.clone(),
            state: match grant.revoked_at {
                Some(_) => GrantState::Revoked,
                None if expired => GrantState::Expired,
                None => GrantState::Live,
            },
            expires_at: grant.expires_at.map(rfc3339),
            created_at: rfc3339(grant.created_at),
            rotated_at: grant.rotated_at.map(rfc3339),
            revoked_at: grant.revoked_at.map(rfc3339),
            owner: grant.owner,
        }
    }
}
