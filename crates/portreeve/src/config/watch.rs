//! Noticing that the configuration should be read again: a changed file, or SIGHUP.
//!
//! It only notices. Reading, checking and putting into force are the caller's, who then says which
//! files to watch from now on.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Why the configuration should be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    Signal,
    Changed(PathBuf),
}

/// What a file held: the hash of its content, or nothing if it could not be read. Times, sizes and
/// inodes are not asked: an editor that replaces the file and a write within one tick of the
/// file system's clock are then no special cases, and the files are small.
type Content = Option<[u8; 32]>;

/// The contents of some files as they were last seen.
#[derive(Debug)]
pub struct Files(BTreeMap<PathBuf, Content>);

impl Files {
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let look = |path: PathBuf| {
            let content = content(&path);
            (path, content)
        };
        Self(paths.into_iter().map(look).collect())
    }

    /// Looks at all files; the first that changed since the last look is returned.
    pub fn look(&mut self) -> Option<PathBuf> {
        let mut changed = None;
        for (path, before) in &mut self.0 {
            let now = content(path);
            if now != *before {
                *before = now;
                changed.get_or_insert_with(|| path.clone());
            }
        }
        changed
    }
}

fn content(path: &Path) -> Content {
    let bytes = super::read_file(path).ok()?;
    digest(&SHA256, bytes.as_bytes()).as_ref().try_into().ok()
}

/// Waits for changes.
#[derive(Debug)]
pub struct Watch {
    files: Files,
    hangups: Signal,
    ticks: Interval,
}

impl Watch {
    /// Needs a runtime with I/O and time. The files are as they should be now.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> io::Result<Self> {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            files: Files::new(paths),
            hangups: signal(SignalKind::hangup())?,
            ticks,
        })
    }

    /// Watches these files from now on, as they are now.
    pub fn watch_instead(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        self.files = Files::new(paths);
    }

    /// The next reason to read again. Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Reason {
        loop {
            tokio::select! {
                _ = self.hangups.recv() => return Reason::Signal,
                _ = self.ticks.tick() => {
                    if let Some(path) = self.files.look() {
                        return Reason::Changed(path);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_is_noticed_once_however_it_was_made() {
        let dir = tempfile::tempdir().expect("a directory");
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::write(&one, "a").expect("written");
        let mut files = Files::new([one.clone(), two.clone()]);
        assert_eq!(files.look(), None);

        // Same size, within the same tick of the clock.
        fs::write(&one, "b").expect("written");
        assert_eq!(files.look(), Some(one.clone()));
        assert_eq!(files.look(), None);

        let other = dir.path().join("other");
        fs::write(&other, "c").expect("written");
        fs::rename(&other, &one).expect("renamed");
        assert_eq!(files.look(), Some(one.clone()));

        fs::write(&two, "new").expect("written");
        assert_eq!(files.look(), Some(two));
        fs::remove_file(&one).expect("removed");
        assert_eq!(files.look(), Some(one.clone()));

        fs::write(&one, "c").expect("written");
        files.look();
        fs::write(&one, "c").expect("the same content again");
        assert_eq!(files.look(), None);
    }
}
