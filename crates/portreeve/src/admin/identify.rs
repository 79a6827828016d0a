//! Who asks: a password or a token against what is stored of people.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portreeve_policy::time::Timestamp;

use super::failure::Failure;
use super::office::Office;
use super::request::Credential;
use crate::grants::token;
use crate::name::Label;
use crate::people::is_password;
use crate::store::person::Person;

/// So many wrong passwords for one name, and the name is left alone for a while.
const MOST_WRONG: u32 = 5;
const PAUSE_MS: i64 = 60_000;
/// For so many names wrong passwords are counted at a time.
const MOST_NAMES: usize = 1_000;

/// Wrong passwords of late.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    wrong: Mutex<HashMap<Label, (u32, Timestamp)>>,
}

impl Attempts {
    /// Whether one more may be tried. It counts as wrong until it turns out to be right: who guesses
    /// with many hands at once has no more guesses.
    fn begin(&self, name: &Label, now: Timestamp) -> bool {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.retain(|_, (_, last)| (0..PAUSE_MS).contains(&now.since(*last)));
        let known = wrong.get(name).map_or(0, |(count, _)| *count);
        let may = known < MOST_WRONG && (known > 0 || wrong.len() < MOST_NAMES);
        if may {
            wrong.insert(name.clone(), (known + 1, now));
        }
        may
    }

    fn was_right(&self, name: &Label) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, _)) = wrong.get_mut(name) {
            *count = count.saturating_sub(1);
        }
        wrong.retain(|_, (count, _)| *count > 0);
    }
}

impl Office {
    /// The person whose password or token this is.
    pub(super) async fn identify(&self, by: Credential) -> Result<Person, Failure> {
        match by {
            Credential::Token(token) => {
                let known = self.store.person_by_token(&token::sha256(&token.0)).await?;
                if let Some(person) = known {
                    return Ok(person);
                }
                self.note_wrong_proof("token", None).await;
                Err(Failure::no(
                    "the token in PORTREEVE_APPROVER_TOKEN belongs to nobody",
                    "`portreeve user token NAME` makes a new one",
                ))
            }
            Credential::Password { name, password } => self.by_password(name, password.0).await,
        }
    }

    async fn by_password(&self, name: Label, password: String) -> Result<Person, Failure> {
        let now = self.clock.now();
        if !self.attempts.begin(&name, now) {
            return Err(Failure::no(
                format!("too many wrong passwords for {name}"),
                "wait a minute",
            ));
        }
        let kept = self.store.password(&name).await?.unwrap_or_default();
        // Some tenths of a second of computing: not where calls are served.
        let checking = tokio::task::spawn_blocking(move || is_password(&password, &kept));
        let is_right = checking.await.unwrap_or(false);
        let person = self.store.person(&name).await?;
        if let (true, Some(person)) = (is_right, &person) {
            self.attempts.was_right(&name);
            return Ok(person.clone());
        }
        let whose = person.as_ref().map(|person| &person.name);
        self.note_wrong_proof("password", whose).await;
        // Whether there is such a person is not told.
        Err(Failure::no(
            format!("the name {name} or the password is wrong"),
            "try again; an admin can set a new one with `portreeve user passwd`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_has_to_wait() {
        let attempts = Attempts::default();
        let (ann, bo) = (Label::new("ann").unwrap(), Label::new("bo").unwrap());
        // What is right counts for nothing, however often.
        for _ in 0..2 * MOST_WRONG {
            assert!(attempts.begin(&ann, Timestamp(0)));
            attempts.was_right(&ann);
        }
        for _ in 0..MOST_WRONG {
            assert!(attempts.begin(&ann, Timestamp(0)));
        }
        assert!(!attempts.begin(&ann, Timestamp(PAUSE_MS - 1)));
        assert!(attempts.begin(&bo, Timestamp(0)));
        assert!(attempts.begin(&ann, Timestamp(PAUSE_MS)));
    }
}
