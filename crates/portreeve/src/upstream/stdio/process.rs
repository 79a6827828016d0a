//! A server's process with its warden: started, and ended so that nothing of it is left.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::super::UpstreamError;
use super::launch::Launch;
use super::warden::{KILL, TERMINATE};
use crate::open_files;

/// How long a server may take to end once its input is closed, and once it is asked to end.
const GRACE: Duration = Duration::from_secs(2);
/// How long the warden may take to kill and reap.
const LAST: Duration = Duration::from_secs(10);

/// A process that runs. Dropped without an end, its warden is killed, and the server with it.
#[derive(Debug)]
pub(super) struct Process {
    warden: Child,
    orders: OwnedWriteHalf,
}

/// What a process is spoken with.
#[derive(Debug)]
pub(super) struct Pipes {
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: OwnedReadHalf,
}

/// Starts a server under a warden.
pub(super) fn start(
    own_program: &Path,
    launch: &Launch,
) -> Result<(Process, Pipes), UpstreamError> {
    let program = launch.program()?;
    let failed = |error: io::Error| {
        UpstreamError::Unreachable(format!("its process could not be started: {error}"))
    };
    let (near, far) = StdUnixStream::pair().map_err(failed)?;
    near.set_nonblocking(true).map_err(failed)?;
    let near = UnixStream::from_std(near).map_err(failed)?;
    let mut command = Command::new(own_program);
    command.arg("child");
    if let Some(found) = open_files::found() {
        command.args(["--files", &found.to_string()]);
    }
    command
        .arg("--")
        .arg(program)
        .args(launch.arguments())
        .env_clear()
        .envs(launch.variables().iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(OwnedFd::from(far)))
        // What a terminal sends to the gate is not for its servers.
        .process_group(0)
        .kill_on_drop(true);
    let mut warden = command.spawn().map_err(failed)?;
    let (Some(stdin), Some(stdout)) = (warden.stdin.take(), warden.stdout.take()) else {
        return Err(failed(io::Error::other("it has no pipes")));
    };
    let (stderr, orders) = near.into_split();
    let process = Process { warden, orders };
    let pipes = Pipes {
        stdin,
        stdout,
        stderr,
    };
    Ok((process, pipes))
}

impl Process {
    /// Waits for the process to end by itself. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> String {
        told(self.warden.wait().await)
    }

    /// Ends the process, whose input is closed by now: asks, then kills, and reaps.
    pub(super) async fn end(mut self, is_patient: bool) {
        let grace = if is_patient { GRACE } else { Duration::ZERO };
        if timeout(grace, self.warden.wait()).await.is_ok() {
            return;
        }
        self.orders.write_all(&[TERMINATE]).await.ok();
        if timeout(GRACE, self.warden.wait()).await.is_ok() {
            return;
        }
        self.orders.write_all(&[KILL]).await.ok();
        if timeout(LAST, self.warden.wait()).await.is_ok() {
            return;
        }
        tracing::error!(
            "a stdio server's process could not be ended in order; its warden is killed"
        );
        self.warden.kill().await.ok();
    }
}

fn told(status: io::Result<ExitStatus>) -> String {
    match status.map(|status| status.code()) {
        Ok(Some(127)) => "its process could not be started; the log has the reason".to_owned(),
        Ok(Some(code @ 129..)) => format!("its process ended (signal {})", code - 128),
        Ok(Some(code)) => format!("its process ended (exit code {code})"),
        Ok(None) => "its process was killed".to_owned(),
        Err(error) => format!("its process is lost: {error}"),
    }
}
