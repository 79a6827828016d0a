//! What comes back out of the book: one line as a borrowed record.
//!
//! Members a later version adds are passed over, so an older program reads a newer book. Whether
//! the line is authentic is `verify`'s question; this only says what it says.

use std::borrow::Cow;
use std::fmt;

use portreeve_policy::time::Timestamp;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

use super::chain::Digest;
use crate::clock;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Begin,
    Finish,
    Admin,
    Checkpoint,
}

/// Text that is borrowed from the line unless an escape had to be undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

/// A booked charge: counter key, exact decimal amount, window in milliseconds. Its time is the
/// record's `at`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct BookedCharge<'a>(#[serde(borrow)] pub Text<'a>, pub Text<'a>, pub u64);

/// What a policy would have said that was being tried beside the one in force.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct BookedShadow<'a> {
    #[serde(borrow)]
    pub policy: Text<'a>,
    #[serde(borrow)]
    pub outcome: Text<'a>,
    #[serde(borrow)]
    pub rule: Text<'a>,
    #[serde(borrow, default)]
    pub charges: Vec<BookedCharge<'a>>,
}

/// One record. What its phase does not have is absent.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Record<'a> {
    pub seq: u64,
    #[serde(deserialize_with = "timestamp")]
    pub at: Timestamp,
    pub phase: Phase,
    #[serde(borrow)]
    pub call_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub grant: Option<Text<'a>>,
    #[serde(borrow)]
    identity: Option<Text<'a>>,
    #[serde(borrow)]
    pub server: Option<Text<'a>>,
    #[serde(borrow)]
    pub method: Option<Text<'a>>,
    #[serde(borrow)]
    pub tool: Option<Text<'a>>,
    /// `name@version`
    #[serde(borrow)]
    pub policy: Option<Text<'a>>,
    #[serde(borrow)]
    pub rule: Option<Text<'a>>,
    #[serde(borrow)]
    pub arg_keys: Option<&'a RawValue>,
    #[serde(default)]
    pub arg_keys_more: u64,
    #[serde(borrow)]
    pub arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    pub args_mac: Option<Text<'a>>,
    #[serde(borrow)]
    pub approval_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub charges: Vec<BookedCharge<'a>>,
    #[serde(borrow)]
    pub shadow: Option<BookedShadow<'a>>,
    #[serde(borrow)]
    pub outcome: Option<Text<'a>>,
    #[serde(borrow)]
    pub result: Option<Text<'a>>,
    #[serde(borrow)]
    pub reason: Option<Text<'a>>,
    pub retry_after_ms: Option<u64>,
    pub upstream_status: Option<u16>,
    pub latency_us: Option<u64>,
    #[serde(default)]
    pub refunded: bool,
    #[serde(borrow)]
    pub actor: Option<Text<'a>>,
    #[serde(borrow)]
    pub act: Option<Text<'a>>,
    #[serde(borrow)]
    pub subject: Option<Text<'a>>,
    #[serde(borrow)]
    pub detail: Option<&'a RawValue>,
    #[serde(borrow)]
    pub key: Option<Text<'a>>,
    #[serde(borrow)]
    pub sig: Option<Text<'a>>,
    #[serde(deserialize_with = "digest")]
    pub prev: Digest,
    #[serde(deserialize_with = "digest")]
    pub hash: Digest,
}

impl<'a> Record<'a> {
    /// Reads a line, with or without its newline.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        let record: Self = serde_json::from_slice(line)?;
        match record.missing() {
            Some(member) => Err(de::Error::missing_field(member)),
            None => Ok(record),
        }
    }

    /// What the call would have taken under a shadow, from counters of the shadows.
    pub fn shadow_charges(&self) -> &[BookedCharge<'a>] {
        self.shadow.as_ref().map_or(&[], |shadow| &shadow.charges)
    }

    /// The identity, which is not written when it is the grant's own label.
    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref().or(self.grant.as_deref())
    }

    /// Whether this one record is a whole call: a refusal, which was never begun.
    pub fn is_refusal(&self) -> bool {
        self.phase == Phase::Finish && self.grant.is_some()
    }

    /// A member that a record of this phase can't be without.
    fn missing(&self) -> Option<&'static str> {
        let needs: &[(&'static str, bool)] = &match self.phase {
            Phase::Begin => [
                ("call_id", self.call_id.is_some()),
                ("grant", self.grant.is_some()),
                ("rule", self.rule.is_some()),
            ],
            Phase::Finish => [
                ("call_id", self.call_id.is_some()),
                ("outcome", self.outcome.is_some()),
                ("rule", self.rule.is_some() || !self.is_refusal()),
            ],
            Phase::Admin => [
                ("actor", self.actor.is_some()),
                ("act", self.act.is_some()),
                ("subject", self.subject.is_some()),
            ],
            Phase::Checkpoint => [
                ("key", self.key.is_some()),
                ("sig", self.sig.is_some()),
                ("sig", true),
            ],
        };
        needs
            .iter()
            .find(|(_, there)| !there)
            .map(|(member, _)| *member)
    }
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = Text::deserialize(deserializer)?;
    clock::parse_rfc3339(&text).ok_or_else(|| de::Error::custom("`at` is not an RFC 3339 time"))
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = Text::deserialize(deserializer)?;
    Digest::from_hex(&text).ok_or_else(|| de::Error::custom("not a SHA-256 digest"))
}
