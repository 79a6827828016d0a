//! Event streams: cutting a byte stream into events, and writing events.
//!
//! An event is kept as the bytes it came in, so that one nobody touches leaves as it arrived.
//! Lines end with LF, CRLF or a lone CR, as the standard says. Not every reader knows the lone CR,
//! and some take other characters for the end of a line (U+2028, as Python does). They would see
//! other events than the gate judged: such an event is written anew ([`Event::to_forward`]).

use bytes::{Buf, Bytes, BytesMut};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's lines and the empty line that ended it.
    pub raw: Bytes,
    /// The `data` lines, joined by LF. Empty for comments, retries and priming events.
    pub data: Bytes,
    /// The `event` field; `None` means `message`.
    pub kind: Option<String>,
    pub id: Option<String>,
}

impl Event {
    /// Whether the event carries a message of the protocol.
    pub fn carries_message(&self) -> bool {
        !self.data.is_empty()
    }

    /// The bytes to hand on: those that came, unless readers could disagree about them.
    ///
    /// INVARIANT: no reader finds another event in them than the gate did
    /// (`no_reader_finds_other_lines`).
    pub fn to_forward(&self) -> Bytes {
        if self.is_read_alike() {
            self.raw.clone()
        } else if self.carries_message() {
            write(&self.data, self.id.as_deref())
        } else {
            without_words(self.id.as_deref())
        }
    }

    /// The event with another message in place of its own, and its other lines as they came.
    pub fn with_message(&self, message: &[u8]) -> Bytes {
        if !self.is_read_alike() {
            return write(message, self.id.as_deref());
        }
        let mut out = Vec::with_capacity(self.raw.len().max(message.len()) + 32);
        let mut written = false;
        for line in self.raw.split_inclusive(|byte| *byte == b'\n') {
            if !is_data(line) {
                out.extend_from_slice(line);
            } else if !written {
                written = true;
                data_lines(&mut out, message);
            }
        }
        Bytes::from(out)
    }

    /// Whether every reader finds the same lines in it.
    fn is_read_alike(&self) -> bool {
        let mut returns = memchr::memchr_iter(b'\r', &self.raw);
        returns.all(|at| self.raw.get(at + 1) == Some(&b'\n'))
            && line_break_of_some(&self.raw).is_none()
    }

    /// The lines that carry nothing of the message: comments, and the stream's own fields.
    pub fn form(&self) -> impl Iterator<Item = &str> {
        let text = std::str::from_utf8(&self.raw).unwrap_or_default();
        let lines = text.split(['\n', '\r']);
        lines.filter(|line| !line.is_empty() && !is_data(line.as_bytes()))
    }
}

/// Whether a line is one of the message's.
fn is_data(line: &[u8]) -> bool {
    let rest = line.strip_prefix(b"data");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b':' | b'\r' | b'\n')))
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What some readers take for the end of a line, or leave out, and the standard does not: VT, FF,
/// FS, GS, RS, NEL, LINE SEPARATOR, PARAGRAPH SEPARATOR and a byte order mark.
const ODD_BREAKS: &[(&[u8], &str)] = &[
    (b"\x0B", "\\u000b"),
    (b"\x0C", "\\u000c"),
    (b"\x1C", "\\u001c"),
    (b"\x1D", "\\u001d"),
    (b"\x1E", "\\u001e"),
    (b"\xC2\x85", "\\u0085"),
    (b"\xE2\x80\xA8", "\\u2028"),
    (b"\xE2\x80\xA9", "\\u2029"),
    (b"\xEF\xBB\xBF", "\\ufeff"),
];

/// The first such character: where it stands, how long it is, and its escape in JSON.
fn line_break_of_some(bytes: &[u8]) -> Option<(usize, usize, &'static str)> {
    bytes.iter().enumerate().find_map(|(at, byte)| {
        if !matches!(byte, 0x0B | 0x0C | 0x1C..=0x1E | 0xC2 | 0xE2 | 0xEF) {
            return None;
        }
        let rest = bytes.get(at..)?;
        let (broken, escape) = ODD_BREAKS.iter().find(|(b, _)| rest.starts_with(b))?;
        Some((at, broken.len(), *escape))
    })
}

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamTrouble {
    #[error("an event is larger than {0} bytes")]
    TooLarge(usize),
    #[error("a line of the stream is not UTF-8")]
    NotUtf8,
}

/// Events up to this size may share the buffer they came in.
const SHARED: usize = 64 * 1024;

