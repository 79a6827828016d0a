//! The ledger's tests: what is appended, what a crash or a hand leaves of it, what is read back.

mod anchoring;
mod appending;
mod batching;
mod crashing;
mod doubting;
mod failing;
mod faulty;
mod opening;
mod querying;
mod retaining;
mod room;
mod spelling;
mod tampering;
mod throughput;
mod unreadable;
