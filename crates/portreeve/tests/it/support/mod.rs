//! What the tests stand on: a real gate over a temporary directory, and a scripted server behind.

pub(crate) mod beside;
pub(crate) mod caller;
pub(crate) mod gate;
pub(crate) mod ledger;
pub(crate) mod server;

pub(crate) use gate::TestGate;
pub(crate) use server::{Script, TestServer};
