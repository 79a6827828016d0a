//! Which message of a server's process belongs to whom.
//!
//! A process that serves one session keeps its client's ids: its bytes are left alone. A process that
//! serves many callers is asked under ids and progress tokens of our own, which are put back on the
//! way to whoever asked. What cannot be told to belong to a caller goes to none.
//!
//! INVARIANT: an answer reaches the request it answers or nobody (`stdio::sessions`,
//! `stdio::shared`, `an_answer_is_never_anothers`).

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::super::UpstreamError;
use super::outlet::{Delivery, Outlet, Room};
use super::past::Past;
use crate::clock::Stopwatch;
use crate::mcp::answer;
use crate::mcp::parts::{self, Kind, Mark, Parts};

/// Requests that one process may have open.
const MAX_RUNNING: usize = 1_000;
/// What waits for a client to open its free stream.
const MAX_WAITING: usize = 256;
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;
/// Our own ids in a process that keeps its client's begin where no client's do.
const FAR_IDS: u64 = 4_000_000_000_000;
/// JSON-RPC's "method not found": nobody is there to be asked.
const NOBODY_TO_ASK: i64 = -32601;

/// Whom a process serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Serves {
    /// One session of one client.
    Session,
    /// Requests of many callers.
    Everybody,
}

/// What becomes of a line.
#[derive(Debug)]
pub(in super::super) enum Route {
    /// To whoever waits for it; the wire id of the request it is for, if it is for one.
    To(Outlet, Bytes, Option<String>),
    /// It was delivered, or kept.
    Done,
    /// The process is told this.
    Reply(Vec<u8>),
    /// It is for nobody, and of this kind.
    Noise(&'static str),
}

/// The requests and streams of one process.
#[derive(Debug)]
pub(in super::super) struct Table {
    serves: Serves,
    /// By the id on the wire.
    running: HashMap<String, Running>,
    /// Progress tokens on the wire, and the ids of their requests.
    tokens: HashMap<String, String>,
    /// Requests that nobody waits for, whose answers may still come. Once some are forgotten no
    /// client's id is trusted to be fresh.
    abandoned: Past,
    /// Requests that were answered, and by a bad server may be once more.
    answered: Past,
    next_id: u64,
    free: Free,
    /// Why the process takes nothing any more.
    gone: Option<String>,
    used: Stopwatch,
    had_answered: bool,
}

#[derive(Debug)]
struct Running {
    outlet: Outlet,
    own_id: String,
    own_token: Option<String>,
    wire_token: Option<String>,
    /// Whether id and token on the wire are ours.
    renamed: bool,
}

/// A session's stream that answers no request.
#[derive(Debug)]
enum Free {
    Waiting(VecDeque<Bytes>, usize),
    Open(Outlet),
}

/// A request as it is sent.
#[derive(Debug)]
pub(in super::super) struct Begun {
    pub line: Bytes,
    /// Its id on the wire: canonical, and as it is written.
    pub wire_id: String,
    pub written: String,
    pub answers: mpsc::UnboundedReceiver<Delivery>,
}

impl Table {
    pub(in super::super) fn new(serves: Serves) -> Self {
        Self {
            serves,
            running: HashMap::new(),
            tokens: HashMap::new(),
            abandoned: Past::default(),
            answered: Past::default(),
            next_id: match serves {
                Serves::Session => FAR_IDS,
                Serves::Everybody => 1,
            },
            free: Free::Waiting(VecDeque::new(), 0),
            gone: None,
            used: Stopwatch::start(),
            had_answered: false,
        }
    }

    pub(in super::super) fn gone(&self) -> Option<&str> {
        self.gone.as_deref()
    }

    /// Whether it ever answered a request.
    pub(in super::super) const fn had_answered(&self) -> bool {
        self.had_answered
    }

    /// How long nobody has used the process; `None` while somebody does.
    pub(in super::super) fn idle(&self) -> Option<std::time::Duration> {
        let heard = matches!(&self.free, Free::Open(outlet) if !outlet.is_closed());
        (self.running.is_empty() && !heard).then(|| self.used.elapsed())
    }

    pub(in super::super) fn touch(&mut self) {
        self.used = Stopwatch::start();
    }

