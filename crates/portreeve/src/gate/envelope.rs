//! The state that a modern client brings back between the rounds of a call, in an envelope of ours.
//!
//! A server that needs something before it can answer says what, hands the client a state, and
//! forgets; the client calls again with the state and what was asked for. So that such a call is charged
//! once, the state of a call that was charged leaves in an envelope: sealed, for the grant and the server
//! it was made for. The gate remembers which envelopes are out, and what each was about. One that comes
//! back around the same question is crossed out, and its round costs nothing. Any other - used before,
//! too old, from before a restart, around another question - costs what a fresh call costs. Either way
//! the server gets its own state back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use portreeve_policy::json::{Member, Rules, Span, Value, parse};
use portreeve_policy::time::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};

use super::decide::Allowed;
use super::inspect::Inspector;
use super::post::Exchange;
use super::release::unreadable;
use super::resolve::Call;
use super::rounds::{Needs, question};
use super::{Gate, Visit};
use crate::base64;
use crate::mcp::message::{self, Message};
use crate::mcp::revision::Era;
use crate::mcp::splice::{self, Patch};

/// What the text of an envelope begins with. No other state is tried as one.
const PREFIX: &str = "portreeve.1.";
/// Whether a state is inside, or the server gave none.
const EMPTY: u8 = 0;
const FILLED: u8 = 1;
/// How long an envelope is good for: people may be asked in between.
const GOOD_FOR_MS: i64 = 60 * 60 * 1000;
/// How many rounds are one call. A server that asks for more is called anew, and charged for.
const MAX_ROUNDS: u8 = 32;
/// How many envelopes are remembered. The oldest give way, and cost what a fresh call costs.
const MAX_OUT: usize = 65_536;

type Nonce = [u8; 16];

/// The envelopes that are out.
#[derive(Debug, Default)]
pub(super) struct Envelopes(Mutex<Out>);

#[derive(Debug, Default)]
struct Out {
    known: HashMap<Nonce, Round>,
    /// In the order in which they went out; those that came back are in it still.
    oldest: VecDeque<Nonce>,
}

/// A round that was paid for.
#[derive(Clone, Debug)]
struct Round {
    /// The fingerprint of what it asked.
    about: [u8; 32],
    number: u8,
    until: Timestamp,
    /// What people have approved of it.
    approved: Needs,
}

impl Envelopes {
    fn lock(&self) -> MutexGuard<'_, Out> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, nonce: Nonce, round: Round) {
        let mut out = self.lock();
        while out.oldest.len() >= MAX_OUT {
            let Some(oldest) = out.oldest.pop_front() else {
                break;
            };
            out.known.remove(&oldest);
        }
        out.oldest.push_back(nonce);
        out.known.insert(nonce, round);
    }

    /// INVARIANT: an envelope is good for what it was made for, and once
    /// (`a_call_of_several_rounds_is_charged_once`, `an_envelope_is_good_for_its_own_call_and_once`).
    fn take(&self, nonce: &Nonce, about: &[u8; 32], now: Timestamp) -> Option<Round> {
        let mut out = self.lock();
        let round = out.known.get(nonce)?;
        if round.about != *about || now >= round.until {
            return None;
        }
        out.known.remove(nonce)
    }
}

/// An envelope that a client brought back, opened.
#[derive(Debug)]
pub(super) struct Opened {
    state: Option<String>,
    /// What pays for this round, if it is a later one of a call that was paid for.
    ticket: Option<Ticket>,
}

/// An earlier round that paid for this one. Dropped unused, it pays for another.
#[derive(Debug)]
struct Ticket {
    gate: Arc<Gate>,
    nonce: Nonce,
    round: Round,
    used: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.used {
            self.gate.envelopes.put(self.nonce, self.round.clone());
        }
    }
}

/// A call that was paid for: what its later rounds have to ask as well.
#[derive(Clone, Debug)]
pub(super) struct Paid {
    /// As it came.
    message: Bytes,
    number: u8,
    approved: Needs,
}

/// Where an envelope belongs: it opens there only.
fn belongs_to(visit: &Visit) -> Vec<u8> {
    let (created, revision) = visit.server.configuration();
    let (grant, server) = (&visit.caller.grant.label, &visit.server.name);
    format!(
        "round of a call\n{grant}\n{server}\n{}.{revision}",
        created.0
    )
    .into_bytes()
}

