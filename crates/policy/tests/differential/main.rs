//! The operators against other programs' readings of the same texts.
//!
//! Whatever we judge, the others must have read alike: Node and Python for URLs and paths, `shlex`
//! and a second reading of POSIX for commands, SQLite, PostgreSQL
//! and MariaDB themselves for SQL. Texts are
//! grown from the corpus by a seeded mutator. What we call a doubt is not sent anywhere.
//!
//! A program that is missing is named on standard error; with `PORTREEVE_DIFFERENTIAL=all` that is
//! a failure. `PORTREEVE_DIFFERENTIAL_INPUTS` and `…_SEED` say how much and from where.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops at the first surprise, and is told by its environment how long to run"
)]

mod commands;
mod mutate;
mod paths;
mod programs;
mod schema;
mod servers;
mod sql;
mod urls;