    /// Takes a request in.
    pub(in super::super) fn begin(
        &mut self,
        line: &Bytes,
        parts: &Parts,
    ) -> Result<Begun, UpstreamError> {
        if let Some(why) = &self.gone {
            return Err(UpstreamError::Unreachable(why.clone()));
        }
        if self.running.len() >= MAX_RUNNING {
            let why = format!("{MAX_RUNNING} requests wait for its answer already");
            return Err(UpstreamError::Unreachable(why));
        }
        let Some(id) = &parts.id else {
            return Err(UpstreamError::Unusable("a request without an id".into()));
        };
        self.touch();
        let renamed = self.must_rename(id, parts.progress.as_ref());
        let number = self.next_id;
        let (wire_id, written, line) = if renamed {
            self.next_id += 1;
            let ours = number.to_string();
            let token = parts.progress.iter();
            let patches = token.chain([id]).map(|mark| mark.replaced(&ours)).collect();
            (parts::own_id(number), ours, parts::patched(line, patches))
        } else {
            (id.value.clone(), id.written.clone(), line.clone())
        };
        let wire_token = parts.progress.as_ref().map(|token| {
            if renamed {
                wire_id.clone()
            } else {
                token.value.clone()
            }
        });
        if let Some(token) = &wire_token {
            self.tokens.insert(token.clone(), wire_id.clone());
        }
        let (outlet, answers) = Outlet::new();
        let running = Running {
            outlet,
            own_id: id.written.clone(),
            own_token: parts.progress.as_ref().map(|token| token.written.clone()),
            wire_token,
            renamed,
        };
        self.running.insert(wire_id.clone(), running);
        Ok(Begun {
            line,
            wire_id,
            written,
            answers,
        })
    }

    /// Whether a request's own id or token could be taken for another's.
    fn must_rename(&self, id: &Mark, token: Option<&Mark>) -> bool {
        let was = |name: &str| self.abandoned.contains(name) || self.answered.contains(name);
        self.serves == Serves::Everybody
            || self.abandoned.has_forgotten()
            || was(&id.value)
            || self.running.contains_key(&id.value)
            || token
                .is_some_and(|token| self.tokens.contains_key(&token.value) || was(&token.value))
    }

    /// Forgets a request whose client no longer waits; false if it was answered before.
    pub(in super::super) fn abandon(&mut self, wire_id: &str) -> bool {
        let Some(running) = self.take(wire_id) else {
            return false;
        };
        if let Some(token) = running.wire_token {
            self.abandoned.insert(token);
        }
        self.abandoned.insert(wire_id.to_owned());
        true
    }

    /// Ends a request without an answer.
    pub(in super::super) fn fail(&mut self, wire_id: &str, error: UpstreamError) -> bool {
        let outlet = self.running.get(wire_id).map(|r| r.outlet.clone());
        if let Some(outlet) = outlet {
            outlet.push(Delivery::Failed(error));
        }
        self.abandon(wire_id)
    }

    fn take(&mut self, wire_id: &str) -> Option<Running> {
        let running = self.running.remove(wire_id)?;
        if let Some(token) = &running.wire_token {
            self.tokens.remove(token);
        }
        self.touch();
        Some(running)
    }

    /// The request on the wire that a client calls by this id.
    pub(in super::super) fn find_own(&self, own_id: &Mark) -> Option<&str> {
        let own =
            |running: &Running| crate::mcp::message::canonical_id(&running.own_id) == own_id.value;
        let mut found = self.running.iter().filter(|(_, running)| own(running));
        found.next().map(|(wire_id, _)| wire_id.as_str())
    }

    /// Opens the free stream; what waited for it comes first. A stream before it ends.
    pub(in super::super) fn listen(&mut self) -> mpsc::UnboundedReceiver<Delivery> {
        self.touch();
        let (outlet, from) = Outlet::new();
        let before = std::mem::replace(&mut self.free, Free::Open(outlet.clone()));
        if let Free::Waiting(messages, _) = before {
            for message in messages {
                outlet.push(Delivery::Message {
                    message,
                    _room: Room::NONE,
                });
            }
        }
        from
    }

    /// The process is gone: nothing is answered any more.
    pub(in super::super) fn end(&mut self, why: &str) {
        if self.gone.is_some() {
            return;
        }
        self.gone = Some(why.to_owned());
        for (_, running) in self.running.drain() {
            let error = UpstreamError::Broken(why.to_owned());
            running.outlet.push(Delivery::Failed(error));
        }
        self.tokens.clear();
        self.free = Free::Waiting(VecDeque::new(), 0);
    }