fn fingerprint(gate: &Gate, visit: &Visit, question: &str) -> [u8; 32] {
    let mut about = belongs_to(visit);
    about.push(b'\n');
    about.extend_from_slice(question.as_bytes());
    gate.keys.mac("round of a call", &about)
}

impl Exchange {
    /// The envelope that a message brings back, if it is one of ours.
    pub(super) fn envelope(&self, call: &Call<'_>, message: &Message<'_>) -> Option<Box<Opened>> {
        if self.era != Era::Modern {
            return None;
        }
        let gate = &self.gate;
        let state = message.param("requestState")?.as_str()?;
        let sealed = base64::decode(state.strip_prefix(PREFIX)?)?;
        let plain = gate.keys.open(&belongs_to(&self.visit), &sealed).ok()?;
        let (nonce, rest) = plain.split_first_chunk::<16>()?;
        let state = match rest.split_first()? {
            (&EMPTY, []) => None,
            (&FILLED, state) => Some(String::from_utf8(state.to_vec()).ok()?),
            _ => return None,
        };
        let about = fingerprint(
            gate,
            &self.visit,
            &question(call.visit, call.tool(), message),
        );
        let round = gate.envelopes.take(nonce, &about, gate.clock.now());
        let ticket = round.map(|round| Ticket {
            gate: Arc::clone(gate),
            nonce: *nonce,
            round,
            used: false,
        });
        Some(Box::new(Opened { state, ticket }))
    }

    /// What later rounds of a call need not pay, if it pays, or goes on under what was paid.
    pub(super) fn paid(
        &self,
        bytes: &Bytes,
        allowed: &Allowed,
        (envelope, approved): (Option<&Opened>, Option<&Needs>),
    ) -> Option<Box<Paid>> {
        let before = envelope.and_then(|opened| opened.ticket.as_ref());
        let pays = !allowed.charges.is_empty() || allowed.approval.is_some();
        let is_one_of_several = self.era == Era::Modern && self.rounds.is_none();
        let goes_on = is_one_of_several && (pays || before.is_some());
        goes_on.then(|| {
            Box::new(Paid {
                message: bytes.clone(),
                number: before.map_or(1, |ticket| ticket.round.number.saturating_add(1)),
                approved: approved.cloned().unwrap_or_default(),
            })
        })
    }
}

impl Opened {
    /// What was approved of the call that it pays for; nothing if it pays for none.
    pub(super) fn approved(&self) -> Option<Needs> {
        let ticket = self.ticket.as_ref()?;
        Some(Arc::clone(&ticket.round.approved))
    }

    /// What pays for this round pays for no other.
    pub(super) fn spend(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.used = true;
        }
    }

    /// The message with the server's own state in it, or none where the server gave none.
    pub(super) fn unpacked(&self, bytes: &Bytes) -> Option<Bytes> {
        let tree = parse(bytes, Rules::MESSAGE).ok()?;
        let members = tree.get("params")?.members()?;
        let at = members.iter().position(|m| m.key == "requestState")?;
        let patch = match &self.state {
            Some(state) => patch(members.get(at)?.value.span, state),
            None => Patch {
                span: with_comma(members, at)?,
                with: Vec::new(),
            },
        };
        Some(Bytes::from(splice::apply(bytes, vec![patch])))
    }
}

