//! The append-only file behind `--state`: one line is one commit, whole or not at all.
//!
//! The first line says whose file it is; a file that begins otherwise is not touched. A last line
//! that is cut short was never acknowledged to anybody and is dropped. The file grows for as long
//! as it is used; deleting it while the demo is stopped starts afresh.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::state::Change;

const HEADER: &[u8] = b"{\"journal\":\"portreeve-demo-runs\",\"version\":1}\n";

/// What was decided at one moment. Its changes happen together or not at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Commit {
    pub at: i64,
    pub changes: Vec<Change>,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(
        "cannot use the state file {path}: {}; name a file that you may write to, in a folder that exists",
        without_number(source)
    )]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is not a state file of the runs demo; name another one, it was left as it is")]
    Foreign { path: PathBuf },
    #[error("the state file {path} is used by another process; stop that one or name another file")]
    InUse { path: PathBuf },
    #[error("line {line} of the state file {path} cannot be read ({why}); restore or delete it")]
    Corrupt {
        path: PathBuf,
        line: usize,
        why: String,
    },
    #[error("an earlier write to the state file {path} failed; make room there and start again")]
    Broken { path: PathBuf },
}

/// The cause in the system's words, without its number.
fn without_number(source: &io::Error) -> String {
    let text = source.to_string();
    let words = text.split(" (os error ").next();
    words.unwrap_or_default().to_owned()
}

/// An open journal, held by this process alone.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    broken: bool,
}

impl Journal {
    /// Opens or creates the file and answers with what it holds.
    pub fn open(path: &Path) -> Result<(Self, Vec<Commit>), JournalError> {
        let at = |source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(at)?;
        if file.try_lock().is_err() {
            return Err(JournalError::InUse {
                path: path.to_owned(),
            });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(at)?;
        let mut journal = Self {
            file,
            path: path.to_owned(),
            broken: false,
        };
        if HEADER.starts_with(&bytes) && bytes.len() < HEADER.len() {
            journal.begin().map_err(at)?;
            return Ok((journal, Vec::new()));
        }
        let (commits, whole) = journal.read(&bytes)?;
        if whole < bytes.len() {
            journal.cut_at(whole).map_err(at)?;
        }
        Ok((journal, commits))
    }

    /// Adds one line. When this returns with `durable`, the line is on the disk.
    pub fn append(&mut self, commit: &Commit, durable: bool) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken {
                path: self.path.clone(),
            });
        }
        // What is in the file after a failed write or sync is unknown: nothing may follow it.
        self.write_line(commit, durable).map_err(|source| {
            self.broken = true;
            JournalError::Io {
                path: self.path.clone(),
                source,
            }
        })
    }

    fn write_line(&mut self, commit: &Commit, durable: bool) -> io::Result<()> {
        let mut line = serde_json::to_vec(commit)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        if durable {
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(HEADER)?;
        self.file.sync_all()?;
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    }

    fn cut_at(&mut self, length: usize) -> io::Result<()> {
        self.file
            .set_len(u64::try_from(length).unwrap_or(u64::MAX))?;
        self.file.sync_all()
    }

    /// The commits, and how many bytes of the file they are.
    fn read(&self, bytes: &[u8]) -> Result<(Vec<Commit>, usize), JournalError> {
        let Some(lines) = bytes.strip_prefix(HEADER) else {
            return Err(JournalError::Foreign {
                path: self.path.clone(),
            });
        };
        let mut whole = HEADER.len();
        let mut commits = Vec::new();
        let mut lines = lines.split_inclusive(|&byte| byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let last = lines.peek().is_none();
            match serde_json::from_slice(line) {
                Ok(commit) if line.ends_with(b"\n") => commits.push(commit),
                Err(error) if !last => return Err(self.corrupt(commits.len(), &error.to_string())),
                // INVARIANT: only the last line may be torn, and a torn line did not happen.
                _ => break,
            }
            whole += line.len();
        }
        Ok((commits, whole))
    }

    /// The error for the commit with this index.
    pub fn corrupt(&self, index: usize, why: &str) -> JournalError {
        JournalError::Corrupt {
            path: self.path.clone(),
            line: index + 2,
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(at: i64) -> Commit {
        Commit {
            at,
            changes: vec![Change::Deleted {
                run: super::super::model::RunId::number(9),
            }],
        }
    }

    fn times(commits: &[Commit]) -> Vec<i64> {
        commits.iter().map(|commit| commit.at).collect()
    }

    #[test]
    fn every_cut_of_the_last_line_reads_as_the_lines_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        let (mut journal, _) = Journal::open(&path).unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o600, "its user's alone");
        journal.append(&commit(1), true).unwrap();
        let kept = std::fs::metadata(&path).unwrap().len();
        journal.append(&commit(2), true).unwrap();
        drop(journal);
        let bytes = std::fs::read(&path).unwrap();
        for cut in usize::try_from(kept).unwrap()..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let (mut journal, commits) = Journal::open(&path).unwrap();
            assert_eq!(times(&commits), [1], "cut at {cut}");
            journal.append(&commit(3), true).unwrap();
            drop(journal);
            let (_, commits) = Journal::open(&path).unwrap();
            assert_eq!(times(&commits), [1, 3], "cut at {cut}");
        }
    }

    #[test]
    fn a_cut_header_begins_anew_and_a_foreign_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        for cut in 0..HEADER.len() {
            std::fs::write(&path, &HEADER[..cut]).unwrap();
            assert!(Journal::open(&path).unwrap().1.is_empty());
            assert_eq!(std::fs::read(&path).unwrap(), HEADER);
        }
        std::fs::write(&path, "my thesis").unwrap();
        assert!(matches!(
            Journal::open(&path),
            Err(JournalError::Foreign { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"my thesis");
    }

    #[test]
    fn a_line_broken_in_the_middle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&commit(1), false).unwrap();
        drop(journal);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{oops\n{\"at\":3,\"changes\":[]}\n");
        std::fs::write(&path, bytes).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(
            matches!(error, JournalError::Corrupt { line: 3, .. }),
            "{error}"
        );
    }

    #[test]
    fn nothing_follows_a_write_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.file = File::open(&path).unwrap();
        let failed = journal.append(&commit(1), true);
        assert!(matches!(failed, Err(JournalError::Io { .. })));
        journal.file = OpenOptions::new().append(true).open(&path).unwrap();
        let refused = journal.append(&commit(2), true);
        assert!(matches!(refused, Err(JournalError::Broken { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), HEADER);
    }

    #[test]
    fn two_owners_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        let (_held, _) = Journal::open(&path).unwrap();
        assert!(matches!(
            Journal::open(&path),
            Err(JournalError::InUse { .. })
        ));
    }
}
