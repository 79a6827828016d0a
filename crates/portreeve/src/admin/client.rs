//! Asking the owner of a data directory through its control socket.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::failure::Failure;
use super::request::Request;
use super::response::Response;
use super::socket::Line;

/// The longest line of an answer that is read.
const LINE_MAX: u64 = 256 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens: the owner is starting, stopping, or serves no socket.
    #[error("nobody listens on the control socket")]
    NobodyThere,
    #[error("the connection to the running portreeve broke: {0}")]
    Broken(#[from] io::Error),
    #[error("the running portreeve answers in another way than expected: {0}")]
    Strange(String),
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Sends the request; each part of the answer is handed to `part` as it comes.
pub async fn ask(
    socket: &Path,
    request: &Request,
    mut part: impl FnMut(Response),
) -> Result<(), AskError> {
    let stream = UnixStream::connect(socket).await.map_err(nobody)?;
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    let mut read = BufReader::new(read.take(LINE_MAX));
    loop {
        let mut text = String::new();
        read.get_mut().set_limit(LINE_MAX);
        if read.read_line(&mut text).await? == 0 {
            let early = io::ErrorKind::UnexpectedEof;
            return Err(AskError::Broken(early.into()));
        }
        match serde_json::from_str(&text) {
            Ok(Line::Part(response)) => part(*response),
            Ok(Line::Done) => return Ok(()),
            Ok(Line::Failed(failure)) => return Err(failure.into()),
            Err(error) => return Err(AskError::Strange(error.to_string())),
        }
    }
}

fn nobody(error: io::Error) -> AskError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NobodyThere,
        _ => AskError::Broken(error),
    }
}
