//! The name of a counter, and its spelling on one line.
//!
//! The policy's version is no part of it: editing a policy resets nothing.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::facts::Facts;

/// Whose calls a counter counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Grant,
    Identity,
    Server,
    Gateway,
}

impl Scope {
    pub(crate) const WORDS: [&'static str; 4] = ["grant", "identity", "server", "gateway"];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Identity => "identity",
            Self::Server => "server",
            Self::Gateway => "gateway",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Grant, Self::Identity, Self::Server, Self::Gateway]
            .into_iter()
            .find(|scope| scope.as_str() == word)
    }
}

/// A counter: its family, and the `per` value that splits it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CounterKey {
    pub(super) family: Family,
    pub(super) per: Option<Arc<str>>,
}

/// The counters that differ in their `per` value only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Family {
    scope: Scope,
    /// The grant or identity; empty for the wider scopes.
    owner: Box<str>,
    /// Empty for the gateway's own.
    server: Box<str>,
    counter: Arc<str>,
}

impl CounterKey {
    pub(crate) fn of_call(
        scope: Scope,
        counter: &Arc<str>,
        per: Option<Arc<str>>,
        facts: &Facts<'_>,
    ) -> Self {
        let (owner, server) = match scope {
            Scope::Grant => (facts.grant, facts.server),
            Scope::Identity => (facts.identity, facts.server),
            Scope::Server => ("", facts.server),
            Scope::Gateway => ("", ""),
        };
        Self {
            family: Family {
                scope,
                owner: owner.into(),
                server: server.into(),
                counter: Arc::clone(counter),
            },
            per,
        }
    }

    pub const fn scope(&self) -> Scope {
        self.family.scope
    }

    /// The grant or identity whose counter it is; empty for the wider scopes.
    pub fn owner(&self) -> &str {
        &self.family.owner
    }

    /// Nothing for a counter of the whole gateway.
    pub fn server(&self) -> Option<&str> {
        (self.family.scope != Scope::Gateway).then_some(&*self.family.server)
    }

    pub fn counter(&self) -> &str {
        &self.family.counter
    }

    /// The `per` value, with its type (`n:1` and `s:1` differ), or its tag.
    pub fn per(&self) -> Option<&str> {
        self.per.as_deref()
    }

    /// Puts a tag in the place of the `per` value, which may be a secret.
    pub fn with_per_tag(self, tag: impl FnOnce(&str) -> String) -> Self {
        Self {
            per: self.per.map(|value| tag(&value).into()),
            family: self.family,
        }
    }
}

impl CounterKey {
    /// `grant/ci/runs/run-rerun_rate`, with a fifth part for a `per` value.
    pub fn spelled(&self) -> String {
        let family = &self.family;
        let parts: [&str; 3] = [&family.owner, &family.server, &family.counter];
        let parts = || parts.into_iter().chain(self.per.as_deref());
        let scope = family.scope.as_str();
        let length = parts().map(|part| part.len().saturating_add(1));
        let length = length.fold(scope.len(), usize::saturating_add);
        let mut out = String::with_capacity(length);
        out.push_str(scope);
        for part in parts() {
            out.push('/');
            push_escaped(part, &mut out);
        }
        out
    }
}

impl fmt::Display for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelled())
    }
}

/// Visible ASCII but `%` and `/` stands for itself, everything else is escaped byte for byte.
fn push_escaped(text: &str, out: &mut String) {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'/');
    // Nearly all names are plain throughout.
    if text
        .bytes()
        .fold(true, |plain, byte| plain & is_plain(byte))
    {
        out.push_str(text);
        return;
    }
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 0xF] {
                let digit = char::from_digit(u32::from(nibble), 16);
                out.extend(digit.map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
}

/// The text is no counter's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of a counter, as in `grant/ci/runs/run-rerun_rate`")
    }
}

impl std::error::Error for BadKey {}

impl FromStr for CounterKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or(BadKey);
        let scope = next().ok().and_then(Scope::from_word).ok_or(BadKey)?;
        let family = Family {
            scope,
            owner: unescaped(next()?)?.into(),
            server: unescaped(next()?)?.into(),
            counter: unescaped(next()?)?.into(),
        };
        let per = parts.next().map(unescaped).transpose()?.map(Arc::from);
        if parts.next().is_some() {
            return Err(BadKey);
        }
        let key = Self { family, per };
        // One counter, one spelling: a second one would be a second counter.
        if key.spelled() == text {
            Ok(key)
        } else {
            Err(BadKey)
        }
    }
}

fn unescaped(text: &str) -> Result<String, BadKey> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (hex, after) = part.split_at_checked(2).ok_or(BadKey)?;
        bytes.push(u8::from_str_radix(hex, 16).map_err(|_| BadKey)?);
        bytes.extend_from_slice(after.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| BadKey)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(scope: Scope, parts: [&str; 3], per: Option<&str>) -> CounterKey {
        let [owner, server, counter] = parts;
        CounterKey {
            family: Family {
                scope,
                owner: owner.into(),
                server: server.into(),
                counter: counter.into(),
            },
            per: per.map(Arc::from),
        }
    }

    #[test]
    fn keys_have_one_spelling() {
        let plain = key(Scope::Grant, ["ci", "runs", "run-rerun_rate"], None);
        assert_eq!(plain.to_string(), "grant/ci/runs/run-rerun_rate");
        let wide = key(Scope::Gateway, ["", "", "a/b %"], Some("s:é\n"));
        assert_eq!(wide.to_string(), "gateway///a%2Fb%20%25/s:%C3%A9%0A");
        for bad in [
            "",
            "grant",
            "grant/a/b",
            "team/a/b/c",
            "grant/a/b/c/d/e",
            "grant/a/b/%zz",
            "grant/a/b/%4",
            "grant/a/b/%41",
            "grant/a/b/%c3%a9",
            "grant/a/b/%FF",
            "grant/a/b/c d",
        ] {
            assert_eq!(bad.parse::<CounterKey>(), Err(BadKey), "{bad}");
        }
    }

    #[test]
    fn a_tag_takes_the_place_of_the_value() {
        let secret = key(Scope::Grant, ["ci", "runs", "c"], Some("s:secret"));
        let tagged = secret.with_per_tag(|value| format!("tag{}", value.len()));
        assert_eq!(tagged.to_string(), "grant/ci/runs/c/tag8");
        let plain = key(Scope::Grant, ["ci", "runs", "c"], None);
        assert_eq!(plain.clone().with_per_tag(|_| "x".into()), plain);
    }

    proptest! {
        #[test]
        fn spelling_and_reading_agree(parts: [String; 3], per: Option<String>) {
            let parts = parts.each_ref().map(String::as_str);
            let key = key(Scope::Identity, parts, per.as_deref());
            let text = key.to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{}", text);
            prop_assert_eq!(text.parse(), Ok(key));
        }
    }
}
