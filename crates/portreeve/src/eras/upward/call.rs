//! A request of a legacy client, carried out in as many rounds as the modern server wants.
//!
//! Where the server needs input, the client is asked in the stream that answers its request, and the
//! request is made again with what it said. The rules are asked in every round; what the call costs
//! is taken once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use portreeve_policy::json::{Rules, parse};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::session::{Asked, Running, Session};
use super::stamp::{self, Stamped};
use super::{Errand, stamp::stamped};
use crate::eras::answers::{self, Needed, Question};
use crate::eras::draft::{Draft, object};
use crate::eras::events::{self, Carried};
use crate::eras::way::is_of_another_era;
use crate::eras::{Eras, capabilities};
use crate::gate::{Payload, Reply, Rounds, Status, Visit};
use crate::mcp::revision::{Era, MODERN};
use crate::mcp::{answer, code};

/// How often a server may want more before it is given up.
const MAX_ROUNDS: u32 = 16;
/// How long a client may take to answer what a server wants to know.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long the gate waits, times the rounds so far, before a server that wants nothing but time is
/// asked again.
const PAUSE: Duration = Duration::from_millis(250);
/// Events that may wait for a slow client.
const IN_FLIGHT: usize = 16;

/// One request on its way.
pub(super) struct Call {
    eras: Arc<Eras>,
    visit: Visit,
    headers: HeaderMap,
    session: Option<Arc<Session>>,
    /// The client's id for it, as JSON text.
    id: String,
    first: Option<Bytes>,
    draft: Draft,
    rounds: Arc<Rounds>,
    running: Running,
}

/// What comes next of it.
enum Next {
    Stream(mpsc::Receiver<Bytes>),
    Ask(Needed),
}

/// How a call ends that is not answered by its server.
enum End {
    /// With this answer.
    Said(Vec<u8>),
    /// Nobody hears it any more.
    Unheard,
}

impl Call {
    pub(super) fn new(eras: &Arc<Eras>, errand: &Errand<'_>, id: &str) -> Self {
        let Stamped { headers, body } = stamped(errand);
        let mut draft = errand.draft.clone();
        stamp::stamp(&mut draft, errand.session.as_deref());
        let running = errand.session.as_ref().map(|session| session.run(id));
        Self {
            eras: Arc::clone(eras),
            visit: errand.visit.clone(),
            headers,
            session: errand.session.clone(),
            id: id.to_owned(),
            first: Some(body),
            draft,
            rounds: Arc::default(),
            running: running.unwrap_or_default(),
        }
    }

    pub(super) async fn run(mut self) -> Reply {
        let body = self.first.take().unwrap_or_default();
        let cancelled = Arc::clone(&self.running.cancelled);
        let reply = tokio::select! {
            reply = self.post(body) => reply,
            () = cancelled.notified() => {
                let words = "the client cancelled the request";
                let words = answer::plain_error(Some(&self.id), code::UPSTREAM_FAILED, words);
                return Reply::message(Status::Fine, words);
            }
        };
        if is_of_another_era(&reply) {
            return self.learn_anew();
        }
        match reply.payload {
            Payload::Events(events) => self.go_on(Next::Stream(events)),
            Payload::Message(message) => match answers::outline(&message).needs_input {
                Some(needed) => self.go_on(Next::Ask(needed)),
                None => Reply::message(client_status(reply.status), message),
            },
            Payload::Nothing => reply,
        }
    }

    /// The server does not speak the modern era any more: the client is to begin anew.
    fn learn_anew(&self) -> Reply {
        let (spoken, now) = (&self.visit.server.spoken, self.eras.gate.clock().now());
        spoken.forget(Era::Legacy, now);
        spoken.forget(Era::Modern, now);
        if let Some(session) = &self.session {
            self.eras.elders.close(&session.id);
        }
        let words = "the server has changed the revision that it speaks; initialize again";
        let words = answer::plain_error(Some(&self.id), code::NO_SESSION, words);
        Reply::message(Status::NoSession, words)
    }

    async fn post(&self, body: Bytes) -> Reply {
        let (visit, headers) = (self.visit.clone(), self.headers.clone());
        let gate = &self.eras.gate;
        gate.post_round(visit, headers, body, &self.rounds).await
    }

    /// Goes on in a stream of its own.
    fn go_on(self, next: Next) -> Reply {
        let (to_client, events) = mpsc::channel(IN_FLIGHT);
        tokio::spawn(async move {
            let gone = to_client.clone();
            let cancelled = Arc::clone(&self.running.cancelled);
            let ended = tokio::select! {
                ended = self.rounds(next, &to_client) => ended,
                () = gone.closed() => return,
                () = cancelled.notified() => return,
            };
            if let Err(End::Said(words)) = ended {
                let event = events::written(&Bytes::from(words), None);
                // If the client is gone as well, nobody is left to be told.
                to_client.send(event).await.ok();
            }
        });
        Reply::new(Status::Fine, Payload::Events(events))
    }

