//! Writing a backup while the owner goes on working.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::manifest::{self, Entry, FORMAT, Manifest, copy_hashed};
use super::{BackupError, read_error, tar, write_error};
use crate::store::{Store, sqlite};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    pub bytes: u64,
    pub files: u64,
}

/// The database's copy on its way into the archive.
const COPY: &str = ".backup.db";

/// Without it nothing sealed in the database could be opened.
const KEY: &str = "key";

/// Things of the running process, and the database, which is copied by itself.
const LEFT_OUT: &[&str] = &["lock", "control.sock"];

/// Whether a file could be made there, as far as that is known without making it.
pub fn check_place(to: &Path) -> Result<(), BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    if to.parent().is_some_and(|folder| !folder.exists()) {
        return Err(write_error(to)(io::ErrorKind::NotFound.into()));
    }
    Ok(())
}

/// Writes a backup of the data directory to a new file. The caller owns the directory.
pub async fn write(store: &dyn Store, data_dir: &Path, to: &Path) -> Result<Made, BackupError> {
    check_place(to)?;
    let copy = data_dir.join(COPY);
    remove_if_there(&copy)?;
    store.copy_to(copy.clone()).await?;
    let (dir, file) = (data_dir.to_owned(), to.to_owned());
    let made = tokio::task::spawn_blocking(move || {
        let made = archive(&dir, &file);
        let _ = fs::remove_file(dir.join(COPY));
        made
    });
    made.await
        .map_err(|error| write_error(to)(io::Error::other(error)))?
}

fn remove_if_there(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(write_error(path)(error)),
        _ => Ok(()),
    }
}

fn archive(data_dir: &Path, to: &Path) -> Result<Made, BackupError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
            _ => write_error(to)(error),
        })?;
    let written = fill(data_dir, to, file);
    if written.is_err() {
        // Half a backup would be taken for one.
        let _ = fs::remove_file(to);
    }
    written
}

fn fill(data_dir: &Path, to: &Path, file: File) -> Result<Made, BackupError> {
    let mut archive = Archive {
        out: BufWriter::new(file),
        path: to.to_owned(),
        files: Vec::new(),
    };
    archive.add(sqlite::FILE_NAME, &data_dir.join(COPY))?;
    let chosen = chosen(data_dir)?;
    if !chosen.iter().any(|(name, _)| name == KEY) {
        return Err(BackupError::NoKey(data_dir.join(KEY)));
    }
    for (name, path) in chosen {
        archive.add(&name, &path)?;
    }
    archive.finish()
}

/// The files of the directory itself and of the ledger. Other folders have owners of their own.
fn chosen(data_dir: &Path) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let mut chosen = Vec::new();
    for (folder, prefix) in [
        (data_dir.to_owned(), ""),
        (data_dir.join("ledger"), "ledger/"),
    ] {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(read_error(&folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(read_error(&folder))?;
            let kind = entry.file_type().map_err(read_error(&entry.path()))?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(BackupError::Unfit(entry.path().display().to_string()));
            };
            if kind.is_file() && !left_out(&name) {
                chosen.push((format!("{prefix}{name}"), entry.path()));
            }
        }
    }
    chosen.sort();
    Ok(chosen)
}

fn left_out(name: &str) -> bool {
    LEFT_OUT.contains(&name) || name.starts_with('.') || name.starts_with(sqlite::FILE_NAME)
}

struct Archive {
    out: BufWriter<File>,
    path: PathBuf,
    files: Vec<Entry>,
}

impl Archive {
    fn add(&mut self, name: &str, path: &Path) -> Result<(), BackupError> {
        let mut file = match File::open(path) {
            // Retention moved it away after the folder was listed: it is not part of the ledger now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(read_error(path))?,
        };
        let size = if has_lines(name) {
            whole_lines(&mut file).map_err(read_error(path))?
        } else {
            file.metadata().map_err(read_error(path))?.len()
        };
        let fits = tar::begin_file(&mut self.out, name, size).map_err(write_error(&self.path))?;
        if !fits {
            return Err(BackupError::Unfit(path.display().to_string()));
        }
        let sha256 = copy_hashed(&mut file, &mut self.out, size).map_err(read_error(path))?;
        tar::end_file(&mut self.out, size).map_err(write_error(&self.path))?;
        self.files.push(Entry {
            name: name.to_owned(),
            size,
            sha256,
        });
        Ok(())
    }

    fn finish(self) -> Result<Made, BackupError> {
        let Self {
            mut out,
            path,
            files,
        } = self;
        let fail = write_error(&path);
        let made = Made {
            bytes: files.iter().map(|entry| entry.size).sum(),
            files: files.len() as u64,
        };
        let format = FORMAT;
        let text = serde_json::to_vec_pretty(&Manifest { format, files })
            .map_err(|error| fail(error.into()))?;
        let size = text.len() as u64;
        tar::begin_file(&mut out, manifest::NAME, size).map_err(&fail)?;
        out.write_all(&text).map_err(&fail)?;
        tar::end_file(&mut out, size).map_err(&fail)?;
        tar::end(&mut out).map_err(&fail)?;
        let file = out.into_inner().map_err(|error| fail(error.into_error()))?;
        file.sync_all().map_err(&fail)?;
        Ok(made)
    }
}

/// Files that grow by whole lines while they are read.
fn has_lines(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|ext| ext == "jsonl")
}

/// How many bytes the file's whole lines have now; what is being written behind them is left.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(64 * 1024);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        Read::by_ref(file)
            .take(end - start)
            .read_to_end(&mut block)?;
        if let Some(at) = memchr::memrchr(b'\n', &block) {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(end)
}
