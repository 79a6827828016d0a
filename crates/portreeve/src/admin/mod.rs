//! The control plane's operations: what a person may do to the gate, and how it is done.
//!
//! Every operation is a [`Request`]; the [`Office`] carries it out, wherever it came from: the
//! command line in the same process, the control socket, later the API. A change is checked, then
//! booked in the ledger, then made, then taken into the gate's registry, in this order: what can't
//! be booked isn't done. Who may ask for what is decided before a request gets here.

mod approvals;
mod approvers;
mod client;
mod definition_diff;
mod effects;
mod failure;
mod grants;
mod identify;
mod local;
mod office;
mod people;
mod policies;
mod request;
mod response;
mod risk;
mod servers;
mod socket;
#[cfg(test)]
mod tests;
mod tool_names;
mod wrong_proofs;

pub use client::{AskError, ask};
pub use effects::{AdminAct, Booker, Doing, Effects, Offline, Status, UpstreamError};
pub use failure::{Answer, Failure};
pub use local::LocalOffice;
pub use office::Office;
pub use people::check_first;
pub use request::{Credential, Expiry, NewTarget, Plain, Request};
pub use response::{
    ApprovalView, DeadRule, Discovery, GrantState, GrantView, PersonView, Pinned, PolicyView,
    Response, ServerView, ToolState, ToolView, Use,
};
pub use risk::{FindingView, RiskView};
pub use socket::{Socket, SocketError};
