//! What a modern client is given to come back with: the name of its parked call, sealed.
//!
//! It opens for the same grant, at the same server, for the same request with the same arguments,
//! until it expires; that it opens once is `parked`'s to see to.

use portreeve_policy::time::Timestamp;

use crate::gate::Visit;
use crate::hex;
use crate::keys::Keys;

/// The name of a parked call.
pub(super) type Nonce = [u8; 16];

/// A version, a nonce of the seal, the name, the time, and the seal's tag.
const SEALED_LEN: usize = 1 + 12 + 16 + 8 + 16;

/// INVARIANT: a state is good for what it was given for (`a_state_is_good_for_its_own_call_and_once`).
fn belongs_to(visit: &Visit, matter: &str) -> Vec<u8> {
    let (grant, server) = (&visit.caller.grant.label, &visit.server.name);
    let (created, revision) = visit.server.configuration();
    format!(
        "eras request state\n{grant}\n{server}\n{}.{revision}\n{matter}",
        created.0
    )
    .into_bytes()
}

pub(super) fn seal(
    keys: &Keys,
    (nonce, until): (&Nonce, Timestamp),
    visit: &Visit,
    matter: &str,
) -> Option<String> {
    let plain = [nonce.as_slice(), &until.0.to_be_bytes()].concat();
    let sealed = keys.seal(&belongs_to(visit, matter), &plain).ok()?;
    Some(hex::encode(&sealed))
}

/// The name, if the state is one of ours, for this, and has not expired.
pub(super) fn open(
    keys: &Keys,
    state: &str,
    visit: &Visit,
    (matter, now): (&str, Timestamp),
) -> Option<Nonce> {
    let sealed: [u8; SEALED_LEN] = hex::decode(state.as_bytes())?;
    let plain = keys.open(&belongs_to(visit, matter), &sealed).ok()?;
    let (nonce, until) = plain.split_first_chunk::<16>()?;
    let until = i64::from_be_bytes(until.try_into().ok()?);
    (now.0 < until).then_some(*nonce)
}
