//! An event stream: however it is cut on the way, and whoever reads what is handed on, the events
//! are those that the gate judged.

use portreeve::mcp::sse::{Cutter, Event, StreamTrouble};

use super::tape::Tape;

const MAX_EVENT: usize = 4_096;

pub fn check(input: &[u8]) {
    let mut tape = Tape::new(input);
    let sizes: [u8; 4] = std::array::from_fn(|_| tape.byte());
    let stream = tape.rest();
    let (whole, trouble) = cut(std::iter::once(stream));
    let pieces = Pieces {
        stream,
        sizes,
        turn: 0,
    };
    assert_eq!(cut(pieces), (whole.clone(), trouble));

    let raw: Vec<u8> = whole.iter().flat_map(|event| event.raw.to_vec()).collect();
    let body = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    assert!(body.starts_with(&raw));

    let judged: Vec<String> = messages(whole.iter().map(|event| text(&event.data)));
    // Any of the events may be the first that is handed on.
    for skipped in 0..whole.len().min(4) {
        let handed_on: Vec<u8> = whole
            .iter()
            .skip(skipped)
            .flat_map(|event| event.to_forward().to_vec())
            .collect();
        let kept = messages(whole.iter().skip(skipped).map(|event| text(&event.data)));
        assert_eq!(read(&handed_on, Breaks::All), kept, "by the standard");
        assert_eq!(read(&handed_on, Breaks::NoLoneCr), kept, "without lone CR");
        assert_eq!(read(&handed_on, Breaks::Unicode), kept, "with Unicode's");
    }
    let as_it_came = [b"\xEF\xBB\xBF", raw.as_slice()].concat();
    assert_eq!(read(&as_it_came, Breaks::All), judged);
    for event in &whole {
        let id = event.id.as_deref().filter(|id| !is_odd(id));
        let again = portreeve::mcp::sse::write(&event.data, id);
        let (again, trouble) = cut(std::iter::once(again.as_ref()));
        let [again] = again.as_slice() else {
            panic!("written as one event, read as {again:?}, {trouble:?}");
        };
        assert_eq!(escaped(text(&again.data)), escaped(text(&event.data)));
        assert_eq!(again.id.as_deref(), id);
    }
}

/// All events, and what ended the stream before its time.
fn cut<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<StreamTrouble>) {
    let mut cutter = Cutter::new(MAX_EVENT);
    let mut events = Vec::new();
    for piece in pieces {
        cutter.push(piece);
        loop {
            match cutter.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(trouble) => return (events, Some(trouble)),
            }
        }
    }
    (events, None)
}

/// A stream in pieces of these sizes, over and over.
struct Pieces<'a> {
    stream: &'a [u8],
    sizes: [u8; 4],
    turn: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.stream.is_empty() {
            return None;
        }
        let size = self.sizes.get(self.turn % 4).copied().unwrap_or_default();
        self.turn += 1;
        let size = usize::from(size).max(1).min(self.stream.len());
        let (piece, rest) = self.stream.split_at(size);
        self.stream = rest;
        Some(piece)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An event without data carries no message, to us and to clients.
fn messages(data: impl Iterator<Item = String>) -> Vec<String> {
    data.filter(|data| !data.is_empty()).map(escaped).collect()
}

/// What some readers take for the end of a line, in the escape that means the same in JSON: an
/// event that is written anew has it so.
const ODD_BREAKS: [(char, &str); 9] = [
    ('\u{b}', "\\u000b"),
    ('\u{c}', "\\u000c"),
    ('\u{1c}', "\\u001c"),
    ('\u{1d}', "\\u001d"),
    ('\u{1e}', "\\u001e"),
    ('\u{85}', "\\u0085"),
    ('\u{2028}', "\\u2028"),
    ('\u{2029}', "\\u2029"),
    ('\u{feff}', "\\ufeff"),
];

fn escaped(text: String) -> String {
    let escape = |text: String, (c, escape): &(char, &str)| text.replace(*c, escape);
    ODD_BREAKS.iter().fold(text, escape)
}

fn is_odd(text: &str) -> bool {
    ODD_BREAKS.iter().any(|(c, _)| text.contains(*c))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Breaks {
    /// LF, CRLF and lone CR, as the standard says.
    All,
    /// LF and CRLF only, as some clients do.
    NoLoneCr,
    /// Whatever Unicode calls the end of a line, as others do.
    Unicode,
}

/// A client's reader, by the words of the standard: the data of every event that has any.
pub fn read(stream: &[u8], breaks: Breaks) -> Vec<String> {
    let stream = text(stream);
    let mut rest = stream.strip_prefix('\u{feff}').unwrap_or(&stream);
    let mut found = Vec::new();
    let mut data: Option<String> = None;
    while let Some((line, after)) = next_line(rest, breaks) {
        rest = after;
        if line.is_empty() {
            found.extend(data.take());
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => data = Some(value.to_owned()),
            }
        }
    }
    messages(found.into_iter())
}

fn next_line(rest: &str, breaks: Breaks) -> Option<(&str, &str)> {
    if breaks == Breaks::NoLoneCr {
        let (line, after) = rest.split_once('\n')?;
        return Some((line.strip_suffix('\r').unwrap_or(line), after));
    }
    let is_break = |c: char| {
        let odd =
            breaks == Breaks::Unicode && c != '\u{feff}' && is_odd(c.encode_utf8(&mut [0; 4]));
        matches!(c, '\n' | '\r') || odd
    };
    let (line, after) = rest.split_at(rest.find(is_break)?);
    let end = after.chars().next().map_or(0, char::len_utf8);
    let end = if after.starts_with("\r\n") { 2 } else { end };
    Some((line, after.get(end..).unwrap_or_default()))
}
