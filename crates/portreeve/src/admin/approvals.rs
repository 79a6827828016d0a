//! What people say about calls that wait.

use portreeve_policy::time::Timestamp;
use serde_json::json;

use super::failure::Failure;
use super::office::Office;
use super::request::{Credential, Request};
use super::response::{ApprovalView, Response};
use crate::store::StoreError;
use crate::store::approval::{Approval, NoVote, Says, State};
use crate::store::person::Person;

/// The longest reason that is kept.
const LONGEST_REASON: usize = 1_000;

impl Office {
    pub(super) async fn approvals(&self, request: Request) -> Result<Response, Failure> {
        let now = self.clock.now();
        let view = |approval| ApprovalView::new(approval, now);
        match request {
            Request::ApprovalShow { id } => {
                let approval = Box::new(view(self.existing_approval(&id).await?));
                Ok(Response::Approval { approval })
            }
            Request::ApprovalMay { id, says, who } => {
                let approval = self.existing_approval(&id).await?;
                let person = match who {
                    Some(name) => self.store.person(&name).await?,
                    None => None,
                };
                may(&approval, says, person.as_ref(), now).map_err(|no| refusal(&id, no))?;
                let approval = Box::new(view(approval));
                Ok(Response::Approval { approval })
            }
            Request::ApprovalDecide {
                id,
                says,
                reason,
                by,
            } => {
                let decided = self.decide(&id, (says, reason), by).await?;
                let approval = Box::new(ApprovalView::new(decided, self.clock.now()));
                Ok(Response::Approval { approval })
            }
            Request::ApprovalWithdraw { id, reason, by } => {
                let left = self.withdraw(&id, reason, by).await?;
                let approval = Box::new(ApprovalView::new(left, self.clock.now()));
                Ok(Response::Approval { approval })
            }
            request => {
                let all = matches!(request, Request::ApprovalList { all: true });
                let found = self.store.approvals(!all).await?;
                let live = |approval: &Approval| all || approval.is_live(now);
                let approvals = found.into_iter().filter(live).map(view).collect();
                Ok(Response::Approvals { approvals })
            }
        }
    }

    async fn existing_approval(&self, id: &str) -> Result<Approval, Failure> {
        let found = self.store.approval(id).await?;
        found.ok_or_else(|| StoreError::NoSuchApproval { id: id.to_owned() }.into())
    }

    /// INVARIANT: only a person who has proved to be one decides, and what is not booked is not
    /// decided (`the_agents_own_shell_cannot_approve`).
    async fn decide(
        &self,
        id: &str,
        (says, reason): (Says, Option<String>),
        by: Credential,
    ) -> Result<Approval, Failure> {
        check_length(reason.as_deref())?;
        let person = self.identify(by).await?;
        let actor = format!("user {}", person.name);
        let turn = self.turn(&actor).await;
        let approval = self.existing_approval(id).await?;
        let now = self.clock.now();
        may(&approval, Some(says), Some(&person), now).map_err(|no| refusal(id, no))?;
        let act = match says {
            Says::Approve => "approval.approve",
            Says::Deny => "approval.deny",
        };
        let act = turn
            .book(act, id, about(&approval, reason.as_deref()))
            .await?;
        let voted = self.store.vote(id, person, (says, reason), now).await?;
        let approval = act.came_of(voted.map_err(|no| refusal(id, no))).await?;
        self.effects.approval_decided(id);
        Ok(approval)
    }

    /// A call may use an approval while it is being withdrawn; then the store says so, and the book has
    /// both: that somebody wanted it back, and that it was used.
    async fn withdraw(
        &self,
        id: &str,
        reason: Option<String>,
        by: Credential,
    ) -> Result<Approval, Failure> {
        check_length(reason.as_deref())?;
        let person = self.identify(by).await?;
        let actor = format!("user {}", person.name);
        let turn = self.turn(&actor).await;
        let approval = self.existing_approval(id).await?;
        let now = self.clock.now();
        may(&approval, None, Some(&person), now).map_err(|no| not_taken_back(id, no))?;
        let detail = about(&approval, reason.as_deref());
        let act = turn.book("approval.withdraw", id, detail).await?;
        let left = self.store.withdraw_approval(id, person, now).await?;
        act.came_of(left.map_err(|no| too_late(id, no))).await
    }
}

fn check_length(reason: Option<&str>) -> Result<(), Failure> {
    if reason.is_some_and(|text| text.len() > LONGEST_REASON) {
        let what = format!("the reason is longer than {LONGEST_REASON} characters");
        return Err(Failure::usage(what, "shorten it"));
    }
    Ok(())
}

/// Whether something could be said now: of anybody, or of this person.
fn may(
    approval: &Approval,
    says: Option<Says>,
    person: Option<&Person>,
    now: Timestamp,
) -> Result<(), NoVote> {
    if says.is_some() {
        return match person {
            Some(person) => approval.may_vote(person, now).map(drop),
            None => approval.is_undecided(now),
        };
    }
    let allowed = match person {
        Some(person) => approval.may_withdraw(person, now),
        None => approval.is_untaken(now),
    };
    match allowed {
        // The call may be on its way still, and give the approval back.
        Err(NoVote::Over(State::Used)) => Ok(()),
        other => other,
    }
}

/// What somebody is told who takes an approval back that a call has used.
fn too_late(id: &str, no: NoVote) -> Failure {
    match no {
        NoVote::Over(State::Used) => Failure::no(
            format!("the approval {id} is used already: its call has passed"),
            "nothing more can be done here; should that call never have reached its server, your \
             approval does not let it pass again",
        ),
        other => not_taken_back(id, other),
    }
}

/// What somebody is told who takes back what cannot be.
fn not_taken_back(id: &str, no: NoVote) -> Failure {
    match no {
        NoVote::Over(State::Denied) => Failure::no(
            format!("the approval {id} is denied, and a denial cannot be taken back"),
            format!(
                "the call may be made anew once it has ended: `portreeve approvals show {id}` says until when"
            ),
        ),
        other => refusal(id, other),
    }
}

fn refusal(id: &str, no: NoVote) -> Failure {
    match no {
        NoVote::Over(state) => Failure::no(
            format!("the approval {id} is {state} already"),
            "`portreeve approvals list` shows the calls that wait",
        ),
        other => Failure::no(other.to_string(), ""),
    }
}

/// What is booked of a decision beside who made it.
fn about(approval: &Approval, reason: Option<&str>) -> serde_json::Value {
    json!({
        "grant": approval.asked.grant, "server": approval.asked.server,
        "subject": approval.asked.subject, "reason": reason,
    })
}
