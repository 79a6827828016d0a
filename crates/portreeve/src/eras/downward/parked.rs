//! Calls whose server waits for what the client says.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portreeve_policy::time::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};

use super::going::Going;
use super::state::Nonce;
use crate::eras::answers::Question;
use crate::name::Label;

/// How many may be parked, in all and for one grant, how large they may be together, and for how
/// long.
const MAX_PARKED: usize = 4_000;
const MAX_PER_GRANT: usize = 128;
const MAX_BYTES: usize = 256 * 1024 * 1024;
const MAX_BYTES_PER_GRANT: usize = 32 * 1024 * 1024;
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

/// A parked call. Dropped, it is cancelled at its server.
#[derive(Debug)]
pub(super) struct Waiting {
    pub going: Going,
    /// What the server calls its question, as JSON text.
    pub asked: String,
    pub question: Question,
    /// How long the server's question waits, however often the client comes back without an answer.
    pub until: Timestamp,
}

#[derive(Debug)]
struct Place {
    waiting: Waiting,
    grant: Label,
    /// What it takes: the question, and what the call asked for.
    size: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::eras) struct Parked {
    places: Mutex<HashMap<Nonce, Place>>,
}

impl Parked {
    fn lock(&self) -> MutexGuard<'_, HashMap<Nonce, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parks a call about something of this length; hands it back if there is no room.
    pub(super) fn park(&self, waiting: Waiting, matter: usize) -> Result<Nonce, Box<Waiting>> {
        let mut nonce = Nonce::default();
        if SystemRandom::new().fill(&mut nonce).is_err() {
            return Err(Box::new(waiting));
        }
        let grant = waiting.going.client.visit.caller.grant.label.clone();
        let mut places = self.lock();
        let size = matter + waiting.question.params.as_ref().map_or(0, Vec::len);
        let own = places.values().filter(|place| place.grant == grant);
        let (count, bytes) = own.fold((0, size), |(n, bytes), place| (n + 1, bytes + place.size));
        let all = places.values().fold(size, |all, place| all + place.size);
        let is_full = count >= MAX_PER_GRANT || places.len() >= MAX_PARKED;
        if is_full || bytes > MAX_BYTES_PER_GRANT || all > MAX_BYTES {
            return Err(Box::new(waiting));
        }
        let place = Place {
            waiting,
            grant,
            size,
        };
        places.insert(nonce, place);
        Ok(nonce)
    }

    /// Takes a parked call: it goes on once.
    pub(super) fn take(&self, nonce: &Nonce) -> Option<Waiting> {
        self.lock().remove(nonce).map(|place| place.waiting)
    }

    /// Gives up those whose client has not come back.
    pub(in crate::eras) fn sweep(&self, now: Timestamp) {
        let late: Vec<Place> = self
            .lock()
            .extract_if(|_, place| place.waiting.until <= now)
            .map(|(_, place)| place)
            .collect();
        drop(late);
    }
}
