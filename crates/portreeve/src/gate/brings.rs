//! What a message of a server tells its reader, noted before it goes on.
//!
//! On the stream or in the body that answers a call, everything is that call's. Where no call is
//! answered, nobody knows what a message is about: it counts as everything, and as whatever calls
//! of the session still wait for. The conversation itself, lists, and what the gate writes tell
//! nothing that a flow rule is about.

use std::sync::Arc;

use portreeve_policy::json::Value;
use portreeve_policy::{Class, Label, Rule, Subject};

use super::inspect::{Inspector, Request};
use super::record::End;
use super::refuse;
use super::release::Withheld;
use super::seen::NotNoted;
use crate::ledger::{Answer, Ended};

/// The labels of one subject.
pub(super) type Labels = Arc<[Label<'static>]>;

/// What a message brings to whoever reads it.
#[derive(Clone, Debug)]
pub(super) enum Brings {
    /// Nothing that counts: the gate's own words, a list, an answer about the conversation.
    Nothing,
    /// Names only. On a call's own stream even these are the call's.
    Names,
    Something,
    /// The answer to an earlier request, about this.
    Earlier(Labels),
}

impl Brings {
    /// What the answer to a request brings: nothing, where it was about no subject.
    pub(super) fn answer(request: &Request, is_own: bool) -> Self {
        match &request.matter.labels {
            None => Self::Nothing,
            Some(_) if is_own => Self::Something,
            Some(labels) => Self::Earlier(Arc::clone(labels)),
        }
    }
}

/// The labels that a call about the subject leaves.
pub(super) fn labels_of(subject: &Subject<'_>) -> Labels {
    Label::of(subject)
        .into_iter()
        .map(Label::into_owned)
        .collect()
}

/// Whether a server's notification carries names only: that something changed, was cancelled, or
/// is listened for. Whatever it says beside that is more.
pub(super) fn names_only(method: &str, params: Option<&Value<'_>>) -> bool {
    let members = params.and_then(Value::members).unwrap_or_default();
    match method {
        "notifications/cancelled" => members.iter().all(|member| {
            let short = member.value.span.end - member.value.span.start <= LONGEST_ID;
            member.key == "requestId" && short
        }),
        "notifications/tools/list_changed"
        | "notifications/resources/list_changed"
        | "notifications/prompts/list_changed" => members.is_empty(),
        "notifications/subscriptions/acknowledged" => true,
        _ => false,
    }
}

/// A longer id could be a text.
const LONGEST_ID: u32 = 32;

impl Inspector {
    /// Notes what a message brings. It must not go on if this fails.
    pub(super) async fn release(&self, brings: &Brings) -> Result<(), NotNoted> {
        let gate = &self.gate;
        let registry = gate.registry.load();
        if registry.flow_memory_ms().is_none() {
            return Ok(());
        }
        let labels = self.released(brings);
        let watched: Vec<&Label<'static>> = labels
            .iter()
            .filter(|label| registry.watches(label))
            .collect();
        let subject = &self.visit.caller.grant.identity;
        let footing = (&*gate.store, &gate.clock);
        let noted = gate.seen.note(footing, subject, &watched).await;
        if let Err(error) = &noted {
            tracing::error!(server = %self.visit.server.name, %error, "an answer is withheld");
        }
        noted
    }

    fn released(&self, brings: &Brings) -> Vec<Label<'static>> {
        let own = self.request.as_ref().and_then(|r| r.matter.labels.as_ref());
        match (brings, own) {
            (Brings::Nothing, _) | (Brings::Names, None) => Vec::new(),
            (Brings::Names | Brings::Something, Some(own)) => own.to_vec(),
            (Brings::Something, None) => self.anything(),
            (Brings::Earlier(labels), own) => {
                let own = own.into_iter().flat_map(|own| own.iter());
                labels.iter().chain(own).cloned().collect()
            }
        }
    }

    /// What a message can be about that answers no call.
    fn anything(&self) -> Vec<Label<'static>> {
        let mut labels = labels_of(&Subject::Method { name: "" }).to_vec();
        debug_assert!(labels.contains(&Label::Class(Class::Unknown)));
        if let Some(session) = &self.session {
            labels.extend(session.turns.unanswered());
        }
        labels
    }
}

/// The end of a call whose answer stays here, and what the client is told instead.
pub(super) fn withheld(inspector: &Inspector, error: &NotNoted) -> (End, Option<Vec<u8>>) {
    let withheld = Withheld {
        rule: Rule::NOT_NOTED,
        reason: format!(
            "what came of it cannot be noted for flow rules, so it is not shown: {error}"
        ),
    };
    let request = inspector.request.as_ref();
    let words = request
        .map(|request| refuse::withheld(&inspector.asked(request), &withheld, &request.call_id));
    let end = End {
        ended: Ended::Failed,
        result: Some(Answer::Withheld),
        reason: Some(withheld.reason),
        status: Some(200),
    };
    (end, words)
}
