//! The thread that owns the connection.
//!
//! SQLite blocks, so it has a thread of its own; what others want done arrives as a closure, and
//! the answer goes back through a channel. One connection, one order: no operation sees half
//! of another.

use std::fmt;
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::{Answer, Sealer, StoreError};

/// What an operation may touch.
pub(super) struct Db {
    pub(super) conn: Connection,
    pub(super) sealer: std::sync::Arc<dyn Sealer>,
}

type Job = Box<dyn FnOnce(&mut Db) + Send>;

/// A handle to the thread. The thread ends, and closes the database, when the last one is gone.
#[derive(Clone)]
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    pub(super) fn start(mut db: Db) -> Result<Self, StoreError> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                for job in inbox {
                    job(&mut db);
                }
            })
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { jobs })
    }

    /// Does `work` on the thread. It is done also when nobody waits for the answer any more.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            // Nobody waits any more: the work is done all the same.
            let _ = reply.send(work(db));
        });
        let sent = self.jobs.send(job);
        Box::pin(async move {
            sent.map_err(|_| stopped())?;
            answer.await.map_err(|_| stopped())?
        })
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("its thread has stopped; restart portreeve".to_owned())
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker")
    }
}
