//! The `runs` demo server.

pub mod engine;
