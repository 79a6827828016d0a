//! The client's requests that a session waits for, so that no answer is taken for another's.
//!
//! A server tells its answers apart by the request's id alone. Were an id used for a list and for
//! a call at once, the server could put the list into the call's stream, where lists are not
//! looked for. The protocol forbids to use an id twice in a session; here that is kept for as long
//! as it matters.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portreeve_policy::Label;

use super::brings::Labels;
use super::matter::Matter;
use super::sessions::{MAX_OPEN, Session};
use super::spent::Spent;
use crate::mcp::message;
use crate::mcp::method::Topic;

/// The requests of one session that were not answered yet.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: Mutex<HashMap<String, Waiting>>,
    /// Whose answer may come again, for the client can take their stream up again: the newest.
    repeatable: Mutex<VecDeque<(String, Matter)>>,
    /// The names of tools whose calls ended without an answer. What still comes of them can come
    /// on a stream that is resumed. As many as requests may wait.
    lost: Mutex<BTreeSet<Label<'static>>>,
    /// Ids that are used for good.
    spent: Mutex<Spent>,
}

/// How many answers may come again; a client that lost a stream comes back for it soon.
const MAX_REPEATABLE: usize = 64;

#[derive(Debug)]
struct Waiting {
    matter: Matter,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its answer comes on its own stream.
    Running,
    /// Its stream ended before the answer, which may come on another.
    SetAside,
    /// Nobody waits for the answer any more, but it may still come: on whatever stream the server
    /// thinks the id belongs to.
    Abandoned,
}

/// Why a request cannot be made under its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IdTrouble {
    #[error("its id is that of another request that was not answered yet; use a fresh one")]
    InUse,
    #[error("its id was used before, by a request whose answer can come again; use a fresh one")]
    Spent,
    #[error("more than {MAX_OPEN} requests of this session wait for an answer; initialize again")]
    TooMany,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// INVARIANT: an answer that comes again is held to the rules of its own request
    /// (`an_id_whose_answer_can_come_again_is_used_once`).
    fn check_unspent(&self, id: &str) -> Result<(), IdTrouble> {
        let spent = self.spent();
        if spent.holds(id) {
            return Err(IdTrouble::Spent);
        }
        if spent.is_full() {
            return Err(IdTrouble::TooMany);
        }
        Ok(())
    }

    fn begin(&self, id: &str, matter: Matter) -> Result<(), IdTrouble> {
        self.check_unspent(id)?;
        self.take_repeatable(id);
        self.room_to_lose(matter.labels.as_ref())?;
        let mut waiting = self.lock();
        let full = waiting.len() >= MAX_OPEN;
        let stage = Stage::Running;
        match waiting.entry(id.to_owned()) {
            Entry::Vacant(_) if full => Err(IdTrouble::TooMany),
            Entry::Vacant(free) => {
                free.insert(Waiting { matter, stage });
                Ok(())
            }
            Entry::Occupied(mut known) => {
                let before = known.get();
                if before.stage == Stage::Running || before.matter.topic != matter.topic {
                    return Err(IdTrouble::InUse);
                }
                known.insert(Waiting { matter, stage });
                Ok(())
            }
        }
    }

    fn end(&self, id: &str, ending: Ending) {
        let mut waiting = self.lock();
        let Some(known) = waiting.get_mut(id) else {
            return;
        };
        match (ending, known.matter.topic) {
            (Ending::SetAside, _) | (Ending::Left, Topic::List(_)) => {
                known.stage = Stage::SetAside;
            }
            (Ending::Left | Ending::AnsweredInStream, _) => {
                if let Some(known) = waiting.remove(id) {
                    if ending == Ending::Left {
                        self.lose(known.matter.labels.as_ref());
                    }
                    self.keep_repeatable(id, known.matter);
                }
            }
            // Only lists are filtered, so only a list does harm under another request's id.
            (Ending::Lost, Topic::List(_)) => known.stage = Stage::Abandoned,
            (Ending::Lost, _) => {
                if let Some(known) = waiting.remove(id) {
                    self.lose(known.matter.labels.as_ref());
                }
            }
            (Ending::NeverSent | Ending::Answered, _) => {
                waiting.remove(id);
            }
        }
    }

    fn lost(&self) -> MutexGuard<'_, BTreeSet<Label<'static>>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, labels: Option<&Labels>) {
        self.lost().extend(names(labels).cloned());
    }

    /// INVARIANT: a name that cannot be remembered as lost is not called.
    fn room_to_lose(&self, labels: Option<&Labels>) -> Result<(), IdTrouble> {
        let lost = self.lost();
        let is_new = names(labels).any(|name| !lost.contains(name));
        if is_new && lost.len() >= MAX_OPEN {
            return Err(IdTrouble::TooMany);
        }
        Ok(())
    }

    /// What requests of the session have asked for that was not answered, or not on their streams.
    pub(super) fn unanswered(&self) -> Vec<Label<'static>> {
        let mut all: BTreeSet<Label<'static>> = self.lost().clone();
        for waiting in self.lock().values() {
            let labels = waiting.matter.labels.iter();
            all.extend(labels.flat_map(|of_one| of_one.iter().cloned()));
        }
        all.into_iter().collect()
    }

    /// What the request was about whose answer comes on another stream. It may come once.
    pub(super) fn take_set_aside(&self, id: &str) -> Option<Matter> {
        let id = message::canonical_id(id);
        let mut waiting = self.lock();
        let Some(known) = waiting.get(&id) else {
            return self.take_repeatable(&id);
        };
        if known.stage != Stage::SetAside {
            return None;
        }
        waiting.remove(&id).map(|known| known.matter)
    }

    fn keep_repeatable(&self, id: &str, matter: Matter) {
        let mut kept = self
            .repeatable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_REPEATABLE {
            kept.pop_front();
        }
        kept.push_back((id.to_owned(), matter));
    }

    fn take_repeatable(&self, id: &str) -> Option<Matter> {
        let mut kept = self
            .repeatable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == id)?;
        kept.remove(at).map(|(_, matter)| matter)
    }
}

