//! What the ledger is told of a call, and the promise that an opened entry is closed.

use std::sync::Arc;

use portreeve_policy::Rule;
use portreeve_policy::json::canonical;
use portreeve_policy::limits::Reservation;
use portreeve_policy::time::Timestamp;
use serde_json::value::RawValue;

use super::Gate;
use super::about::About;
use super::ask::Approved;
use super::authenticate::Caller;
use super::call_id::CallId;
use super::decide::{How, Refused};
use super::party::Stray;
use super::registry::Ruling;
use super::resolve::{Call, Moment};
use super::shadow;
use crate::clock::Stopwatch;
use crate::counters::Side;
use crate::ledger::{self, Answer, Arguments, Ended, LedgerError, PolicyRef};
use crate::mcp::method::Topic;
use crate::store::StoreError;

/// What the ledger keeps of a call's arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// Their names, and a fingerprint that can be compared.
    #[default]
    Keys,
    /// Also the values, because the operator asked for them.
    Values,
    Nothing,
}

/// The parts of a record that have to live while it is written.
#[derive(Debug, Default)]
struct Kept<'a> {
    keys: Vec<&'a str>,
    values: Option<Box<RawValue>>,
    mac: Option<[u8; 16]>,
}

impl<'a> Kept<'a> {
    fn of(gate: &Gate, call: &'a Call<'_>) -> Self {
        if call.topic != Topic::Tool || gate.keeping == Keeping::Nothing {
            return Self::default();
        }
        let keys = call
            .argument_members()
            .iter()
            .map(|m| m.key.as_ref())
            .collect();
        let Some(arguments) = call.arguments() else {
            return Self {
                keys,
                ..Self::default()
            };
        };
        let canonical = canonical(arguments);
        let digest = gate.keys.mac("call arguments", canonical.as_bytes());
        let values = (gate.keeping == Keeping::Values)
            .then(|| RawValue::from_string(canonical).ok())
            .flatten();
        Self {
            keys,
            values,
            mac: digest.first_chunk::<16>().copied(),
        }
    }
}

/// A call with everything its record borrows.
struct Described<'a> {
    call: &'a Call<'a>,
    kept: Kept<'a>,
    about: Option<About<'a>>,
}

impl<'a> Described<'a> {
    fn new(gate: &Gate, call: &'a Call<'a>) -> Self {
        Self {
            call,
            kept: Kept::of(gate, call),
            about: About::of(gate, call),
        }
    }

    fn under<'b>(&'b self, rule: &'b Rule) -> ledger::Call<'b> {
        let Call { visit, .. } = self.call;
        let policy = match &visit.ruling {
            Ruling::InForce(entry) => Some(PolicyRef {
                name: entry.name.as_str(),
                version: entry.version,
            }),
            Ruling::Nothing(_) => None,
        };
        ledger::Call {
            at: self.call.at,
            call_id: self.call.id.as_str(),
            grant: visit.caller.grant.label.as_str(),
            identity: &visit.caller.grant.identity,
            server: Some(visit.server.name.as_str()),
            method: self.call.method,
            tool: self.call.tool(),
            target: self.about.as_ref().map(About::written),
            policy,
            rule: rule.as_str(),
            arguments: Arguments {
                keys: &self.kept.keys,
                values: self.kept.values.as_deref(),
                mac: self.kept.mac,
            },
            approval_id: self.call.approval_id.as_deref(),
            shadow: None,
        }
    }
}

/// What charges were taken, in words that a record borrows.
#[derive(Debug, Default)]
pub(super) struct Taken(Vec<(String, String, u64)>);

impl Taken {
    pub(super) fn of(reservation: Option<&Reservation>) -> Self {
        let booked = reservation.into_iter().flat_map(Reservation::booked);
        let words = booked.map(|taken| {
            let (key, amount) = (taken.key.spelled(), taken.amount.to_string());
            (key, amount, taken.window_ms)
        });
        Self(words.collect())
    }

    fn booked(&self) -> Vec<ledger::Charge<'_>> {
        let charges = self.0.iter();
        charges
            .map(|(key, amount, window_ms)| ledger::Charge {
                key,
                amount,
                window_ms: *window_ms,
            })
            .collect()
    }
}

