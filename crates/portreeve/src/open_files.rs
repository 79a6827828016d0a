//! How many files, and so connections, this process may have open.
//!
//! What a system gives a program at its start (often 1,024) is meant for programs that cannot count
//! further. The gate takes what it may have; its servers get what it found.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

static FOUND: OnceLock<u64> = OnceLock::new();

/// Takes as many as the system allows.
pub(crate) fn take_all() {
    let limit = getrlimit(Resource::Nofile);
    let (Some(current), Some(maximum)) = (limit.current, limit.maximum) else {
        return;
    };
    if FOUND.set(current).is_err() || current >= maximum {
        return;
    }
    if let Err(error) = set(Some(maximum), limit.maximum) {
        tracing::debug!(%error, "no more than {current} files can be open");
    }
}

/// How many this process was given at its start, if it has taken more.
pub(crate) fn found() -> Option<u64> {
    FOUND.get().copied()
}

/// Goes back to what another process found.
pub(crate) fn go_back_to(found: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // A program that has too many has what it needs.
    set(Some(found), maximum).ok();
}

fn set(current: Option<u64>, maximum: Option<u64>) -> rustix::io::Result<()> {
    setrlimit(Resource::Nofile, Rlimit { current, maximum })
}
