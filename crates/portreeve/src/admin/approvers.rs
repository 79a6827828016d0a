//! Approvers that a policy names and nobody is: a call that waits for them can never pass.

use std::collections::BTreeSet;

use super::failure::Failure;
use super::office::Office;
use crate::name::Name;
use crate::policy_text;
use crate::store::person::Person;

impl Office {
    /// What is to be said of the approvers of a text that is a policy.
    pub(super) async fn unknown_approvers(&self, text: &str) -> Result<Vec<String>, Failure> {
        let Ok(checked) = policy_text::check(text.as_bytes()) else {
            return Ok(Vec::new());
        };
        if checked.approvers.is_empty() {
            return Ok(Vec::new());
        }
        let people = self.store.people().await?;
        let unknown = checked.approvers.iter();
        Ok(unknown
            .filter_map(|(name, rule)| nobody(name, rule, &people))
            .collect())
    }

    /// The same of the newest versions of these policies.
    pub(super) async fn unknown_approvers_of<'a>(
        &self,
        policies: impl Iterator<Item = &'a Name>,
    ) -> Result<Vec<String>, Failure> {
        let wanted: BTreeSet<&Name> = policies.collect();
        let mut told = Vec::new();
        for policy in self.store.policies().await? {
            if wanted.contains(&policy.name) {
                let of_it = self.unknown_approvers(&policy.text).await?;
                told.extend(
                    of_it
                        .into_iter()
                        .map(|said| format!("{}: {said}", policy.name)),
                );
            }
        }
        Ok(told)
    }

    /// Tells the log of approvers that nobody is in policies that grants use.
    pub async fn warn_of_approvers(&self) -> Result<(), Failure> {
        let grants = self.store.grants().await?;
        let used = grants
            .iter()
            .flat_map(|grant| grant.servers.values().flatten());
        for said in self.unknown_approvers_of(used).await? {
            tracing::warn!("policy {said}");
        }
        Ok(())
    }
}

fn nobody(name: &str, rule: &str, people: &[Person]) -> Option<String> {
    let known: Vec<&Person> = people.iter().filter(|p| p.is_known_as(name)).collect();
    if known.iter().any(|person| person.role.may_approve()) {
        return None;
    }
    let why = match known.first() {
        Some(person) => format!("whose role is `{}` and may not approve", person.role),
        None => {
            "and there is no such person: `portreeve user add` adds one, `portreeve user list` \
                 shows who there is"
                .to_owned()
        }
    };
    Some(format!("{rule} names the approver {name:?}, {why}"))
}
