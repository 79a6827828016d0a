//! One message of the client, carried to the gate, and what comes back.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::timeout;

use super::headers::{Addressed, address};
use super::run::{Bridge, Ending, Mute};
use super::stream::{Brought, Events, Heard, hear};
use crate::mcp::parts::{self, Parts};
use crate::mcp::revision;
use crate::mcp::splice::{Patch, apply};
use crate::mcp::{answer, code, header, lines, message};
use portreeve_policy::json::{Rules, Span, outline};

/// How long what has no answer may take: what comes after it waits.
const NOTE: Duration = Duration::from_secs(15);
/// Pages of a tool list that are read to learn what headers repeat.
const MAX_PAGES: usize = 100;
/// The id of the bridge's own requests.
const OWN_ID: &str = "\"portreeve-stdio\"";

impl Bridge {
    /// Carries a request, and hands its answer to the client.
    pub(super) async fn ask(&self, line: Bytes, parts: &Parts, mute: &Mute) {
        let id = parts.id.as_ref().map_or("null", |id| id.written.as_str());
        let asked = Asked { id, mute };
        let is_hello = parts.method() == "initialize";
        if is_hello {
            self.session.greets(&line);
        }
        let Addressed { headers, .. } = address(&line, &self.session, &self.mirrors);
        let before = self.session.id();
        let answer = self.exchange(&line, headers, asked, is_hello).await;
        let answer = match answer {
            Some(Lost::Session) if before.is_some() && self.shake_hands_again(before).await => {
                let headers = self.session.headers();
                self.exchange(&line, headers, asked, false).await
            }
            Some(Lost::Mirrors(_)) if self.learn_mirrors().await => {
                let Addressed { headers, .. } = address(&line, &self.session, &self.mirrors);
                self.exchange(&line, headers, asked, false).await
            }
            other => other,
        };
        match answer {
            None => {}
            Some(Lost::Session) => {
                let words = "the gateway does not know this session any more; initialize again";
                self.fail(asked, code::NO_SESSION, words).await;
            }
            Some(Lost::Mirrors(message)) => self.tell_of(mute, message).await,
        }
    }

    /// Sends a request and hands on what comes. What was not handed on can be tried again.
    async fn exchange(
        &self,
        line: &Bytes,
        headers: HeaderMap,
        asked: Asked<'_>,
        is_hello: bool,
    ) -> Option<Lost> {
        let Asked { id, mute } = asked;
        let had_session = headers.contains_key(header::SESSION_ID);
        let response = match self.link.send(Method::POST, headers, line.clone()).await {
            Ok(response) => response,
            Err(error) => {
                self.note(Ending::Unreachable, &error.to_string());
                self.fail(asked, code::UPSTREAM_FAILED, &error.to_string())
                    .await;
                return None;
            }
        };
        let status = response.status();
        if status == StatusCode::NOT_FOUND && had_session {
            return Some(Lost::Session);
        }
        let session = response.headers().get(&header::SESSION_ID).cloned();
        let wanted = message::canonical_id(id);
        let mut is_answer = |message: &[u8]| {
            let Ok(parts) = parts::read(message) else {
                return false;
            };
            let answers = parts.method.is_none() && parts.id.is_some_and(|id| id.value == wanted);
            if answers {
                if is_hello {
                    self.session.is_open(session.clone(), message);
                }
                self.mirrors.learn(message);
            }
            answers
        };
        match hear(response).await {
            Heard::Message(message) if !is_rpc(&message) => {
                self.refuse_foreign(asked, status).await;
            }
            Heard::Message(message) => {
                let message = with_id(lines::one_line(message), id);
                self.judge(status, &message);
                if is_mirror_trouble(status, &message) {
                    return Some(Lost::Mirrors(message));
                }
                is_answer(&message);
                self.tell_of(mute, message).await;
            }
            Heard::Events(events) => {
                self.note_fine();
                if !self.bring(events, mute, &mut is_answer).await {
                    let words = "the gateway's stream ended before the answer";
                    self.fail(asked, code::UPSTREAM_FAILED, words).await;
                }
            }
            Heard::Nothing => {
                let words = format!("the gateway answers HTTP {status} without a message");
                self.judge(status, words.as_bytes());
                self.fail(asked, code::UPSTREAM_FAILED, &words).await;
            }
            Heard::Odd(words) => {
                let words = format!("that is no gateway: {words}");
                self.note(Ending::Unreachable, &words);
                self.fail(asked, code::UPSTREAM_FAILED, &words).await;
            }
        }
        None
    }

    /// Hands a stream on up to its answer, and takes it up again where it breaks; false if there is
    /// no answer.
    async fn bring(
        &self,
        mut events: Events,
        mute: &Mute,
        mut is_answer: impl FnMut(&[u8]) -> bool,
    ) -> bool {
        match self.hand_on(&mut events, mute, &mut is_answer).await {
            Brought::Answer => true,
            Brought::Broken(None) => false,
            Brought::Broken(Some(last)) => {
                self.resume(last, mute, is_answer).await == Brought::Answer
            }
        }
    }