/// The labels that name a tool. What else is lost is part of what a message can be anyhow.
fn names(labels: Option<&Labels>) -> impl Iterator<Item = &Label<'static>> {
    let labels = labels.into_iter().flat_map(|labels| labels.iter());
    labels.filter(|label| matches!(label, Label::Tool(_)))
}

/// How a request came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    NeverSent,
    Lost,
    SetAside,
    /// The client went away from a stream that it can take up again.
    Left,
    Answered,
    /// The client may have missed the answer, and take the stream up again for it.
    AnsweredInStream,
}

/// One request's time in its session. Dropped without an end, its answer is lost.
#[derive(Debug)]
pub(super) struct Turn {
    session: Arc<Session>,
    id: String,
    sent: AtomicBool,
    ended: AtomicBool,
}

impl Turn {
    /// Takes the id for a request about `matter`.
    pub(super) fn begin(
        session: &Arc<Session>,
        id: &str,
        matter: Matter,
    ) -> Result<Arc<Self>, IdTrouble> {
        let id = message::canonical_id(id);
        session.turns.begin(&id, matter)?;
        Ok(Arc::new(Self {
            session: Arc::clone(session),
            id,
            sent: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }))
    }

    /// Its stream can be taken up again: the id is for no other request from now on.
    pub(super) fn can_come_again(&self) {
        self.session.turns.spent().note(&self.id);
    }

    /// From here on the server may answer.
    pub(super) fn sent(&self) {
        self.sent.store(true, Ordering::Release);
    }

    /// After all the server never heard of it.
    pub(super) fn never_sent(&self) {
        self.end(Ending::NeverSent);
    }

    /// The id is free before the client has the answer.
    pub(super) fn answered(&self) {
        self.end(Ending::Answered);
    }

    /// The same on a stream that the client can take up again, if the answer is lost on its way.
    pub(super) fn answered_in_stream(&self) {
        self.end(Ending::AnsweredInStream);
    }

    /// The client went away from a stream that it can take up again.
    pub(super) fn left(&self) {
        self.end(Ending::Left);
    }

    /// The answer may come on another stream.
    pub(super) fn set_aside(&self) {
        self.end(Ending::SetAside);
    }

