//! JSON-RPC error codes: the protocol's, and ours.
//!
//! INVARIANT: ours lie outside −32768…−32000, which JSON-RPC and MCP reserve.

pub const PARSE_ERROR: i64 = -32700;
pub const INVALID_REQUEST: i64 = -32600;
pub const METHOD_NOT_FOUND: i64 = -32601;
pub const INVALID_PARAMS: i64 = -32602;
/// A resource that is not there, up to 2025-11-25; later it is a matter of the params.
pub const NO_RESOURCE: i64 = -32002;
/// The request's headers disagree with its body (2026-07-28).
pub const HEADER_MISMATCH: i64 = -32020;
/// The server does not speak the revision that the request is under (2026-07-28).
pub const UNSUPPORTED_VERSION: i64 = -32022;

/// The client has not declared what the request needs (2026-07-28).
pub const MISSING_CAPABILITY: i64 = -32021;

/// The policy refused; `data` is the decision.
pub const POLICY_REFUSED: i64 = 40300;
/// The session is unknown, has expired, or belongs to somebody else.
pub const NO_SESSION: i64 = 40400;
/// No valid grant.
pub const NOT_GRANTED: i64 = 40100;
/// A valid grant that does not reach this server.
pub const NOT_REACHED: i64 = 40301;
/// The HTTP request itself is not one the gate takes (size, media type, Host, Origin, method).
pub const BAD_HTTP: i64 = 40000;
/// Client and server speak different eras, and this has no form in the other one.
pub const NOT_TRANSLATED: i64 = 50100;
/// The server could not be reached, or what it answered is no answer.
pub const UPSTREAM_FAILED: i64 = 50200;
/// The server did not answer in time.
pub const UPSTREAM_TIMEOUT: i64 = 50400;
/// The gate cannot book, count or store, and so lets nothing through.
pub const UNAVAILABLE: i64 = 50300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_codes_are_outside_the_reserved_range() {
        for code in [
            POLICY_REFUSED,
            NO_SESSION,
            NOT_GRANTED,
            NOT_REACHED,
            BAD_HTTP,
            NOT_TRANSLATED,
            UPSTREAM_FAILED,
            UNAVAILABLE,
        ] {
            assert!(!(-32768..=-32000).contains(&code), "{code}");
        }
    }
}
