//! The protocol's revisions, and the two eras they fall into.

use portreeve_policy::json::Value;

/// `params._meta` member that carries the revision in the modern era.
pub const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// `params._meta` member in which a modern client introduces itself.
pub const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// `params._meta` member that asks for the log messages of a request, from a level on.
pub const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// `_meta` member of a result in which a modern server introduces itself.
pub const META_SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// `_meta` member that tells the `subscriptions/listen` a notification belongs to.
pub const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// The revisions that begin with a handshake.
pub const LEGACY: [&str; 4] = ["2024-11-05", WITH_BATCHES, "2025-06-18", NEWEST_LEGACY];

/// The only revision that has JSON-RPC batches; also what a missing version header means.
pub const WITH_BATCHES: &str = "2025-03-26";

/// `params._meta` member in which a modern client says what it can do.
pub const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// What the gate itself speaks when it opens a conversation of its own.
pub const NEWEST_LEGACY: &str = "2025-11-25";
pub const MODERN: &str = "2026-07-28";

/// How a conversation is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// A handshake, then sessions, streams and requests in both directions (up to 2025-11-25).
    Legacy,
    /// Every request stands for itself (from 2026-07-28).
    Modern,
}

/// The era of a revision. Revisions are dates, so later ones compare greater; a name that is no
/// date stands for one that nobody knows yet.
pub fn era(version: &str) -> Era {
    if is_revision(version) && version < MODERN {
        Era::Legacy
    } else {
        Era::Modern
    }
}

/// The revision that a message's params name.
pub fn stated<'a>(params: Option<&'a Value<'_>>) -> Option<&'a str> {
    let meta = params?.get("_meta")?;
    meta.get(META_PROTOCOL_VERSION)?.as_str()
}

/// Whether `version` is written as revisions are: `YYYY-MM-DD`.
pub fn is_revision(version: &str) -> bool {
    version.len() == 10
        && version.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_old_is_new() {
        for old in ["2024-11-05", "2025-03-26", "2025-11-25"] {
            assert_eq!(era(old), Era::Legacy, "{old}");
        }
        for new in ["2026-07-28", "2027-01-01", "v999.0.0", "DRAFT-2027", ""] {
            assert_eq!(era(new), Era::Modern, "{new}");
        }
    }
}