    /// Decides where a line goes.
    pub(in super::super) fn route(&mut self, line: Bytes) -> Route {
        let Ok(parts) = parts::read(&line) else {
            return Route::Noise("a line that is no JSON object");
        };
        match parts.kind() {
            None => Route::Noise("a line that is no message"),
            Some(Kind::Response) => self.route_answer(&line, parts),
            Some(Kind::Notification) => self.route_notification(line, &parts),
            Some(Kind::Request) => self.route_question(line, &parts),
        }
    }

    fn route_answer(&mut self, line: &Bytes, parts: Parts) -> Route {
        let Some(id) = parts.id else {
            return Route::Noise("an answer without an id");
        };
        let Some(running) = self.take(&id.value) else {
            return if self.abandoned.contains(&id.value) {
                Route::Done
            } else {
                Route::Noise("an answer to nothing that was asked")
            };
        };
        self.had_answered = true;
        if self.serves == Serves::Session {
            self.answered.insert(id.value.clone());
            // Progress may be told too late, too.
            if let Some(token) = running.wire_token.clone() {
                self.answered.insert(token);
            }
        }
        let mut patches = Vec::new();
        if running.renamed {
            patches.push(id.replaced(&running.own_id));
            let subscription = parts.subscription.filter(|mark| mark.value == id.value);
            patches.extend(subscription.map(|mark| mark.replaced(&running.own_id)));
        }
        let code = parts.error_code.or(parts.is_error.then_some(0));
        let answer = parts::patched(line, patches);
        running.outlet.push(Delivery::Answer(answer, code));
        Route::Done
    }

    fn route_notification(&mut self, line: Bytes, parts: &Parts) -> Route {
        let progress = parts.progress.as_ref();
        let by_token = progress.and_then(|token| self.tokens.get(&token.value));
        if let (Some(token), Some(wire_id)) = (progress, by_token) {
            let wire_id = wire_id.clone();
            return self.route_to_request(&wire_id, &line, |running| {
                let own = running.own_token.as_deref().filter(|_| running.renamed);
                own.map(|own| vec![token.replaced(own)])
            });
        }
        if progress.is_some() {
            // Of a request that is over.
            return Route::Done;
        }
        if let Some(subscription) = &parts.subscription {
            return self.route_to_request(&subscription.value, &line, |running| {
                let renamed = running.renamed;
                renamed.then(|| vec![subscription.replaced(&running.own_id)])
            });
        }
        self.route_to_session(line, parts)
    }

    fn route_to_request(
        &self,
        wire_id: &str,
        line: &Bytes,
        patches: impl FnOnce(&Running) -> Option<Vec<crate::mcp::splice::Patch>>,
    ) -> Route {
        match self.running.get(wire_id) {
            Some(running) => {
                let line = parts::patched(line, patches(running).unwrap_or_default());
                Route::To(running.outlet.clone(), line, Some(wire_id.to_owned()))
            }
            None => Route::Done,
        }
    }

    fn route_question(&mut self, line: Bytes, parts: &Parts) -> Route {
        if self.serves == Serves::Session {
            return self.route_to_session(line, parts);
        }
        let id = parts.id.as_ref().map(|id| id.written.as_str());
        match (parts.method(), id) {
            ("ping", Some(id)) => Route::Reply(answer::result(id, &serde_json::json!({}))),
            (_, id) => {
                let words = "nobody who could be asked is there";
                Route::Reply(answer::plain_error(id, NOBODY_TO_ASK, words))
            }
        }
    }

    /// What names no request: to the only one that runs, else to the free stream.
    fn route_to_session(&mut self, line: Bytes, parts: &Parts) -> Route {
        if self.serves == Serves::Everybody {
            return Route::Noise("a message that answers nothing and belongs to no session");
        }
        let mut running = self.running.iter();
        if let (Some((wire_id, only)), None) = (running.next(), running.next()) {
            return Route::To(only.outlet.clone(), line, Some(wire_id.clone()));
        }
        if let Free::Open(outlet) = &self.free {
            if !outlet.is_closed() {
                return Route::To(outlet.clone(), line, None);
            }
            self.free = Free::Waiting(VecDeque::new(), 0);
        }
        if let Free::Waiting(messages, bytes) = &mut self.free
            && messages.len() < MAX_WAITING
            && *bytes + line.len() <= MAX_WAITING_BYTES
        {
            *bytes += line.len();
            messages.push_back(line);
            return Route::Done;
        }
        match &parts.id {
            Some(id) => {
                let words = "the client does not listen";
                Route::Reply(answer::plain_error(Some(&id.written), NOBODY_TO_ASK, words))
            }
            None => Route::Noise("more messages than a client that does not listen can be kept"),
        }
    }
}

#[cfg(test)]
mod tests;
