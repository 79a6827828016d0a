//! The people who look after the gate: added, given new proofs, removed.

use serde_json::json;

use super::failure::{Answer, Failure};
use super::office::Office;
use super::request::{Credential, Plain, Request};
use super::response::{PersonView, Response};
use super::servers::missing;
use crate::grants::token::Token;
use crate::name::{Label, check_identity};
use crate::people::{SHORTEST_PASSWORD, hash_password};
use crate::store::StoreError;
use crate::store::model::Kind;
use crate::store::person::{NewPerson, Person, Proof, Role};

impl Office {
    pub(super) async fn people(&self, actor: &str, request: Request) -> Result<Response, Failure> {
        match request {
            Request::UserAdd {
                name,
                role,
                identities,
                password,
                token,
                by,
            } => {
                let (proof, shown) = new_proof(password, token).await?;
                let new = NewPerson {
                    name,
                    role,
                    identities,
                    proof,
                };
                let person = self.add_person(actor, new, by).await?;
                Ok(told(person, shown))
            }
            Request::UserProof {
                name,
                password,
                token,
                by,
            } => {
                let (proof, shown) = new_proof(password, token).await?;
                let person = self.prove_anew(&name, proof, by).await?;
                Ok(told(person, shown))
            }
            Request::UserRemove { name, by } => self.remove_person(name, by).await,
            Request::UserMayAdd {
                name,
                role,
                identities,
                who,
            } => {
                let needs_leave = self.may_add(&name, role, &identities).await?;
                let who = match who {
                    Some(who) => self.store.person(&who).await?,
                    None => None,
                };
                who.map_or(Ok(()), |who| check_admin(&who))?;
                Ok(Response::MayAdd { needs_leave })
            }
            Request::UserMayChange { name, removes, who } => {
                let person = self.may_change(&name, removes).await?;
                if let Some(who) = who
                    && let Some(who) = self.store.person(&who).await?
                {
                    let is_own = !removes && who.name == name;
                    if !is_own {
                        check_admin(&who)?;
                    }
                }
                Ok(told(person, None))
            }
            _ => {
                let people = self.store.people().await?;
                let people = people.into_iter().map(PersonView::from).collect();
                Ok(Response::People { people })
            }
        }
    }

    /// INVARIANT: only the first person comes in without an admin's leave, and is one.
    async fn add_person(
        &self,
        actor: &str,
        new: NewPerson,
        by: Option<Credential>,
    ) -> Result<Person, Failure> {
        if new.proof.password.is_none() && new.proof.token_sha256.is_none() {
            let what = "a person needs a password or a token to prove who they are";
            return Err(Failure::usage(
                what,
                "give a password, or ask for `--token`",
            ));
        }
        let admin = match by {
            Some(by) => Some(self.admin(by).await?),
            None => None,
        };
        let actor = admin
            .as_ref()
            .map_or_else(|| actor.to_owned(), |admin| format!("user {}", admin.name));
        let turn = self.turn(&actor).await;
        let needs_leave = self.may_add(&new.name, new.role, &new.identities).await?;
        if needs_leave && admin.is_none() {
            return Err(Failure::no(
                "an admin must agree to another person",
                "name yourself with `--as ADMIN`, or set PORTREEVE_APPROVER_TOKEN",
            ));
        }
        let detail = json!({ "role": new.role, "identities": new.identities });
        let act = turn.book("user.add", &new.name, detail).await?;
        act.came_of(self.store.add_person(new, self.clock.now()).await)
            .await
    }

    /// What stands against adding somebody, whoever wants it; whether an admin has to agree.
    async fn may_add(
        &self,
        name: &Label,
        role: Role,
        identities: &[String],
    ) -> Result<bool, Failure> {
        if self.store.people().await?.is_empty() {
            return check_first(role, identities).map(|()| false);
        }
        check_identities(identities)?;
        if self.store.person(name).await?.is_some() {
            let (kind, name) = (Kind::User, name.to_string());
            return Err(StoreError::Exists { kind, name }.into());
        }
        Ok(true)
    }

