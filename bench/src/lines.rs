//! Messages of one line each, cut out of a byte stream.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A reader that keeps what came too early.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// How much of the buffer is used.
    filled: usize,
    /// Where the line that was handed out last ends, its break included.
    end: usize,
}

const ROOM: usize = 16 * 1024;

impl Lines {
    /// The next line without its break; `None` at the end of the stream.
    pub async fn next<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
    ) -> io::Result<Option<&[u8]>> {
        self.buffer.copy_within(self.end..self.filled, 0);
        self.filled -= self.end;
        self.end = 0;
        let mut searched = 0;
        loop {
            let known = self.buffer.get(searched..self.filled).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', known) {
                self.end = searched + at + 1;
                return Ok(self.buffer.get(..searched + at));
            }
            searched = self.filled;
            if self.buffer.len() - self.filled < ROOM / 2 {
                self.buffer.resize(self.buffer.len() * 2 + ROOM, 0);
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            match stream.read(room).await? {
                0 => return Ok(None),
                read => self.filled += read,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_found_however_they_come() {
        for size in 1..8 {
            let (mut to, mut from) = tokio::io::duplex(size);
            let writing = tokio::spawn(async move {
                use tokio::io::AsyncWriteExt as _;
                to.write_all(b"one\n\nthree\nno more").await
            });
            let mut lines = Lines::default();
            for line in ["one", "", "three"] {
                let found = lines.next(&mut from).await.unwrap();
                assert_eq!(found, Some(line.as_bytes()));
            }
            assert_eq!(lines.next(&mut from).await.unwrap(), None);
            writing.await.unwrap().unwrap();
        }
    }
}
