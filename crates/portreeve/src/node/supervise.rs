//! Tasks that must live as long as the gate does: one that panics is started again.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;

use crate::clock::Stopwatch;

/// How long is waited before a task that panicked is started again: longer each time, and no longer
/// than this. One that ran for the longest pause begins with the first again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Pauses {
    pub(super) const USUAL: Self = Self {
        first: Duration::from_secs(1),
        longest: Duration::from_mins(1),
    };
}

/// Runs what `start` makes until it ends by itself. One that panics when the gate stops is not
/// started once more.
///
/// INVARIANT: a panic ends nothing that keeps the book (`anchoring_goes_on_after_a_panic`).
pub(super) async fn supervise<Work: Future<Output = ()>>(
    name: &'static str,
    mut stop: watch::Receiver<bool>,
    pauses: Pauses,
    mut start: impl FnMut() -> Work,
) {
    let mut pause = pauses.first;
    loop {
        let stops = *stop.borrow() || stop.has_changed().is_err();
        let running = Stopwatch::start();
        let work = AssertUnwindSafe(async { start().await });
        if work.catch_unwind().await.is_ok() {
            return;
        }
        if stops {
            tracing::error!(
                task = name,
                "a task panicked while the gate stopped: it is given up"
            );
            return;
        }
        if running.elapsed() >= pauses.longest {
            pause = pauses.first;
        }
        tracing::error!(
            task = name,
            again_in = ?pause,
            "a task panicked, which is a bug in portreeve: please report it with the lines above; it is started again"
        );
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        pause = pause.saturating_mul(2).min(pauses.longest);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::clock::Clock;
    use crate::keys::Keys;
    use crate::ledger::{
        AdminAct, Anchor, AnchorError, Anchors, Cadence, FileLedger, Ledger as _, MemoryAnchors,
        Opening, Settings, keep_anchored,
    };

    const SHORT: Pauses = Pauses {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(4),
    };

    /// A place that panics when it is told something for the first time.
    #[derive(Debug, Default)]
    struct Clumsy {
        fell: AtomicBool,
        kept: MemoryAnchors,
    }

    impl Anchors for Clumsy {
        fn name(&self) -> String {
            "a clumsy place".to_owned()
        }

        fn put(&self, anchor: Anchor) -> BoxFuture<'_, Result<(), AnchorError>> {
            assert!(self.fell.swap(true, Ordering::SeqCst), "it falls once");
            self.kept.put(anchor)
        }

        fn latest(&self) -> BoxFuture<'_, Result<Option<Anchor>, AnchorError>> {
            self.kept.latest()
        }
    }

    #[tokio::test]
    async fn anchoring_goes_on_after_a_panic() {
        let data = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::load_or_create(data.path()).unwrap());
        let settings = Settings::in_data_dir(data.path());
        let opening = Opening::default();
        let opened = FileLedger::open(settings, keys, Clock::system(), &opening).unwrap();
        let (ledger, place) = (Arc::new(opened.0), Arc::new(Clumsy::default()));
        let act = AdminAct {
            at: Clock::system().now(),
            actor: "a test",
            act: "test",
            subject: "",
            detail: None,
        };
        ledger.admin(act).await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let cadence = Cadence {
            every: Duration::from_millis(1),
            at_checkpoints: true,
        };
        let keeping = supervise("anchoring", stopping, SHORT, || {
            keep_anchored(&ledger, place.as_ref(), cadence)
        });
        let closing = async {
            while place.latest().await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            stop.send_replace(true);
            ledger.close().await.unwrap();
        };
        tokio::join!(keeping, closing);
        assert!(place.fell.load(Ordering::SeqCst));
        let last = place.latest().await.unwrap().unwrap();
        assert_eq!(last.head, ledger.head(), "it was told the last head of all");
    }

    #[tokio::test]
    async fn a_task_that_always_panics_ends_with_the_gate() {
        let (stop, stopping) = watch::channel(false);
        let starts = AtomicU64::new(0);
        let panicking = supervise("panicking", stopping, SHORT, || async {
            let start = starts.fetch_add(1, Ordering::SeqCst) + 1;
            if start == 5 {
                stop.send_replace(true);
            }
            panic!("start {start}");
        });
        panicking.await;
        assert_eq!(starts.load(Ordering::SeqCst), 6, "one try after the stop");
    }
}
