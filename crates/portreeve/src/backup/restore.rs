//! Reading a backup back: beside the place it goes to, checked whole, then put there at once.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::manifest::{self, Entry, FORMAT, Manifest, copy_hashed};
use super::tar::{self, Next};
use super::{BackupError, read_error, write_error};

/// The largest manifest that is read.
const MANIFEST_MAX: u64 = 64 * 1024 * 1024;

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    pub bytes: u64,
    pub files: u64,
}

/// Makes `data_dir` from the backup. It must not exist, or be empty.
pub fn restore(backup: &Path, data_dir: &Path) -> Result<Restored, BackupError> {
    let place = |source| BackupError::Place {
        path: data_dir.to_owned(),
        source,
    };
    let there = match fs::read_dir(data_dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(BackupError::NotEmpty(data_dir.to_owned()));
            }
            true
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(place(error)),
    };
    let file = File::open(backup).map_err(read_error(backup))?;
    let beside = Beside::new(data_dir)?;
    let restored = extract(BufReader::new(file), backup, &beside.0)?;
    if there {
        fs::remove_dir(data_dir).map_err(place)?;
    }
    fs::rename(&beside.0, data_dir).map_err(place)?;
    if let Some(parent) = data_dir.parent() {
        // The rename itself must survive a power cut.
        File::open(parent)
            .and_then(|dir| dir.sync_all())
            .map_err(place)?;
    }
    Ok(restored)
}

/// The folder in which a restore is prepared; what is left of it is removed.
struct Beside(PathBuf);

impl Beside {
    fn new(data_dir: &Path) -> Result<Self, BackupError> {
        let mut name = data_dir.file_name().unwrap_or_default().to_owned();
        name.push(format!(".restore-{}", std::process::id()));
        let path = data_dir.with_file_name(name);
        let mut builder = DirBuilder::new();
        if let Some(parent) = path.parent() {
            builder
                .recursive(true)
                .create(parent)
                .map_err(write_error(parent))?;
        }
        builder
            .recursive(false)
            .mode(0o700)
            .create(&path)
            .map_err(write_error(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After the rename there is nothing of this name.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn extract(mut from: impl Read, backup: &Path, into: &Path) -> Result<Restored, BackupError> {
    let damaged = |why: String| BackupError::Damaged {
        path: backup.to_owned(),
        why,
    };
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it ends too early".to_owned()),
        _ => damaged(error.to_string()),
    };
    let mut found = Vec::new();
    let manifest = loop {
        match tar::next(&mut from).map_err(broken)? {
            Next::End => return Err(damaged("it has no manifest".to_owned())),
            Next::File { name, size } if name == manifest::NAME => {
                break read_manifest(&mut from, size).map_err(broken)?;
            }
            Next::File { name, size } => {
                if !safe(&name) {
                    return Err(damaged(format!("the name {name:?} is not one of a backup")));
                }
                let mut file = create(into, &name)?;
                let sha256 = copy_hashed(&mut from, &mut file, size).map_err(broken)?;
                file.sync_all().map_err(write_error(into))?;
                tar::skip_padding(&mut from, size).map_err(broken)?;
                found.push(Entry { name, size, sha256 });
            }
        }
    };
    if manifest.format != FORMAT {
        return Err(BackupError::Newer {
            path: backup.to_owned(),
            found: manifest.format,
        });
    }
    compare(&found, &manifest.files).map_err(damaged)?;
    Ok(Restored {
        bytes: found.iter().map(|entry| entry.size).sum(),
        files: found.len() as u64,
    })
}

fn read_manifest(from: &mut impl Read, size: u64) -> io::Result<Manifest> {
    if size > MANIFEST_MAX {
        return Err(io::Error::other("its manifest is too large"));
    }
    let mut text = Vec::new();
    from.take(size).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("its manifest: {error}"))
    })
}

/// One or two plain parts, as a backup has them: nothing that leads elsewhere.
fn safe(name: &str) -> bool {
    let plain = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed)
    };
    let parts: Vec<&str> = name.split('/').collect();
    parts.len() <= 2 && parts.into_iter().all(plain)
}

fn create(into: &Path, name: &str) -> Result<File, BackupError> {
    let path = into.join(name);
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(write_error(folder))?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(write_error(&path))
}

fn compare(found: &[Entry], listed: &[Entry]) -> Result<(), String> {
    let missing = listed
        .iter()
        .find(|entry| !found.iter().any(|other| other.name == entry.name));
    if let Some(entry) = missing {
        return Err(format!("{} is missing", entry.name));
    }
    for entry in found {
        match listed.iter().find(|other| other.name == entry.name) {
            None => return Err(format!("{} is not in its manifest", entry.name)),
            Some(other) if other != entry => {
                return Err(format!("{} is not as it was written", entry.name));
            }
            Some(_) => {}
        }
    }
    if listed.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(())
}