/// Books a call that is not forwarded.
pub(super) async fn refused(
    gate: &Gate,
    call: &Call<'_>,
    refused: &Refused,
) -> Result<(), LedgerError> {
    let described = Described::new(gate, call);
    let outcome = match &refused.how {
        How::Ask(_) => ledger::Refused::Ask,
        How::Deny => ledger::Refused::Deny,
        How::Hide => ledger::Refused::Hide,
    };
    let booking = async |shadow| {
        let refusal = ledger::Refusal {
            call: ledger::Call {
                shadow,
                ..described.under(&refused.rule)
            },
            outcome,
            reason: &refused.reason,
            retry_after_ms: refused.retry_after_ms,
        };
        gate.ledger.refuse(refusal).await.map(drop)
    };
    if !refused.decided || call.visit.trial().is_none() {
        return booking(None).await;
    }
    // What the shadow takes and the record of it agree for a snapshot.
    let _passage = gate.passage.read().await;
    let Some(mut said) = shadow::ask(gate, call).await else {
        return booking(None).await;
    };
    let charges = said.taken().booked();
    let booked = booking(Some(said.booked(&charges))).await;
    drop(charges);
    if booked.is_err()
        && let Some(reservation) = said.reservation()
    {
        gate.counters.refund(Side::Shadow, reservation).await;
    }
    booked
}

/// Books that a caller asked for a server that its grant does not reach.
pub(super) async fn foreign(gate: &Gate, caller: &Caller, server: &str) -> Result<(), LedgerError> {
    let stray = Stray {
        server: Some(server),
        method: "(visit)",
        ..Stray::default()
    };
    let reason = "the grant may not use a server of this name";
    let refused = Refused::deny(Rule::NO_POLICY, reason);
    let moment = gate.moment();
    self::stray(gate, caller, (&stray, &moment), &refused).await
}

/// Books what a caller was refused that belongs to none of its servers.
pub(super) async fn stray(
    gate: &Gate,
    caller: &Caller,
    (stray, moment): (&Stray<'_>, &Moment),
    refused: &Refused,
) -> Result<(), LedgerError> {
    let refusal = ledger::Refusal {
        call: ledger::Call {
            at: moment.at,
            call_id: moment.id.as_str(),
            grant: caller.grant.label.as_str(),
            identity: &caller.grant.identity,
            server: stray.server,
            method: stray.method,
            tool: stray.tool,
            target: None,
            policy: None,
            rule: refused.rule.as_str(),
            arguments: Arguments::default(),
            approval_id: None,
            shadow: None,
        },
        outcome: ledger::Refused::Deny,
        reason: &refused.reason,
        retry_after_ms: None,
    };
    gate.ledger.refuse(refusal).await.map(drop)
}

/// Books the beginning of a call. If that fails, `entry` gives the charges back.
pub(super) async fn begun(
    gate: &Gate,
    call: &Call<'_>,
    rule: &Rule,
    mut entry: OpenCall,
) -> Result<OpenCall, LedgerError> {
    let described = Described::new(gate, call);
    let taken = Taken::of(entry.reservation.as_ref());
    let mut said = shadow::ask(gate, call).await;
    entry.shadow = said.as_mut().and_then(shadow::Said::reservation);
    let shadow_charges = said.as_ref().map(|said| said.taken().booked());
    let shadow_charges = shadow_charges.unwrap_or_default();
    entry.stage = Stage::Booking;
    let begin = ledger::Begin {
        call: ledger::Call {
            shadow: said.as_ref().map(|said| said.booked(&shadow_charges)),
            ..described.under(rule)
        },
        charges: &taken.booked(),
    };
    match gate.ledger.begin(begin).await {
        Ok(_) => {
            entry.stage = Stage::Booked;
            Ok(entry)
        }
        Err(error) => {
            entry.give_back().await;
            entry.stage = Stage::Closed;
            Err(error)
        }
    }
}

/// How far a call has come, for whoever has to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Charged, and nothing written.
    Charged,
    /// Its beginning is being written.
    Booking,
    /// Booked, and nothing sent.
    Booked,
    /// Something may have been sent.
    Sending,
    Closed,
}

/// A call whose beginning is booked and whose end is owed.
///
/// INVARIANT: an entry is closed once. Dropped without an end (the caller went away), it closes
/// itself: as never sent if nothing was handed to the server, else as cancelled.
#[derive(Debug)]
pub(super) struct OpenCall {
    gate: Arc<Gate>,
    id: CallId,
    at: Timestamp,
    watch: Stopwatch,
    reservation: Option<Reservation>,
    approval: Option<Approved>,
    /// What a shadow charged.
    shadow: Option<Reservation>,
    stage: Stage,
}

