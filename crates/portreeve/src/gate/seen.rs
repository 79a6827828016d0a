//! What callers have seen: the labels that flow rules ask for.
//!
//! Labels belong to an identity, across servers. Memory has the exact time of the latest release;
//! the store has a time up to [`AHEAD_MS`] ahead of it, so that one write covers a minute of
//! releases and a restart can only remember too much. What counts as a release is `release`'s;
//! what follows from it is the policy's.
//!
//! INVARIANT: a label is in the store before the first byte it stands for is released
//! (`what_cannot_be_noted_is_withheld`, `a_kill_forgets_no_label`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portreeve_policy::time::Timestamp;
use portreeve_policy::{Class, Held, Label, Policy};
use tokio::sync::OnceCell;

use super::Gate;
use crate::clock::Clock;
use crate::store::model::SeenLabel;
use crate::store::{Store, StoreError};

/// How far ahead of a release its stored time may lie.
const AHEAD_MS: i64 = 60_000;
/// How many labels are kept, in all and of one subject. Beyond, what would need another one is
/// withheld: forgetting one would let something pass.
const MAX_LABELS: usize = 100_000;
const MAX_OF_ONE: usize = 10_000;
/// How long a label may be. Longer ones are of tools whose names nobody wrote by hand.
const MAX_BYTES: usize = 1_024;
/// How often a write is tried whose time ran out while it was made.
const ATTEMPTS: usize = 3;

/// Why a label was not noted.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotNoted {
    #[error("the store cannot note it: {0}")]
    Store(#[from] StoreError),
    #[error("too much is noted already")]
    Full,
    #[error("the tool's name is too long to be noted")]
    TooLong,
    #[error("the store takes too long to note it")]
    TooSlow,
}

/// When a label was last released, exactly and as the store has it.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Timestamp,
    stored: Timestamp,
}

type Subjects = HashMap<Box<str>, HashMap<Label<'static>, Mark>>;

#[derive(Debug, Default)]
pub(super) struct Seen {
    subjects: Mutex<Subjects>,
    /// Held while the store is written, so that a minute has one write.
    writing: tokio::sync::Mutex<()>,
    loaded: OnceCell<()>,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Subjects> {
        // A panic while marking is impossible by lint; marks made before still count.
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what the store knows, once.
    async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        let loading = async || {
            let rows = store.labels().await?;
            let mut subjects = self.lock();
            for SeenLabel { subject, label, at } in rows {
                // A label that is not understood can be any.
                let label = label.parse().unwrap_or(Label::Class(Class::Unknown));
                let of_one = subjects.entry(subject.into()).or_default();
                let mark = of_one.entry(label).or_insert(Mark { at, stored: at });
                mark.at = mark.at.max(at);
                mark.stored = mark.stored.max(at);
            }
            Ok(())
        };
        self.loaded.get_or_try_init(loading).await.copied()
    }