    /// Carries what has no answer. What comes after it is sent after it.
    pub(super) async fn pass(&self, line: Bytes) {
        let Addressed { headers, .. } = address(&line, &self.session, &self.mirrors);
        let sending = self.link.send(Method::POST, headers, line);
        match timeout(NOTE, sending).await {
            Ok(Ok(response)) => {
                let status = response.status();
                // A batch of an old client is answered.
                match timeout(NOTE, hear(response)).await {
                    Ok(Heard::Message(message)) if status.is_success() => {
                        self.tell(lines::one_line(message)).await;
                    }
                    Ok(Heard::Message(message)) => self.judge(status, &message),
                    Ok(Heard::Events(mut events)) => {
                        self.hand_on(&mut events, &Mute::default(), |_| false).await;
                    }
                    _ => {}
                }
            }
            Ok(Err(error)) => self.note(Ending::Unreachable, &error.to_string()),
            Err(_) => self.note(Ending::Unreachable, "the gateway does not answer"),
        }
    }

    /// Opens the session anew where the gate has forgotten it: it was restarted, most likely. Which
    /// session the client thinks it has makes no difference to it.
    async fn shake_hands_again(&self, lost: Option<http::HeaderValue>) -> bool {
        let _one_at_a_time = self.greeting.lock().await;
        if self.session.id() != lost {
            return self.session.id().is_some();
        }
        let Some(hello) = self.session.hello() else {
            return false;
        };
        self.session.greets(&hello);
        let sent = self
            .link
            .send(Method::POST, HeaderMap::new(), hello.clone());
        let Ok(response) = sent.await else {
            return false;
        };
        let id = response.headers().get(&header::SESSION_ID).cloned();
        let answer = first_answer(response).await;
        let (Some(answer), Some(id)) = (answer, id) else {
            return false;
        };
        self.session.is_open(Some(id), &answer);
        tracing::info!("the gateway had forgotten the session; a new one was opened");
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.pass(Bytes::from_static(ready.as_bytes())).await;
        self.relisten.notify_one();
        true
    }

    /// Reads the tool list for itself, because a call needs headers that only schemas tell.
    async fn learn_mirrors(&self) -> bool {
        let mut cursor = String::new();
        for page in 0..MAX_PAGES {
            let line = Bytes::from(format!(
                r#"{{"jsonrpc":"2.0","id":{OWN_ID},"method":"tools/list","params":{{{cursor}"_meta":{{"{}":"{}","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"portreeve","version":"{}"}}}}}}}}"#,
                revision::META_PROTOCOL_VERSION,
                revision::MODERN,
                env!("CARGO_PKG_VERSION"),
            ));
            let Addressed { headers, .. } = address(&line, &self.session, &self.mirrors);
            let Ok(response) = self.link.send(Method::POST, headers, line).await else {
                return page > 0;
            };
            let Heard::Message(list) = hear(response).await else {
                return page > 0;
            };
            match self.mirrors.learn(&list) {
                Some(next) => cursor = format!("\"cursor\":{},", serde_json::Value::from(next)),
                None => return true,
            }
        }
        true
    }

    /// Ends the session at the gate.
    pub(super) async fn say_goodbye(&self) {
        let headers = self.session.headers();
        if headers.contains_key(header::SESSION_ID) {
            self.session.ends();
            let sending = self.link.send(Method::DELETE, headers, Bytes::new());
            if timeout(Duration::from_secs(5), sending).await.is_err() {
                tracing::debug!("the gateway did not hear the goodbye");
            }
        }
    }

    /// Takes note of what a refusal means for the exit code, and tells the person.
    fn judge(&self, status: StatusCode, message: &[u8]) {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let words = words_of(message);
                let words = format!("the gateway refuses (HTTP {}): {words}", status.as_u16());
                self.note(Ending::Refused, &words);
            }
            // A server behind the gate may say 404 of a method; this code only the gate's own door has.
            StatusCode::NOT_FOUND if error_code(message) == Some(code::BAD_HTTP) => {
                let words = format!("the gateway refuses (HTTP 404): {}", words_of(message));
                self.note(Ending::Refused, &words);
            }
            _ if !status.is_success() && error_code(message).is_none() => {
                let words = format!("that is no gateway: it answers HTTP {status}");
                self.note(Ending::Unreachable, &words);
            }
            _ => self.note_fine(),
        }
    }

    /// Answers in the place of a service that is no gateway: nothing of it reaches the client.
    async fn refuse_foreign(&self, asked: Asked<'_>, status: StatusCode) {
        let words =
            format!("that is no gateway: it answers HTTP {status} with JSON that is no JSON-RPC");
        let ending = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ending::Refused,
            _ => Ending::Unreachable,
        };
        self.note(ending, &words);
        self.fail(asked, code::UPSTREAM_FAILED, &words).await;
    }

    async fn fail(&self, asked: Asked<'_>, code: i64, words: &str) {
        let words = answer::plain_error(Some(asked.id), code, words);
        self.tell_of(asked.mute, Bytes::from(words)).await;
    }
}

