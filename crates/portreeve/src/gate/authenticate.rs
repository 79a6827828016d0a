//! Who calls: the grant behind a bearer token.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use portreeve_policy::time::Timestamp;

use super::registry::{GrantEntry, Registry};
use crate::grants::token::{self, Token, TokenError};

/// A caller whose token was found good.
#[derive(Clone, Debug)]
pub struct Caller {
    pub grant: Arc<GrantEntry>,
}

/// Why a request has no caller. The words are for whoever holds the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    #[error("no token: send `Authorization: Bearer <grant token>`")]
    NoToken,
    #[error("the Authorization header is not `Bearer <grant token>`")]
    NotBearer,
    #[error("the token has a typing error: its checksum does not fit")]
    Mistyped,
    #[error("the token belongs to no grant: it was never issued, was rotated, or was revoked")]
    Unknown,
    #[error("the grant has expired")]
    Expired,
}

/// Finds the caller.
///
/// The token is only ever compared as its SHA-256: how long the look-up takes tells nothing about
/// a token that is not yet known.
pub(super) fn authenticate(
    registry: &Registry,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Caller, Stranger> {
    let token = bearer(headers)?;
    let Some(grant) = registry.grant(&token::sha256(token)) else {
        // The checksum only helps to explain: tokens from a configuration file carry none.
        return Err(match Token::parse(token) {
            Err(TokenError::BadChecksum) => Stranger::Mistyped,
            _ => Stranger::Unknown,
        });
    };
    if grant.is_over(now) {
        return Err(Stranger::Expired);
    }
    Ok(Caller {
        grant: Arc::clone(grant),
    })
}

fn bearer(headers: &HeaderMap) -> Result<&str, Stranger> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Stranger::NoToken)?;
    if values.next().is_some() {
        return Err(Stranger::NotBearer);
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(Stranger::NotBearer)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(Stranger::NotBearer)
    }
}
