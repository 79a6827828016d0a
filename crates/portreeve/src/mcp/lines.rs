//! One message a line, as the stdio transport has it: cutting a stream into lines, and making one line
//! of a message.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How much is read at a time.
const PIECE: usize = 64 * 1024;

/// A message as one line.
///
/// A strictly read message has raw line breaks between its tokens only, for JSON forbids them in
/// strings. There a blank means the same, and this is the one change that a message undergoes.
pub(crate) fn one_line(message: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &message).is_none() {
        return message;
    }
    let blank = |byte: &u8| match byte {
        b'\n' | b'\r' => b' ',
        other => *other,
    };
    message.iter().map(blank).collect()
}

/// Writes a message and its line break, together where that can be done: a reader that is woken by the
/// first has half a line.
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> io::Result<()> {
    to.write_all_buf(&mut Buf::chain(line, b"\n".as_slice()))
        .await
}

/// Why no more lines come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineTrouble {
    #[error("it wrote a line of more than {0} bytes")]
    TooLong(usize),
    #[error("it wrote a line that is not UTF-8")]
    NotUtf8,
    #[error("its output cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// Cuts a byte stream into lines.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    from: R,
    pending: BytesMut,
    /// How much of `pending` is known to hold no line break.
    searched: usize,
    max: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(from: R, max: usize) -> Self {
        Self {
            from,
            pending: BytesMut::new(),
            searched: 0,
            max,
        }
    }

    /// The next line that is not blank, without its break, or `None` at the end.
    ///
    /// May be dropped between two reads without losing anything.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, LineTrouble> {
        loop {
            let unseen = self.pending.get(self.searched..).unwrap_or_default();
            if let Some(found) = memchr::memchr(b'\n', unseen) {
                let line = self.pending.split_to(self.searched + found + 1).freeze();
                self.searched = 0;
                let line = line.slice_ref(line.trim_ascii());
                if line.len() > self.max {
                    return Err(LineTrouble::TooLong(self.max));
                }
                if line.is_empty() {
                    continue;
                }
                if std::str::from_utf8(&line).is_err() {
                    return Err(LineTrouble::NotUtf8);
                }
                return Ok(Some(line));
            }
            self.searched = self.pending.len();
            if self.searched > self.max {
                return Err(LineTrouble::TooLong(self.max));
            }
            // Small messages share a piece.
            if self.pending.capacity() - self.pending.len() < PIECE / 4 {
                self.pending.reserve(PIECE);
            }
            // INVARIANT: a line that was not ended is no line; half a message is none.
            if self.from.read_buf(&mut self.pending).await? == 0 {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn cut(written: &[u8], max: usize) -> (Vec<Bytes>, Option<LineTrouble>) {
        let mut lines = Lines::new(written, max);
        let mut all = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(line)) => all.push(line),
                Ok(None) => return (all, None),
                Err(trouble) => return (all, Some(trouble)),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_cut_and_blank_ones_left_out() {
        let (lines, trouble) = cut(b"{}\n\n \r\n{\"a\":1}\r\nhalf", 100).await;
        assert_eq!(lines, ["{}", "{\"a\":1}"]);
        assert!(trouble.is_none());
    }

    #[tokio::test]
    async fn what_is_too_long_or_no_text_ends_it() {
        for endless in [&b"0123456789"[..], b"0123456789\n{}\n"] {
            let (lines, trouble) = cut(endless, 9).await;
            assert!(lines.is_empty());
            assert!(matches!(trouble, Some(LineTrouble::TooLong(9))));
        }
        let (lines, trouble) = cut(b"{}\n\"\xC3\x28\"\n{}\n", 100).await;
        assert_eq!(lines, ["{}"]);
        assert!(matches!(trouble, Some(LineTrouble::NotUtf8)));
    }

    #[test]
    fn a_message_on_one_line_is_not_copied() {
        let message = Bytes::from_static(br#"{"a":"\n"}"#);
        assert_eq!(one_line(message.clone()).as_ptr(), message.as_ptr());
        let spread = Bytes::from_static(b"{\r\n\t\"a\":\n1}");
        assert_eq!(one_line(spread), "{  \t\"a\": 1}");
    }

    proptest! {
        #[test]
        fn one_line_means_the_same(
            value in r#"[a-z\\n" ]{0,20}"#,
            gaps in prop::collection::vec("[ \t\r\n]{0,3}", 6),
        ) {
            let text = serde_json::Value::from(value).to_string();
            let pieces = ["{", r#""key""#, ":", &text, "}"];
            let spread = gaps.iter().zip(pieces).flat_map(|(gap, piece)| [gap.as_str(), piece]);
            let message: String = spread.collect();
            let line = one_line(Bytes::from(message.clone()));
            prop_assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
            let read = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
            prop_assert_eq!(read(&line), read(message.as_bytes()));
        }
    }
}
