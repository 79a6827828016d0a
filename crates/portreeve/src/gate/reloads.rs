//! The building of registries: one at a time, and one for all who wait.
//!
//! A registry is as large as everything it holds. Many changes at once, such as a thousand servers'
//! first lists, would cost that a thousand times.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// The registries that were built.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    begun: AtomicU64,
    /// The number of the one in force; held while the next is built.
    in_force: Mutex<u64>,
}

impl Reloads {
    /// Builds, unless somebody else's building begins after this was called and comes to its end.
    ///
    /// INVARIANT: what was stored before the call is in force after it
    /// (`who_waits_is_served_by_one_that_begins_later`).
    pub(super) async fn share<E>(
        &self,
        build: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut in_force = self.in_force.lock().await;
        if *in_force > before {
            return Ok(());
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        build.await?;
        *in_force = number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_served_by_one_that_begins_later() {
        let (reloads, count) = (Arc::new(Reloads::default()), Arc::new(AtomicU64::new(0)));
        let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let build = || {
            let (reloads, count) = (Arc::clone(&reloads), Arc::clone(&count));
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            tokio::spawn(async move {
                let building = async {
                    begun.add_permits(1);
                    go.acquire().await.unwrap().forget();
                    count.fetch_add(1, Ordering::SeqCst);
                    Ok::<(), ()>(())
                };
                reloads.share(building).await
            })
        };
        let first = build();
        begun.acquire().await.unwrap().forget();
        // The first has begun before these: none of them may rely on it.
        let others: Vec<_> = (0..10).map(|_| build()).collect();
        tokio::task::yield_now().await;
        go.add_permits(1);
        first.await.unwrap().unwrap();
        begun.acquire().await.unwrap().forget();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        go.add_permits(1);
        for told in join_all(others).await {
            told.unwrap().unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn one_that_failed_serves_nobody() {
        let reloads = Reloads::default();
        let failed = reloads.share(async { Err("the store is away") });
        let then = reloads.share(async { Err("the store is still away") });
        assert!(failed.await.is_err() && then.await.is_err());
        assert_eq!(reloads.share(async { Ok::<(), ()>(()) }).await, Ok(()));
    }
}
