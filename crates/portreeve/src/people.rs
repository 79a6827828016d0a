//! What proves that a person is who they say: passwords, and tokens of their own.
//!
//! A password is kept as what PBKDF2 makes of it (HMAC-SHA-256, a salt of its own, 600,000 rounds),
//! a token as its SHA-256, for it is random already. Who the people are is the store's to know;
//! what they may do is `admin`'s.

use std::num::NonZeroU32;

use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};

use crate::grants::token::NoRandomness;
use crate::hex;

const SCHEME: &str = "pbkdf2-sha256";
const ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(599_999);
const SALT: usize = 16;
const KEY: usize = 32;

/// The shortest password that is taken.
pub const SHORTEST_PASSWORD: usize = 12;

/// What is kept of a password: scheme, rounds, salt and derived key.
pub fn hash_password(password: &str) -> Result<String, NoRandomness> {
    let mut salt = [0; SALT];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| NoRandomness)?;
    let mut key = [0; KEY];
    let scheme = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(scheme, ROUNDS, &salt, password.as_bytes(), &mut key);
    let (salt, key) = (hex::encode(&salt), hex::encode(&key));
    Ok(format!("{SCHEME}${ROUNDS}${salt}${key}"))
}

/// Whether this is the password of which `kept` was made. Takes long, and equally long for all.
pub fn is_password(password: &str, kept: &str) -> bool {
    let parts: Vec<&str> = kept.split('$').collect();
    let [SCHEME, rounds, salt, key] = parts.as_slice() else {
        return false;
    };
    let (Ok(rounds), Some(salt), Some(key)) = (
        rounds.parse::<NonZeroU32>(),
        hex::decode_all(salt),
        hex::decode_all(key),
    ) else {
        return false;
    };
    let scheme = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::verify(scheme, rounds, &salt, password.as_bytes(), &key).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let kept = hash_password("correct horse battery").unwrap();
        assert!(kept.starts_with("pbkdf2-sha256$600000$"));
        assert!(is_password("correct horse battery", &kept));
        assert!(!is_password("correct horse batterY", &kept));
        assert_ne!(hash_password("correct horse battery").unwrap(), kept);
        for broken in ["", "x", "pbkdf2-sha256$0$00$00", "pbkdf2-sha256$1$zz$00"] {
            assert!(!is_password("", broken), "{broken}");
        }
    }
}