/// Cuts a stream into events as its bytes arrive.
#[derive(Debug)]
pub struct Cutter {
    pending: BytesMut,
    /// How much of `pending` is known to hold no end of an event.
    searched: usize,
    max_event: usize,
    at_start: bool,
    /// What ended the stream: nothing that comes after it is read.
    trouble: Option<StreamTrouble>,
}

impl Cutter {
    pub fn new(max_event: usize) -> Self {
        Self {
            pending: BytesMut::new(),
            searched: 0,
            max_event,
            at_start: true,
            trouble: None,
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole event, if there is one.
    ///
    /// INVARIANT: a stream that was in trouble once stays in it (`trouble_is_for_good`).
    pub fn next_event(&mut self) -> Result<Option<Event>, StreamTrouble> {
        self.next_event_kept(|raw, _| raw)
    }

    /// The same for an event whose bytes are kept in another way. `keep` is told how many bytes
    /// are left over.
    pub fn next_event_kept(
        &mut self,
        keep: impl FnOnce(Bytes, usize) -> Bytes,
    ) -> Result<Option<Event>, StreamTrouble> {
        if let Some(trouble) = self.trouble {
            return Err(trouble);
        }
        let cut = self.cut(keep);
        self.trouble = cut.as_ref().err().copied();
        cut
    }

    fn cut(
        &mut self,
        keep: impl FnOnce(Bytes, usize) -> Bytes,
    ) -> Result<Option<Event>, StreamTrouble> {
        if !self.skip_byte_order_mark() {
            return Ok(None);
        }
        match self.find_end() {
            Some(end) => {
                self.searched = 0;
                if end > self.max_event {
                    return Err(StreamTrouble::TooLarge(self.max_event));
                }
                let raw = self.split(end);
                read_event(keep(raw, self.pending.len())).map(Some)
            }
            None if self.pending.len() > self.max_event => {
                Err(StreamTrouble::TooLarge(self.max_event))
            }
            None => Ok(None),
        }
    }

    fn split(&mut self, end: usize) -> Bytes {
        if end <= SHARED {
            return self.pending.split_to(end).freeze();
        }
        // A small event must not keep the buffer of a large one alive.
        let left = BytesMut::from(self.pending.get(end..).unwrap_or_default());
        let mut event = std::mem::replace(&mut self.pending, left);
        event.truncate(end);
        event.freeze()
    }

    /// What is left when the stream ends: an event without its empty line is no event.
    pub fn leftover(&self) -> usize {
        self.pending.len()
    }

    /// False while it is not yet known whether the stream begins with a mark.
    fn skip_byte_order_mark(&mut self) -> bool {
        if self.at_start {
            let mark = BYTE_ORDER_MARK;
            if self.pending.len() < mark.len() && mark.starts_with(&self.pending) {
                return false;
            }
            self.at_start = false;
            if self.pending.starts_with(mark) {
                self.pending.advance(mark.len());
            }
        }
        true
    }

    /// The index after the first empty line. What was searched once is not searched again, for a
    /// server decides in how many pieces an event comes.
    fn find_end(&mut self) -> Option<usize> {
        let bytes: &[u8] = &self.pending;
        let mut at = self.searched;
        loop {
            let Some(found) = memchr::memchr2(b'\n', b'\r', bytes.get(at..)?) else {
                self.searched = bytes.len();
                return None;
            };
            let first = at + found;
            // From here on it depends on bytes that may not have come yet.
            self.searched = first;
            let after = line_end(bytes, first)?;
            match bytes.get(after) {
                None => return None,
                Some(b'\n' | b'\r') => return line_end(bytes, after),
                Some(_) if first == 0 => return Some(after),
                Some(_) => at = after,
            }
        }
    }
}

/// The index after the line ending that begins at `at`; `None` while a CR could be half a CRLF.
fn line_end(bytes: &[u8], at: usize) -> Option<usize> {
    match (bytes.get(at)?, bytes.get(at + 1)) {
        (b'\r', Some(b'\n')) => Some(at + 2),
        (b'\r', None) => None,
        _ => Some(at + 1),
    }
}

fn read_event(raw: Bytes) -> Result<Event, StreamTrouble> {
    let text = std::str::from_utf8(&raw).map_err(|_| StreamTrouble::NotUtf8)?;
    let mut data: Vec<&str> = Vec::new();
    let (mut kind, mut id) = (None, None);
    // A CRLF yields one empty line too many between its halves; empty lines mean nothing here.
    for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data.push(value),
            "event" => kind = Some(value.to_owned()),
            "id" if !value.contains('\0') => id = Some(value.to_owned()),
            _ => {}
        }
    }
    let data = match data.as_slice() {
        [] => Bytes::new(),
        [one] => raw.slice_ref(one.as_bytes()),
        many => Bytes::from(many.join("\n")),
    };
    Ok(Event {
        raw,
        data,
        kind,
        id,
    })
}

