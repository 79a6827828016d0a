//! The people who look after the gate: who they are and what they may do.

use std::fmt;

use portreeve_policy::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::Label;

/// One person. What proves that it is them is only ever compared, so it is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub name: Label,
    pub role: Role,
    /// The identities of grants that are this person's own.
    pub identities: Vec<String>,
    pub has_password: bool,
    pub has_token: bool,
    pub created_at: Timestamp,
}

impl Person {
    /// Whether somebody is this person, whatever the letter case.
    pub fn is_known_as(&self, who: &str) -> bool {
        let same = |known: &str| known.to_lowercase() == who.to_lowercase();
        same(&self.name) || self.identities.iter().any(|known| same(known))
    }
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Policies, servers and grants.
    PolicyManager,
    /// Decides about calls that wait.
    Approver,
    /// Looks.
    Viewer,
}

impl Role {
    pub const ALL: [Self; 4] = [
        Self::Admin,
        Self::PolicyManager,
        Self::Approver,
        Self::Viewer,
    ];

    pub const fn may_approve(self) -> bool {
        matches!(self, Self::Admin | Self::Approver)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::PolicyManager => "policy_manager",
            Self::Approver => "approver",
            Self::Viewer => "viewer",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A person to be added.
#[derive(Clone, Debug)]
pub struct NewPerson {
    pub name: Label,
    pub role: Role,
    pub identities: Vec<String>,
    pub proof: Proof,
}

/// What is stored of a person's password and token; either may be missing.
#[derive(Clone, Default)]
pub struct Proof {
    /// Scheme, rounds, salt and derived key, as `keys::password` writes them.
    pub password: Option<String>,
    /// SHA-256 of the token, lower-case hex.
    pub token_sha256: Option<String>,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[proof]")
    }
}
