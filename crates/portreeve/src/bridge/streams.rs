//! This program's own standard streams, waited for where that is possible.
//!
//! A file or a terminal cannot be waited for, so reading and writing it takes another thread, and two
//! changes of threads for every message. What clients give their servers are pipes and sockets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::fs::{FileType, fstat};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// What a client says.
pub type Input = Box<dyn AsyncRead + Unpin + Send>;
/// What a client hears.
pub type Output = Box<dyn AsyncWrite + Unpin + Send>;

/// Standard input. It must be called in a runtime.
pub fn input() -> Input {
    let stdin = io::stdin();
    let opened: Option<Input> = match kind(stdin.as_fd()) {
        Some(FileType::Fifo) => reading_end().map(|pipe| Box::new(pipe) as Input),
        Some(FileType::Socket) => socket(stdin.as_fd()).map(|socket| Box::new(socket) as Input),
        _ => None,
    };
    opened.unwrap_or_else(|| Box::new(tokio::io::stdin()))
}

/// Standard output. It must be called in a runtime.
pub fn output() -> Output {
    let stdout = io::stdout();
    let opened: Option<Output> = match kind(stdout.as_fd()) {
        Some(FileType::Fifo) => writing_end().map(|pipe| Box::new(pipe) as Output),
        Some(FileType::Socket) => socket(stdout.as_fd()).map(|socket| Box::new(socket) as Output),
        _ => None,
    };
    opened.unwrap_or_else(|| Box::new(tokio::io::stdout()))
}

fn kind(stream: BorrowedFd<'_>) -> Option<FileType> {
    let found = fstat(stream).ok()?;
    Some(FileType::from_raw_mode(found.st_mode))
}

/// A pipe is opened anew: that others who hold the same end do not wait either would surprise them.
/// Only Linux can; and only for who may read it, which is nearly always this user.
fn reading_end() -> Option<pipe::Receiver> {
    let anew = pipe::OpenOptions::new().open_receiver("/proc/self/fd/0");
    anew.ok().filter(|_| cfg!(target_os = "linux"))
}

fn writing_end() -> Option<pipe::Sender> {
    let anew = pipe::OpenOptions::new().open_sender("/proc/self/fd/1");
    anew.ok().filter(|_| cfg!(target_os = "linux"))
}

/// A socket cannot be opened anew. This end of it is for this program alone.
fn socket(stream: BorrowedFd<'_>) -> Option<UnixStream> {
    let own = StdUnixStream::from(stream.try_clone_to_owned().ok()?);
    // Of another family, it has no address of this one.
    own.local_addr().ok()?;
    own.set_nonblocking(true).ok()?;
    UnixStream::from_std(own).ok()
}
