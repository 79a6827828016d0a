//! Reading lines, forward and backward, without ever holding more than one and a chunk.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The longest line there may be, and so the largest buffer a reader takes.
pub(super) const LINE_MAX: usize = 24 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

fn too_long() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a line is longer than {LINE_MAX} bytes"),
    )
}

/// Lines from the front of a file.
#[derive(Debug)]
pub(super) struct Forward {
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl Forward {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            reader: BufReader::with_capacity(4 * CHUNK, File::open(path)?),
            line: Vec::new(),
        })
    }

    /// Goes to the next line; false at the end of the file.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        let limit = LINE_MAX as u64 + 1;
        let read = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut self.line)?;
        if self.line.len() > LINE_MAX {
            return Err(too_long());
        }
        Ok(read > 0)
    }

    /// The line [`Forward::advance`] went to, with its newline, if it has one.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The next line; `None` at the end of the file.
    pub(super) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(if self.advance()? {
            Some(&self.line)
        } else {
            None
        })
    }

    /// Passes over `count` lines; false if there were fewer.
    pub(super) fn skip(&mut self, count: u64) -> io::Result<bool> {
        for _ in 0..count {
            if self.reader.skip_until(b'\n')? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Lines from the back of a file.
#[derive(Debug)]
pub(super) struct Backward {
    file: File,
    /// Bytes of the file in front of `pending`.
    unread: u64,
    pending: Vec<u8>,
    chunk: usize,
}

impl Backward {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            unread: file.metadata()?.len(),
            file,
            pending: Vec::new(),
            chunk: CHUNK,
        })
    }

    /// The line before, with its newline if it has one; `None` at the front of the file.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let inner = self.pending.split_last().map_or(&[][..], |(_, rest)| rest);
            if let Some(newline) = memchr::memrchr(b'\n', inner) {
                self.chunk = CHUNK;
                return Ok(Some(self.pending.split_off(newline + 1)));
            }
            if self.unread == 0 {
                let first = std::mem::take(&mut self.pending);
                return Ok((!first.is_empty()).then_some(first));
            }
            if self.pending.len() > LINE_MAX {
                return Err(too_long());
            }
            self.read_chunk()?;
        }
    }

    fn read_chunk(&mut self) -> io::Result<()> {
        let unread = usize::try_from(self.unread).unwrap_or(usize::MAX);
        let size = self.chunk.min(unread);
        let start = self.unread - size as u64;
        let mut earlier = vec![0; size];
        self.file.read_exact_at(&mut earlier, start)?;
        earlier.append(&mut self.pending);
        self.pending = earlier;
        self.unread = start;
        // A long line is read in ever larger pieces, so that joining them stays cheap.
        self.chunk = self.chunk.saturating_mul(2);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backward_reads_the_same_lines_as_forward() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let long = "x".repeat(3 * CHUNK);
        let texts = [
            String::new(),
            "\n".to_owned(),
            "no newline".to_owned(),
            "a\n\nb\n".to_owned(),
            format!("{long}\nshort\n{long}"),
            "many\n".repeat(50_000),
        ];
        for text in texts {
            std::fs::write(&path, &text).unwrap();
            let mut ahead = Vec::new();
            let mut forward = Forward::open(&path).unwrap();
            while let Some(line) = forward.next_line().unwrap() {
                ahead.push(line.to_vec());
            }
            let mut back = Vec::new();
            let mut backward = Backward::open(&path).unwrap();
            while let Some(line) = backward.next_line().unwrap() {
                back.push(line);
            }
            back.reverse();
            assert_eq!(ahead, back);
            assert_eq!(ahead.concat(), text.as_bytes());
        }
    }
}
