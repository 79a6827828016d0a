//! Writing another id into an event, and nothing else.

use bytes::Bytes;

use super::sse::Event;

/// The event under another id. Every other byte stays as it came.
///
/// An event without an id, or with the empty one that takes an id back, has nothing to be renamed.
pub fn renamed(event: &Event, id: &str) -> Event {
    let mut raw = Vec::with_capacity(event.raw.len() + id.len());
    let mut rest: &[u8] = &event.raw;
    while !rest.is_empty() {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if is_id(line) {
            raw.extend_from_slice(b"id: ");
            raw.extend_from_slice(id.as_bytes());
        } else {
            raw.extend_from_slice(line);
        }
        let (ending, after) = after.split_at_checked(1).unwrap_or_default();
        raw.extend_from_slice(ending);
        rest = after;
    }
    Event {
        raw: Bytes::from(raw),
        id: Some(id.to_owned()),
        ..event.clone()
    }
}

/// Whether a line gives the event an id. A reader passes over one with a NUL.
fn is_id(line: &[u8]) -> bool {
    line == b"id" || (line.starts_with(b"id:") && !line.contains(&0))
}

#[cfg(test)]
mod tests {
    use super::super::sse::Cutter;
    use super::*;

    fn event(text: &str) -> Event {
        let mut cutter = Cutter::new(1_000);
        cutter.push(text.as_bytes());
        cutter.next_event().unwrap().unwrap()
    }

    #[test]
    fn the_id_is_another_and_the_rest_is_as_it_was() {
        for (text, expected) in [
            ("id: 1\ndata: {}\n\n", "id: new\ndata: {}\n\n"),
            (
                ": x\r\nevent:a\r\nid:1\r\nretry: 5\r\ndata: 1\r\ndata:id: 1\r\n\r\n",
                ": x\r\nevent:a\r\nid: new\r\nretry: 5\r\ndata: 1\r\ndata:id: 1\r\n\r\n",
            ),
            ("id: 1\nid: 2\n\n", "id: new\nid: new\n\n"),
            (
                "identity: 1\nid:x\nx: id\n\n",
                "identity: 1\nid: new\nx: id\n\n",
            ),
            ("id: a\0b\nid: 1\n\n", "id: a\0b\nid: new\n\n"),
            ("id: 1\nid\nid: 2\n\n", "id: new\nid: new\nid: new\n\n"),
        ] {
            let before = event(text);
            let after = renamed(&before, "new");
            assert_eq!(after.raw, expected, "{text:?}");
            assert_eq!(after.data, before.data, "{text:?}");
            assert_eq!(event(expected), after, "{text:?}");
        }
    }
}
