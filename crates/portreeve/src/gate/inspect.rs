//! What comes back from a server, looked at before anybody sees it.
//!
//! Answers to lists are filtered by the same decision that judges calls, so that what is listed and
//! what is allowed cannot disagree. Requests of the server, in either era, pass only where the
//! policy lets them. Everything else passes as it came.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use portreeve_policy::json::{Rules, Value, outline, parse};
use portreeve_policy::{ServerRequest, Subject};

use super::decide::{Refused, Verdict, decide_subject};
use super::list;
use super::record;
use super::refuse::{self, Asked};
use super::resolve::{Call, Moment};
use super::sessions::Session;
use super::turn::Turn;
use super::{Gate, Visit};
use crate::ledger::Answer;
use crate::mcp::answer;
use crate::mcp::code;
use crate::mcp::keys;
use crate::mcp::message::{self, Message, Shape};
use crate::mcp::method::{self, Topic};
use crate::mcp::revision::Era;

/// Looks at the messages that a server sends in answer to one request, or on a free stream.
#[derive(Debug)]
pub(super) struct Inspector {
    pub gate: Arc<Gate>,
    pub visit: Visit,
    pub session: Option<Arc<Session>>,
    pub era: Era,
    /// The request that is answered; `None` on a free stream.
    pub request: Option<Request>,
    /// What the server has brought up so far that had to be judged.
    matters: AtomicUsize,
}

/// How many matters a server may bring up in one answer or stream. Each is booked, and a refused
/// one is answered: without a bound a server could fill the ledger.
const MAX_MATTERS: usize = 1_000;

/// The request whose answer is awaited.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Its id as JSON text.
    pub id: String,
    pub topic: Topic,
    pub tool: Option<String>,
    pub call_id: String,
    /// Its place in the session, if there is one.
    pub turn: Option<Arc<Turn>>,
}

/// Whose request a response answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The one that this stream or body belongs to.
    Own,
    /// One whose own stream ended before the answer.
    Earlier,
}

/// What becomes of a server's message.
#[derive(Debug)]
pub(super) enum Look {
    /// It goes on to the client. If it answers the inspector's own request, with what.
    Pass(Bytes, Option<Answer>),
    /// It stays here.
    Drop(&'static str),
    /// It stays here, and the server is told this.
    Decline(Vec<u8>),
}

impl Inspector {
    pub(super) fn new(
        gate: &Arc<Gate>,
        visit: &Visit,
        session: Option<Arc<Session>>,
        era: Era,
        request: Option<Request>,
    ) -> Self {
        Self {
            gate: Arc::clone(gate),
            visit: visit.clone(),
            session,
            era,
            request,
            matters: AtomicUsize::new(0),
        }
    }

    /// Looks at one message. An error says in what way it is none.
    pub(super) async fn look(&self, bytes: &Bytes) -> Result<Look, String> {
        let members = outline(bytes, Rules::MESSAGE).map_err(|e| e.to_string())?;
        if let Some(key) = keys::envelope_variant(members.iter().map(|m| m.key.as_ref())) {
            return Err(format!(
                "the key {key:?} differs from another only in case or form"
            ));
        }
        if members.iter().any(|m| m.key == "method") {
            return self.look_at_request(bytes).await;
        }
        let member = |name: &str| members.iter().find(|m| m.key == name);
        let Some(id) = member("id") else {
            return Err("a message without method and id".into());
        };
        let Some((request, whose)) = self.awaited(id.value) else {
            return Ok(Look::Drop("an answer to nothing that was asked"));
        };
        let (bytes, kind) = match (member("result"), member("error")) {
            (Some(result), None) => self.look_at_result(bytes, result.value, &request).await?,
            (None, Some(_)) => (bytes.clone(), Answer::Error),
            _ => return Err("a response with neither or both of `result` and `error`".into()),
        };
        // The answer to another stream's request does not end this one's call.
        Ok(Look::Pass(bytes, (whose == Whose::Own).then_some(kind)))
    }

    /// The request that a response with this id answers.
    fn awaited(&self, id: &str) -> Option<(Request, Whose)> {
        let own = self.request.as_ref().filter(|r| same_id(&r.id, id));
        if let Some(own) = own {
            return Some((own.clone(), Whose::Own));
        }
        let topic = self.session.as_ref()?.turns.take_set_aside(id)?;
        let request = Request {
            id: id.to_owned(),
            topic,
            tool: None,
            call_id: String::new(),
            turn: None,
        };
        Some((request, Whose::Earlier))
    }

    async fn look_at_result(
        &self,
        bytes: &Bytes,
        result: &str,
        request: &Request,
    ) -> Result<(Bytes, Answer), String> {
        let members = outline(result.as_bytes(), Rules::MESSAGE).map_err(|e| e.to_string())?;
        if let Some(key) = keys::result_variant(members.iter().map(|m| m.key.as_ref())) {
            return Err(format!(
                "the key {key:?} of the result differs from another only in case or form"
            ));
        }
        if let Topic::List(listed) = request.topic {
            return Ok((list::filter(self, listed, bytes).await?, Answer::Ok));
        }
        let member = |name: &str| members.iter().find(|m| m.key == name).map(|m| m.value);
        if let Some(requests) = member("inputRequests")
            && let Some(refused) = self.judge_inputs(requests).await?
        {
            return Ok((self.refusal(request, &refused), Answer::ToolError));
        }
        let failed = request.topic == Topic::Tool && member("isError") == Some("true");
        let kind = if failed {
            Answer::ToolError
        } else {
            Answer::Ok
        };
        Ok((bytes.clone(), kind))
    }

