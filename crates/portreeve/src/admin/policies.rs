//! What a person does with policies.

use serde_json::json;

use super::failure::Failure;
use super::office::Office;
use super::request::Request;
use super::response::{DeadRule, PolicyView, Response};
use super::servers::missing;
use crate::grants::token;
use crate::name::Name;
use crate::nearest::nearest;
use crate::policy_text::{self, Checked};
use crate::store::StoreError;
use crate::store::model::{Kind, Owner, PolicyVersion};

impl Office {
    pub(super) async fn policy(&self, actor: &str, request: Request) -> Result<Response, Failure> {
        match request {
            Request::PolicyPut { name, text, server } => {
                self.put_policy(actor, (name, text), server).await
            }
            Request::PolicyHistory { name } => {
                self.existing_policy(&name, None).await?;
                let mut versions = self.store.policy_history(&name).await?;
                let in_force = versions.pop();
                let old = versions.iter().map(|old| PolicyView::new(old, &[]));
                let mut policies: Vec<_> = old.collect();
                if let Some(policy) = &in_force {
                    policies.push(self.policy_view(policy).await?);
                }
                Ok(Response::Policies { policies })
            }
            Request::PolicyShow { name, version } => {
                let policy = self.existing_policy(&name, version).await?;
                let text = policy.text.clone();
                let policy = self.policy_view(&policy).await?;
                Ok(Response::Policy { policy, text })
            }
            Request::PolicyRemove { name } => self.remove_policy(actor, name).await,
            _ => {
                let newest = self.store.policies().await?;
                self.views(&newest).await
            }
        }
    }

    async fn views(&self, policies: &[PolicyVersion]) -> Result<Response, Failure> {
        let grants = self.store.grants().await?;
        let view = |policy| PolicyView::new(policy, &grants);
        let policies = policies.iter().map(view).collect();
        Ok(Response::Policies { policies })
    }

    async fn policy_view(&self, policy: &PolicyVersion) -> Result<PolicyView, Failure> {
        Ok(PolicyView::new(policy, &self.store.grants().await?))
    }

    /// A version of a policy, or an error with the nearest name.
    async fn existing_policy(
        &self,
        name: &Name,
        version: Option<u64>,
    ) -> Result<PolicyVersion, Failure> {
        match self.store.policy(name, version).await {
            Err(StoreError::Missing { .. }) => Err(self.no_policy(name).await?),
            other => Ok(other?),
        }
    }

    pub(super) async fn no_policy(&self, name: &Name) -> Result<Failure, Failure> {
        let policies = self.store.policies().await?;
        let known = policies.iter().map(|policy| policy.name.as_str());
        Ok(missing(Kind::Policy, name, known))
    }

    async fn put_policy(
        &self,
        actor: &str,
        (name, text): (Name, String),
        server: Option<Name>,
    ) -> Result<Response, Failure> {
        let checked = policy_text::check(text.as_bytes()).map_err(Failure::bad_policy)?;
        let turn = self.turn(actor).await;
        let dead_rules = match &server {
            Some(server) => self.dead_rules(server, &checked).await?,
            None => None,
        };
        let live = self.store.policies().await?;
        let before = live.into_iter().find(|policy| policy.name == name);
        if before
            .as_ref()
            .is_some_and(|policy| policy.owner == Owner::File)
        {
            let (kind, name) = (Kind::Policy, name.to_string());
            return Err(StoreError::OwnedByFile { kind, name }.into());
        }
        let changed = before.as_ref().is_none_or(|policy| policy.text != text);
        let act = if changed {
            let detail = json!({ "sha256": token::sha256(&text) });
            Some(turn.book("policy.put", &name, detail).await?)
        } else {
            None
        };
        let put = self
            .store
            .put_policy(&name, text, actor, self.clock.now())
            .await;
        let put = match act {
            Some(act) => act.came_of(put).await?,
            None => put?,
        };
        if changed {
            turn.reload().await?;
        }
        let unknown_tools = match &server {
            // Compared with one server, it is not to be with the others, too.
            Some(_) => Vec::new(),
            None => self.unknown_tools_of(&put.name).await?,
        };
        Ok(Response::PolicyPut {
            unknown_tools,
            unknown_approvers: self.unknown_approvers(&put.text).await?,
            policy: self.policy_view(&put).await?,
            changed,
            warnings: checked.warnings,
            dead_rules,
        })
    }

    /// The names that the server does not have; `None` if its tools are not known.
    async fn dead_rules(
        &self,
        server: &Name,
        checked: &Checked,
    ) -> Result<Option<Vec<DeadRule>>, Failure> {
        self.existing_server(server).await?;
        let pins = self.store.pins(server).await?;
        if pins.is_empty() {
            return Ok(None);
        }
        let known: Vec<&str> = pins.iter().map(|pin| pin.tool.as_str()).collect();
        let unknown = checked
            .tools
            .iter()
            .filter(|tool| !known.contains(&tool.as_str()));
        let dead = unknown.map(|tool| DeadRule {
            tool: tool.clone(),
            suggestion: nearest(tool, known.iter().copied()).map(str::to_owned),
        });
        Ok(Some(dead.collect()))
    }

    async fn remove_policy(&self, actor: &str, name: Name) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        let policy = self.existing_policy(&name, None).await?;
        if policy.owner == Owner::File {
            let (kind, name) = (Kind::Policy, name.to_string());
            return Err(StoreError::OwnedByFile { kind, name }.into());
        }
        let view = self.policy_view(&policy).await?;
        if let Some(used) = view.used_by.first() {
            return Err(StoreError::InUse {
                kind: Kind::Policy,
                name: name.into(),
                users: format!("the grant `{}` on `{}`", used.grant, used.server),
            }
            .into());
        }
        let act = turn.book("policy.remove", &name, json!({})).await?;
        act.came_of(self.store.remove_policy(&name).await).await?;
        turn.reload().await?;
        Ok(Response::PolicyRemoved { name })
    }
}
