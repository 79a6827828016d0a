//! What can be asked of the office.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::name::{Label, Name};
use crate::store::approval::Says;
use crate::store::model::{Accept, Accepting, NewTools};
use crate::store::person::Role;

/// A secret on its way into the store. There is no way to write a reference to a variable or file
/// of the gate here: whoever asks must hold the secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plain(pub String);

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What proves who decides. It is checked against what is stored of that person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    Password { name: Label, password: Plain },
    Token(Plain),
}

/// When a grant is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    Never,
    InMs(i64),
    /// Milliseconds since 1970.
    At(i64),
}

/// How a new server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewTarget {
    Http {
        url: String,
        headers: Vec<(String, Plain)>,
    },
    Command {
        argv: Vec<String>,
        env: Vec<(String, Plain)>,
    },
    Demo,
}

impl Request {
    /// Whether it may be the first that is ever asked of a data directory, and so make one.
    pub const fn may_begin(&self) -> bool {
        matches!(
            self,
            Self::ServerAdd { .. } | Self::PolicyPut { .. } | Self::UserAdd { .. }
        )
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    Status,
    ServerAdd {
        name: Name,
        target: NewTarget,
        new_tools: NewTools,
        accept: Accept,
        private: bool,
        /// How long one request to it may take, if not as long as usual.
        #[serde(default)]
        timeout_ms: Option<u64>,
    },
    ServerList,
    /// The server's tools and what waits; asks the server first if a gate runs.
    ServerTools {
        name: Name,
    },
    ServerPin {
        name: Name,
        which: Accepting,
    },
    ServerRemove {
        name: Name,
    },
    PolicyPut {
        name: Name,
        text: String,
        /// Compare the policy's names with this server's tools.
        server: Option<Name>,
    },
    PolicyList,
    PolicyHistory {
        name: Name,
    },
    PolicyShow {
        name: Name,
        version: Option<u64>,
    },
    PolicyRemove {
        name: Name,
    },
    GrantCreate {
        label: Label,
        identity: Option<String>,
        servers: BTreeMap<Name, Name>,
        #[serde(default)]
        shadows: BTreeMap<Name, Name>,
        expires: Option<Expiry>,
    },
    GrantList,
    GrantRotate {
        label: Label,
    },
    GrantRevoke {
        label: Label,
    },
    GrantRemove {
        label: Label,
    },
    /// Changes some of a grant's servers, or its end; the others stay.
    GrantSet {
        label: Label,
        servers: BTreeMap<Name, Name>,
        without: Vec<Name>,
        expires: Option<Expiry>,
    },
    ApprovalList {
        /// Also those that have ended.
        all: bool,
    },
    ApprovalShow {
        id: String,
    },
    /// Whether a decision could be taken, before anybody proves who they are. Changes nothing.
    ApprovalMay {
        id: String,
        /// `None` for taking back.
        says: Option<Says>,
        /// Who will say to be deciding.
        who: Option<Label>,
    },
    /// One person's decision about a waiting call.
    ApprovalDecide {
        id: String,
        says: Says,
        reason: Option<String>,
        by: Credential,
    },
    /// One person takes back what they said about a call that has not passed yet.
    ApprovalWithdraw {
        id: String,
        reason: Option<String>,
        by: Credential,
    },
    /// The first person needs nobody's leave; every other one an admin's.
    UserAdd {
        name: Label,
        role: Role,
        identities: Vec<String>,
        password: Option<Plain>,
        /// Make a token as well; it is shown once.
        token: bool,
        by: Option<Credential>,
    },
    /// Whether somebody could be added, before anybody proves who they are. Changes nothing.
    UserMayAdd {
        name: Label,
        role: Role,
        identities: Vec<String>,
        /// Who will say to give leave.
        who: Option<Label>,
    },
    /// Whether somebody could be given new proofs or be removed, before anybody proves who they are.
    UserMayChange {
        name: Label,
        removes: bool,
        /// Who will say to give leave.
        who: Option<Label>,
    },
    UserList,
    /// A new password, a new token, or both.
    UserProof {
        name: Label,
        password: Option<Plain>,
        token: bool,
        by: Credential,
    },
    UserRemove {
        name: Label,
        by: Credential,
    },
    /// Tries policies beside those in force, or ends that; the other servers stay as they are.
    GrantShadow {
        label: Label,
        shadows: BTreeMap<Name, Option<Name>>,
    },
    /// Writes a backup to a new file, named by an absolute path. For the local command line only:
    /// it writes where the owner may write.
    Backup {
        to: PathBuf,
    },
}
