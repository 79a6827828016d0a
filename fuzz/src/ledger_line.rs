//! A ledger on disk, changed by somebody: reading it never panics, and a change is never passed
//! over.
//!
//! The first byte says how the rest is used: as a segment as it is, as changes to a good segment,
//! or as records of a forger who can reckon hashes but has no key to sign with.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use portreeve::clock::Clock;
use portreeve::keys::{Keys, PublicKey};
use portreeve::ledger::{
    self, AdminAct, Anchor, Answer, Arguments, Begin, Call, Charge, Ended, FileLedger, Filter,
    Finish, Head, KnownAnchor, Ledger as _, Opening, PolicyRef, Record, Refusal, Refused, Report,
    Settings, Verification,
};
use portreeve_policy::time::Timestamp;
use ring::digest::{SHA256, digest};
use tempfile::TempDir;

use super::tape::Tape;

const NOW: Timestamp = Timestamp(1_795_160_595_123);
const SEGMENT: &str = "00000000000000000001.jsonl";

pub fn check(input: &[u8]) {
    static SHELF: OnceLock<Mutex<Shelf>> = OnceLock::new();
    let shelf = SHELF.get_or_init(|| Mutex::new(Shelf::new()));
    let shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tape = Tape::new(input);
    match tape.byte() % 4 {
        0 => shelf.as_it_is(tape.rest()),
        1 | 2 => shelf.changed(tape),
        _ => shelf.forged(tape.rest()),
    }
}

/// A good book, and the directory in which copies of it are spoilt.
struct Shelf {
    data: TempDir,
    settings: Settings,
    keys: Arc<Keys>,
    good: Vec<u8>,
    head: Head,
}

impl Shelf {
    fn new() -> Self {
        let data = TempDir::new().expect("a directory");
        let keys = Arc::new(Keys::load_or_create(data.path()).expect("keys"));
        let settings = Settings::in_data_dir(data.path());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let head = runtime.block_on(write_book(&settings, &keys));
        let good = fs::read(settings.dir.join(SEGMENT)).expect("the segment");
        let shelf = Self {
            data,
            settings,
            keys,
            good,
            head,
        };
        let report = shelf.verify(&[shelf.anchor()]).expect("readable");
        assert!(report.holds(), "{report}");
        shelf
    }

    fn dir(&self) -> &Path {
        &self.settings.dir
    }

    fn segment(&self) -> PathBuf {
        self.dir().join(SEGMENT)
    }

    fn anchor(&self) -> KnownAnchor {
        KnownAnchor {
            place: "elsewhere".to_owned(),
            anchor: Anchor {
                head: self.head,
                at: NOW,
            },
        }
    }

    fn verify(&self, known: &[KnownAnchor]) -> Option<Report> {
        let keys: [PublicKey; 1] = [self.keys.public_key()];
        let verification = Verification {
            dir: self.dir(),
            keys: &keys,
            known,
            through: None,
        };
        ledger::verify(&verification).ok()
    }

