//! A response of the gate: one message, or a stream that is taken up again where it broke.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::sleep;

use super::run::{Bridge, Mute};
use crate::mcp::sse::{Cutter, Event};
use crate::mcp::{header, lines};

/// The largest message that is taken from a gate.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a stream that owes an answer is taken up again in vain.
const ATTEMPTS: u32 = 8;

/// What a response holds.
pub(super) enum Heard {
    Nothing,
    Message(Bytes),
    Events(Events),
    /// Not of the protocol, in words.
    Odd(String),
}

/// Reads a response's head, and its body if that is one message.
pub(super) async fn hear(response: Response<Incoming>) -> Heard {
    let status = response.status();
    let media = response.headers().get(CONTENT_TYPE).cloned();
    let media = media
        .as_ref()
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    if media.starts_with(b"text/event-stream") && status.is_success() {
        return Heard::Events(Events {
            body: response.into_body(),
            cutter: Cutter::new(MAX_MESSAGE),
        });
    }
    let is_json = media.starts_with(b"application/json");
    match Limited::new(response.into_body(), MAX_MESSAGE)
        .collect()
        .await
    {
        Ok(body) => {
            let body = body.to_bytes();
            match body.first() {
                None => Heard::Nothing,
                Some(b'{' | b'[') if is_json => Heard::Message(body),
                Some(_) => Heard::Odd(format!("it answers HTTP {status} without a message")),
            }
        }
        Err(error) => Heard::Odd(format!("its answer broke off: {error}")),
    }
}

/// The events of one response.
pub(super) struct Events {
    body: Incoming,
    cutter: Cutter,
}

impl Events {
    /// The next event; `None` at the end, however it came.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            match self.cutter.next_event() {
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "a stream of the gateway cannot be read on");
                    return None;
                }
            }
            let frame = self.body.frame().await?.ok()?;
            if let Some(data) = frame.data_ref() {
                self.cutter.push(data);
            }
        }
    }
}

/// How a stream that was to bring an answer ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Brought {
    Answer,
    /// It ended before; with the event to go on after, if it named any.
    Broken(Option<String>),
}

impl Bridge {
    /// Hands a stream's messages to the client, until the one that answers.
    pub(super) async fn hand_on(
        &self,
        events: &mut Events,
        mute: &Mute,
        mut is_answer: impl FnMut(&[u8]) -> bool,
    ) -> Brought {
        let mut last = None;
        while let Some(event) = events.next().await {
            last = event.id.clone().or(last);
            if event.carries_message() {
                let answers = is_answer(&event.data);
                self.tell_of(mute, lines::one_line(event.data)).await;
                if answers {
                    return Brought::Answer;
                }
            }
        }
        Brought::Broken(last)
    }

    /// Takes a broken stream up again, for as long as there is hope.
    pub(super) async fn resume(
        &self,
        mut last: String,
        mute: &Mute,
        mut is_answer: impl FnMut(&[u8]) -> bool,
    ) -> Brought {
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let mut headers = self.session.headers();
            if let Ok(id) = HeaderValue::from_str(&last) {
                headers.insert(header::LAST_EVENT_ID, id);
            }
            let Ok(response) = self.link.send(Method::GET, headers, Bytes::new()).await else {
                continue;
            };
            if response.status().is_client_error() {
                break;
            }
            let Heard::Events(mut events) = hear(response).await else {
                continue;
            };
            match self.hand_on(&mut events, mute, &mut is_answer).await {
                Brought::Broken(Some(newer)) => {
                    last = newer;
                    pause = FIRST_PAUSE;
                }
                Brought::Broken(None) => {}
                Brought::Answer => return Brought::Answer,
            }
        }
        Brought::Broken(Some(last))
    }

    /// Listens to what the server says unasked, for as long as the session lives.
    pub(super) async fn listen(&self) {
        let (mut last, mut pause) = (None::<String>, FIRST_PAUSE);
        while self.session.id().is_some() {
            let mut headers = self.session.headers();
            let resumed = last.as_deref().map(HeaderValue::from_str);
            if let Some(Ok(id)) = resumed {
                headers.insert(header::LAST_EVENT_ID, id);
            }
            let answer = self.link.send(Method::GET, headers, Bytes::new()).await;
            if let Ok(response) = answer {
                if matches!(
                    response.status(),
                    StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND
                ) || response.status() == StatusCode::FORBIDDEN
                {
                    return;
                }
                if let Heard::Events(mut events) = hear(response).await {
                    if let Brought::Broken(Some(newest)) =
                        self.hand_on(&mut events, &Mute::default(), |_| false).await
                    {
                        last = Some(newest);
                    }
                    pause = FIRST_PAUSE;
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
