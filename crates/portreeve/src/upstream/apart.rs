//! Connections that are shared by nobody else.
//!
//! A server that frames its answers wrongly (one too many, or late) can have what it said to one
//! request taken for the answer to the next on the same connection. Ids do not help: clients count from
//! one. So the connections of a caller at a server are its own (`pool`).

use std::hash::{DefaultHasher, Hash, Hasher};

/// On whose behalf a request is made. No two of them share a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Whose(u64);

impl Whose {
    /// The gate's own.
    pub const GATE: Self = Self(0);

    /// A caller's, by whatever is different for each.
    pub fn caller(named: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        named.hash(&mut hasher);
        Self(hasher.finish())
    }
}
