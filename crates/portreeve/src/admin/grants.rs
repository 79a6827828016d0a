//! What a person does with grants.

use std::collections::BTreeMap;

use portreeve_policy::time::Timestamp;
use serde_json::json;

use super::failure::{Answer, Failure};
use super::office::Office;
use super::request::{Expiry, Request};
use super::response::{GrantView, Response};
use super::servers::missing;
use crate::grants::token::Token;
use crate::name::{Label, Name, check_identity};
use crate::store::StoreError;
use crate::store::model::{Grant, Kind, NewGrant, Owner};

impl Office {
    pub(super) async fn grant(&self, actor: &str, request: Request) -> Result<Response, Failure> {
        match request {
            Request::GrantCreate {
                label,
                identity,
                servers,
                shadows,
                expires,
            } => {
                if let Some(identity) = &identity {
                    check_identity(identity).map_err(|why| Failure::usage(why, ""))?;
                }
                let expires_at = match expires {
                    Some(expiry) => self.end(expiry)?,
                    None => None,
                };
                let new = NewGrant {
                    label,
                    identity,
                    token_sha256: String::new(),
                    servers: servers.into_iter().map(|(s, p)| (s, Some(p))).collect(),
                    shadows,
                    expires_at,
                };
                self.create_grant(actor, new).await
            }
            Request::GrantRotate { label } => self.rotate(actor, &label).await,
            Request::GrantRevoke { label } => self.revoke(actor, &label).await,
            Request::GrantRemove { label } => self.remove_grant(actor, label).await,
            Request::GrantSet {
                label,
                servers,
                without,
                expires,
            } => self.set(actor, &label, (servers, without), expires).await,
            Request::GrantShadow { label, shadows } => self.shadow(actor, &label, shadows).await,
            _ => self.list_grants().await,
        }
    }

