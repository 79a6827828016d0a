//! Where a command takes its request: to the process that owns the data directory, or, if there is
//! none, to an office of its own.

use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::SignalKind;

use super::directed::directed;
use super::up::listen_for;
use crate::admin::{Answer, AskError, Failure, LocalOffice, Request, Response, ask};
use crate::clock::{Clock, Stopwatch};
use crate::config::Environment;
use crate::data_dir::{DataDir, DataDirError, Ownership};

/// How long an owner may take to start listening, or a short-lived owner to finish.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(25);

/// The data directory that a command means.
pub(super) fn data_dir(flag: Option<&Path>) -> Result<DataDir, Failure> {
    DataDir::resolve(flag, None, &Environment::system())
        .map_err(|error| Failure::saying(Answer::Cannot, &error))
}

/// The flag that leads other commands to this directory, if they would not find it alone.
pub(super) fn of_dir(dir: &Path) -> String {
    match data_dir(None) {
        Ok(usual) if usual.path() == dir => String::new(),
        _ => format!(" --data-dir '{}'", dir.display()),
    }
}

/// The same for what is typed at another terminal, where no variable need say where it is.
pub(super) fn of_dir_elsewhere(dir: &Path) -> String {
    match DataDir::usual(&Environment::system()) {
        Some(usual) if usual.path() == dir => String::new(),
        _ => format!(" --data-dir '{}'", dir.display()),
    }
}

/// Runs a future to its end.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::cannot(format!("cannot start: {error}"), ""))?
        .block_on(work)
}

/// Has a request carried out whose answer has one part.
pub(super) fn request(flag: Option<&Path>, request: Request) -> Result<Response, Failure> {
    let dir = data_dir(flag)?;
    if !request.may_begin() {
        dir.require()
            .map_err(|error| Failure::saying(Answer::Cannot, &error))?;
    }
    let done = block_on(carried_out(&dir, request));
    done.map_err(|failure| directed(failure, dir.path()))
}

/// The same of what may take long; `None` if the person did not wait for it.
pub(super) fn request_unless_interrupted(
    flag: Option<&Path>,
    request: Request,
) -> Result<Option<Response>, Failure> {
    let dir = data_dir(flag)?;
    let done = block_on(async {
        let mut interrupted = listen_for(SignalKind::interrupt())?;
        tokio::select! {
            done = carried_out(&dir, request) => done.map(Some),
            _ = interrupted.recv() => Ok(None),
        }
    });
    done.map_err(|failure| directed(failure, dir.path()))
}

async fn carried_out(dir: &DataDir, request: Request) -> Result<Response, Failure> {
    match own(dir, &request).await? {
        Reached::Owner(response) => Ok(*response),
        Reached::Nobody(ownership) => {
            let local = LocalOffice::open(dir, ownership, Clock::system())?;
            let actor = format!("local uid {}", rustix::process::geteuid().as_raw());
            let answer = local.office.answer(&actor, request).await;
            let closed = local.close().await;
            let answer = answer?;
            closed.map(|_| answer)
        }
    }
}

enum Reached {
    Owner(Box<Response>),
    Nobody(Ownership),
}

/// The owner's answer, or the ownership. Another command may own the directory for a moment
/// without listening, and a gate owns it before it listens: so it is tried for a while.
async fn own(dir: &DataDir, request: &Request) -> Result<Reached, Failure> {
    let waiting = Stopwatch::start();
    loop {
        let owned = match dir.own() {
            Ok(ownership) => return Ok(Reached::Nobody(ownership)),
            Err(error @ DataDirError::Owned { .. }) => error,
            Err(error) => return Err(Failure::saying(Answer::Cannot, &error)),
        };
        let socket = dir
            .control_socket()
            .map_err(|error| Failure::saying(Answer::Cannot, &error))?;
        let mut response = None;
        match ask(&socket, request, |part| response = Some(part)).await {
            Ok(()) => {
                let none = || Failure::cannot("the running portreeve gave no answer", "");
                return response.map(Box::new).map(Reached::Owner).ok_or_else(none);
            }
            Err(AskError::Failed(failure)) => return Err(failure),
            Err(AskError::NobodyThere) if waiting.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(AskError::NobodyThere) => {
                return Err(Failure::cannot(
                    format!("{owned}, and it does not listen on its control socket"),
                    "",
                ));
            }
            Err(error) => return Err(Failure::saying(Answer::Cannot, &error)),
        }
    }
}

/// The answer was of another kind than its request: a gate of another version, most likely.
pub(super) fn unexpected() -> Failure {
    Failure::cannot(
        "the running portreeve gave an answer to another question",
        "use the same version of portreeve for both",
    )
}
