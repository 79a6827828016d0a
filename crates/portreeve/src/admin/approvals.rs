//! What people say about calls that wait.

use serde_json::json;

use super::failure::Failure;
use super::office::Office;
use super::request::{Credential, Request};
use super::response::{ApprovalView, Response};
use crate::store::StoreError;
use crate::store::approval::{Approval, Says};

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
        if reason
            .as_ref()
            .is_some_and(|text| text.len() > LONGEST_REASON)
        {
            let what = format!("the reason is longer than {LONGEST_REASON} characters");
            return Err(Failure::usage(what, "shorten it"));
        }
        let person = self.identify(by).await?;
        let actor = format!("user {}", person.name);
        let turn = self.turn(&actor).await;
        let approval = self.existing_approval(id).await?;
        let now = self.clock.now();
        let refusal = |no: crate::store::approval::NoVote| Failure::no(no.to_string(), "");
        approval.may_vote(&person, now).map_err(refusal)?;
        let act = match says {
            Says::Approve => "approval.approve",
            Says::Deny => "approval.deny",
        };
        let detail = json!({
            "grant": approval.asked.grant, "server": approval.asked.server,
            "subject": approval.asked.subject, "reason": reason,
        });
        turn.book(act, id, detail).await?;
        let voted = self.store.vote(id, person, (says, reason), now).await?;
        let approval = voted.map_err(refusal)?;
        self.effects.approval_decided(id);
        Ok(approval)
    }
}
