//! A data directory for a test, and books in it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use portreeve_policy::time::Timestamp;

use crate::clock::Clock;
use crate::keys::Keys;
use crate::ledger::anchor::KnownAnchor;
use crate::ledger::chain::{Anchor, Head};
use crate::ledger::medium::{Disk, Medium};
use crate::ledger::segment;
use crate::ledger::*;

/// 2026-11-20T07:43:15.123Z
pub(super) const NOW: Timestamp = Timestamp(1_795_160_595_123);

pub(super) struct Room {
    pub(super) data: tempfile::TempDir,
    pub(super) keys: Arc<Keys>,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
}

impl Room {
    pub(super) fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::load_or_create(data.path()).unwrap());
        let settings = Settings::in_data_dir(data.path());
        Self {
            data,
            keys,
            clock: Clock::manual(NOW),
            settings,
        }
    }

    /// Segments of a few records, so that a small book has many.
    pub(super) fn small_segments(mut self) -> Self {
        self.settings.rotation.bytes = 4_000;
        self
    }

    pub(super) fn on_disk(mut self) -> Self {
        self.settings.durability = Durability::Disk;
        self
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.settings.dir.clone()
    }

    pub(super) fn open(&self) -> FileLedger {
        self.open_knowing(&[]).unwrap().0
    }

    pub(super) fn open_knowing(
        &self,
        known: &[KnownAnchor],
    ) -> Result<(FileLedger, Opened), OpenError> {
        self.open_with(&Opening {
            known: known.to_vec(),
            accept_cut: false,
            lost_store: None,
        })
    }

    pub(super) fn open_with(&self, opening: &Opening) -> Result<(FileLedger, Opened), OpenError> {
        self.open_on(Disk, opening)
    }

    pub(super) fn open_on(
        &self,
        medium: impl Medium + 'static,
        opening: &Opening,
    ) -> Result<(FileLedger, Opened), OpenError> {
        let with = (Arc::clone(&self.keys), self.clock.clone());
        let medium: Arc<dyn Medium> = Arc::new(medium);
        FileLedger::open_on(&medium, self.settings.clone(), with, opening)
    }

    pub(super) fn verify(&self, known: &[KnownAnchor]) -> Report {
        verify(&Verification {
            dir: &self.dir(),
            keys: &[self.keys.public_key()],
            known,
            through: None,
        })
        .unwrap()
    }

    pub(super) fn segments(&self) -> Vec<PathBuf> {
        let segments = segment::list(&self.dir()).unwrap();
        segments.into_iter().map(|segment| segment.path).collect()
    }

    /// Lines of the `index`th segment, each with its newline.
    pub(super) fn lines(&self, index: usize) -> Vec<Vec<u8>> {
        let bytes = fs::read(&self.segments()[index]).unwrap();
        bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    }

    pub(super) fn put_lines(&self, index: usize, lines: &[Vec<u8>]) {
        fs::write(&self.segments()[index], lines.concat()).unwrap();
    }

    pub(super) fn anchor(&self, head: Head) -> KnownAnchor {
        KnownAnchor {
            place: "the store".to_owned(),
            anchor: Anchor {
                head,
                at: self.clock.now(),
            },
        }
    }
}

pub(super) fn call(call_id: &str) -> Call<'_> {
    Call {
        at: NOW,
        call_id,
        grant: "ci-runner",
        identity: "ci-runner",
        server: Some("runs"),
        method: "tools/call",
        tool: Some("run-rerun"),
        target: None,
        policy: Some(PolicyRef {
            name: "runs",
            version: 3,
        }),
        rule: "/tools/run-rerun",
        arguments: Arguments {
            keys: &["runId", "reason"],
            values: None,
            mac: Some([7; 16]),
        },
        approval_id: None,
        shadow: None,
    }
}

pub(super) const CHARGES: &[Charge<'_>] = &[Charge {
    key: "grant:ci-runner|runs|run-rerun_rate",
    amount: "1",
    window_ms: 60_000,
}];

pub(super) fn begin(call_id: &str) -> Begin<'_> {
    Begin {
        call: call(call_id),
        charges: CHARGES,
    }
}

pub(super) fn finish(call_id: &str, outcome: Ended) -> Finish<'_> {
    Finish {
        at: NOW,
        call_id,
        outcome,
        result: (outcome == Ended::Allow).then_some(Answer::Ok),
        reason: None,
        upstream_status: Some(200),
        latency_us: 1_234,
    }
}

pub(super) fn refusal(call_id: &str) -> Refusal<'_> {
    Refusal {
        call: call(call_id),
        outcome: Refused::Deny,
        reason: "at most 10 reruns a minute",
        retry_after_ms: Some(1_500),
    }
}

/// Books `count` calls, begin and finish.
pub(super) async fn book_calls(ledger: &FileLedger, count: usize) {
    for index in 0..count {
        let id = format!("c{index}");
        ledger.begin(begin(&id)).await.unwrap();
        ledger.finish(finish(&id, Ended::Allow)).await.unwrap();
    }
}

/// A closed book of several small segments.
pub(super) async fn closed_book(calls: usize) -> (Room, Head) {
    let room = Room::new().small_segments();
    let ledger = room.open();
    book_calls(&ledger, calls).await;
    ledger.close().await.unwrap();
    let head = ledger.head();
    (room, head)
}
