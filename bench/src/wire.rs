//! Messages of HTTP/1.1 with a length, cut out of a byte stream.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A reader that keeps what came too early.
#[derive(Debug, Default)]
pub struct Messages {
    buffer: Vec<u8>,
    /// How much of the buffer is used.
    filled: usize,
    /// Where the message that was handed out last ends.
    end: usize,
}

/// One message: its first line and headers, and its body.
#[derive(Debug)]
pub struct Message<'a> {
    pub head: &'a [u8],
    pub body: &'a [u8],
}

const ROOM: usize = 16 * 1024;

impl Messages {
    /// The next whole message; `None` at the end of the stream.
    pub async fn next<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
    ) -> io::Result<Option<Message<'_>>> {
        self.drop_last();
        let mut searched = 0;
        let (head, length) = loop {
            if let Some(head) = self.find_head(searched) {
                break (head, self.length(head)?);
            }
            searched = self.filled.saturating_sub(3);
            if !self.fill(stream).await? {
                return Ok(None);
            }
        };
        let end = head + length;
        while self.filled < end {
            if !self.fill(stream).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.end = end;
        let head_bytes = self.buffer.get(..head).unwrap_or_default();
        let body = self.buffer.get(head..end).unwrap_or_default();
        Ok(Some(Message {
            head: head_bytes,
            body,
        }))
    }

    fn drop_last(&mut self) {
        if self.end > 0 {
            self.buffer.copy_within(self.end..self.filled, 0);
            self.filled -= self.end;
            self.end = 0;
        }
    }

    /// Where the head ends, looked for from `from` on.
    fn find_head(&self, from: usize) -> Option<usize> {
        let known = self.buffer.get(from..self.filled)?;
        memchr::memmem::find(known, b"\r\n\r\n").map(|at| from + at + 4)
    }

    fn length(&self, head: usize) -> io::Result<usize> {
        let head = self.buffer.get(..head).unwrap_or_default();
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        for line in head.split(|byte| *byte == b'\n') {
            let Some((name, value)) = split(line) else {
                continue;
            };
            if name.eq_ignore_ascii_case(b"transfer-encoding") {
                return Err(wrong("a body without a length"));
            }
            if name.eq_ignore_ascii_case(b"content-length") {
                let value = std::str::from_utf8(value).ok().map(str::trim);
                let length = value.and_then(|value| value.parse().ok());
                return length.ok_or_else(|| wrong("a length that is no number"));
            }
        }
        Ok(0)
    }

    async fn fill<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<bool> {
        if self.buffer.len() - self.filled < ROOM / 2 {
            self.buffer.resize(self.buffer.len() * 2 + ROOM, 0);
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let read = stream.read(room).await?;
        self.filled += read;
        Ok(read > 0)
    }
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    Some((line.get(..colon)?, line.get(colon + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_found_however_they_come() {
        let stream = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n";
        for step in 1..stream.len() {
            let mut chunks = tokio_chunks(stream, step);
            let mut messages = Messages::default();
            let first = messages.next(&mut chunks).await.unwrap().unwrap();
            assert_eq!((first.body, first.head.len()), (&b"abc"[..], 38));
            let second = messages.next(&mut chunks).await.unwrap().unwrap();
            assert_eq!(second.head, b"GET / HTTP/1.1\r\n\r\n");
            assert!(messages.next(&mut chunks).await.unwrap().is_none());
        }
    }

    /// A stream that gives so many bytes at a time.
    fn tokio_chunks(bytes: &'static [u8], step: usize) -> impl AsyncRead + Unpin {
        struct Slow(&'static [u8], usize);
        impl AsyncRead for Slow {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                let take = self.1.min(self.0.len());
                let (now, later) = self.0.split_at(take);
                buffer.put_slice(now);
                self.0 = later;
                std::task::Poll::Ready(Ok(()))
            }
        }
        Slow(bytes, step)
    }
}
