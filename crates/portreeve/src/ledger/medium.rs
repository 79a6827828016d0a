//! What the book is written on: the few file operations a writer needs.
//!
//! A trait so that tests can write on a medium that fails at any byte and crashes at any time.
//! Readers use the file system directly.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A directory tree one can write files in.
pub(super) trait Medium: Send + Sync + fmt::Debug {
    /// A new, empty file; an error if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Tape>>;
    /// An existing file, to be written at its end.
    fn append_to(&self, path: &Path) -> io::Result<Box<dyn Tape>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes names created, renamed and removed in `dir` last.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file that only grows at its end, or is cut back.
pub(super) trait Tape: Send + Sync + fmt::Debug {
    /// Writes some of `bytes` at the end; returns how many.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    fn truncate(&self, len: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Whether the file still has a name, and so is still part of the book.
    fn is_named(&self) -> io::Result<bool>;
}

/// Writes all of `bytes`, or fails having written some.
pub(super) fn write_all(tape: &dyn Tape, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match tape.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The machine's file system.
#[derive(Debug)]
pub(super) struct Disk;

impl Medium for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Tape>> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Box::new(file))
    }

    fn append_to(&self, path: &Path) -> io::Result<Box<dyn Tape>> {
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

impl Tape for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        Write::write(&mut file, bytes)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn is_named(&self) -> io::Result<bool> {
        Ok(self.metadata()?.nlink() > 0)
    }
}
