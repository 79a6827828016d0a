//! Taking out of results what must not reach the caller.
//!
//! Works on decoded strings, one at a time: whoever applies it finds the strings, in whatever form
//! they travel, and writes the others back as they were. A detector is a scan, never a judgement;
//! it takes out what has the form, wherever it stands.

mod assigned;
mod card;
mod contact;
mod escaped;
mod run;
mod secret;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use regex::Regex;

use crate::decision::Rule;

/// What is done with whatever comes back from a call.
#[derive(Clone, Debug, Default)]
pub struct ResultRules {
    /// All of them are applied, in this order.
    pub redact: Vec<Redaction>,
    pub max_result_bytes: Option<ResultLimit>,
}

/// A larger result is withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultLimit {
    pub bytes: u64,
    pub rule: Rule,
}

/// One kind of thing that is taken out, and what stands in its place.
#[derive(Clone, Debug)]
pub struct Redaction {
    rule: Rule,
    detector: Detector,
    replace: Arc<str>,
}

#[derive(Clone, Debug)]
pub(crate) enum Detector {
    Secret,
    Email,
    Card,
    Phone,
    Regex(Regex),
}

/// Where something was found: bytes of the text.
type Found = Range<usize>;

impl Detector {
    const fn word(&self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Email => "email",
            Self::Card => "card",
            Self::Phone => "phone",
            Self::Regex(_) => "text",
        }
    }

    /// In their order, and none within another.
    fn find(&self, text: &str) -> Vec<Found> {
        match self {
            Self::Secret => secret::find(text),
            Self::Email => contact::emails(text),
            Self::Card => card::find(text),
            Self::Phone => contact::phones(text),
            Self::Regex(regex) => regex.find_iter(text).map(|found| found.range()).collect(),
        }
    }
}

impl Redaction {
    pub(crate) fn new(rule: Rule, detector: Detector, replace: Option<String>) -> Self {
        let replace = replace.unwrap_or_else(|| format!("[redacted: {}]", detector.word()));
        Self {
            rule,
            replace: replace.into(),
            detector,
        }
    }

    pub const fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Does a string that stands under this key belong to what is taken out, whatever it is?
    fn takes_under(&self, key: &str) -> bool {
        matches!(self.detector, Detector::Secret) && secret::is_name_of_one(key)
    }

    /// The text with everything replaced that is found; borrowed if nothing is.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.detector.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for range in found {
            let Some(kept) = text.get(from..range.start) else {
                continue;
            };
            out.push_str(kept);
            out.push_str(&self.replace);
            from = range.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Cow::Owned(out)
    }
}

impl ResultRules {
    /// Do they ask for nothing?
    pub const fn is_empty(&self) -> bool {
        self.redact.is_empty() && self.max_result_bytes.is_none()
    }

    /// The text after all redactions; borrowed if none found anything.
    pub fn redacted<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redacted_under(None, text)
    }

    /// The same for the value of a member: what is called a password is one.
    pub fn redacted_under<'t>(&self, key: Option<&str>, text: &'t str) -> Cow<'t, str> {
        self.redact.iter().fold(Cow::Borrowed(text), |text, rule| {
            if key.is_some_and(|key| rule.takes_under(key)) && secret::is_long_enough(&text) {
                return Cow::Owned(rule.replace.to_string());
            }
            let changed = match rule.apply(&text) {
                Cow::Borrowed(_) => None,
                Cow::Owned(changed) => Some(changed),
            };
            changed.map_or(text, Cow::Owned)
        })
    }
}

impl ResultRules {
    /// Does `shown`, which is what these rules leave of `text`, still show something that they take
    /// out, once the escapes in it are read that a reader of JSON or of a program would read? Also
    /// where there are more escapes within escapes than anybody means.
    ///
    /// What this finds cannot be taken out, for nobody knows how the text is meant.
    pub fn find_escaped(&self, text: &str, shown: &str) -> bool {
        let (mut text, mut shown) = (Cow::Borrowed(text), Cow::Borrowed(shown));
        for _ in 0..MOST_READINGS {
            let Some(plain) = escaped::read(&shown) else {
                return false;
            };
            shown = Cow::Owned(plain);
            text = escaped::read(&text).map_or(text, Cow::Owned);
            // What stands in the place of something may have its form again.
            if self.redacted(&text) != shown && self.redacted(&shown) != shown {
                return true;
            }
        }
        true
    }
}

/// How often escapes are read that stand within escapes.
const MOST_READINGS: usize = 8;

/// How many bytes from the beginning of `text` satisfy `wanted`.
fn run(text: &str, wanted: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| wanted(*byte)).count()
}

#[cfg(test)]
mod tests;