    fn refusal(&self, request: &Request, refused: &Refused) -> Bytes {
        let asked = Asked {
            id: Some(&request.id),
            topic: request.topic,
            era: self.era,
            tool: request.tool.as_deref(),
        };
        Bytes::from(refuse::refusal(&asked, refused, &request.call_id))
    }

    /// Judges the requests that a modern server puts into a result; the first refusal, if any.
    async fn judge_inputs(&self, requests: &str) -> Result<Option<Refused>, String> {
        let tree = parse(requests.as_bytes(), Rules::MESSAGE).map_err(|e| e.to_string())?;
        let members = tree.members().ok_or("`inputRequests` is not an object")?;
        for member in members {
            let params = member.value.get("params").and_then(Value::members);
            let odd = [member.value.members(), params]
                .into_iter()
                .flatten()
                .find_map(keys::variant);
            if let Some(key) = odd {
                return Err(format!(
                    "the key {key:?} of an input request differs from another only in case or form"
                ));
            }
            let method = member.value.get("method").and_then(Value::as_str);
            let method = method.ok_or("an input request without a method")?;
            let judged = self.judge(method, member.value.get("params")).await;
            if let Some(refused) = judged? {
                return Ok(Some(refused));
            }
        }
        Ok(None)
    }

    /// A request or notification of the server.
    async fn look_at_request(&self, bytes: &Bytes) -> Result<Look, String> {
        let tree = message::read_tree(bytes).map_err(|e| e.reason)?;
        let message = message::read(&tree, bytes).map_err(|e| e.reason)?;
        match message.shape {
            Shape::Notification { method } => {
                let known = method::is_server_notification(method);
                if known || self.judge(method, message.params).await?.is_none() {
                    return Ok(Look::Pass(bytes.clone(), None));
                }
                Ok(Look::Drop("a notification that the policy does not allow"))
            }
            Shape::Request { id, method } => {
                self.look_at_question(bytes, &message, id.as_json(), method)
                    .await
            }
            Shape::Response { .. } => Err("a response with a method".into()),
        }
    }

    async fn look_at_question(
        &self,
        bytes: &Bytes,
        message: &Message<'_>,
        id: &str,
        method: &str,
    ) -> Result<Look, String> {
        let decline = |words: &str| answer::plain_error(Some(id), code::POLICY_REFUSED, words);
        if method != "ping"
            && let Some(refused) = self.judge(method, message.params).await?
        {
            return Ok(Look::Decline(decline(&format!(
                "[POLICY DENIED] {}",
                refused.reason
            ))));
        }
        let Some(session) = &self.session else {
            // Without a session the client's answer could not be told from anybody else's.
            return Ok(Look::Decline(decline("there is no session to answer in")));
        };
        if session.note_asked(id) {
            return Ok(Look::Pass(bytes.clone(), None));
        }
        Ok(Look::Decline(decline(
            "too many requests wait for an answer, or this id is in use",
        )))
    }

    /// Decides about something that the server brings up, and books the decision.
    async fn judge(
        &self,
        method: &str,
        params: Option<&Value<'_>>,
    ) -> Result<Option<Refused>, String> {
        if self.matters.fetch_add(1, Ordering::Relaxed) >= MAX_MATTERS {
            return Err(format!(
                "it brings up more than {MAX_MATTERS} matters in one answer or stream"
            ));
        }
        let subject = subject_of_server(method, params);
        let moment = self.gate.moment();
        let verdict = decide_subject(&self.visit, subject, None, moment.at);
        let Moment { id, at, watch } = moment;
        let call = Call {
            id,
            at,
            watch,
            visit: &self.visit,
            method,
            topic: Topic::Other,
            subject: Some(subject),
            arguments: None,
            watched: Vec::new(),
        };
        let booked = match &verdict {
            Verdict::Allow(allowed) => record::passed(&self.gate, &call, &allowed.rule).await,
            Verdict::Refuse(refused) => record::refused(&self.gate, &call, refused).await,
        };
        booked.map_err(|e| e.to_string())?;
        Ok(match verdict {
            Verdict::Allow(_) => None,
            Verdict::Refuse(refused) => Some(refused),
        })
    }
}

fn subject_of_server<'a>(method: &'a str, params: Option<&Value<'_>>) -> Subject<'a> {
    let member = |name: &str| params.and_then(|p| p.get(name));
    match method {
        "sampling/createMessage" => Subject::ServerRequest(ServerRequest::Sampling),
        "roots/list" => Subject::ServerRequest(ServerRequest::Roots),
        "elicitation/create" => match member("mode") {
            None if member("url").is_none() => Subject::ServerRequest(ServerRequest::Elicitation),
            Some(mode) if mode.as_str() == Some("form") => {
                Subject::ServerRequest(ServerRequest::Elicitation)
            }
            // What is not surely a form is judged as the more dangerous kind.
            _ => Subject::ServerRequest(ServerRequest::ElicitationUrl),
        },
        other => Subject::Method { name: other },
    }
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
