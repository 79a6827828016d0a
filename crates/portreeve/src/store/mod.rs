//! What must outlive the process: servers, policies, grants, pins, labels, anchors.
//!
//! The traits are what the program sees; a backend implements them all, and the only SQL is in
//! the backends. Every operation is one transaction: it happened whole, or an error says that it
//! did not happen. The store checks what only it can check without a race (does the name exist, who
//! owns it); what a policy or a URL means is checked before it gets here. Counters and the ledger
//! are other rooms.

pub mod approval;
mod error;
pub mod model;
pub mod person;
pub(crate) mod seal;
pub mod sqlite;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin as Pinned;

use portreeve_policy::time::Timestamp;

pub use error::StoreError;
pub use seal::{SealError, Sealer};

use crate::name::{Label, Name};
use approval::{Approval, NewApproval, NoVote, Says};
use model::{
    Accepting, Anchor, Change, Declared, Drift, Grant, Judged, NewGrant, NewServer, Pin,
    PinnedOpinion, PolicyVersion, SeenLabel, Server, Snapshot,
};
use person::{NewPerson, Person, Proof};

/// A backend's answer; it may come over a network.
pub type Answer<T> = Pinned<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

pub trait Servers {
    fn servers(&self) -> Answer<Vec<Server>>;
    fn server(&self, name: &Name) -> Answer<Option<Server>>;
    fn add_server(&self, server: NewServer, at: Timestamp) -> Answer<Server>;
    /// Removes the server, its pins, and its place in every grant; returns those grants' labels.
    fn remove_server(&self, name: &Name) -> Answer<Vec<Label>>;
}

pub trait Policies {
    /// The newest version of each policy that was not removed.
    fn policies(&self) -> Answer<Vec<PolicyVersion>>;
    /// Every version of one policy, oldest first.
    fn policy_history(&self, name: &Name) -> Answer<Vec<PolicyVersion>>;
    /// One version; the newest if none is named. Versions of removed policies can still be read.
    fn policy(&self, name: &Name, version: Option<u64>) -> Answer<PolicyVersion>;
    /// Adds a version, unless the newest has this very text; then that one is returned.
    fn put_policy(
        &self,
        name: &Name,
        text: String,
        by: &str,
        at: Timestamp,
    ) -> Answer<PolicyVersion>;
    /// Takes the policy out of use; its versions stay readable, because the ledger names them.
    fn remove_policy(&self, name: &Name) -> Answer<()>;
}

pub trait Grants {
    /// All grants, also revoked ones.
    fn grants(&self) -> Answer<Vec<Grant>>;
    fn grant(&self, label: &Label) -> Answer<Option<Grant>>;
    fn create_grant(&self, grant: NewGrant, at: Timestamp) -> Answer<Grant>;
    /// A new token from now on; the old one is worth nothing.
    fn rotate_grant(&self, label: &Label, token_sha256: String, at: Timestamp) -> Answer<Grant>;
    fn revoke_grant(&self, label: &Label, at: Timestamp) -> Answer<Grant>;
    /// Makes these the grant's servers and policies, its shadow policies, and its end.
    fn rewrite_grant(
        &self,
        label: &Label,
        servers: BTreeMap<Name, Option<Name>>,
        shadows: BTreeMap<Name, Name>,
        expires_at: Option<Timestamp>,
    ) -> Answer<Grant>;
    fn remove_grant(&self, label: &Label) -> Answer<()>;
}

pub trait Pins {
    fn pins(&self, server: &Name) -> Answer<Vec<Pin>>;
    /// Takes a server's first tool list as accepted. `false`: an earlier list was taken before, and
    /// nothing has changed now.
    /// What is held goes on waiting.
    fn accept_first(&self, server: &Name, list: Vec<Judged>, at: Timestamp) -> Answer<bool>;
    /// Compares a list with the pins: what is new or changed waits for a person from now on.
    fn observe(&self, server: &Name, list: Vec<Judged>, at: Timestamp) -> Answer<Vec<Drift>>;
    /// Accepts what waits; returns the pins that were accepted by this. What was thought of them is
    /// forgotten: a person has looked.
    fn accept(&self, server: &Name, which: Accepting, at: Timestamp) -> Answer<Vec<Pin>>;
    /// Keeps what is thought of definitions. What a tool is not pinned with, or not any more, is passed
    /// over.
    fn put_opinions(&self, opinions: Vec<PinnedOpinion>) -> Answer<()>;
}