/// An event without a message that says nothing but its id.
pub fn without_words(id: Option<&str>) -> Bytes {
    let mut out = id_line(id);
    out.extend_from_slice(b":\n\n");
    Bytes::from(out)
}

/// Writes a message as an event of our own. The message is JSON, in which the characters that
/// readers could take for the end of a line stand only in strings, or as a white space of it.
pub fn write(message: &[u8], id: Option<&str>) -> Bytes {
    let mut out = id_line(id);
    out.reserve(message.len() + 32);
    out.extend_from_slice(b"event: message\n");
    data_lines(&mut out, message);
    out.push(b'\n');
    Bytes::from(out)
}

fn data_lines(out: &mut Vec<u8>, message: &[u8]) {
    for line in message.split(|b| matches!(b, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        escape_breaks(out, line);
        out.push(b'\n');
    }
}

/// An id that readers could disagree about is none.
fn id_line(id: Option<&str>) -> Vec<u8> {
    id.filter(|id| line_break_of_some(id.as_bytes()).is_none())
        .map_or_else(Vec::new, |id| format!("id: {id}\n").into_bytes())
}

fn escape_breaks(out: &mut Vec<u8>, line: &[u8]) {
    let mut rest = line;
    while let Some((at, length, escape)) = line_break_of_some(rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(escape.as_bytes());
        rest = rest.get(at + length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<Event> {
        let mut cutter = Cutter::new(1_000);
        let mut events = Vec::new();
        for chunk in chunks {
            cutter.push(chunk);
            while let Some(event) = cutter.next_event().unwrap() {
                events.push(event);
            }
        }
        events
    }

    #[test]
    fn every_line_ending_ends_a_line() {
        for stream in [
            "event: message\ndata: {}\n\ndata: 2\n\n",
            "event: message\r\ndata: {}\r\n\r\ndata: 2\r\n\r\n",
            "event: message\rdata: {}\r\rdata: 2\r\r ",
        ] {
            let data: Vec<Bytes> = cut(&[stream.as_bytes()])
                .into_iter()
                .map(|e| e.data)
                .collect();
            assert_eq!(data, ["{}", "2"], "{stream:?}");
        }
    }

    #[test]
    fn fields_are_read_and_raw_bytes_are_kept() {
        let stream = b"\xEF\xBB\xBF: hello\nid: 7\nevent:ping\ndata: a\ndata:b\nretry: 5\n\n";
        let events = cut(&[stream]);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].data, "a\nb");
        assert_eq!(events[0].id.as_deref(), Some("7"));
        assert_eq!(events[0].kind.as_deref(), Some("ping"));
        assert_eq!(events[0].raw, &stream[3..]);
    }

    #[test]
    fn a_lone_carriage_return_is_not_handed_on() {
        let events = cut(&[b"id: 3\rdata: {}\r\r "]);
        assert_eq!(
            events[0].to_forward(),
            "id: 3\nevent: message\ndata: {}\n\n"
        );
        let events = cut(&[b"data: {}\r\n\r\n"]);
        assert_eq!(events[0].to_forward(), "data: {}\r\n\r\n");
    }

    /// Cuts as a reader does that takes every line break of Unicode for one, or leaves marks out.
    fn cut_loosely(stream: &str) -> Vec<String> {
        let stream = stream.replace('\u{feff}', "");
        let is_break =
            |c: char| "\n\r\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}".contains(c);
        let lines = stream.split(is_break);
        let data = lines.filter_map(|line| line.strip_prefix("data:"));
        data.map(|data| data.trim_start().to_owned()).collect()
    }

    #[test]
    fn no_reader_finds_other_lines() {
        for odd in "\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}".chars() {
            for (stream, data) in [
                (format!(": x{odd}data: evil\n\n"), None),
                (format!("id: 1{odd}data: evil\ndata: 1\n\n"), Some("1")),
                (
                    format!("x{odd}{odd}data: evil{odd}{odd}: 1\ndata: 1\n\n"),
                    Some("1"),
                ),
                ("\u{feff}: y\n\n\u{feff}data: evil\n\n".to_owned(), None),
            ] {
                let event = cut(&[stream.as_bytes()]).pop().unwrap();
                let forwarded = String::from_utf8(event.to_forward().to_vec()).unwrap();
                let found = cut_loosely(&forwarded);
                assert_eq!(found.first().map(String::as_str), data, "{stream:?}");
                assert!(found.len() <= 1, "{stream:?}");
            }
            let text = format!("{{\"x\":\"a{odd}{odd}data: evil{odd}{odd}b\"}}");
            let event = cut(&[format!("data: {text}\n\n").as_bytes()])
                .pop()
                .unwrap();
            let forwarded = String::from_utf8(event.to_forward().to_vec()).unwrap();
            let [data] = &cut_loosely(&forwarded)[..] else {
                panic!("{forwarded:?}")
            };
            let value: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!(value["x"], format!("a{odd}{odd}data: evil{odd}{odd}b"));
        }
    }

    #[test]
    fn a_small_event_does_not_share_the_buffer_of_a_large_one() {
        let large = format!("data: {}\n\n", "x".repeat(SHARED));
        let mut cutter = Cutter::new(1 << 20);
        cutter.push(format!("{large}data: 1\n\ndata: 2\n\n").as_bytes());
        let mut left = Vec::new();
        let mut next = || {
            let event = cutter.next_event_kept(|raw, over| {
                left.push(over);
                raw
            });
            event.unwrap().unwrap().raw
        };
        let (first, small, other) = (next(), next(), next());
        assert_eq!(left, [18, 9, 0]);
        assert_eq!(
            (&first[..], &small[..]),
            (large.as_bytes(), &b"data: 1\n\n"[..])
        );
        assert!(first.is_unique(), "alone in its buffer");
        assert!(!small.is_unique() && !other.is_unique());
    }

    #[test]
    fn an_event_in_many_pieces_is_searched_once() {
        let mut cutter = Cutter::new(1 << 13);
        cutter.push(b"data: ");
        for _ in 0..1 << 12 {
            cutter.push(b"x");
            assert_eq!(cutter.next_event(), Ok(None));
        }
        assert_eq!(cutter.searched, cutter.pending.len());
        cutter.push(b"\n");
        assert_eq!(cutter.next_event(), Ok(None));
        cutter.push(b"\n");
        assert_eq!(cutter.next_event().unwrap().unwrap().data.len(), 1 << 12);
    }

    #[test]
    fn a_byte_order_mark_hides_no_message() {
        // To us the second mark is part of a field's name; to a client it would be the first.
        let events = cut(&[b"\xEF\xBB\xBF\xEF\xBB\xBFdata: {}\n\n"]);
        assert!(!events[0].carries_message());
        assert_eq!(events[0].to_forward(), ":\n\n");
        let events = cut(&[b"data: 1\n\n\xEF\xBB\xBFdata: 2\nid: 7\ndata: 3\n\n"]);
        assert_eq!(events[1].to_forward(), "id: 7\nevent: message\ndata: 3\n\n");
    }

    #[test]
    fn what_carries_no_message_carries_none_when_written_anew() {
        let events = cut(&[b": c\r\rid: 5\r\r "]);
        assert_eq!(events[0].to_forward(), ":\n\n");
        assert_eq!(events[1].to_forward(), "id: 5\n:\n\n");
    }

    #[test]
    fn trouble_is_for_good() {
        let mut cutter = Cutter::new(100);
        cutter.push(b"data: \xFF\n\ndata: {}\n\n");
        for _ in 0..2 {
            assert_eq!(cutter.next_event(), Err(StreamTrouble::NotUtf8));
        }
    }

    #[test]
    fn a_stream_that_never_ends_its_event_is_cut_off() {
        let mut cutter = Cutter::new(10);
        cutter.push(b"data: 0123456789");
        assert_eq!(cutter.next_event(), Err(StreamTrouble::TooLarge(10)));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let events = cut(&[&write(b"{\"a\":\n1}", Some("x"))]);
        assert_eq!(events[0].data, "{\"a\":\n1}");
        assert_eq!(events[0].id.as_deref(), Some("x"));
    }

    proptest! {
        /// However the bytes are split on the way, the same events come out, and nothing is lost.
        #[test]
        fn splitting_changes_nothing(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["data: x", "\n", "\r\n", "\r", "id: 1", ":", "é", "\n\n"]),
                0..30,
            ),
            cuts in prop::collection::vec(0_usize..200, 0..6),
        ) {
            let stream = pieces.concat().into_bytes();
            let whole = cut(&[&stream]);
            let mut at: Vec<usize> = cuts.into_iter().map(|c| c.min(stream.len())).collect();
            at.push(0);
            at.push(stream.len());
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|w| &stream[w[0]..w[1]]).collect();
            prop_assert_eq!(&cut(&chunks), &whole);
            let raw: Vec<u8> = whole.iter().flat_map(|e| e.raw.to_vec()).collect();
            prop_assert!(stream.starts_with(&raw));
        }
    }
}
