//! The one door: charges taken and the call booked, or no [`Permit`].
//!
//! INVARIANT: nothing is forwarded without a `Permit`, only this module makes one, and forwarding
//! consumes it (`only_admit_makes_permits`, `only_forward_sends`).

use std::sync::Arc;

use portreeve_policy::Rule;
use portreeve_policy::limits::{Charge, Reservation};

use super::Gate;
use super::decide::{Allowed, How, Refused};
use super::record::{self, OpenCall};
use super::resolve::Call;
use crate::counters::{CountersError, Side};
use crate::hex;
use crate::ledger::LedgerError;
use crate::store::StoreError;

/// Proof that a call was allowed, charged and booked. Not clonable, and consumed by `forward`.
#[derive(Debug)]
#[must_use = "a permit that is not used leaves a booked call that never happened"]
pub(super) struct Permit {
    entry: OpenCall,
}

impl Permit {
    /// Gives up the permit for the duty that goes on: closing the ledger's entry.
    pub(super) fn consume(self) -> OpenCall {
        self.entry
    }
}

/// Why a call was not admitted although its policy allows it.
#[derive(Debug)]
pub(super) enum NotAdmitted {
    /// A limit does not hold.
    Refused(Refused),
    /// The gate cannot count or cannot book, so it lets nothing through.
    Unavailable(Unavailable),
}

/// What the gate needs and does not have just now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unavailable {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    #[error("the counters are not available: {0}")]
    Counters(String),
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Takes the charges, all or none, and books the call's beginning.
pub(super) async fn admit(
    gate: &Arc<Gate>,
    call: &Call<'_>,
    allowed: Allowed,
) -> Result<Permit, NotAdmitted> {
    // A snapshot of the counters must not see a charge whose record comes after it, nor miss one
    // whose record came before: between taking and booking, none is made.
    let _passage = gate.passage.read().await;
    let charges = tagged(gate, allowed.charges);
    let reservation = reserve(gate, call, &charges).await?;
    let mut entry = OpenCall::new(Arc::clone(gate), call, reservation);
    if let Some(approval) = allowed.approval {
        // Dropped, the entry gives the charges back.
        let taken = entry.take_approval(approval).await;
        if !taken
            .map_err(Unavailable::from)
            .map_err(NotAdmitted::Unavailable)?
        {
            let why = "its approval was used by another call, or has ended; call again to ask anew";
            return Err(NotAdmitted::Refused(Refused::deny(allowed.rule, why)));
        }
    }
    record::begun(gate, call, &allowed.rule, entry)
        .await
        .map(|entry| Permit { entry })
        .map_err(|error| NotAdmitted::Unavailable(error.into()))
}

/// Whether the charges could be taken now.
pub(super) async fn has_room(
    gate: &Gate,
    call: &Call<'_>,
    charges: &[Charge],
) -> Result<(), NotAdmitted> {
    let charges = tagged(gate, charges.to_vec());
    let asked = gate
        .counters
        .would_reserve(Side::InForce, &charges, call.at);
    asked.await.map_err(|error| not_taken(&charges, error))
}

/// Values that split a counter are only known by their fingerprint from here on.
pub(super) fn tagged(gate: &Gate, charges: Vec<Charge>) -> Vec<Charge> {
    let tag = |value: &str| {
        let mac = gate.keys.mac("counter key", value.as_bytes());
        hex::encode(mac.first_chunk::<16>().unwrap_or(&[0; 16]))
    };
    charges
        .into_iter()
        .map(|charge| Charge {
            key: charge.key.with_per_tag(tag),
            ..charge
        })
        .collect()
}

async fn reserve(
    gate: &Gate,
    call: &Call<'_>,
    charges: &[Charge],
) -> Result<Option<Reservation>, NotAdmitted> {
    if charges.is_empty() {
        return Ok(None);
    }
    let taken = gate.counters.reserve(Side::InForce, charges, call.at).await;
    taken.map(Some).map_err(|error| not_taken(charges, error))
}

fn not_taken(charges: &[Charge], error: CountersError) -> NotAdmitted {
    match error {
        CountersError::Shortfall { index, shortfall } => {
            let refusal = charges
                .get(index)
                .map(|c| portreeve_policy::refusal(c, &shortfall));
            let refused = refusal.map_or_else(
                || Refused::deny(Rule::MALFORMED, "a limit does not hold"),
                |refusal| Refused::from_policy(How::Deny, refusal),
            );
            NotAdmitted::Refused(refused)
        }
        CountersError::Unavailable(why) => NotAdmitted::Unavailable(Unavailable::Counters(why)),
    }
}
