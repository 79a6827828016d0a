//! The office: checks, books, changes, and has it taken into force, in this order.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, mpsc};

use super::effects::{AdminAct, Effects};
use super::failure::Failure;
use super::identify::Attempts;
use super::request::Request;
use super::response::Response;
use super::wrong_proofs::WrongProofs;
use crate::backup;
use crate::clock::Clock;
use crate::name::{Label, Name};
use crate::nearest::did_you_mean;
use crate::store::Store;
use crate::store::model::{Change, Declared, Kind, Owner};

/// Carries out requests against one store.
#[derive(Debug)]
pub struct Office {
    pub(super) store: Arc<dyn Store>,
    pub(super) effects: Arc<dyn Effects>,
    pub(super) clock: Clock,
    data_dir: PathBuf,
    /// One change at a time: what was checked still holds when it is done.
    turn: Mutex<()>,
    pub(super) attempts: Attempts,
    pub(super) wrong_proofs: WrongProofs,
}

/// The right to make a change now.
pub(super) struct Turn<'a> {
    office: &'a Office,
    actor: &'a str,
    _held: MutexGuard<'a, ()>,
}

/// An act that is booked and about to be done.
pub(super) struct BookedAct<'a> {
    turn: &'a Turn<'a>,
    act: &'static str,
    subject: String,
}

impl BookedAct<'_> {
    /// Does nothing if the act was done; if it was not, that is booked as well, for the book has the
    /// act.
    pub(super) async fn came_of<T>(
        self,
        done: Result<T, impl Into<Failure>>,
    ) -> Result<T, Failure> {
        let failure = match done {
            Ok(done) => return Ok(done),
            Err(failure) => failure.into(),
        };
        let detail = json!({ "act": self.act, "why": failure.what });
        let told = self.turn.write("act.failed", &self.subject, detail).await;
        if let Err(why) = told {
            tracing::error!(act = self.act, subject = self.subject, %why, "an act that is booked was not done, and that could not be booked");
        }
        Err(failure)
    }
}

impl<'a> Turn<'a> {
    /// Books the act. INVARIANT: nothing is changed before this has succeeded.
    pub(super) async fn book(
        &'a self,
        act: &'static str,
        subject: &str,
        detail: Value,
    ) -> Result<BookedAct<'a>, Failure> {
        let booked = self.write(act, subject, detail).await;
        booked.map_err(|why| {
            Failure::cannot(
                format!("nothing was changed, because the act could not be booked: {why}"),
                "see `portreeve ledger verify`, and the disk",
            )
        })?;
        Ok(BookedAct {
            turn: self,
            act,
            subject: subject.to_owned(),
        })
    }

    async fn write(&self, act: &'static str, subject: &str, detail: Value) -> Result<(), String> {
        let act = AdminAct {
            actor: self.actor.to_owned(),
            act,
            subject: subject.to_owned(),
            detail,
        };
        self.office.effects.book(act).await
    }

    /// Takes the change into force.
    pub(super) async fn reload(&self) -> Result<(), Failure> {
        self.office.effects.reload().await.map_err(|why| {
            Failure::cannot(
                format!("the change is stored, but the gate did not take it into force: {why}"),
                "restart portreeve",
            )
        })
    }
}

impl Office {
    pub fn new(
        store: Arc<dyn Store>,
        effects: Arc<dyn Effects>,
        clock: Clock,
        data_dir: PathBuf,
    ) -> Self {
        Self {
            store,
            effects,
            clock,
            data_dir,
            turn: Mutex::new(()),
            attempts: Attempts::default(),
            wrong_proofs: WrongProofs::default(),
        }
    }

    pub(super) async fn turn<'a>(&'a self, actor: &'a str) -> Turn<'a> {
        Turn {
            office: self,
            actor,
            _held: self.turn.lock().await,
        }
    }

    /// Carries out a request; the parts of the answer are sent as they come. A receiver that went
    /// away ends a long answer, and undoes nothing.
    pub async fn carry_out(
        &self,
        actor: &str,
        request: Request,
        parts: &mpsc::Sender<Response>,
    ) -> Result<(), Failure> {
        let response = self.answer(actor, request).await?;
        // Whoever asked may be gone; what was done is done.
        let _ = parts.send(response).await;
        Ok(())
    }