/// How a call ended, for the ledger.
#[derive(Debug)]
pub(super) struct End {
    pub ended: Ended,
    pub result: Option<Answer>,
    pub reason: Option<String>,
    pub status: Option<u16>,
}

impl OpenCall {
    pub(super) fn new(gate: Arc<Gate>, call: &Call<'_>, reservation: Option<Reservation>) -> Self {
        let (id, at) = (call.id.clone(), call.at);
        Self {
            gate,
            id,
            at,
            watch: call.watch,
            reservation,
            approval: None,
            shadow: None,
            stage: Stage::Charged,
        }
    }

    /// Uses up what people approved. `false`: it is good for no call any more.
    pub(super) async fn take_approval(&mut self, approval: Approved) -> Result<bool, StoreError> {
        let (id, binding) = (approval.id.as_str(), approval.binding.as_str());
        let taken = self.gate.store.take_approval(id, binding, self.at).await?;
        self.approval = Some(approval).filter(|_| taken);
        Ok(taken)
    }

    pub(super) const fn id(&self) -> &CallId {
        &self.id
    }

    /// From here on the server may have received the call.
    pub(super) const fn sending(&mut self) {
        self.stage = Stage::Sending;
    }

    /// Books the end.
    pub(super) async fn close(mut self, end: End) {
        self.end(end).await;
    }

    async fn end(&mut self, end: End) {
        self.stage = Stage::Closed;
        let gate = Arc::clone(&self.gate);
        // Giving back and booking that it was given back are one step for a snapshot.
        let _passage = gate.passage.read().await;
        if end.ended == Ended::NotSent {
            self.give_back().await;
        }
        let finish = ledger::Finish {
            at: gate.clock.now(),
            call_id: self.id.as_str(),
            outcome: end.ended,
            result: end.result,
            reason: end.reason.as_deref(),
            upstream_status: end.status,
            latency_us: self.watch.elapsed_micros(),
        };
        if let Err(error) = gate.ledger.finish(finish).await {
            // Its beginning is booked: the call reads as unknown, and the next one is refused.
            tracing::error!(call = %self.id, %error, "the end of a call was not booked");
        }
    }

    async fn give_back(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            let refund = self.gate.counters.refund(Side::InForce, reservation);
            refund.await;
        }
        if let Some(reservation) = self.shadow.take() {
            let refund = self.gate.counters.refund(Side::Shadow, reservation);
            refund.await;
        }
        if let Some(Approved { id, params, .. }) = self.approval.take()
            && let Err(error) = self.gate.store.give_back_approval(&id, &params).await
        {
            tracing::warn!(%error, approval = %id, "an approval that was not used is lost");
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let ended = match self.stage {
            Stage::Closed => return,
            Stage::Charged | Stage::Booking | Stage::Booked => Ended::NotSent,
            Stage::Sending => Ended::Cancelled,
        };
        let booked = self.stage != Stage::Charged;
        let reason = Some("the caller went away".to_owned());
        let end = End {
            ended,
            result: None,
            reason,
            status: None,
        };
        let mut rest = Self {
            gate: Arc::clone(&self.gate),
            id: self.id.clone(),
            at: self.at,
            watch: self.watch,
            reservation: self.reservation.take(),
            approval: self.approval.take(),
            shadow: self.shadow.take(),
            stage: Stage::Closed,
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if booked {
                    rest.end(end).await;
                } else {
                    rest.give_back().await;
                }
            });
        }
    }
}

/// Books something that was allowed and is over with that: what a server brings up.
pub(super) async fn passed(gate: &Gate, call: &Call<'_>, rule: &Rule) -> Result<(), LedgerError> {
    let described = Described::new(gate, call);
    // What a server brings up is charged nowhere, so there is nothing to agree with.
    let said = shadow::ask(gate, call).await;
    gate.ledger
        .begin(ledger::Begin {
            call: ledger::Call {
                shadow: said.as_ref().map(|said| said.booked(&[])),
                ..described.under(rule)
            },
            charges: &[],
        })
        .await?;
    let finish = ledger::Finish {
        at: call.at,
        call_id: call.id.as_str(),
        outcome: Ended::Allow,
        result: None,
        reason: None,
        upstream_status: None,
        latency_us: call.watch.elapsed_micros(),
    };
    gate.ledger.finish(finish).await.map(drop)
}
