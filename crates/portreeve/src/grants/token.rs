//! The token of a grant: how it is made, recognised and hashed.
//!
//! `prv_`, then 256 random bits as 43 base62 digits, then 6 digits of checksum. The prefix lets
//! secret scanners find a leaked token; the checksum tells a typing error from a wrong token
//! without asking anybody. A configuration file may declare tokens of another form, so a
//! token that is not of this form is not yet a wrong one: the hash decides.

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::hex;

const PREFIX: &str = "prv_";
/// Of tokens that are a person's own, of the same length.
const PERSONAL_PREFIX: &str = "prp_";
const RANDOM_DIGITS: usize = 43;
const CHECK_DIGITS: usize = 6;
/// The length of a whole token.
pub const LENGTH: usize = PREFIX.len() + RANDOM_DIGITS + CHECK_DIGITS;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes, so no token can be made")]
pub struct NoRandomness;

/// A token of our form. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a text is not a token of our form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it does not begin with `{PREFIX}`, as the tokens made by `portreeve grant create` do")]
    MissingPrefix,
    #[error("its checksum does not fit: it was mistyped or cut; copy it again, whole")]
    BadChecksum,
}

impl Token {
    /// A new token from the system's randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        Self::with_prefix(PREFIX)
    }

    /// A new token for a person.
    pub fn generate_personal() -> Result<Self, NoRandomness> {
        Self::with_prefix(PERSONAL_PREFIX)
    }

    fn with_prefix(prefix: &str) -> Result<Self, NoRandomness> {
        let mut random = [0; 32];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| NoRandomness)?;
        Ok(Self::from_random(prefix, random))
    }

    fn from_random(prefix: &str, random: [u8; 32]) -> Self {
        let mut text = prefix.to_owned();
        push_base62::<RANDOM_DIGITS>(&mut text, random);
        let check = checksum(&text);
        text.push_str(&check);
        Self(text)
    }

    /// Reads a token of our form.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if !text.starts_with(PREFIX) {
            return Err(TokenError::MissingPrefix);
        }
        let body = text
            .split_at_checked(PREFIX.len() + RANDOM_DIGITS)
            .filter(|(front, check)| is_base62(front, PREFIX.len()) && checksum(front) == *check);
        match body {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(TokenError::BadChecksum),
        }
    }

    /// The token itself, to show it once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn sha256(&self) -> String {
        sha256(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([secret])")
    }
}

/// What is stored of a token of any form: its SHA-256 in lower-case hex.
pub fn sha256(token: &str) -> String {
    hex::encode(digest(&SHA256, token.as_bytes()).as_ref())
}

fn is_base62(text: &str, from: usize) -> bool {
    text.bytes()
        .skip(from)
        .all(|byte| byte.is_ascii_alphanumeric())
}

fn checksum(front: &str) -> String {
    let mut text = String::new();
    let sum: [u8; 32] = digest(&SHA256, front.as_bytes())
        .as_ref()
        .try_into()
        .unwrap_or_default();
    push_base62::<CHECK_DIGITS>(&mut text, sum);
    text
}

/// Appends the last `N` base62 digits of a big-endian number, the highest first. 43 digits hold
/// every 256-bit number, so nothing of it is lost and no digit is biased by rejection or modulo.
fn push_base62<const N: usize>(text: &mut String, mut number: [u8; 32]) {
    let mut digits = [0u8; N];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u16;
        for byte in &mut number {
            let part = (rest << 8) | u16::from(*byte);
            *byte = u8::try_from(part / 62).unwrap_or_default();
            rest = part % 62;
        }
        *digit = ALPHABET.get(usize::from(rest)).copied().unwrap_or(b'0');
    }
    text.extend(digits.map(char::from));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_has_the_form_that_is_promised() {
        let lowest = Token::from_random(PREFIX, [0; 32]);
        assert_eq!(lowest.reveal().len(), LENGTH);
        assert!(
            lowest
                .reveal()
                .starts_with(&format!("prv_{}", "0".repeat(43)))
        );
        // 2^256 - 1 in base 62, computed elsewhere.
        let highest = Token::from_random(PREFIX, [0xff; 32]);
        assert!(
            highest
                .reveal()
                .starts_with("prv_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"),
            "{}",
            highest.reveal()
        );
    }

    #[test]
    fn tokens_differ_and_show_nothing_of_themselves() {
        let made: BTreeSet<String> = (0..100)
            .map(|_| Token::generate().expect("random").reveal().to_owned())
            .collect();
        assert_eq!(made.len(), 100);
        let token = Token::generate().expect("random");
        assert!(!format!("{token:?}").contains(&token.reveal()[4..10]));
        assert_eq!(token.sha256().len(), 64);
        assert_eq!(token.sha256(), sha256(token.reveal()));
    }

    #[test]
    fn what_is_no_token_says_why() {
        let token = Token::from_random(PREFIX, [7; 32]);
        let cut = &token.reveal()[..LENGTH - 1];
        for (text, error) in [
            ("", TokenError::MissingPrefix),
            ("ghp_abc", TokenError::MissingPrefix),
            ("prv_", TokenError::BadChecksum),
            ("prv_ünïcödé", TokenError::BadChecksum),
            (cut, TokenError::BadChecksum),
            (&format!("{}x", token.reveal()), TokenError::BadChecksum),
        ] {
            assert_eq!(Token::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(random: [u8; 32]) {
            let token = Token::from_random(PREFIX, random);
            prop_assert_eq!(Token::parse(token.reveal()), Ok(token.clone()));
        }

        #[test]
        fn different_bits_are_different_tokens(one: [u8; 32], bit in 0usize..256) {
            let mut other = one;
            other[bit / 8] ^= 1 << (bit % 8);
            let digits = |random| Token::from_random(PREFIX, random).reveal()[4..47].to_owned();
            prop_assert_ne!(digits(one), digits(other));
        }

        #[test]
        fn one_wrong_character_is_a_typing_error(random: [u8; 32], at in 4..LENGTH, to in 0usize..62) {
            let token = Token::from_random(PREFIX, random);
            let mut typed = token.reveal().as_bytes().to_vec();
            prop_assume!(typed[at] != ALPHABET[to]);
            typed[at] = ALPHABET[to];
            let typed = String::from_utf8(typed).expect("ascii");
            prop_assert_eq!(Token::parse(&typed), Err(TokenError::BadChecksum));
        }

        #[test]
        fn no_text_stops_the_reader(text: String) {
            let _ = Token::parse(&text);
            let _ = Token::parse(&format!("prv_{text}"));
        }
    }
}
