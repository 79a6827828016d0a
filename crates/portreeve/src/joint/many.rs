//! Several servers asked side by side. One that is slow or gone keeps nobody waiting for longer
//! than the deadline, and its absence is told.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use super::exchange::Absent;
use super::merge::Given;
use crate::name::Name;

/// How many servers are asked at a time.
pub(super) const AT_ONCE: usize = 128;
/// How long all of them may take together.
const WITHIN: Duration = Duration::from_secs(30);

/// What each server gave, in their order.
pub(super) async fn ask<F>(servers: Vec<Name>, ask: impl Fn(Name) -> F) -> Given
where
    F: Future<Output = Result<Option<Bytes>, Absent>>,
{
    let given: Arc<Mutex<Given>> = Arc::default();
    let lock = || given.lock().unwrap_or_else(PoisonError::into_inner);
    let asking = stream::iter(servers.clone()).for_each_concurrent(AT_ONCE, |server| {
        let asked = Box::pin(ask(server.clone()));
        async {
            let answer = asked.await;
            lock().push((server, answer));
        }
    });
    // Those that were not asked in time are told from those that answered below.
    timeout(WITHIN, asking).await.ok();
    let mut given = std::mem::take(&mut *lock());
    given.sort_by(|(a, _), (b, _)| a.cmp(b));
    let late = servers.into_iter().filter_map(|server| {
        let known = given.binary_search_by(|(name, _)| name.cmp(&server));
        known
            .is_err()
            .then(|| (server, Err(Absent::because("too many servers are slow"))))
    });
    let late: Given = late.collect();
    given.extend(late);
    given.sort_by(|(a, _), (b, _)| a.cmp(b));
    given
}