/// The answer in a response that the client is not to see.
async fn first_answer(response: http::Response<hyper::body::Incoming>) -> Option<Bytes> {
    match hear(response).await {
        Heard::Message(message) => Some(message),
        Heard::Events(mut events) => loop {
            let event = events.next().await?;
            let answers = |parts: Parts| parts.method.is_none();
            if event.carries_message() && parts::read(&event.data).is_ok_and(answers) {
                return Some(event.data);
            }
        },
        Heard::Nothing | Heard::Odd(_) => None,
    }
}

/// Whose answer is awaited, and whether it still is.
#[derive(Clone, Copy)]
struct Asked<'a> {
    id: &'a str,
    mute: &'a Mute,
}

/// Why an answer was not handed on.
enum Lost {
    /// The gate does not know the session.
    Session,
    /// Headers that repeat arguments are missing; the refusal itself.
    Mirrors(Bytes),
}

fn is_mirror_trouble(status: StatusCode, message: &[u8]) -> bool {
    status == StatusCode::BAD_REQUEST
        && parts::read(message).is_ok_and(|parts| parts.error_code == Some(code::HEADER_MISMATCH))
        && memchr::memmem::find(message, header::PARAM_PREFIX.as_bytes()).is_some()
}

fn error_code(message: &[u8]) -> Option<i64> {
    parts::read(message).ok()?.error_code
}

fn words_of(message: &[u8]) -> String {
    let read: serde_json::Value = serde_json::from_slice(message).unwrap_or_default();
    let words = read
        .pointer("/error/message")
        .and_then(|words| words.as_str());
    words.unwrap_or("no reason is given").to_owned()
}

/// Whether a body is a message of JSON-RPC, which every answer of a gate is.
fn is_rpc(message: &[u8]) -> bool {
    let Ok(members) = outline(message, Rules::MESSAGE) else {
        return false;
    };
    let has = |key: &str| members.iter().any(|member| member.key == key);
    let version = members.iter().find(|member| member.key == "jsonrpc");
    version.is_some_and(|version| version.value == "\"2.0\"")
        && (has("result") || has("error") || has("method"))
}

/// The message with the request's id, where an HTTP answer had none: a client on lines knows its
/// answers by nothing else.
fn with_id(message: Bytes, id: &str) -> Bytes {
    let Ok(members) = outline(&message, Rules::MESSAGE) else {
        return message;
    };
    if members.iter().any(|member| member.key == "method") {
        return message;
    }
    let nameless = members.iter().find(|member| member.key == "id");
    let span = match nameless {
        Some(member) if member.value == "null" => Some((member.at, member.at + 4, String::new())),
        Some(_) => None,
        None => Some((1, 1, "\"id\":".to_owned())),
    };
    let Some((start, end, before)) = span else {
        return message;
    };
    let after = if before.is_empty() { "" } else { "," };
    let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
    let patch = Patch {
        span: Span {
            start: narrow(start),
            end: narrow(end),
        },
        with: format!("{before}{id}{after}").into_bytes(),
    };
    Bytes::from(apply(&message, vec![patch]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_json_rpc_is_known() {
        for (message, is) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, true),
            (r#"{"error":{"code":1},"jsonrpc":"2.0"}"#, true),
            (r#"{"detail":"Not Found"}"#, false),
            (r#"{"jsonrpc":"2.0","id":1}"#, false),
            (r#"{"id":1,"result":{}}"#, false),
            (r#"{"jsonrpc":"1.0","result":{}}"#, false),
            (r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#, false),
            ("{", false),
        ] {
            assert_eq!(is_rpc(message.as_bytes()), is, "{message}");
        }
    }

    #[test]
    fn an_answer_without_an_id_gets_the_one_it_answers() {
        let told = |message: &'static str| {
            String::from_utf8(with_id(Bytes::from_static(message.as_bytes()), "7").to_vec())
        };
        for (message, with) in [
            (r#"{"id": null,"error":{}}"#, r#"{"id": 7,"error":{}}"#),
            (r#"{"error":{}}"#, r#"{"id":7,"error":{}}"#),
            (r#"{"id":"x","result":{}}"#, r#"{"id":"x","result":{}}"#),
            (r#"{"method":"n"}"#, r#"{"method":"n"}"#),
            ("[1]", "[1]"),
        ] {
            assert_eq!(told(message).as_deref(), Ok(with));
        }
    }
}
