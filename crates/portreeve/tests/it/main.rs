//! One binary for all integration tests: linked once, run in parallel.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    unreachable_pub,
    reason = "a test stops at what it did not expect, and may look at the real clock"
)]

mod approvals;
mod architecture;
mod bridge;
mod cli;
mod demo;
mod docs;
mod eras;
mod findings;
mod gate;
mod joint;
mod stdio;
mod support;
