//! The data directory: where it is, who may enter, and who owns it.
//!
//! One process owns the directory by holding a lock on a file in it; the kernel takes the lock back
//! however that process ends. What lies in the directory is each room's own business.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::config::Environment;
use crate::refused::why;
use crate::store::sqlite;

/// The longest path of a Unix socket: `sun_path` without its final NUL.
const SOCKET_PATH_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("no data directory is known: set HOME, PORTREEVE_DATA_DIR or --data-dir")]
    Nowhere,
    #[error(
        "cannot create the data directory {}: {}: choose another with --data-dir",
        path.display(), why(source)
    )]
    Create { path: PathBuf, source: io::Error },
    #[error(
        "there is no data directory at {}: name the one you mean with --data-dir or \
         PORTREEVE_DATA_DIR; `portreeve up` and `portreeve server add` make one",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error("{} is not a directory: choose another with --data-dir", path.display())]
    NotADirectory { path: PathBuf },
    #[error(
        "the data directory {} belongs to another user (uid {uid}): \
         run as that user, or choose another with --data-dir", path.display()
    )]
    NotOurs { path: PathBuf, uid: u32 },
    #[error(
        "others may write to the data directory {0} (mode {mode:03o}): run `chmod 700 {0}`",
        path.display()
    )]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("cannot use the lock {}: {source}", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error(
        "the data directory {} is owned by {}: stop that one, or choose another with --data-dir",
        path.display(), describe(*pid)
    )]
    Owned { path: PathBuf, pid: Option<u32> },
    #[error(
        "the path of the control socket is too long ({length} bytes; the system allows {max}): \
         choose a data directory with a shorter path\n  {}", path.display()
    )]
    SocketPath {
        path: PathBuf,
        length: usize,
        max: usize,
    },
}

fn describe(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("another portreeve (process {pid})"),
        None => "another portreeve".to_owned(),
    }
}

/// A data directory, by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// What the command line says, else the environment, else the configuration file, else the
    /// platform's folder for data.
    pub fn resolve(
        flag: Option<&Path>,
        config: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self, DataDirError> {
        let named = flag
            .map(Path::to_owned)
            .or_else(|| environment.data_dir())
            .or_else(|| config.map(Path::to_owned));
        let path = match named {
            Some(path) => path,
            None => platform(environment).ok_or(DataDirError::Nowhere)?,
        };
        // Absolute, so that a later change of the working directory changes nothing.
        Ok(Self(std::path::absolute(&path).unwrap_or(path)))
    }

    /// The platform's folder, where a command looks to which nobody says anything else.
    pub fn usual(environment: &Environment) -> Option<Self> {
        platform(environment).map(Self::at)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn database(&self) -> PathBuf {
        self.0.join(sqlite::FILE_NAME)
    }

    /// The path of the control socket, if the system can bind it.
    pub fn control_socket(&self) -> Result<PathBuf, DataDirError> {
        let path = self.0.join("control.sock");
        let length = path.as_os_str().as_bytes().len();
        if length > SOCKET_PATH_MAX {
            return Err(DataDirError::SocketPath {
                path,
                length,
                max: SOCKET_PATH_MAX,
            });
        }
        Ok(path)
    }

    /// Whether somebody has made it a data directory. Others' directories are not: whoever mistypes
    /// a name must not find a new, empty state there.
    pub fn require(&self) -> Result<(), DataDirError> {
        let absent = |path: &Path| matches!(path.try_exists(), Ok(false));
        // The lock is there first: its owner may be making the rest just now.
        if absent(&self.lock()) && absent(&self.database()) {
            let path = self.0.clone();
            return Err(DataDirError::Missing { path });
        }
        Ok(())
    }

    fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Whether another process owns it, as far as that can be told without writing anything. While
    /// the answer lives, nobody begins to.
    pub fn settled(&self) -> Option<Settled> {
        // Without a lock nobody ever owned it: it is a copy.
        let Ok(lock) = File::open(self.lock()) else {
            return Some(Settled { _lock: None });
        };
        let locked = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared);
        (locked != Err(rustix::io::Errno::WOULDBLOCK)).then_some(Settled { _lock: Some(lock) })
    }

    /// Creates the directory for its user alone, or checks that it is nobody else's.
    pub fn create(&self) -> Result<(), DataDirError> {
        let path = self.0.clone();
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        let metadata = match created.and_then(|()| fs::metadata(&path)) {
            Ok(metadata) => metadata,
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                return Err(DataDirError::NotADirectory { path });
            }
            Err(source) => return Err(DataDirError::Create { path, source }),
        };
        let uid = metadata.uid();
        if uid != rustix::process::geteuid().as_raw() {
            return Err(DataDirError::NotOurs { path, uid });
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(DataDirError::OpenToOthers { path, mode });
        }
        Ok(())
    }

    /// Makes this process the owner, creating the directory if there is none.
    pub fn own(&self) -> Result<Ownership, DataDirError> {
        self.create()?;
        let path = self.lock();
        let fail = |source| DataDirError::Lock {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(DataDirError::Owned {
                    path: self.0.clone(),
                    pid: owner(&mut file),
                });
            }
            Err(error) => return Err(fail(error.into())),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(fail)?;
        Ok(Ownership { _lock: file })
    }
}

