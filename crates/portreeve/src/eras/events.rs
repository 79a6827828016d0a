//! The gate's streams, read one event at a time.

use bytes::Bytes;
use portreeve_policy::json::{Rules, outline};

use crate::budget::in_place_of;
use crate::gate::Payload;
use crate::mcp::sse::{self, Cutter};

/// What one event of the gate's carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Carried {
    Request(Bytes),
    Notification(String, Bytes),
    Response(Bytes),
    /// No message: a comment, or a pause.
    Nothing,
}

/// Reads an event; the gate hands them on one by one.
pub(super) fn read(event: &Bytes) -> Carried {
    let mut cutter = Cutter::new(usize::MAX);
    cutter.push(event);
    match cutter.next_event() {
        Ok(Some(cut)) if cut.carries_message() => of_message(cut.data),
        _ => Carried::Nothing,
    }
}

fn of_message(message: Bytes) -> Carried {
    let members = outline(&message, Rules::MESSAGE).unwrap_or_default();
    let member = |name: &str| members.iter().find(|member| member.key == name);
    let method = member("method").map(|method| serde_json::from_str(method.value));
    match (method, member("id").is_some()) {
        (Some(Ok(method)), false) => Carried::Notification(method, message),
        (Some(_), true) => Carried::Request(message),
        (None, true) => Carried::Response(message),
        _ => Carried::Nothing,
    }
}

/// The answer that a reply carries, alone or at the end of a stream.
pub(super) async fn answer_in(payload: Payload) -> Option<Bytes> {
    match payload {
        Payload::Nothing => None,
        Payload::Message(message) => Some(message),
        Payload::Events(mut events) => loop {
            if let Carried::Response(answer) = read(&events.recv().await?) {
                return Some(answer);
            }
        },
    }
}

/// A message as an event, in place of the one it came in.
pub(super) fn written(message: &Bytes, came: Option<&Bytes>) -> Bytes {
    let event = sse::write(message, None);
    in_place_of(event, came.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let of = |text: &'static str| read(&Bytes::from_static(text.as_bytes()));
        assert!(matches!(
            of("id: 1\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\n"),
            Carried::Request(_)
        ));
        assert!(matches!(
            of("data: {\"method\":\"notifications/message\"}\n\n"),
            Carried::Notification(method, _) if method == "notifications/message"
        ));
        assert!(matches!(
            of("data: {\"id\":1,\ndata: \"result\":{}}\n\n"),
            Carried::Response(_)
        ));
        assert_eq!(of(": waiting\n\n"), Carried::Nothing);
    }
}
