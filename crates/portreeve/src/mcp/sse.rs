//! Event streams: cutting a byte stream into events, and writing events.
//!
//! An event is kept as the bytes it came in, so that one nobody touches leaves as it arrived.
//! Lines end with LF, CRLF or a lone CR, as the standard says. Not every reader knows the lone CR,
//! and one that does not would see other events than the gate judged; and a byte order mark is
//! passed over by whoever takes its event for the stream's first. Such an event is written anew
//! ([`Event::to_forward`]).

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
    pub fn to_forward(&self) -> Bytes {
        let lone_cr =
            memchr::memchr_iter(b'\r', &self.raw).any(|at| self.raw.get(at + 1) != Some(&b'\n'));
        if !lone_cr && !self.raw.starts_with(BYTE_ORDER_MARK) {
            return self.raw.clone();
        }
        match &self.id {
            _ if self.carries_message() => write(&self.data, self.id.as_deref()),
            Some(id) => Bytes::from(format!("id: {id}\n\n")),
            None => Bytes::from_static(b":\n\n"),
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamTrouble {
    #[error("an event is larger than {0} bytes")]
    TooLarge(usize),
    #[error("a line of the stream is not UTF-8")]
    NotUtf8,
}

/// Cuts a stream into events as its bytes arrive.
#[derive(Debug)]
pub struct Cutter {
    pending: BytesMut,
    /// How much of `pending` is known to hold no end of an event.
    searched: usize,
    max_event: usize,
    at_start: bool,
}

impl Cutter {
    pub fn new(max_event: usize) -> Self {
        Self {
            pending: BytesMut::new(),
            searched: 0,
            max_event,
            at_start: true,
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole event, if there is one.
    pub fn next_event(&mut self) -> Result<Option<Event>, StreamTrouble> {
        if !self.skip_byte_order_mark() {
            return Ok(None);
        }
        match self.find_end() {
            Some(end) => {
                self.searched = 0;
                if end > self.max_event {
                    return Err(StreamTrouble::TooLarge(self.max_event));
                }
                read_event(self.pending.split_to(end).freeze()).map(Some)
            }
            None if self.pending.len() > self.max_event => {
                Err(StreamTrouble::TooLarge(self.max_event))
            }
            None => Ok(None),
        }
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

    /// The index after the first empty line.
    fn find_end(&mut self) -> Option<usize> {
        let bytes: &[u8] = &self.pending;
        let mut at = self.searched;
        loop {
            let found = memchr::memchr2(b'\n', b'\r', bytes.get(at..)?)?;
            let first = at + found;
            let after = line_end(bytes, first)?;
            match bytes.get(after) {
                None => return None,
                Some(b'\n' | b'\r') => return line_end(bytes, after),
                Some(_) if first == 0 => return Some(after),
                Some(_) => {
                    self.searched = after;
                    at = after;
                }
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

/// Writes a message as an event of our own.
pub fn write(message: &[u8], id: Option<&str>) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 32);
    if let Some(id) = id {
        out.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    out.extend_from_slice(b"event: message\n");
    for line in message.split(|b| matches!(b, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
    Bytes::from(out)
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
        assert_eq!(events[1].to_forward(), "id: 5\n\n");
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