    /// A person changes their own proofs, an admin everybody's.
    async fn prove_anew(
        &self,
        name: &Label,
        proof: Proof,
        by: Credential,
    ) -> Result<Person, Failure> {
        let asking = self.identify(by).await?;
        if asking.name != *name && asking.role != Role::Admin {
            return Err(Failure::no(
                format!("{} is no admin, and may change only their own", asking.name),
                "",
            ));
        }
        let actor = format!("user {}", asking.name);
        let turn = self.turn(&actor).await;
        self.existing_person(name).await?;
        let detail = json!({
            "password": proof.password.is_some(), "token": proof.token_sha256.is_some(),
        });
        let act = turn.book("user.proof", name, detail).await?;
        act.came_of(self.store.set_proof(name, proof).await).await
    }

    async fn remove_person(&self, name: Label, by: Credential) -> Result<Response, Failure> {
        let admin = self.admin(by).await?;
        let actor = format!("user {}", admin.name);
        let turn = self.turn(&actor).await;
        self.may_change(&name, true).await?;
        let act = turn.book("user.remove", &name, json!({})).await?;
        act.came_of(self.store.remove_person(&name).await).await?;
        Ok(Response::PersonRemoved { name })
    }

    /// What stands against a person's change, whoever wants it.
    async fn may_change(&self, name: &Label, removes: bool) -> Result<Person, Failure> {
        let person = self.existing_person(name).await?;
        let people = self.store.people().await?;
        let admins = people.iter().filter(|person| person.role == Role::Admin);
        if removes && person.role == Role::Admin && admins.count() == 1 {
            return Err(Failure::cannot(
                format!("{name} is the last admin"),
                "add another admin first",
            ));
        }
        Ok(person)
    }

    async fn admin(&self, by: Credential) -> Result<Person, Failure> {
        let person = self.identify(by).await?;
        check_admin(&person).map(|()| person)
    }

    async fn existing_person(&self, name: &Label) -> Result<Person, Failure> {
        if let Some(person) = self.store.person(name).await? {
            return Ok(person);
        }
        let people = self.store.people().await?;
        let known = people.iter().map(|person| person.name.as_str());
        Err(missing(Kind::User, name, known))
    }
}

/// What the first person of all must be.
pub fn check_first(role: Role, identities: &[String]) -> Result<(), Failure> {
    check_identities(identities)?;
    if role == Role::Admin {
        return Ok(());
    }
    Err(Failure::usage(
        "the first person must be an admin, or nobody could add others",
        "add an admin first: `--role admin`",
    ))
}

fn check_identities(identities: &[String]) -> Result<(), Failure> {
    let mut checked = identities.iter().map(|identity| check_identity(identity));
    let checked = checked.try_for_each(|checked| checked);
    checked.map_err(|why| Failure::usage(why, ""))
}

fn check_admin(person: &Person) -> Result<(), Failure> {
    if person.role == Role::Admin {
        return Ok(());
    }
    Err(Failure::no(
        format!("{} is no admin: the role is `{}`", person.name, person.role),
        "an admin can do it: `portreeve user list` shows who is one",
    ))
}

fn told(person: Person, token: Option<Token>) -> Response {
    Response::Person {
        person: person.into(),
        token: token.map(|token| token.reveal().to_owned()),
    }
}

/// What is stored of a password and a new token, and the token itself.
async fn new_proof(
    password: Option<Plain>,
    with_token: bool,
) -> Result<(Proof, Option<Token>), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::saying(Answer::Cannot, &error);
    let token = with_token
        .then(Token::generate_personal)
        .transpose()
        .map_err(|error| failed(&error))?;
    let password = match password {
        Some(Plain(password)) if password.chars().count() < SHORTEST_PASSWORD => {
            let what = format!("the password is shorter than {SHORTEST_PASSWORD} characters");
            return Err(Failure::usage(what, "several words make a good one"));
        }
        Some(Plain(password)) => {
            let hashing = tokio::task::spawn_blocking(move || hash_password(&password));
            let hashed = hashing.await.map_err(|error| failed(&error))?;
            Some(hashed.map_err(|error| failed(&error))?)
        }
        None => None,
    };
    let proof = Proof {
        password,
        token_sha256: token.as_ref().map(Token::sha256),
    };
    Ok((proof, token))
}