    fn end(&self, ending: Ending) {
        // Ended twice, it would end the next request under this id.
        if !self.ended.swap(true, Ordering::AcqRel) {
            self.session.turns.end(&self.id, ending);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let sent = self.sent.load(Ordering::Acquire);
        self.end(if sent {
            Ending::Lost
        } else {
            Ending::NeverSent
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tasks::Tasked;
    use super::*;
    use crate::mcp::method::Listed;

    const LIST: Topic = Topic::List(Listed::Tools);

    fn about(topic: Topic) -> Matter {
        Matter {
            topic,
            tool: None,
            labels: None,
            answer: Arc::default(),
            beside: Arc::default(),
            tasked: Tasked::No,
        }
    }

    #[test]
    fn an_id_is_free_again_when_nothing_can_be_taken_for_its_answer() {
        for (ending, topic, next, free) in [
            (None, LIST, LIST, false),
            (None, Topic::Tool, Topic::Tool, false),
            (Some(Ending::Answered), LIST, Topic::Tool, true),
            (Some(Ending::NeverSent), LIST, Topic::Tool, true),
            (Some(Ending::Lost), LIST, Topic::Tool, false),
            (
                Some(Ending::Lost),
                LIST,
                Topic::List(Listed::Prompts),
                false,
            ),
            (Some(Ending::Lost), LIST, LIST, true),
            (Some(Ending::Lost), Topic::Tool, LIST, true),
            (Some(Ending::SetAside), LIST, Topic::Tool, false),
            (Some(Ending::SetAside), Topic::Tool, LIST, false),
            (Some(Ending::Left), LIST, Topic::Tool, false),
            (Some(Ending::Left), Topic::Tool, LIST, true),
            (Some(Ending::AnsweredInStream), LIST, Topic::Tool, true),
        ] {
            let turns = Turns::default();
            turns.begin("1", about(topic)).unwrap();
            if let Some(ending) = ending {
                turns.end("1", ending);
            }
            let what = format!("{topic:?} {ending:?} then {next:?}");
            assert_eq!(turns.begin("1", about(next)).is_ok(), free, "{what}");
        }
    }

    fn again(turns: &Turns, id: &str) -> Option<Topic> {
        turns.take_set_aside(id).map(|matter| matter.topic)
    }

    #[test]
    fn an_answer_that_may_have_been_lost_comes_again_once() {
        for (ending, topic) in [
            (Ending::SetAside, Topic::Tool),
            (Ending::Left, Topic::Tool),
            (Ending::Left, LIST),
            (Ending::AnsweredInStream, Topic::Tool),
            (Ending::AnsweredInStream, LIST),
        ] {
            let turns = Turns::default();
            turns.begin("1", about(topic)).unwrap();
            assert_eq!(again(&turns, "1"), None, "it runs");
            turns.end("1", ending);
            assert_eq!(again(&turns, "1"), Some(topic), "{ending:?}");
            assert_eq!(again(&turns, "1"), None, "{ending:?}");
        }
        for ending in [Ending::Lost, Ending::Answered, Ending::NeverSent] {
            let turns = Turns::default();
            turns.begin("1", about(Topic::Tool)).unwrap();
            turns.end("1", ending);
            assert_eq!(again(&turns, "1"), None, "{ending:?}");
        }
    }

    #[test]
    fn an_answer_to_the_request_before_is_not_taken_for_the_next_ones() {
        let turns = Turns::default();
        turns.begin("1", about(Topic::Tool)).unwrap();
        turns.end("1", Ending::AnsweredInStream);
        turns.begin("1", about(LIST)).unwrap();
        assert_eq!(again(&turns, "1"), None);
    }

    #[test]
    fn what_may_come_again_is_bounded() {
        let turns = Turns::default();
        for id in 0..=MAX_REPEATABLE {
            turns.begin(&id.to_string(), about(Topic::Tool)).unwrap();
            turns.end(&id.to_string(), Ending::Left);
        }
        assert_eq!(again(&turns, "0"), None);
        assert_eq!(again(&turns, "1"), Some(Topic::Tool));
    }

    #[test]
    fn what_waits_is_bounded() {
        let turns = Turns::default();
        for id in 0..MAX_OPEN {
            turns.begin(&id.to_string(), about(LIST)).unwrap();
            turns.end(&id.to_string(), Ending::Lost);
        }
        assert_eq!(
            turns.begin("x", about(Topic::Tool)),
            Err(IdTrouble::TooMany)
        );
        assert_eq!(turns.begin("7", about(LIST)), Ok(()));
    }

    fn labels(tool: &str) -> Labels {
        let name = Label::Tool(tool.to_owned().into());
        vec![name, Label::Class(portreeve_policy::Class::Read)].into()
    }

    fn calling(tool: &str) -> Matter {
        Matter {
            labels: Some(labels(tool)),
            ..about(Topic::Tool)
        }
    }

    #[test]
    fn what_was_never_answered_can_still_come() {
        let turns = Turns::default();
        for (id, tool, ending) in [
            ("1", "lost", Some(Ending::Lost)),
            ("2", "aside", Some(Ending::SetAside)),
            ("3", "running", None),
            ("4", "answered", Some(Ending::Answered)),
            ("5", "unsent", Some(Ending::NeverSent)),
        ] {
            turns.begin(id, calling(tool)).unwrap();
            if let Some(ending) = ending {
                turns.end(id, ending);
            }
        }
        let open: Vec<String> = turns.unanswered().iter().map(ToString::to_string).collect();
        assert_eq!(
            open,
            ["class:read", "tool:aside", "tool:lost", "tool:running"]
        );
        assert!(turns.take_set_aside("1").is_none());
        let aside = turns.take_set_aside("2").expect("set aside");
        assert_eq!(aside.labels, Some(labels("aside")));

        for n in 1..MAX_OPEN {
            turns.begin("x", calling(&n.to_string())).unwrap();
            turns.end("x", Ending::Lost);
        }
        let more = |tool: &str| turns.begin("y", calling(tool));
        assert_eq!(more("more"), Err(IdTrouble::TooMany));
        assert_eq!(more("lost"), Ok(()));
    }
}
