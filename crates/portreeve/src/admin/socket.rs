//! The control socket: how other processes of the same user reach the owner of the data directory.
//!
//! One request a connection, one JSON line; the answer is JSON lines: parts, then `done` or
//! `failed`. The file's mode keeps other users out, and the peer's user is asked of the kernel.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::failure::Failure;
use super::office::Office;
use super::request::Request;
use super::response::Response;

/// The longest request: a policy of the largest size, escaped.
const REQUEST_MAX: u64 = 40 * 1024 * 1024;
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX: usize = 32;

/// One line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Part(Box<Response>),
    Done,
    Failed(Failure),
}

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("cannot open the control socket {}: {source}", path.display())]
    Bind { path: PathBuf, source: io::Error },
}

/// The socket, bound. It is removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Binds the socket. The caller owns the data directory, so a socket that lies there already
    /// was left by a process that is gone.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let fail = |source| SocketError::Bind {
            path: path.to_owned(),
            source,
        };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(fail)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(fail)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves until `stop` resolves; requests under way are finished first.
    pub async fn serve(self, office: Arc<Office>, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let place = tokio::select! {
                () = &mut stop => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let office = Arc::clone(&office);
                    connections.spawn(async move {
                        let _place = place;
                        if let Err(error) = converse(stream, &office).await {
                            tracing::debug!(%error, "a control connection ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket does not accept");
                    // Out of descriptors, most likely: others must end before this can go on.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        while connections.join_next().await.is_some() {}
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A next owner removes it too; here it only saves somebody a try.
        let _ = fs::remove_file(&self.path);
    }
}

async fn converse(stream: UnixStream, office: &Arc<Office>) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    // INVARIANT: nobody but the owner's own user is heard, whatever the file's mode became.
    if uid != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(REQUEST_MAX));
    match timeout(REQUEST_DEADLINE, read.read_line(&mut line)).await {
        Ok(length) => length?,
        Err(_) => return Ok(()),
    };
    let request = match serde_json::from_str::<Request>(&line) {
        Ok(request) => request,
        Err(error) => {
            let failure = Failure::usage(
                format!("the running portreeve does not understand the request: {error}"),
                "use the same version of portreeve for both",
            );
            return send(&mut write, &Line::Failed(failure)).await;
        }
    };
    answer(office, &format!("local uid {uid}"), request, &mut write).await
}

async fn answer(
    office: &Arc<Office>,
    actor: &str,
    request: Request,
    write: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let (parts, mut inbox) = mpsc::channel(16);
    let task = {
        let (office, actor) = (Arc::clone(office), actor.to_owned());
        // A task of its own: a change that was begun is finished also when the asker hangs up.
        tokio::spawn(async move { office.carry_out(&actor, request, &parts).await })
    };
    while let Some(part) = inbox.recv().await {
        send(write, &Line::Part(Box::new(part))).await?;
    }
    let last = match task.await {
        Ok(Ok(())) => Line::Done,
        Ok(Err(failure)) => Line::Failed(failure),
        Err(_) => Line::Failed(Failure::cannot(
            "the request ended unexpectedly",
            "see the log of the running portreeve",
        )),
    };
    send(write, &last).await
}

async fn send(write: &mut OwnedWriteHalf, line: &Line) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await
}
