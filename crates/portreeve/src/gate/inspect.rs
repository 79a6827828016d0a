//! What comes back from a server, looked at before anybody sees it.
//!
//! Answers to lists are filtered by the same decision that judges calls, so that what is listed and
//! what is allowed cannot disagree. Requests of the server, in either era, pass only where the
//! policy lets them. Everything else passes as it came.

use std::sync::Arc;

use bytes::Bytes;
use portreeve_policy::json::{Rules, Value, outline, parse};
use portreeve_policy::{ServerRequest, Subject};

use super::decide::{Refused, Verdict, decide_subject};
use super::list;
use super::record;
use super::refuse::{self, Asked};
use super::resolve::{Call, Moment};
use super::sessions::Session;
use super::{Gate, Visit};
use crate::ledger::Answer;
use crate::mcp::answer;
use crate::mcp::code;
use crate::mcp::keys;
use crate::mcp::message::{self, Message, Shape};
use crate::mcp::method::{self, Topic};
use crate::mcp::revision::Era;

/// Looks at the messages that a server sends in answer to one request, or on a free stream.
#[derive(Clone, Debug)]
pub(super) struct Inspector {
    pub gate: Arc<Gate>,
    pub visit: Visit,
    pub session: Option<Arc<Session>>,
    pub era: Era,
    /// The request that is answered; `None` on a free stream.
    pub request: Option<Request>,
}

/// The request whose answer is awaited.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Its id as JSON text.
    pub id: String,
    pub topic: Topic,
    pub tool: Option<String>,
    pub call_id: String,
}

/// What becomes of a server's message.
#[derive(Debug)]
pub(super) enum Look {
    /// It goes on to the client. If it is the awaited answer, what kind of answer it is.
    Pass(Bytes, Option<Answer>),
    /// It stays here.
    Drop(&'static str),
    /// It stays here, and the server is told this.
    Decline(Vec<u8>),
}

impl Inspector {
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
        let Some(request) = self.awaited(id.value) else {
            return Ok(Look::Drop("an answer to nothing that was asked"));
        };
        match (member("result"), member("error")) {
            (Some(result), None) => self.look_at_result(bytes, result.value, &request).await,
            (None, Some(_)) => Ok(Look::Pass(bytes.clone(), Some(Answer::Error))),
            _ => Err("a response with neither or both of `result` and `error`".into()),
        }
    }

    /// The request that a response with this id answers.
    fn awaited(&self, id: &str) -> Option<Request> {
        let own = self.request.as_ref().filter(|r| same_id(&r.id, id));
        own.cloned().or_else(|| {
            let topic = self.session.as_ref()?.take_awaited(id)?;
            Some(Request {
                id: id.to_owned(),
                topic,
                tool: None,
                call_id: String::new(),
            })
        })
    }

    async fn look_at_result(
        &self,
        bytes: &Bytes,
        result: &str,
        request: &Request,
    ) -> Result<Look, String> {
        if let Topic::List(listed) = request.topic {
            let filtered = list::filter(self, listed, bytes).await?;
            return Ok(Look::Pass(filtered, Some(Answer::Ok)));
        }
        // A result that is no object holds nothing to look at.
        let members = outline(result.as_bytes(), Rules::MESSAGE).map_err(|e| e.to_string())?;
        let member = |name: &str| members.iter().find(|m| m.key == name).map(|m| m.value);
        if let Some(requests) = member("inputRequests")
            && let Some(refused) = self.judge_inputs(requests).await?
        {
            return Ok(Look::Pass(
                self.refusal(request, &refused),
                Some(Answer::ToolError),
            ));
        }
        let failed = request.topic == Topic::Tool && member("isError") == Some("true");
        let kind = if failed {
            Answer::ToolError
        } else {
            Answer::Ok
        };
        Ok(Look::Pass(bytes.clone(), Some(kind)))
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
    let mode = || params.and_then(|p| p.get("mode"));
    match method {
        "sampling/createMessage" => Subject::ServerRequest(ServerRequest::Sampling),
        "roots/list" => Subject::ServerRequest(ServerRequest::Roots),
        "elicitation/create" => match mode() {
            None => Subject::ServerRequest(ServerRequest::Elicitation),
            Some(mode) if mode.as_str() == Some("form") => {
                Subject::ServerRequest(ServerRequest::Elicitation)
            }
            // What is not surely a form is judged as the more dangerous kind.
            Some(_) => Subject::ServerRequest(ServerRequest::ElicitationUrl),
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