    async fn create_grant(&self, actor: &str, mut new: NewGrant) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        if let Some(known) = self.store.grant(&new.label).await? {
            return Err(StoreError::taken(Kind::Grant, new.label, known.owner).into());
        }
        self.check_attachments(&new.servers).await?;
        self.check_shadows(&new.label, &new.servers, new.shadows.iter())
            .await?;
        let token = Token::generate().map_err(|error| Failure::saying(Answer::Cannot, &error))?;
        new.token_sha256 = token.sha256();
        let detail = json!({
            "identity": new.identity,
            "servers": new.servers,
            "shadows": new.shadows,
            "expires_at": new.expires_at.map(crate::clock::rfc3339),
        });
        let act = turn.book("grant.create", &new.label, detail).await?;
        let created = self.store.create_grant(new, self.clock.now()).await;
        let grant = act.came_of(created).await?;
        turn.reload().await?;
        self.shown_once(&grant, &token).await
    }

    async fn shown_once(&self, grant: &Grant, token: &Token) -> Result<Response, Failure> {
        let policies = grant.servers.values().flatten();
        Ok(Response::GrantToken {
            grant: self.grant_view(grant),
            token: token.reveal().to_owned(),
            gateway_url: self.effects.status().gateway_url,
            unknown_approvers: self.unknown_approvers_of(policies).await?,
            unknown_tools: self.unknown_tools(meetings(grant)).await?,
        })
    }

    /// When a grant ends that is to end so; that is to come.
    fn end(&self, expiry: Expiry) -> Result<Option<Timestamp>, Failure> {
        let now = self.clock.now();
        let end = match expiry {
            Expiry::Never => return Ok(None),
            Expiry::InMs(span) => now.plus(span),
            Expiry::At(at) => Timestamp(at),
        };
        if end > now {
            return Ok(Some(end));
        }
        let what = "the grant would have ended already";
        Err(Failure::usage(what, "name a time to come"))
    }

    fn grant_view(&self, grant: &Grant) -> GrantView {
        GrantView::new(grant, self.clock.now())
    }

    /// Every server and policy must exist.
    async fn check_attachments(
        &self,
        servers: &BTreeMap<Name, Option<Name>>,
    ) -> Result<(), Failure> {
        let policies = self.store.policies().await?;
        for (server, policy) in servers {
            self.existing_server(server).await?;
            if let Some(policy) = policy
                && !policies.iter().any(|known| known.name == *policy)
            {
                return Err(self.no_policy(policy).await?);
            }
        }
        Ok(())
    }

    /// A shadow is of a server that the grant has, and its policy must exist.
    async fn check_shadows(
        &self,
        label: &Label,
        servers: &BTreeMap<Name, Option<Name>>,
        shadows: impl Iterator<Item = (&Name, &Name)>,
    ) -> Result<(), Failure> {
        let policies = self.store.policies().await?;
        for (server, policy) in shadows {
            if !servers.contains_key(server) {
                return Err(lacks(label, server, servers));
            }
            if !policies.iter().any(|known| known.name == *policy) {
                return Err(self.no_policy(policy).await?);
            }
        }
        Ok(())
    }

    async fn shadow(
        &self,
        actor: &str,
        label: &Label,
        shadows: BTreeMap<Name, Option<Name>>,
    ) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        let before = self.changeable(label).await?;
        let new = shadows.iter().filter_map(|(s, p)| Some((s, p.as_ref()?)));
        self.check_shadows(label, &before.servers, new).await?;
        let mut all = before.shadows;
        let met: Vec<(Name, Name)> = shadows
            .iter()
            .filter_map(|(server, policy)| Some((server.clone(), policy.clone()?)))
            .collect();
        for (server, policy) in shadows {
            match policy {
                Some(policy) => drop(all.insert(server, policy)),
                None if before.servers.contains_key(&server) => drop(all.remove(&server)),
                None => return Err(lacks(label, &server, &before.servers)),
            }
        }
        let act = turn
            .book("grant.shadow", label, json!({ "shadows": all }))
            .await?;
        let rewriting = self
            .store
            .rewrite_grant(label, before.servers, all, before.expires_at);
        let grant = self.grant_view(&act.came_of(rewriting.await).await?);
        turn.reload().await?;
        let unknown_tools = self
            .unknown_tools(met.iter().map(|(server, policy)| (server, policy)))
            .await?;
        Ok(Response::Grant {
            grant,
            unknown_tools,
        })
    }

    /// A grant that may be changed here: it exists, is not the file's, and is not revoked.
    async fn changeable(&self, label: &Label) -> Result<Grant, Failure> {
        let grant = self.removable(label).await?;
        if grant.revoked_at.is_some() {
            let label = label.to_string();
            return Err(StoreError::Revoked { label }.into());
        }
        Ok(grant)
    }

    async fn removable(&self, label: &Label) -> Result<Grant, Failure> {
        let Some(grant) = self.store.grant(label).await? else {
            let grants = self.store.grants().await?;
            let known = grants.iter().map(|grant| grant.label.as_str());
            return Err(missing(Kind::Grant, label, known));
        };
        match grant.owner {
            Owner::Store => Ok(grant),
            Owner::File => {
                let (kind, name) = (Kind::Grant, label.to_string());
                Err(StoreError::OwnedByFile { kind, name }.into())
            }
        }
    }

    async fn rotate(&self, actor: &str, label: &Label) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        self.changeable(label).await?;
        let token = Token::generate().map_err(|error| Failure::saying(Answer::Cannot, &error))?;
        let act = turn.book("grant.rotate", label, json!({})).await?;
        let now = self.clock.now();
        let rotated = self.store.rotate_grant(label, token.sha256(), now).await;
        let grant = act.came_of(rotated).await?;
        turn.reload().await?;
        self.shown_once(&grant, &token).await
    }

    async fn revoke(&self, actor: &str, label: &Label) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        if self.removable(label).await?.revoked_at.is_some() {
            return Err(Failure::cannot(
                format!("the grant `{label}` is revoked already"),
                format!("`portreeve grant remove {label}` frees the label"),
            ));
        }
        let act = turn.book("grant.revoke", label, json!({})).await?;
        let revoked = self.store.revoke_grant(label, self.clock.now()).await;
        let grant = act.came_of(revoked).await?;
        turn.reload().await?;
        Ok(Response::Grant {
            grant: self.grant_view(&grant),
            unknown_tools: Vec::new(),
        })
    }

    async fn remove_grant(&self, actor: &str, label: Label) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        self.removable(&label).await?;
        let act = turn.book("grant.remove", &label, json!({})).await?;
        act.came_of(self.store.remove_grant(&label).await).await?;
        turn.reload().await?;
        Ok(Response::GrantRemoved { label })
    }

    async fn set(
        &self,
        actor: &str,
        label: &Label,
        (servers, without): (BTreeMap<Name, Name>, Vec<Name>),
        expires: Option<Expiry>,
    ) -> Result<Response, Failure> {
        let turn = self.turn(actor).await;
        let before = self.changeable(label).await?;
        let mut all = before.servers;
        let expires_at = match expires {
            None => before.expires_at,
            Some(expiry) => self.end(expiry)?,
        };
        for server in &without {
            if all.remove(server).is_none() {
                return Err(lacks(label, server, &all));
            }
        }
        let new: BTreeMap<_, _> = servers
            .iter()
            .map(|(s, p)| (s.clone(), Some(p.clone())))
            .collect();
        self.check_attachments(&new).await?;
        all.extend(new);
        let detail = json!({
            "servers": all,
            "expires_at": expires_at.map(crate::clock::rfc3339),
        });
        let act = turn.book("grant.set", label, detail).await?;
        let mut shadows = before.shadows;
        shadows.retain(|server, _| all.contains_key(server));
        let rewriting = self.store.rewrite_grant(label, all, shadows, expires_at);
        let grant = act.came_of(rewriting.await).await?;
        turn.reload().await?;
        Ok(Response::Grant {
            grant: self.grant_view(&grant),
            unknown_tools: self.unknown_tools(&servers).await?,
        })
    }

    async fn list_grants(&self) -> Result<Response, Failure> {
        let grants = self.store.grants().await?;
        let grants = grants.iter().map(|grant| self.grant_view(grant)).collect();
        Ok(Response::Grants { grants })
    }
}

/// The servers with the policies that are in force or tried there.
fn meetings(grant: &Grant) -> impl Iterator<Item = (&Name, &Name)> {
    let in_force = grant.servers.iter();
    let in_force = in_force.filter_map(|(server, policy)| Some((server, policy.as_ref()?)));
    in_force.chain(grant.shadows.iter())
}

fn lacks(label: &Label, server: &Name, has: &BTreeMap<Name, Option<Name>>) -> Failure {
    let near = crate::nearest::did_you_mean(server, has.keys().map(Name::as_str));
    Failure::cannot(
        format!("the grant `{label}` does not have the server `{server}`{near}"),
        "`portreeve grant list` shows what it has",
    )
}
