//! A disk that fails when told, and forgets what was not synced when it crashes.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::ledger::commit::lock;
use crate::ledger::medium::{Disk, Medium, Tape};

#[derive(Clone, Debug, Default)]
pub(super) struct Faulty(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    plan: Plan,
    writes: u64,
    files: BTreeMap<PathBuf, Kept>,
}

/// What is to fail from now on.
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// So many bytes fit; then the disk is full.
    pub(super) room: Option<u64>,
    pub(super) syncs_fail: bool,
    /// A failed sync loses what was not on disk, as some systems do.
    pub(super) failed_sync_forgets: bool,
    pub(super) truncate_fails: bool,
    pub(super) create_fails: bool,
}

/// What survives a crash of a file.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    synced: u64,
    named: bool,
}

impl Faulty {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn plan(&self, plan: Plan) {
        lock(&self.0).plan = plan;
    }

    /// How often anything was written.
    pub(super) fn writes(&self) -> u64 {
        lock(&self.0).writes
    }

    /// How much of a file is on disk.
    pub(super) fn synced(&self, path: &Path) -> u64 {
        lock(&self.0).files.get(path).map_or(0, |kept| kept.synced)
    }

    /// Loses what was not synced: of each file a random part of it stays, perhaps as zeros.
    pub(super) fn crash(&self, mut random: impl FnMut(u64) -> u64) {
        let state = std::mem::take(&mut *lock(&self.0));
        for (path, kept) in state.files {
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if !kept.named && random(2) == 0 {
                fs::remove_file(&path).unwrap();
                continue;
            }
            let unsynced = metadata.len() - kept.synced.min(metadata.len());
            let kept_bytes = random(unsynced + 1);
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(kept.synced + kept_bytes).unwrap();
            if random(3) == 0 {
                // The size reached the disk, some of the bytes did not.
                let zeros = random(unsynced - kept_bytes + 1);
                file.set_len(kept.synced + kept_bytes + zeros).unwrap();
            }
        }
    }

    fn track(&self, path: &Path, tape: Box<dyn Tape>, kept: Kept) -> Box<dyn Tape> {
        lock(&self.0).files.insert(path.to_owned(), kept);
        Box::new(FaultyTape {
            disk: self.clone(),
            path: Mutex::new(path.to_owned()),
            tape,
        })
    }
}

fn no_space() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

fn broken() -> io::Error {
    io::Error::other("input/output error")
}

impl Medium for Faulty {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Tape>> {
        if lock(&self.0).plan.create_fails {
            return Err(no_space());
        }
        let tape = Disk.create(path)?;
        Ok(self.track(path, tape, Kept::default()))
    }

    fn append_to(&self, path: &Path) -> io::Result<Box<dyn Tape>> {
        let tape = Disk.append_to(path)?;
        let kept = lock(&self.0).files.get(path).copied().unwrap_or(Kept {
            synced: 0,
            named: true,
        });
        Ok(self.track(path, tape, kept))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)?;
        let mut state = lock(&self.0);
        let kept = state.files.remove(from).unwrap_or_default();
        state.files.insert(to.to_owned(), kept);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        lock(&self.0).files.remove(path);
        Disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)?;
        for (path, kept) in &mut lock(&self.0).files {
            kept.named |= path.parent() == Some(dir);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct FaultyTape {
    disk: Faulty,
    path: Mutex<PathBuf>,
    tape: Box<dyn Tape>,
}

impl FaultyTape {
    /// The name the file has now: a rewritten segment is renamed into place.
    fn path(&self) -> PathBuf {
        let mut path = lock(&self.path);
        if path.extension().is_some_and(|ending| ending == "rewrite") && !path.exists() {
            *path = path.with_extension("jsonl");
        }
        path.clone()
    }
}

impl Tape for FaultyTape {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.disk.0);
        state.writes += 1;
        let Some(room) = &mut state.plan.room else {
            return self.tape.write(bytes);
        };
        let fits = usize::try_from(*room).unwrap().min(bytes.len());
        if fits == 0 {
            return Err(no_space());
        }
        let written = self.tape.write(&bytes[..fits])?;
        *room -= written as u64;
        Ok(written)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        if lock(&self.disk.0).plan.truncate_fails {
            return Err(broken());
        }
        self.tape.truncate(len)
    }

    fn sync(&self) -> io::Result<()> {
        let path = self.path();
        let mut state = lock(&self.disk.0);
        let plan = state.plan.clone();
        let kept = state.files.entry(path.clone()).or_default();
        if plan.syncs_fail {
            if plan.failed_sync_forgets {
                self.tape.truncate(kept.synced)?;
            }
            return Err(broken());
        }
        kept.synced = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.tape.read_at(buffer, offset)
    }

    fn is_named(&self) -> io::Result<bool> {
        self.tape.is_named()
    }
}
