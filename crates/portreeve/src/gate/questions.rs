//! What a server asks and says beside its answers, judged by the policy.
//!
//! Requests, whatever era they come in, and notifications that the protocol does not know pass only
//! where the policy lets them; each decision is booked. What is shown of one that passes is
//! `inspect`'s to say.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use portreeve_policy::json::{Rules, Value, parse};
use portreeve_policy::{ServerRequest, Subject};

use super::brings::{Brings, names_only};
use super::decide::{Question, Refused, Verdict, cannot_wait, decide_subject};
use super::inspect::{Inspector, Look};
use super::record;
use super::release::unreadable;
use super::resolve::{Call, Moment};
use crate::mcp::answer;
use crate::mcp::code;
use crate::mcp::keys;
use crate::mcp::message::{self, Message, Shape};
use crate::mcp::method::{self, Topic};

/// How many matters a server may bring up in one answer or stream. Each is booked, and a refused
/// one is answered: without a bound a server could fill the ledger.
const MAX_MATTERS: usize = 1_000;

impl Inspector {
    /// Judges the requests that a modern server puts into a result; the first refusal, if any.
    pub(super) async fn judge_inputs(&self, requests: &str) -> Result<Option<Refused>, String> {
        let tree = parse(requests.as_bytes(), Rules::MESSAGE).map_err(|e| unreadable(&e))?;
        self.judge_input_requests(&tree).await
    }

    /// Judges what a server wants opened before a call can be answered: in the revisions that have
    /// it, an error says so.
    pub(super) async fn judge_error(&self, error: &str) -> Result<Option<Refused>, String> {
        let tree = parse(error.as_bytes(), Rules::MESSAGE).map_err(|e| unreadable(&e))?;
        let wanted = tree.get("data").and_then(|data| data.get("elicitations"));
        let Some(wanted) = wanted else {
            return Ok(None);
        };
        let all = wanted.elements().ok_or("`elicitations` is not a list")?;
        for one in all {
            if one.members().is_none_or(|all| keys::variant(all).is_some()) {
                return Err("an elicitation that others could read otherwise".to_owned());
            }
            let judged = self.judge_subject(
                "elicitation/create",
                Subject::ServerRequest(ServerRequest::ElicitationUrl),
            );
            if let Some(refused) = judged.await? {
                return Ok(Some(refused));
            }
        }
        Ok(None)
    }

    async fn judge_input_requests(&self, tree: &Value<'_>) -> Result<Option<Refused>, String> {
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
    pub(super) async fn look_at_request(&self, bytes: &Bytes) -> Result<Look, String> {
        let tree = message::read_tree(bytes).map_err(|e| e.reason)?;
        let message = message::read(&tree, bytes).map_err(|e| e.reason)?;
        match message.shape {
            Shape::Notification { method } => {
                if !self.finds_nothing_in(method) {
                    return Ok(Look::Drop("a notification that the policy withholds"));
                }
                if method == "notifications/tools/list_changed" {
                    self.recheck();
                }
                if let Some(wanted) = message.params.and_then(|p| p.get("inputRequests"))
                    && self.judge_input_requests(wanted).await?.is_some()
                {
                    return Ok(Look::Drop("a notification that the policy does not allow"));
                }
                let known = method::is_server_notification(method);
                if !known && self.judge(method, message.params).await?.is_some() {
                    return Ok(Look::Drop("a notification that the policy does not allow"));
                }
                let brings = if names_only(method, message.params) {
                    Brings::Names
                } else {
                    Brings::Something
                };
                let Some(told) = self.told_of_task(method, message.params, bytes) else {
                    return Ok(Look::Drop(
                        "about a task that is not known to be this caller's",
                    ));
                };
                Ok(match self.shown_beside(&told) {
                    Ok(shown) => Look::Pass(shown, None, brings),
                    Err(_) => Look::Drop("a notification that the policy withholds"),
                })
            }
            Shape::Request { id, method } => {
                if !(self.finds_nothing_in(id.as_json()) && self.finds_nothing_in(method)) {
                    return Ok(Look::Drop("a request that the policy withholds"));
                }
                self.look_at_question(bytes, &message, id.as_json(), method)
                    .await
            }
            Shape::Response { .. } => Err("a response with a method".into()),
        }
    }

    /// The server says that its tools changed: they are looked at, whether a client lists or not.
    fn recheck(&self) {
        let (gate, server) = (Arc::clone(&self.gate), Arc::clone(&self.visit.server));
        if gate.may_recheck(&server) {
            tokio::spawn(async move { gate.recheck(&server).await });
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
        let told = self.told_of_task(method, message.params, bytes);
        let shown = match self.shown_beside(told.as_ref().unwrap_or(bytes)) {
            Ok(shown) => shown,
            Err(withheld) => {
                let words = format!("[POLICY WITHHELD] {}", withheld.reason);
                return Ok(Look::Decline(decline(&words)));
            }
        };
        if session.note_asked(id) {
            let brings = if method == "ping" && message.params.is_none() {
                Brings::Names
            } else {
                Brings::Something
            };
            return Ok(Look::Pass(shown, None, brings));
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
        self.judge_subject(method, subject_of_server(method, params))
            .await
    }

    async fn judge_subject(
        &self,
        method: &str,
        subject: Subject<'_>,
    ) -> Result<Option<Refused>, String> {
        if self.matters.fetch_add(1, Ordering::Relaxed) >= MAX_MATTERS {
            return Err(format!(
                "it brings up more than {MAX_MATTERS} matters in one answer or stream"
            ));
        }
        let moment = self.gate.moment();
        let question = Question {
            visit: &self.visit,
            subject,
            args: None,
            client: None,
            now: moment.at,
        };
        let verdict = match decide_subject(&self.gate, &question) {
            Verdict::Ask(asking) => Verdict::Refuse(cannot_wait(&asking)),
            verdict => verdict,
        };
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
            client: None,
            watched: Vec::new(),
            approval_id: None,
        };
        let booked = match &verdict {
            Verdict::Allow(allowed) => record::passed(&self.gate, &call, &allowed.rule).await,
            Verdict::Refuse(refused) => record::refused(&self.gate, &call, refused).await,
            Verdict::Ask(_) => Ok(()),
        };
        booked.map_err(|e| e.to_string())?;
        Ok(match verdict {
            Verdict::Allow(_) | Verdict::Ask(_) => None,
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
