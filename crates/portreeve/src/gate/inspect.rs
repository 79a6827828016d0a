//! What comes back from a server, looked at before anybody sees it.
//!
//! Answers to lists are filtered by the same decision that judges calls, so that what is listed and
//! what is allowed cannot disagree. What the server asks is `questions`' to judge, and what may be
//! shown of the rest `release`'s; what nothing has to be taken out of passes as it came.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use portreeve_policy::ResultRules;
use portreeve_policy::json::{RawMember, Rules, outline_with, parse};

use super::brings::Brings;
use super::decide::Refused;
use super::envelope::Paid;
use super::list;
use super::matter::{Matter, beside_no_call};
use super::refuse::{self, Asked};
use super::release::{self, Withheld, unreadable};
use super::sessions::Session;
use super::turn::Turn;
use super::{Gate, Visit, task_ids};
use crate::ledger::Answer;
use crate::mcp::keys;
use crate::mcp::method::Topic;
use crate::mcp::revision::Era;
use crate::mcp::sse::Event;

/// Looks at the messages that a server sends in answer to one request, or on a free stream.
#[derive(Debug)]
pub(super) struct Inspector {
    pub gate: Arc<Gate>,
    pub visit: Visit,
    pub session: Option<Arc<Session>>,
    pub era: Era,
    /// The request that is answered; `None` on a free stream.
    pub request: Option<Request>,
    /// What everything is held to that is no answer.
    beside: Arc<ResultRules>,
    /// What the server has brought up so far that had to be judged.
    pub(super) matters: AtomicUsize,
}

/// The request whose answer is awaited.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Its id as JSON text.
    pub id: String,
    pub matter: Matter,
    pub call_id: String,
    /// Its place in the session, if there is one.
    pub turn: Option<Arc<Turn>>,
    /// What its later rounds need not pay.
    pub paid: Option<Box<Paid>>,
}

/// Whose request a response answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The one that this stream or body belongs to.
    Own,
    /// One whose own stream ended before the answer.
    Earlier,
}

/// What a result became.
enum Looked {
    Result(Bytes, Answer),
    /// The gate's own words took its place.
    Refused(Bytes),
}

/// What becomes of a server's message.
#[derive(Debug)]
pub(super) enum Look {
    /// It goes on to the client, once what it brings is noted. If it answers the inspector's own
    /// request, with what.
    Pass(Bytes, Option<Given>, Brings),
    /// It stays here.
    Drop(&'static str),
    /// It stays here, and the server is told this.
    Decline(Vec<u8>),
}

/// What a request was answered with, for the ledger.
#[derive(Debug)]
pub(super) struct Given {
    pub answer: Answer,
    pub reason: Option<String>,
}

impl Given {
    const fn plain(answer: Answer) -> Self {
        Self {
            answer,
            reason: None,
        }
    }
}

impl Inspector {
    pub(super) fn new(
        gate: &Arc<Gate>,
        visit: &Visit,
        session: Option<Arc<Session>>,
        era: Era,
        request: Option<Request>,
    ) -> Self {
        let beside = match &request {
            Some(request) => Arc::clone(&request.matter.beside),
            None => beside_no_call(visit),
        };
        Self {
            beside,
            gate: Arc::clone(gate),
            visit: visit.clone(),
            session,
            era,
            request,
            matters: AtomicUsize::new(0),
        }
    }

    /// Looks at what comes from now on as one who visits now would.
    pub(super) fn go_on_under(&mut self, visit: Visit) {
        self.beside = beside_no_call(&visit);
        self.visit = visit;
    }

    /// Looks at one message. An error says in what way it is none.
    pub(super) async fn look(&self, bytes: &Bytes) -> Result<Look, String> {
        let look = self.look_closely(bytes).await;
        // The error may say what the server said.
        look.map_err(|what| self.beside.redacted(&what).into_owned())
    }

