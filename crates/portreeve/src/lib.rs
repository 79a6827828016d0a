//! Portreeve, the policy gateway for AI agents' tools.
//!
//! One module is one room; `ARCHITECTURE.md` is the map and states the invariants.

pub mod admin;

pub mod backup;
mod base64;
pub mod bridge;
mod budget;
pub mod cli;
pub mod clock;
pub mod config;
pub mod counters;
pub mod data_dir;
pub mod demo;
pub mod duration;
pub mod eras;
pub mod excerpt;
pub mod front;
pub mod gate;
pub mod grants;
mod hex;
pub mod joint;
pub mod keys;
pub mod ledger;
pub mod mcp;
pub mod name;
pub mod nearest;
pub mod node;
mod open_files;
mod parts;
pub mod people;
mod pieces;
pub mod policy_text;
mod refused;
pub mod server_url;
pub mod store;
pub mod upstream;
pub mod verdicts;