/// The number that the owner left in the lock file; for people only.
fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn platform(environment: &Environment) -> Option<PathBuf> {
    let home = || environment.get_os("HOME").map(PathBuf::from);
    if cfg!(target_os = "macos") {
        return Some(home()?.join("Library/Application Support/portreeve"));
    }
    let data = environment
        .get_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        // The standard says: a relative one is to be ignored.
        .filter(|path| path.is_absolute());
    match data {
        Some(data) => Some(data.join("portreeve")),
        None => Some(home()?.join(".local/share/portreeve")),
    }
}

/// While it lives, this process owns the directory.
#[derive(Debug)]
pub struct Ownership {
    _lock: File,
}

/// While it lives, nobody owns the directory.
#[derive(Debug)]
pub struct Settled {
    _lock: Option<File>,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_nearest_source_names_the_directory() {
        let full = Environment::given([
            ("PORTREEVE_DATA_DIR", "/env"),
            ("XDG_DATA_HOME", "/xdg"),
            ("HOME", "/home/ann"),
        ]);
        let resolve = |flag: Option<&str>, config: Option<&str>, environment: &Environment| {
            DataDir::resolve(flag.map(Path::new), config.map(Path::new), environment)
                .map(|dir| dir.path().to_owned())
        };
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(
            resolve(Some("/flag"), Some("/config"), &full).ok(),
            path("/flag")
        );
        assert_eq!(resolve(None, Some("/config"), &full).ok(), path("/env"));
        let xdg = Environment::given([("XDG_DATA_HOME", "/xdg"), ("HOME", "/home/ann")]);
        assert_eq!(resolve(None, Some("/config"), &xdg).ok(), path("/config"));
        if cfg!(target_os = "linux") {
            assert_eq!(resolve(None, None, &xdg).ok(), path("/xdg/portreeve"));
            let home = Environment::given([("XDG_DATA_HOME", "relative"), ("HOME", "/home/ann")]);
            let expected = path("/home/ann/.local/share/portreeve");
            assert_eq!(resolve(None, None, &home).ok(), expected);
        }
        let nothing = resolve(None, None, &Environment::given([]));
        assert!(matches!(nothing, Err(DataDirError::Nowhere)));
    }

    #[test]
    fn one_owner_at_a_time_and_the_other_is_told_who() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = DataDir::at(dir.path().join("deeper/data"));
        let owned = data.own().expect("owned");
        let error = data.own().expect_err("owned already");
        assert!(
            error
                .to_string()
                .contains(&format!("(process {})", std::process::id())),
            "{error}"
        );
        assert!(data.settled().is_none(), "somebody owns it");
        drop(owned);
        let settled = data.settled().expect("nobody owns it");
        data.own().expect_err("it is being looked at");
        drop(settled);
        data.own().expect("free again");
        let mode = fs::metadata(data.path()).expect("it").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn only_what_was_made_one_is_a_data_directory() {
        let dir = tempfile::tempdir().expect("a directory");
        for path in [dir.path().to_owned(), dir.path().join("absent")] {
            let error = DataDir::at(&path).require().expect_err("none");
            assert!(
                error.to_string().contains("no data directory at"),
                "{error}"
            );
        }
        let data = DataDir::at(dir.path().join("data"));
        let owned = data.own().expect("owned");
        data.require().expect("it is one while it is being made");
        drop(owned);
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o770)).expect("opened");
        let error = DataDir::at(dir.path()).own().expect_err("refused");
        assert!(error.to_string().contains("chmod 700"), "{error}");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("written");
        let error = DataDir::at(file).create().expect_err("refused");
        assert!(
            matches!(error, DataDirError::NotADirectory { .. }),
            "{error}"
        );
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_an_error_that_says_so() {
        let base = "/".to_owned() + &"x".repeat(SOCKET_PATH_MAX - "/control.sock".len() - 1);
        assert!(DataDir::at(&base).control_socket().is_ok());
        let error = DataDir::at(base + "y")
            .control_socket()
            .expect_err("too long");
        assert!(error.to_string().contains("too long"), "{error}");
    }
}