/// What callers have seen, for flow rules.
pub trait Labels {
    fn labels(&self) -> Answer<Vec<SeenLabel>>;
    /// Notes all of them or none. Of two times of one label the later stays.
    fn put_labels(&self, seen: Vec<SeenLabel>) -> Answer<()>;
    /// Forgets what was seen before this; returns how many.
    fn forget_labels(&self, before: Timestamp) -> Answer<usize>;
}

/// A call that was put before people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub approval: Approval,
    /// Whether it is the first time.
    pub is_new: bool,
}

pub trait Approvals {
    /// Puts a call before people under the id, or joins the live entry with the same binding.
    fn ask(&self, id: String, new: NewApproval, at: Timestamp) -> Answer<Asked>;
    fn approval(&self, id: &str) -> Answer<Option<Approval>>;
    /// The newest first; those that can still be decided or used, or also those that ended.
    fn approvals(&self, live_only: bool) -> Answer<Vec<Approval>>;
    /// One person's decision, if the person may decide.
    fn vote(
        &self,
        id: &str,
        person: Person,
        says: (Says, Option<String>),
        at: Timestamp,
    ) -> Answer<Result<Approval, NoVote>>;
    /// Takes back what a person said, as long as no call has used it.
    fn withdraw_approval(
        &self,
        id: &str,
        person: Person,
        at: Timestamp,
    ) -> Answer<Result<Approval, NoVote>>;
    /// Uses up an approval for the call with this binding. `false`: it is good for no call.
    fn take_approval(&self, id: &str, binding: &str, at: Timestamp) -> Answer<bool>;
    /// Undoes that for a call that surely never reached its server.
    fn give_back_approval(&self, id: &str, params: &str) -> Answer<bool>;
    /// Ends what is too late; returns what ended unanswered or unused.
    fn end_late_approvals(&self, at: Timestamp) -> Answer<Vec<Approval>>;
}

pub trait People {
    fn people(&self) -> Answer<Vec<Person>>;
    fn person(&self, name: &Label) -> Answer<Option<Person>>;
    fn person_by_token(&self, sha256: &str) -> Answer<Option<Person>>;
    /// What the person's password is compared with, if there is one.
    fn password(&self, name: &Label) -> Answer<Option<String>>;
    fn add_person(&self, person: NewPerson, at: Timestamp) -> Answer<Person>;
    /// Replaces what is given of a person's proofs.
    fn set_proof(&self, name: &Label, proof: Proof) -> Answer<Person>;
    fn remove_person(&self, name: &Label) -> Answer<()>;
}

/// The ledger's anchors, and small values that need no table of their own.
pub trait Book {
    fn put_anchor(&self, anchor: Anchor) -> Answer<()>;
    /// The anchor that was put last.
    fn anchor(&self) -> Answer<Option<Anchor>>;
    /// As many as are kept, oldest first.
    fn anchors(&self) -> Answer<Vec<Anchor>>;
    fn meta(&self, key: &str) -> Answer<Option<Vec<u8>>>;
    fn put_meta(&self, key: &str, value: Vec<u8>) -> Answer<()>;
}

/// A whole backend.
pub trait Store:
    Servers + Policies + Grants + Pins + Labels + Approvals + People + Book + fmt::Debug + Send + Sync
{
    /// Everything the gate decides by, from one moment.
    fn load_all(&self) -> Answer<Snapshot>;
    /// What [`Store::apply_declared`] would change now, or why it would refuse.
    fn preview_declared(&self, declared: Declared, at: Timestamp) -> Answer<Vec<Change>>;
    /// Makes the rows that the file owns equal to what it declares, whole or not at all.
    fn apply_declared(&self, declared: Declared, at: Timestamp) -> Answer<Vec<Change>>;
    /// Writes a consistent copy to a new file while everything goes on.
    fn copy_to(&self, path: PathBuf) -> Answer<()>;
}
