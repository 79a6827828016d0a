//! A request of a modern client, made in a legacy session.

use std::sync::Arc;

use bytes::Bytes;
use portreeve_policy::json::Value;
use portreeve_policy::time::Timestamp;
use tokio::sync::mpsc;

use super::going::{Client, Going, Step};
use super::parked::{PATIENCE, Waiting};
use super::{Declared, Errand, state};
use crate::eras::answers::{self, Question};
use crate::eras::draft::{Draft, json, object};
use crate::eras::{Eras, events};
use crate::gate::{Payload, Reply, Status, matter};
use crate::mcp::message::Malformed;
use crate::mcp::{answer, code};

/// Events that may wait for a slow client.
const IN_FLIGHT: usize = 16;
/// Members that the modern era demands of every result, and of those that may be kept. What a legacy
/// server says may be another's tomorrow: nobody may keep it.
const OF_RESULTS: (&str, &[u8]) = ("resultType", br#""complete""#);
const OF_KEPT: [(&str, &[u8]); 2] = [("ttlMs", b"0"), ("cacheScope", br#""private""#)];

/// A call, and the client that waits for it.
struct Talk {
    eras: Arc<Eras>,
    /// `None` once it is parked.
    going: Option<Going>,
    /// The client's id, as JSON text.
    id: String,
    method: String,
    matter: String,
    /// What it takes to begin once more, should the session have expired.
    again: Option<(Declared, Draft)>,
}

/// What the client is told next.
enum Next {
    Note(Bytes),
    End(Status, Bytes),
}

impl Eras {
    pub(super) async fn call_downward(self: &Arc<Self>, errand: Errand<'_>) -> Reply {
        if errand.message.param("inputResponses").is_some() {
            let words = "`inputResponses` without the `requestState` that they belong to";
            let words = answer::plain_error(Some(&errand.id), code::INVALID_PARAMS, words);
            return Reply::message(Status::Malformed, words);
        }
        let from = (&errand.visit, &errand.headers);
        let lease = match self.lease(from, &errand.declared, &errand.id).await {
            Ok(lease) => lease,
            Err(reply) => return reply,
        };
        let inner_id = self.own_id();
        let body = errand.draft.with_id(inner_id.clone()).write();
        let client = Client {
            eras: Arc::clone(self),
            visit: errand.visit,
            headers: errand.headers,
            rounds: Arc::default(),
            hears_logs: errand.declared.level.is_some(),
            capabilities: errand.declared.capabilities.clone(),
        };
        let talk = Talk {
            eras: Arc::clone(self),
            going: Some(Going::start(client, lease, (inner_id, body))),
            id: errand.id,
            method: errand.message.method().unwrap_or_default().to_owned(),
            matter: matter(&errand.message),
            again: Some((errand.declared, errand.draft)),
        };
        talk.run().await
    }

    /// A client that comes back with what a server wanted to know.
    pub(super) async fn resume(self: &Arc<Self>, errand: Errand<'_>) -> Reply {
        let method = errand.message.method().unwrap_or_default();
        let matter = matter(&errand.message);
        let presented = errand.message.param("requestState").and_then(Value::as_str);
        let now = self.gate.clock().now();
        let (keys, visit) = (self.gate.keys(), &errand.visit);
        let nonce = presented.and_then(|text| state::open(keys, text, visit, (&matter, now)));
        let Some(waiting) = nonce.and_then(|nonce| self.parked.take(&nonce)) else {
            let reason = "its requestState is not of a call that waits: it was used, has expired, \
                          or belongs to another call or caller; call again without it";
            let malformed = Malformed {
                code: code::INVALID_PARAMS,
                reason: reason.to_owned(),
                id: Some(errand.id.clone()),
                method: Some(method.to_owned()),
            };
            let refused = self.gate.refuse_malformed(&errand.visit, &malformed).await;
            return modern_reply(method, refused, &errand.id);
        };
        let mut talk = Talk {
            eras: Arc::clone(self),
            going: None,
            id: errand.id.clone(),
            method: method.to_owned(),
            matter,
            again: None,
        };
        match self.answered(&errand, waiting).await {
            Ok(mut going) => {
                going.client.visit = errand.visit;
                going.client.headers = errand.headers;
                talk.going = Some(going);
                talk.run().await
            }
            Err(Unanswered::Reply(reply)) => modern_reply(method, reply, &errand.id),
            Err(Unanswered::Missing(waiting)) => {
                // INVARIANT: what a client sends is booked, though nothing comes of it
                // (`a_retry_without_the_answer_is_booked_and_wins_no_time`).
                let unavailable = self.book_incomplete(&errand).await;
                if let Some(unavailable) = unavailable {
                    let words = "the call cannot be booked";
                    waiting.going.decline(&waiting.asked, words).await;
                    return unavailable;
                }
                let Waiting {
                    going,
                    asked,
                    question,
                    until,
                } = *waiting;
                talk.going = Some(going);
                match talk.park((asked, question), until).await {
                    Some((status, words)) => Reply::message(status, words),
                    None => talk.run().await,
                }
            }
        }
    }

    /// Books a retry without what its server waits for; the reply, if that cannot be booked.
    async fn book_incomplete(&self, errand: &Errand<'_>) -> Option<Reply> {
        let malformed = Malformed {
            code: code::INVALID_PARAMS,
            reason: "it came back without the `inputResponses` that its server waits for"
                .to_owned(),
            id: Some(errand.id.clone()),
            method: errand.message.method().map(str::to_owned),
        };
        let booked = self.gate.refuse_malformed(&errand.visit, &malformed).await;
        (booked.status == Status::Unavailable).then_some(booked)
    }

    /// Judges a retry, and gives the server what it waits for.
    async fn answered(
        self: &Arc<Self>,
        errand: &Errand<'_>,
        waiting: Waiting,
    ) -> Result<Going, Unanswered> {
        let going = &waiting.going;
        let headers = going.session_headers(&errand.headers, true);
        let (visit, body) = (errand.visit.clone(), errand.draft.write());
        // INVARIANT: the rules are asked again in every round, as they stand then
        // (`a_retry_is_judged_again_and_not_charged_again`).
        let refused = self
            .gate
            .refuses_round(visit, headers, body, &going.client.rounds);
        if let Some(refused) = refused.await {
            going
                .decline(&waiting.asked, "the call was refused meanwhile")
                .await;
            return Err(Unanswered::Reply(refused));
        }
        let said = errand.message.param("inputResponses");
        let said = said.and_then(|said| said.get(&waiting.question.key));
        let Some(said) = said.filter(|said| said.members().is_some()) else {
            return Err(Unanswered::Missing(Box::new(waiting)));
        };
        let told = going
            .reply_to(&waiting.asked, said.span.of(errand.text))
            .await;
        if told.status != Status::Accepted {
            return Err(Unanswered::Reply(told));
        }
        Ok(waiting.going)
    }
}

/// Why a server did not get what it waits for.
enum Unanswered {
    Reply(Reply),
    /// The client came back without it.
    Missing(Box<Waiting>),
}

impl Talk {
    /// The answer, or the stream that brings it.
    async fn run(mut self) -> Reply {
        let first = match self.next().await {
            Next::End(status, words) => return Reply::message(status, words),
            Next::Note(event) => event,
        };
        let (to_client, events) = mpsc::channel(IN_FLIGHT);
        tokio::spawn(async move {
            let gone = to_client.clone();
            // Dropped before its end, the call is cancelled.
            tokio::select! {
                () = self.stream(first, to_client) => {}
                () = gone.closed() => {}
            }
        });
        Reply::new(Status::Fine, Payload::Events(events))
    }

    async fn stream(&mut self, first: Bytes, to_client: mpsc::Sender<Bytes>) {
        let mut event = first;
        loop {
            if to_client.send(event).await.is_err() {
                return;
            }
            event = match self.next().await {
                Next::Note(event) => event,
                Next::End(_, words) => {
                    let last = events::written(&words, Some(&words));
                    to_client.send(last).await.ok();
                    return;
                }
            };
        }
    }

    async fn next(&mut self) -> Next {
        loop {
            let Some(going) = &mut self.going else {
                return self.lost();
            };
            match going.step().await {
                Step::Note(event) => return Next::Note(event),
                Step::Answer(Status::NoSession, words) => {
                    if !self.begin_again().await {
                        return self.end(Status::Fine, words);
                    }
                }
                Step::Answer(status, words) => return self.end(status, words),
                Step::Lost => return self.lost(),
                Step::Asked(asked, question) => {
                    let now = self.eras.gate.clock().now();
                    let patience = i64::try_from(PATIENCE.as_millis()).unwrap_or_default();
                    let until = Timestamp(now.0.saturating_add(patience));
                    if let Some((status, words)) = self.park((asked, question), until).await {
                        return Next::End(status, words);
                    }
                }
            }
        }
    }

    /// The server does not know the session any more: it did nothing, and the call is made in another.
    async fn begin_again(&mut self) -> bool {
        let (Some(mut going), Some((declared, draft))) = (self.going.take(), self.again.take())
        else {
            return false;
        };
        going.lose_session();
        let from = (&going.client.visit, &going.client.headers);
        let Ok(lease) = self.eras.lease_fresh(from, &declared, &self.id).await else {
            self.going = Some(going);
            return false;
        };
        let inner_id = self.eras.own_id();
        let body = draft.with_id(inner_id.clone()).write();
        let client = going.client.clone();
        self.going = Some(Going::start(client, lease, (inner_id, body)));
        true
    }

    /// Parks the call, and says what the server wants to know. Nothing if it cannot be parked: then
    /// the server is told, and the call goes on.
    async fn park(
        &mut self,
        (asked, question): (String, Question),
        until: Timestamp,
    ) -> Option<(Status, Bytes)> {
        let going = self.going.take()?;
        let visit = going.client.visit.clone();
        let requested = requested(&question);
        let waiting = Waiting {
            going,
            asked,
            question,
            until,
        };
        let nonce = match self.eras.parked.park(waiting, self.matter.len()) {
            Ok(nonce) => nonce,
            Err(waiting) => {
                let words = "too many calls wait for what their clients say";
                waiting.going.decline(&waiting.asked, words).await;
                self.going = Some(waiting.going);
                return None;
            }
        };
        let keys = self.eras.gate.keys();
        let Some(state) = state::seal(keys, (&nonce, until), &visit, &self.matter) else {
            self.eras.parked.take(&nonce);
            let words = "the system gives no random bytes";
            let words = answer::plain_error(Some(&self.id), code::UNAVAILABLE, words);
            return Some((Status::Unavailable, Bytes::from(words)));
        };
        let result = object(&[
            ("resultType", json("input_required")),
            ("inputRequests", requested),
            ("requestState", json(&state)),
        ]);
        let answer = object(&[
            ("jsonrpc", json("2.0")),
            ("id", self.id.clone().into_bytes()),
            ("result", result),
        ]);
        Some((Status::Fine, Bytes::from(answer)))
    }

    fn end(&self, status: Status, words: Bytes) -> Next {
        let (status, words) = modern(&self.method, (status, words), &self.id);
        Next::End(status, words)
    }

    fn lost(&self) -> Next {
        let words = "the server's stream ended before the answer";
        let words = answer::plain_error(Some(&self.id), code::UPSTREAM_FAILED, words);
        Next::End(Status::Fine, Bytes::from(words))
    }
}

fn requested(question: &Question) -> Vec<u8> {
    let mut request = vec![("method", json(&question.method))];
    let params = question.params.clone();
    request.extend(params.map(|params| ("params", params)));
    object(&[(&question.key, object(&request))])
}

/// An answer of the older era as the modern one has it.
pub(super) fn modern(method: &str, (status, answer): (Status, Bytes), id: &str) -> (Status, Bytes) {
    let said = answers::outline(&answer);
    if said.needs_input.is_some() {
        // Only the gate itself asks, and only what the client has declared.
        let words = "a server of the older era answered as one of the modern era";
        let words = answer::plain_error(Some(id), code::UPSTREAM_FAILED, words);
        return (Status::Fine, Bytes::from(words));
    }
    let mut answer = answers::with_id(answer, id);
    if method == "resources/read" && said.error == Some(code::NO_RESOURCE) {
        answer = answers::with_code(answer, code::NO_RESOURCE, code::INVALID_PARAMS);
    }
    if said.error.is_none() {
        let mut members = vec![OF_RESULTS];
        if method.ends_with("/list") || method == "resources/read" {
            members.extend(OF_KEPT);
        }
        answer = answers::with_members(answer, &members);
    }
    let status = match (status, said.error) {
        (_, Some(code::METHOD_NOT_FOUND)) => Status::NotFound,
        (Status::NoSession, _) => Status::Fine,
        (status, _) => status,
    };
    (status, answer)
}

pub(super) fn modern_reply(method: &str, reply: Reply, id: &str) -> Reply {
    match reply.payload {
        Payload::Message(message) => {
            let (status, message) = modern(method, (reply.status, message), id);
            Reply::message(status, message)
        }
        payload => Reply { payload, ..reply },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_what_the_modern_era_demands() {
        let of = |method: &str, text: &'static str| {
            let answer = Bytes::from_static(text.as_bytes());
            modern(method, (Status::Fine, answer), "7")
        };
        let (_, list) = of(
            "tools/list",
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#,
        );
        assert_eq!(
            list,
            r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[]}}"#
        );
        let (status, _) = of("x", r#"{"id":1,"error":{"code":-32601,"message":"m"}}"#);
        assert_eq!(status, Status::NotFound);
        let (_, missing) = of(
            "resources/read",
            r#"{"id":1,"error":{"code":-32002,"message":"m"}}"#,
        );
        assert_eq!(missing, r#"{"id":7,"error":{"code":-32602,"message":"m"}}"#);
        let (_, odd) = of(
            "tools/call",
            r#"{"id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}}"#,
        );
        assert!(String::from_utf8_lossy(&odd).contains("\"error\""));
    }
}
