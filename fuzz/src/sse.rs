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
        let kept = spelled(&kept);
        let read = |breaks| spelled(&read(&handed_on, breaks));
        assert_eq!(read(Breaks::All), kept, "by the standard");
        assert_eq!(read(Breaks::NoLoneCr), kept, "without lone CR");
    }
    let as_it_came = [b"\xEF\xBB\xBF", raw.as_slice()].concat();
    assert_eq!(read(&as_it_came, Breaks::All), judged);
    for event in &whole {
        let id = event.id.as_deref();
        let again = portreeve::mcp::sse::write(&event.data, id);
        let (again, trouble) = cut(std::iter::once(again.as_ref()));
        assert_eq!((again.len(), trouble), (1, None));
        for event_again in &again {
            assert_eq!(spell(&text(&event_again.data)), spell(&text(&event.data)));
            let odd = event.id.as_deref().is_some_and(|id| spell(id) != id);
            assert!(odd || event_again.id == event.id);
        }
    }
}

/// The text with what some readers take for the end of a line written as JSON writes it: handed on,
/// such a character may be spelled either way.
fn spell(text: &str) -> String {
    let spell = |c: char| match c {
        '\u{b}'
        | '\u{c}'
        | '\u{1c}'..='\u{1e}'
        | '\u{85}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{feff}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        c => c.to_string(),
    };
    text.chars().map(spell).collect()
}

fn spelled(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| spell(text)).collect()
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
    data.filter(|data| !data.is_empty()).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Breaks {
    /// LF, CRLF and lone CR, as the standard says.
    All,
    /// LF and CRLF only, as some clients do.
    NoLoneCr,
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
    let at = rest.find(['\n', '\r'])?;
    let (line, after) = rest.split_at(at);
    let after = after
        .strip_prefix("\r\n")
        .unwrap_or_else(|| after.get(1..).unwrap_or_default());
    Some((line, after))
}