    /// Whether an event's lines that carry no message may be shown as they are. On a stream that
    /// answers nothing they must say nothing, unless the event counts as saying something.
    pub(super) fn may_show_form(&self, event: &Event, brings: &Brings) -> bool {
        let counts = self.request.is_some() || matches!(brings, Brings::Something);
        let says_nothing = |line: &str| {
            line.starts_with("id:") || line == ":" || line == "event: message" || is_retry(line)
        };
        event
            .form()
            .all(|line| (counts || says_nothing(line)) && self.finds_nothing_in(line))
    }

    /// The id that an event goes on with, if the one it came with may be shown.
    pub(super) fn shown_id<'e>(&self, came: &Event, event: &'e Event) -> Option<&'e str> {
        let plain = came
            .id
            .as_deref()
            .is_none_or(|id| self.finds_nothing_in(id));
        event.id.as_deref().filter(|_| plain)
    }

    pub(super) fn finds_nothing_in(&self, text: &str) -> bool {
        matches!(self.beside.redacted(text), Cow::Borrowed(_))
    }

    async fn look_closely(&self, bytes: &Bytes) -> Result<Look, String> {
        let (members, within) =
            outline_with(bytes, Rules::MESSAGE, "result").map_err(|e| unreadable(&e))?;
        if let Some(key) = keys::envelope_variant(members.iter().map(|m| m.key.as_ref())) {
            return Err(format!(
                "the key {key:?} differs from another only in case or form"
            ));
        }
        // What is said there is looked through by nothing else.
        let is_other = |m: &RawMember<'_>| m.key == "jsonrpc" && m.value != "\"2.0\"";
        if members.iter().any(is_other) {
            return Err("its `jsonrpc` is not \"2.0\"".to_owned());
        }
        if members.iter().any(|m| m.key == "method") {
            return Box::pin(self.look_at_request(bytes)).await;
        }
        let member = |name: &str| members.iter().find(|m| m.key == name);
        let Some(id) = member("id") else {
            return Err("a message without method and id".into());
        };
        let Some((request, whose)) = self.awaited(id.value) else {
            return Ok(Look::Drop("an answer to nothing that was asked"));
        };
        let (part, is_error) = match (member("result"), member("error")) {
            (Some(result), None) => (result.value, false),
            (None, Some(error)) => (error.value, true),
            _ => return Err("a response with neither or both of `result` and `error`".into()),
        };
        let brings = Brings::answer(&request, whose == Whose::Own);
        // What stands beside the result reaches the caller as well.
        let known = |m: &RawMember<'_>| ["jsonrpc", "id", "result", "error"].contains(&&*m.key);
        let beside = members.iter().filter(|m| !known(m));
        let beside: usize = beside.map(|m| m.key.len() + m.value.len()).sum();
        let size = part.len() + beside;
        let (bytes, given, brings) = match shown(&request.matter.answer, bytes, size) {
            Err(withheld) => {
                let (words, given) = self.withhold(&request, &withheld);
                // That it was withheld, and why, is something the server brought about.
                (words, given, brings)
            }
            Ok(shown) if is_error => match Box::pin(self.judge_error(part)).await? {
                None => (shown, Given::plain(Answer::Error), brings),
                Some(refused) => {
                    let words = self.refusal(&request, &refused);
                    (words, Given::plain(Answer::Error), Brings::Nothing)
                }
            },
            Ok(shown) => {
                let outlines;
                let result = if shown.as_ptr() == bytes.as_ptr() {
                    &within
                } else {
                    outlines = outline_with(&shown, Rules::MESSAGE, "result");
                    &outlines.map_err(|e| unreadable(&e))?.1
                };
                let result = result.as_deref().ok_or("its `result` is not an object")?;
                match self.look_at_result(&shown, result, &request).await? {
                    Looked::Result(shown, answer) => (shown, Given::plain(answer), brings),
                    Looked::Refused(words) => {
                        (words, Given::plain(Answer::ToolError), Brings::Nothing)
                    }
                }
            }
        };
        // The answer to another stream's request does not end this one's call.
        let given = (whose == Whose::Own).then_some(given);
        Ok(Look::Pass(bytes, given, brings))
    }

    fn withhold(&self, request: &Request, withheld: &Withheld) -> (Bytes, Given) {
        let words = refuse::withheld(&self.asked(request), withheld, &request.call_id);
        let given = Given {
            answer: Answer::Withheld,
            reason: Some(withheld.reason.clone()),
        };
        (Bytes::from(words), given)
    }

    /// The request that a response with this id answers.
    fn awaited(&self, id: &str) -> Option<(Cow<'_, Request>, Whose)> {
        let own = self.request.as_ref().filter(|r| same_id(&r.id, id));
        if let Some(own) = own {
            return Some((Cow::Borrowed(own), Whose::Own));
        }
        let matter = self.session.as_ref()?.turns.take_set_aside(id)?;
        let request = Request {
            id: id.to_owned(),
            matter,
            call_id: String::new(),
            turn: None,
            paid: None,
        };
        Some((Cow::Owned(request), Whose::Earlier))
    }

    async fn look_at_result(
        &self,
        bytes: &Bytes,
        members: &[RawMember<'_>],
        request: &Request,
    ) -> Result<Looked, String> {
        let topic = request.matter.topic;
        if let Some(key) = keys::result_variant(members.iter().map(|m| m.key.as_ref())) {
            return Err(format!(
                "the key {key:?} of the result differs from another only in case or form"
            ));
        }
        let member = |name: &str| members.iter().find(|m| m.key == name).map(|m| m.value);
        if let Some(requests) = member("inputRequests")
            && let Some(refused) = Box::pin(self.judge_inputs(requests)).await?
        {
            return Ok(Looked::Refused(self.refusal(request, &refused)));
        }
        if let Topic::List(listed) = topic {
            let filtered = Box::pin(list::filter(self, listed, bytes)).await?;
            return Ok(Looked::Result(filtered, Answer::Ok));
        }
        let sealed;
        let bytes = if task_ids::may_name_one(&request.matter, |name| member(name).is_some()) {
            sealed = self.with_sealed_tasks(bytes, request)?;
            &sealed
        } else {
            bytes
        };
        let enveloped;
        let bytes = match &request.paid {
            Some(paid) if member("resultType").is_some_and(|kind| kind != "\"complete\"") => {
                let tool = request.matter.tool.as_deref();
                enveloped = self.in_envelope(bytes, (tool, paid))?;
                &enveloped
            }
            _ => bytes,
        };
        if topic == Topic::Resource && member("cacheScope").is_some() {
            let private = list::for_one_caller(bytes)?;
            return Ok(Looked::Result(private, Answer::Ok));
        }
        let failed = topic == Topic::Tool && member("isError") == Some("true");
        let kind = if failed {
            Answer::ToolError
        } else {
            Answer::Ok
        };
        Ok(Looked::Result(bytes.clone(), kind))
    }

    fn refusal(&self, request: &Request, refused: &Refused) -> Bytes {
        let words = refuse::refusal(&self.asked(request), refused, &request.call_id);
        Bytes::from(words)
    }

    pub(super) fn asked<'r>(&self, request: &'r Request) -> Asked<'r> {
        Asked {
            id: Some(&request.id),
            topic: request.matter.topic,
            era: self.era,
            tool: request.matter.tool.as_deref(),
        }
    }

    /// A message that is no answer, as it may be shown.
    pub(super) fn shown_beside(&self, bytes: &Bytes) -> Result<Bytes, Withheld> {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        shown(&self.beside, bytes, text.len())
    }
}

/// A message as the rules let it be shown, if the part that counts is not too large.
fn shown(rules: &ResultRules, message: &Bytes, size: usize) -> Result<Bytes, Withheld> {
    release::within_limit(rules, size)?;
    release::redacted(rules, message)
}

/// How long a client is to wait before it connects again.
fn is_retry(line: &str) -> bool {
    let millis = line.strip_prefix("retry:").map(str::trim);
    millis.is_some_and(|millis| millis.len() < 10 && millis.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether two ids, as JSON text, are the same id.
fn same_id(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (a, b) = (
        parse(a.as_bytes(), Rules::MESSAGE),
        parse(b.as_bytes(), Rules::MESSAGE),
    );
    match (&a, &b) {
        (Ok(a), Ok(b)) => a.as_str().is_some() && a.as_str() == b.as_str(),
        _ => false,
    }
}
