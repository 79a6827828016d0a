//! Portreeve, the policy gateway for AI agents' tools.
//!
//! One module is one room; `ARCHITECTURE.md` is the map and states the invariants.

pub mod admin;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod duration;
pub mod grants;
mod hex;
pub mod keys;
pub mod ledger;
pub mod name;
pub mod nearest;
pub mod policy_text;
pub mod server_url;
pub mod store;