    /// Carries out a request whose answer has one part.
    pub async fn answer(&self, actor: &str, request: Request) -> Result<Response, Failure> {
        match request {
            Request::Status => Ok(Response::Status(self.effects.status())),
            Request::ServerAdd { .. }
            | Request::ServerList
            | Request::ServerTools { .. }
            | Request::ServerPin { .. }
            | Request::ServerRemove { .. } => self.server(actor, request).await,
            Request::PolicyPut { .. }
            | Request::PolicyList
            | Request::PolicyHistory { .. }
            | Request::PolicyShow { .. }
            | Request::PolicyRemove { .. } => self.policy(actor, request).await,
            Request::GrantCreate { .. }
            | Request::GrantList
            | Request::GrantRotate { .. }
            | Request::GrantRevoke { .. }
            | Request::GrantRemove { .. }
            | Request::GrantShadow { .. }
            | Request::GrantSet { .. } => self.grant(actor, request).await,
            Request::ApprovalList { .. }
            | Request::ApprovalShow { .. }
            | Request::ApprovalMay { .. }
            | Request::ApprovalDecide { .. }
            | Request::ApprovalWithdraw { .. } => self.approvals(request).await,
            Request::UserAdd { .. }
            | Request::UserMayAdd { .. }
            | Request::UserMayChange { .. }
            | Request::UserList
            | Request::UserProof { .. }
            | Request::UserRemove { .. } => self.people(actor, request).await,
            Request::Backup { to } => self.back_up(actor, to).await,
        }
    }

    /// Makes the store equal to what a configuration file declares, whole or not at all. A file
    /// that changes nothing is not booked.
    pub async fn apply_declared(
        &self,
        actor: &str,
        declared: Declared,
    ) -> Result<Vec<Change>, Failure> {
        let turn = self.turn(actor).await;
        self.check_references(&declared).await?;
        let now = self.clock.now();
        let changes = self.store.preview_declared(declared.clone(), now).await?;
        if changes.is_empty() {
            return Ok(changes);
        }
        let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let act = turn
            .book("config.apply", "configuration", json!({ "changes": told }))
            .await?;
        let changes = act
            .came_of(self.store.apply_declared(declared, now).await)
            .await?;
        turn.reload().await?;
        Ok(changes)
    }

    /// A grant of the file may name what people added, but nothing that does not exist.
    async fn check_references(&self, declared: &Declared) -> Result<(), Failure> {
        let mut servers: BTreeSet<Name> = declared.servers.iter().map(|s| s.name.clone()).collect();
        let mut policies: BTreeSet<Name> = declared.policies.iter().map(|p| p.0.clone()).collect();
        for server in self.store.servers().await? {
            if server.owner == Owner::Store {
                servers.insert(server.name);
            }
        }
        for policy in self.store.policies().await? {
            if policy.owner == Owner::Store {
                policies.insert(policy.name);
            }
        }
        for grant in &declared.grants {
            for (server, policy) in &grant.servers {
                check_reference(&grant.label, (Kind::Server, server), &servers)?;
                if let Some(policy) = policy {
                    check_reference(&grant.label, (Kind::Policy, policy), &policies)?;
                }
            }
            for policy in grant.shadows.values() {
                check_reference(&grant.label, (Kind::Policy, policy), &policies)?;
            }
        }
        Ok(())
    }

    async fn back_up(&self, actor: &str, to: PathBuf) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        let act = turn
            .book("backup", &to.display().to_string(), json!({}))
            .await?;
        let made = backup::write(&*self.store, &self.data_dir, &to).await;
        let made = made.map_err(|error| Failure::cannot(error.to_string(), error.advice()));
        let made = act.came_of(made).await?;
        Ok(Response::BackedUp {
            file: to,
            bytes: made.bytes,
            files: made.files,
        })
    }
}

fn check_reference(
    grant: &Label,
    (kind, name): (Kind, &Name),
    known: &BTreeSet<Name>,
) -> Result<(), Failure> {
    if known.contains(name) {
        return Ok(());
    }
    let near = did_you_mean(name, known.iter().map(Name::as_str));
    Err(Failure::cannot(
        format!(
            "the grant `{grant}` in the configuration file names the {kind} `{name}`, which does \
             not exist"
        ),
        format!("declare it, or correct the name{near}"),
    ))
}
