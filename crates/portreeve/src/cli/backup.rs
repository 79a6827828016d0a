//! `portreeve backup` and `portreeve restore`

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::desk::{data_dir, request, unexpected};
use super::output::Output;
use super::wrap::WRAPS;
use super::{DataDirArg, Done};
use crate::admin::{Failure, Request, Response};
use crate::backup;
use crate::data_dir::DataDir;

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make; it must not exist
    file: PathBuf,
    #[command(flatten)]
    dir: DataDirArg,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    dir: DataDirArg,
}

impl Backup {
    pub(super) fn run(self) -> Done {
        // The owner of the data directory writes it, from another working directory.
        let to = std::path::absolute(&self.file).map_err(|error| {
            let file = self.file.display();
            Failure::usage(format!("{file} is no file name: {error}"), "")
        })?;
        match request(self.dir.data_dir.as_deref(), Request::Backup { to })? {
            Response::BackedUp { file, bytes, files } => {
                let made = Output::text(format!(
                    "{} made: {files} files, {bytes} bytes\n",
                    file.display()
                ))
                .remark("note: it holds the key that opens the stored credentials: keep it safe");
                let dir = data_dir(self.dir.data_dir.as_deref())?;
                Ok(of_wraps(made, &dir.path().join(WRAPS)))
            }
            _ => Err(unexpected()),
        }
    }
}

/// With a word about the wraps: each has a data directory of its own, which may be in use.
fn of_wraps(made: Output, wraps: &Path) -> Output {
    let entries = fs::read_dir(wraps).into_iter().flatten().flatten();
    let is_one = |path: &PathBuf| DataDir::at(path).require().is_ok();
    let mut own: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    own.sort();
    let Some(first) = own.first() else {
        return made;
    };
    made.remark(&format!(
        "note: what `portreeve wrap` keeps is not in it ({} in {}). Back each up by itself: `portreeve backup \
         FILE --data-dir '{}'`",
        own.len(),
        wraps.display(),
        first.display()
    ))
}

impl Restore {
    pub(super) fn run(self) -> Done {
        let dir = data_dir(self.dir.data_dir.as_deref())?;
        let restored = backup::restore(&self.file, dir.path())
            .map_err(|error| Failure::cannot(error.to_string(), error.advice()))?;
        Ok(Output::text(format!(
            "{} restored: {} files, {} bytes\n",
            dir.path().display(),
            restored.files,
            restored.bytes
        )))
    }
}