    fn as_it_is(&self, bytes: &[u8]) {
        self.put(bytes);
        let holds = self.read_every_way();
        assert!(!holds || bytes == self.good, "a book nobody wrote holds");
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Ok(record) = Record::parse(line) {
                assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok());
                assert!(record.seq < u64::MAX || !holds);
            }
        }
    }

    /// The good book with bytes put in, taken out and replaced.
    fn changed(&self, mut tape: Tape<'_>) {
        let mut bytes = self.good.clone();
        for _ in 0..8 {
            if tape.is_empty() || bytes.is_empty() {
                break;
            }
            let (act, at) = (tape.byte(), usize::from(tape.pair()) % bytes.len());
            let length = usize::from(tape.byte());
            let end = (at + length).min(bytes.len());
            match act % 6 {
                0 => bytes[at] ^= 1 << (length % 8),
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(at..end)),
                3 => drop(bytes.splice(at..at, self.good.iter().copied().take(length))),
                4 => bytes.insert(at, tape.byte()),
                _ => {
                    let repeated = bytes.get(at..end).map(<[u8]>::to_vec);
                    drop(bytes.splice(at..at, repeated.unwrap_or_default()));
                }
            }
        }
        self.put(&bytes);
        let holds = self.read_every_way();
        assert_eq!(holds, bytes == self.good, "what was changed must be seen");
    }

    /// Each line is a record without its number, its time and its ending, which are added: the
    /// chain fits, and only signatures and anchors can tell. `@SEQ@` and `@HASH@` are the anchor's.
    fn forged(&self, bodies: &[u8]) {
        // After the last record of the good book, or in its place.
        let mut bytes = self.good.clone();
        let mut head = (self.head.seq, self.head.hash.to_string());
        let bodies = match bodies.split_first() {
            Some((b'!', rest)) => {
                bytes.clear();
                head = (0, "0".repeat(64));
                rest
            }
            _ => bodies,
        };
        let before = bytes.len();
        let anchor = [self.head.seq.to_string(), self.head.hash.to_string()];
        for body in bodies
            .split(|byte| *byte == b'\n')
            .filter(|b| !b.is_empty())
        {
            let body = replaced(&replaced(body, b"@SEQ@", &anchor[0]), b"@HASH@", &anchor[1]);
            let (seq, prev) = (head.0 + 1, &head.1);
            let mut line =
                format!("{{\"seq\":{seq},\"at\":\"2026-11-20T07:43:15.123Z\",").into_bytes();
            line.extend_from_slice(&body);
            line.extend_from_slice(format!(",\"prev\":\"{prev}\"").as_bytes());
            let hash = hex(digest(&SHA256, &line).as_ref());
            line.extend_from_slice(format!(",\"hash\":\"{hash}\"}}\n").as_bytes());
            bytes.extend_from_slice(&line);
            head = (seq, hash);
        }
        self.put(&bytes);
        let holds = self.read_every_way();
        if before == 0 {
            assert!(!holds, "another book in the place of the anchored one");
        }
        let report = self.verify(&[]);
        if let Some(report) = report {
            // What nobody signed is not said to be signed.
            assert!(report.signed_through <= self.head.seq, "{report}");
        }
    }

    fn put(&self, bytes: &[u8]) {
        fs::write(self.segment(), bytes).expect("written");
    }

    /// Reads the directory with everything that reads, and says whether the book holds.
    fn read_every_way(&self) -> bool {
        let anchored = self.verify(&[self.anchor()]);
        if let Some(report) = &anchored {
            assert!(!report.to_string().is_empty());
            assert!(report.signed_through <= report.head.seq);
        }
        let holds = anchored.is_some_and(|report| report.holds());
        let all = ledger::query(self.dir(), Filter::default());
        let last = ledger::tail(self.dir(), 3);
        assert!(
            !holds || (all.is_ok() && last.is_ok()),
            "it holds but cannot be read"
        );
        let filter = Filter::default();
        ledger::export(self.dir(), Some(&filter), &mut std::io::sink()).ok();
        self.opened(holds);
        holds
    }

    /// Opening the book mends a torn tail, and refuses the rest.
    fn opened(&self, holds: bool) {
        let opening = Opening {
            known: Some(self.anchor()).into_iter().collect(),
            accept_cut: false,
            lost_store: None,
        };
        let before = fs::read(self.segment()).expect("readable");
        let with = (Arc::clone(&self.keys), Clock::manual(NOW));
        let opened = FileLedger::open(self.settings.clone(), with.0, with.1, &opening);
        assert!(opened.is_ok() || !holds, "it holds but cannot be opened");
        drop(opened);
        for entry in fs::read_dir(self.dir()).expect("the directory").flatten() {
            fs::remove_file(entry.path()).ok();
        }
        fs::write(self.segment(), before).expect("written");
        assert!(self.data.path().is_dir());
    }
}

fn replaced(bytes: &[u8], sought: &[u8], with: &str) -> Vec<u8> {
    let found = bytes
        .windows(sought.len())
        .position(|window| window == sought);
    match found.map(|at| (&bytes[..at], &bytes[at + sought.len()..])) {
        Some((before, after)) => [before, with.as_bytes(), after].concat(),
        None => bytes.to_vec(),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

async fn write_book(settings: &Settings, keys: &Arc<Keys>) -> Head {
    let with = (Arc::clone(keys), Clock::manual(NOW));
    let opening = Opening::default();
    let (book, _) = FileLedger::open(settings.clone(), with.0, with.1, &opening).expect("opened");
    let act = AdminAct {
        at: NOW,
        actor: "admin",
        act: "policy.put",
        subject: "runs",
        detail: None,
    };
    book.admin(act).await.expect("booked");
    for id in ["c1", "c2", "c3"] {
        let charges = &[Charge {
            key: "grant/ci/runs/run-rerun_rate",
            amount: "1",
            window_ms: 60_000,
        }];
        let begin = Begin {
            call: call(id),
            charges,
        };
        book.begin(begin).await.expect("booked");
        let finish = Finish {
            at: NOW,
            call_id: id,
            outcome: Ended::Allow,
            result: Some(Answer::Ok),
            reason: None,
            upstream_status: Some(200),
            latency_us: 1_234,
        };
        book.finish(finish).await.expect("booked");
    }
    let refusal = Refusal {
        call: call("c4"),
        outcome: Refused::Deny,
        reason: "at most 10 reruns a minute",
        retry_after_ms: Some(1_500),
    };
    book.refuse(refusal).await.expect("booked");
    book.close().await.expect("closed");
    book.head()
}

fn call(call_id: &str) -> Call<'_> {
    Call {
        at: NOW,
        call_id,
        grant: "ci",
        identity: "ci",
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
            keys: &["runId"],
            values: None,
            mac: Some([7; 16]),
        },
        approval_id: None,
        shadow: None,
    }
}