    async fn rounds(&self, first: Next, to_client: &mpsc::Sender<Bytes>) -> Result<(), End> {
        let mut next = first;
        for round in 1..MAX_ROUNDS {
            let needed = match next {
                Next::Ask(needed) => needed,
                Next::Stream(events) => match self.pass(events, to_client).await? {
                    Some(needed) => needed,
                    None => return Ok(()),
                },
            };
            if needed.requests.is_empty() {
                sleep(PAUSE.saturating_mul(round)).await;
            }
            let body = self.again(&needed, to_client, round).await?;
            next = match self.post(body).await.payload {
                Payload::Nothing => return Ok(()),
                Payload::Events(events) => Next::Stream(events),
                Payload::Message(message) => match answers::outline(&message).needs_input {
                    Some(needed) => Next::Ask(needed),
                    None => return self.answer(message, None, to_client).await,
                },
            };
        }
        let words = format!("the server wants to know more after {MAX_ROUNDS} rounds");
        Err(self.error(code::UPSTREAM_FAILED, &words))
    }

    /// Passes what comes to the client, up to the answer or up to what the server needs.
    async fn pass(
        &self,
        mut events: mpsc::Receiver<Bytes>,
        to_client: &mpsc::Sender<Bytes>,
    ) -> Result<Option<Needed>, End> {
        while let Some(event) = events.recv().await {
            if let Carried::Response(message) = events::read(&event) {
                if let Some(needed) = answers::outline(&message).needs_input {
                    return Ok(Some(needed));
                }
                self.answer(message, Some(event), to_client).await?;
                continue;
            }
            to_client.send(event).await.map_err(|_| End::Unheard)?;
        }
        Ok(None)
    }

    async fn answer(
        &self,
        message: Bytes,
        came: Option<Bytes>,
        to_client: &mpsc::Sender<Bytes>,
    ) -> Result<(), End> {
        let named = answers::with_id(message.clone(), &self.id);
        let event = match came {
            Some(event) if named.as_ptr() == message.as_ptr() => event,
            came => events::written(&named, came.as_ref()),
        };
        to_client.send(event).await.map_err(|_| End::Unheard)
    }

    /// The request once more, with what the client says to what the server needs.
    async fn again(
        &self,
        needed: &Needed,
        to_client: &mpsc::Sender<Bytes>,
        round: u32,
    ) -> Result<Bytes, End> {
        let mut asked = Vec::new();
        for question in &needed.requests {
            asked.push((question, self.ask(question, to_client).await?));
        }
        let clock = self.eras.gate.clock();
        let mut said = Vec::new();
        for (question, mut asked) in asked {
            let Some(Ok(answer)) = clock.timeout(PATIENCE, &mut asked.answer).await else {
                let words = format!("the client did not answer {} in time", question.method);
                return Err(self.error(code::NOT_TRANSLATED, &words));
            };
            said.push((question.key.as_str(), self.response(question, &answer)?));
        }
        // An id of its own, for it is a request of its own.
        let mut draft = self.draft.with_id(format!("\"portreeve-round-{round}\""));
        if !said.is_empty() {
            draft.set("inputResponses", object(&said));
        }
        if let Some(state) = &needed.state {
            draft.set("requestState", state.clone());
        }
        Ok(draft.write())
    }

    /// Asks the client one thing.
    async fn ask(
        &self,
        question: &Question,
        to_client: &mpsc::Sender<Bytes>,
    ) -> Result<Asked, End> {
        let method = &question.method;
        let Some(session) = &self.session else {
            let words = format!("the server wants {method}, and there is no session to ask in");
            return Err(self.error(code::NOT_TRANSLATED, &words));
        };
        if !capabilities::allow(&session.capabilities, question) {
            let words = format!("the server wants {method}, which this client did not declare");
            return Err(self.error(code::NOT_TRANSLATED, &words));
        }
        let Some(asked) = session.ask() else {
            let words = "too many questions wait for this client's answers";
            return Err(self.error(code::NOT_TRANSLATED, words));
        };
        let mut members = vec![
            ("jsonrpc", answers::text("2.0")),
            ("id", asked.id.clone().into_bytes()),
            ("method", answers::text(method)),
        ];
        members.extend(question.params.clone().map(|params| ("params", params)));
        let event = events::written(&Bytes::from(object(&members)), None);
        to_client.send(event).await.map_err(|_| End::Unheard)?;
        Ok(asked)
    }

    /// A client's answer in the form that a modern server takes.
    fn response(&self, question: &Question, answer: &Bytes) -> Result<Vec<u8>, End> {
        let tree = parse(answer, Rules::MESSAGE).ok();
        let result = tree.as_ref().and_then(|tree| tree.get("result"));
        match result {
            Some(result) => Ok(result.span.of(answer).to_vec()),
            // Who cannot answer has not answered.
            None if question.method == "elicitation/create" => {
                Ok(br#"{"action":"cancel"}"#.to_vec())
            }
            None => {
                let words = format!(
                    "the client answered {} with an error, which a server of revision {MODERN} \
                     cannot be told",
                    question.method
                );
                Err(self.error(code::NOT_TRANSLATED, &words))
            }
        }
    }

    fn error(&self, code: i64, words: &str) -> End {
        End::Said(answer::plain_error(Some(&self.id), code, words))
    }
}

/// To a legacy client the transport's status tells nothing of an answer.
const fn client_status(status: Status) -> Status {
    match status {
        Status::Malformed | Status::NotFound | Status::NotOffered => Status::Fine,
        other => other,
    }
}