    /// What the subject has seen, as far as the policy asks for it.
    pub(super) fn held(&self, subject: &str, policy: &Policy) -> Vec<Held<'static>> {
        if policy.flow_memory_ms().is_none() {
            return Vec::new();
        }
        let subjects = self.lock();
        let of_one = subjects.get(subject).into_iter().flatten();
        of_one
            .filter(|(label, _)| policy.watches(label))
            .map(|(label, mark)| Held {
                label: label.clone(),
                at: mark.at,
            })
            .collect()
    }

    /// Notes that these are released now. Whoever releases waits for this to succeed.
    pub(super) async fn note(
        &self,
        (store, clock): (&dyn Store, &Clock),
        subject: &str,
        labels: &[&Label<'static>],
    ) -> Result<(), NotNoted> {
        if labels.is_empty() || self.mark(subject, labels, clock.now()).is_empty() {
            return Ok(());
        }
        let _one_writes = self.writing.lock().await;
        for _ in 0..ATTEMPTS {
            // Whoever wrote meanwhile may have written this, too.
            let now = clock.now();
            let missing = self.mark(subject, labels, now);
            if missing.is_empty() {
                return Ok(());
            }
            self.check_room(subject, &missing)?;
            let stored = now.plus(AHEAD_MS);
            let rows = missing.iter().map(|label| SeenLabel {
                subject: subject.to_owned(),
                label: label.to_string(),
                at: stored,
            });
            store.put_labels(rows.collect()).await?;
            self.stored(subject, &missing, Mark { at: now, stored });
        }
        Err(NotNoted::TooSlow)
    }

    /// Marks what the store covers already; returns the rest.
    fn mark<'l>(
        &self,
        subject: &str,
        labels: &[&'l Label<'static>],
        now: Timestamp,
    ) -> Vec<&'l Label<'static>> {
        let mut subjects = self.lock();
        let Some(of_one) = subjects.get_mut(subject) else {
            return labels.to_vec();
        };
        let covered = |label: &&'l Label<'static>| match of_one.get_mut(*label) {
            Some(mark) if mark.stored >= now => {
                mark.at = mark.at.max(now);
                false
            }
            _ => true,
        };
        labels.iter().copied().filter(covered).collect()
    }

    fn check_room(&self, subject: &str, missing: &[&Label<'static>]) -> Result<(), NotNoted> {
        let too_long =
            |label: &&Label<'_>| matches!(label, Label::Tool(name) if name.len() > MAX_BYTES);
        if missing.iter().any(too_long) {
            return Err(NotNoted::TooLong);
        }
        let subjects = self.lock();
        let of_one = subjects.get(subject);
        let is_new =
            |label: &&&Label<'static>| of_one.is_none_or(|known| !known.contains_key(**label));
        let new = missing.iter().filter(is_new).count();
        let all: usize = subjects.values().map(HashMap::len).sum();
        if of_one.map_or(0, HashMap::len) + new > MAX_OF_ONE || all + new > MAX_LABELS {
            return Err(NotNoted::Full);
        }
        Ok(())
    }

    fn stored(&self, subject: &str, labels: &[&Label<'static>], mark: Mark) {
        let mut subjects = self.lock();
        let of_one = subjects.entry(subject.into()).or_default();
        for label in labels {
            let known = of_one.entry((*label).clone()).or_insert(mark);
            known.at = known.at.max(mark.at);
            known.stored = known.stored.max(mark.stored);
        }
    }

    fn forget(&self, before: Timestamp) {
        let mut subjects = self.lock();
        for of_one in subjects.values_mut() {
            of_one.retain(|_, mark| mark.stored >= before);
        }
        subjects.retain(|_, of_one| !of_one.is_empty());
    }
}

impl Gate {
    /// Reads the labels of earlier runs. Before that nothing may be decided.
    pub(super) async fn load_seen(&self) -> Result<(), StoreError> {
        self.seen.load(&*self.store).await
    }

    /// Forgets what no flow rule in force can ask for any more.
    pub async fn forget_seen(&self) {
        let memory = self.registry().flow_memory_ms().unwrap_or(0);
        let memory = i64::try_from(memory).unwrap_or(i64::MAX);
        let before = Timestamp(self.clock.now().0.saturating_sub(memory));
        self.seen.forget(before);
        if let Err(error) = self.store.forget_labels(before).await {
            tracing::warn!(%error, "labels that are no longer asked for were not forgotten");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: &str = r#"{"version":"1","default":"allow","flow":[
        {"name":"f","after":["read*"],"then":["send"],"action":"deny","for":"30m"}]}"#;

    fn tool(name: &str) -> Label<'static> {
        Label::Tool(name.to_owned().into())
    }

    #[test]
    fn memory_knows_the_exact_time_within_what_is_stored() {
        let policy = portreeve_policy::compile(FLOW.as_bytes())
            .expect("a policy")
            .policy;
        let seen = Seen::default();
        let (read, other) = (tool("read"), tool("other"));
        let labels = [&read, &other];
        assert_eq!(seen.mark("a", &labels, Timestamp(0)).len(), 2);
        let mark = Mark {
            at: Timestamp(0),
            stored: Timestamp(60_000),
        };
        seen.stored("a", &labels, mark);
        assert!(seen.mark("a", &labels, Timestamp(60_000)).is_empty());
        assert_eq!(seen.mark("a", &labels, Timestamp(60_001)).len(), 2);
        assert_eq!(seen.mark("b", &labels, Timestamp(1)).len(), 2);
        let held = seen.held("a", &policy);
        assert_eq!(held.len(), 1, "the policy asks for one only");
        assert_eq!(held[0].at, Timestamp(60_000));
        assert!(seen.held("b", &policy).is_empty());

        seen.forget(Timestamp(60_000));
        assert_eq!(seen.held("a", &policy).len(), 1);
        seen.forget(Timestamp(60_001));
        assert!(seen.held("a", &policy).is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let seen = Seen::default();
        let mark = Mark {
            at: Timestamp(0),
            stored: Timestamp(0),
        };
        let all: Vec<Label<'static>> = (0..MAX_OF_ONE).map(|n| tool(&n.to_string())).collect();
        let all: Vec<&Label<'static>> = all.iter().collect();
        seen.check_room("a", &all).expect("room");
        seen.stored("a", &all, mark);
        seen.check_room("a", &all).expect("known already");
        let more = tool("more");
        assert!(matches!(
            seen.check_room("a", &[&more]),
            Err(NotNoted::Full)
        ));
        seen.check_room("b", &[&more]).expect("another's room");
        let long = tool(&"x".repeat(MAX_BYTES + 1));
        assert!(matches!(
            seen.check_room("b", &[&long]),
            Err(NotNoted::TooLong)
        ));
    }
}