/// A member, and the comma that is left over without it.
fn with_comma(members: &[Member<'_>], at: usize) -> Option<Span> {
    let own = members.get(at)?;
    let before = at.checked_sub(1).and_then(|before| members.get(before));
    let after = members.get(at.checked_add(1)?);
    Some(match (before, after) {
        (_, Some(after)) => Span {
            start: own.key_span.start,
            end: after.key_span.start,
        },
        (Some(before), None) => Span {
            start: before.value.span.end,
            end: own.value.span.end,
        },
        (None, None) => Span {
            start: own.key_span.start,
            end: own.value.span.end,
        },
    })
}

fn patch(span: Span, text: &str) -> Patch {
    Patch {
        span,
        with: serde_json::Value::from(text).to_string().into_bytes(),
    }
}

impl Inspector {
    /// A result with its state in an envelope, if it asks for another round.
    pub(super) fn in_envelope(
        &self,
        bytes: &Bytes,
        (tool, paid): (Option<&str>, &Paid),
    ) -> Result<Bytes, String> {
        let tree = parse(bytes, Rules::MESSAGE).map_err(|e| unreadable(&e))?;
        let result = tree.get("result").ok_or("a response without `result`")?;
        if result.get("resultType").and_then(Value::as_str) != Some("input_required") {
            return Ok(bytes.clone());
        }
        let state = result.get("requestState");
        let text = match state {
            None => None,
            Some(state) => Some(state.as_str().ok_or("its `requestState` is no text")?),
        };
        let Some(envelope) = self.sealed(text, (tool, paid)) else {
            return Ok(bytes.clone());
        };
        let patch = match state {
            Some(state) => patch(state.span, &envelope),
            // There is a member: the one that says what kind of result it is.
            None => Patch {
                span: Span {
                    start: result.span.start,
                    end: result.span.start + 1,
                },
                with: format!("{{\"requestState\":\"{envelope}\",").into_bytes(),
            },
        };
        Ok(Bytes::from(splice::apply(bytes, vec![patch])))
    }

    /// Nothing where the next round is to be a call of its own.
    fn sealed(&self, state: Option<&str>, (tool, paid): (Option<&str>, &Paid)) -> Option<String> {
        if paid.number >= MAX_ROUNDS {
            return None;
        }
        let tree = message::read_tree(&paid.message).ok()?;
        let asked = message::read(&tree, &paid.message).ok()?;
        let question = question(&self.visit, tool, &asked);
        let mut nonce = Nonce::default();
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut plain = nonce.to_vec();
        plain.push(state.map_or(EMPTY, |_| FILLED));
        plain.extend_from_slice(state.unwrap_or_default().as_bytes());
        let gate = &self.gate;
        let sealed = gate.keys.seal(&belongs_to(&self.visit), &plain).ok()?;
        let round = Round {
            about: fingerprint(gate, &self.visit, &question),
            number: paid.number,
            approved: Arc::clone(&paid.approved),
            until: gate.clock.now().plus(GOOD_FOR_MS),
        };
        gate.envelopes.put(nonce, round);
        Some(format!("{PREFIX}{}", base64::encode(&sealed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(about: u8, until: i64) -> Round {
        Round {
            about: [about; 32],
            number: 1,
            until: Timestamp(until),
            approved: Needs::default(),
        }
    }

    #[test]
    fn an_envelope_is_good_for_its_own_call_and_once() {
        let envelopes = Envelopes::default();
        envelopes.put([1; 16], round(7, 100));
        let take = |nonce, about, now| {
            let taken = envelopes.take(&[nonce; 16], &[about; 32], Timestamp(now));
            taken.is_some()
        };
        assert!(!take(2, 7, 0), "nobody's");
        assert!(!take(1, 8, 0), "another question");
        assert!(!take(1, 7, 100), "too late");
        assert!(take(1, 7, 99));
        assert!(!take(1, 7, 99), "used");
        envelopes.put([1; 16], round(7, 100));
        assert!(take(1, 7, 99), "given back");
    }

    #[test]
    fn the_oldest_envelopes_give_way() {
        let envelopes = Envelopes::default();
        let nonce = |n: usize| {
            let mut nonce = Nonce::default();
            nonce[..8].copy_from_slice(&n.to_be_bytes());
            nonce
        };
        for n in 0..=MAX_OUT {
            envelopes.put(nonce(n), round(7, 100));
        }
        let take = |n| envelopes.take(&nonce(n), &[7; 32], Timestamp(0)).is_some();
        assert!(!take(0));
        assert!(take(1) && take(MAX_OUT));
        assert_eq!(envelopes.lock().oldest.len(), MAX_OUT);
    }

    #[test]
    fn what_the_server_did_not_give_is_taken_out_whole() {
        let opened = |state: Option<&str>| Opened {
            state: state.map(str::to_owned),
            ticket: None,
        };
        let (empty, full) = (opened(None), opened(Some("a\"b")));
        for (params, without, with) in [
            (
                r#"{ "requestState" : "x" , "a":1.0 }"#,
                r#"{ "a":1.0 }"#,
                r#"{ "requestState" : "a\"b" , "a":1.0 }"#,
            ),
            (
                r#"{"a":1.0, "requestState":"x" }"#,
                r#"{"a":1.0 }"#,
                r#"{"a":1.0, "requestState":"a\"b" }"#,
            ),
            (
                r#"{"requestState":"x"}"#,
                "{}",
                r#"{"requestState":"a\"b"}"#,
            ),
        ] {
            let message = |params: &str| Bytes::from(format!(r#"{{"params":{params}}}"#));
            assert_eq!(empty.unpacked(&message(params)), Some(message(without)));
            assert_eq!(full.unpacked(&message(params)), Some(message(with)));
        }
    }
}
