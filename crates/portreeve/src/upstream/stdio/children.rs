//! All the processes of stdio servers: how many there may be, which of them makes room, and that
//! none is left when the gate stops.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::super::UpstreamError;
use super::child::Shared;
use crate::budget::Budget;

/// The bounds of stdio servers.
#[derive(Clone, Debug)]
pub struct ChildSettings {
    /// The program to start wardens with: this one.
    pub own_program: PathBuf,
    /// The longest line that is taken from a server.
    pub max_line: usize,
    /// How many processes may run, in all and for one server.
    pub max_in_all: usize,
    pub max_per_server: usize,
    /// A process that nobody used for so long is ended.
    pub idle: Duration,
    /// How long a server may leave its input unread.
    pub stall: Duration,
    /// What large messages of servers may take together until their clients have them.
    pub max_large_messages: usize,
}

impl ChildSettings {
    pub fn new(own_program: PathBuf, max_line: usize) -> Self {
        Self {
            own_program,
            max_line,
            max_in_all: 256,
            max_per_server: 64,
            idle: Duration::from_mins(30),
            stall: Duration::from_secs(20),
            max_large_messages: 256 * 1024 * 1024,
        }
    }
}

/// How long one that makes room may take to end.
const MAKING_ROOM: Duration = Duration::from_secs(8);

/// The processes. Clones share them.
#[derive(Clone, Debug)]
pub struct Children(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: ChildSettings,
    budget: Budget,
    places: Arc<Semaphore>,
    living: Mutex<HashMap<u64, Weak<Shared>>>,
    next: AtomicU64,
}

/// A process's place; given back when the process is reaped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    children: Children,
    _permits: [OwnedSemaphorePermit; 2],
}

impl Drop for Place {
    fn drop(&mut self) {
        self.children.living().remove(&self.number);
    }
}

impl Children {
    pub fn new(settings: ChildSettings) -> Self {
        let places = Arc::new(Semaphore::new(settings.max_in_all));
        let budget = Budget::new(settings.max_large_messages);
        Self(Arc::new(Inner {
            settings,
            budget,
            places,
            living: Mutex::default(),
            next: AtomicU64::new(1),
        }))
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    pub(super) fn settings(&self) -> &ChildSettings {
        &self.0.settings
    }

    /// A number that no other process of this gate has.
    pub(super) fn number(&self) -> u64 {
        self.0.next.fetch_add(1, Ordering::Relaxed)
    }

    /// How many processes there are.
    pub fn count(&self) -> usize {
        self.living().len()
    }

    /// Whether nobody uses any of them.
    pub fn all_idle(&self) -> bool {
        let living: Vec<Arc<Shared>> = self.living().values().filter_map(Weak::upgrade).collect();
        living.iter().all(|child| child.idle().is_some())
    }

    fn living(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<Shared>>> {
        let living = &self.0.living;
        living.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more process of a server, at the cost of an idle one if need be.
    pub(super) async fn place(&self, of_server: &Arc<Semaphore>) -> Result<Place, UpstreamError> {
        let server = self.permit(of_server, Some(of_server)).await?;
        let all = self.permit(&self.0.places, None).await?;
        Ok(Place {
            number: self.number(),
            children: self.clone(),
            _permits: [server, all],
        })
    }

    async fn permit(
        &self,
        places: &Arc<Semaphore>,
        of_server: Option<&Arc<Semaphore>>,
    ) -> Result<OwnedSemaphorePermit, UpstreamError> {
        if let Ok(permit) = Arc::clone(places).try_acquire_owned() {
            return Ok(permit);
        }
        if places.is_closed() {
            return Err(UpstreamError::Unreachable("the gateway is stopping".into()));
        }
        let full = || {
            let why = "too many processes of stdio servers run, and none of them is idle";
            UpstreamError::Unreachable(why.into())
        };
        self.end_most_idle(of_server).ok_or_else(full)?;
        let waiting = Arc::clone(places).acquire_owned();
        match timeout(MAKING_ROOM, waiting).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }

    /// Ends the process that was not used for the longest time.
    fn end_most_idle(&self, of_server: Option<&Arc<Semaphore>>) -> Option<()> {
        let living: Vec<Arc<Shared>> = self.living().values().filter_map(Weak::upgrade).collect();
        let candidates = living
            .iter()
            .filter(|child| of_server.is_none_or(|server| child.is_of(server)));
        let idle = candidates.filter_map(|child| Some((child.idle()?, child)));
        let (_, longest) = idle.max_by_key(|(idle, _)| *idle)?;
        longest.order_end();
        Some(())
    }

    pub(super) fn enter(&self, place: &Place, child: &Arc<Shared>) {
        self.living().insert(place.number, Arc::downgrade(child));
    }

    /// Ends all processes and waits until none is left. No more are started.
    pub async fn shut_down(&self) {
        let places = &self.0.places;
        let all = u32::try_from(self.0.settings.max_in_all).unwrap_or(u32::MAX);
        let living: Vec<Arc<Shared>> = self.living().values().filter_map(Weak::upgrade).collect();
        for child in &living {
            child.order_end();
        }
        drop(living);
        // Every place given back is a process reaped; those in line for a place are told.
        drop(places.acquire_many(all).await);
        places.close();
    }
}
