//! What of a server's message reaches the caller: with everything taken out that the policy takes
//! out of results, or not at all.
//!
//! Strings are judged decoded, wherever they stand: as a value or as a key, in a text that is JSON
//! itself or has lines that are, in the base64 of a blob. Where that ends, because a text is no JSON
//! or stands too deep, escapes must not hide anything: what they hide is withheld. Only those that change are written anew; every other byte stays
//! as it came. What is taken out is the policy's business (`portreeve_policy::ResultRules`).

use std::borrow::Cow;

use bytes::Bytes;
use portreeve_policy::json::{JsonError, Kind, Member, Rules, Span, Trouble, Value, parse};
use portreeve_policy::{ResultRules, Rule};

use super::values::Parts;
use crate::base64;
use crate::mcp::splice::{self, Patch};

/// A result that does not reach the caller, though the call was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Withheld {
    pub rule: Rule,
    pub reason: String,
}

/// How many texts within texts are looked into.
const NESTED: usize = 4;

/// The members of a message that are its form, not its content.
const FORM: [&str; 3] = ["jsonrpc", "id", "method"];

/// The size of what a call brings, held against its limit.
pub(super) fn within_limit(rules: &ResultRules, size: usize) -> Result<(), Withheld> {
    match &rules.max_result_bytes {
        Some(limit) if size as u64 > limit.bytes => Err(Withheld {
            rule: limit.rule.clone(),
            reason: format!(
                "its result of {size} bytes is larger than the {} that the policy lets through",
                limit.bytes
            ),
        }),
        _ => Ok(()),
    }
}

/// The message with everything taken out of its content that the rules take out.
///
/// INVARIANT: what cannot be read whole is withheld, and what nothing was found in leaves as it
/// came (`gate::results`).
pub(super) fn redacted(rules: &ResultRules, message: &Bytes) -> Result<Bytes, Withheld> {
    let Some(first) = rules.redact.first() else {
        return Ok(message.clone());
    };
    let withheld = |why: String| Withheld {
        rule: first.rule().clone(),
        reason: format!("what must not be shown cannot be taken out of its result: {why}"),
    };
    let tree = parse(message, Rules::MESSAGE).map_err(|e| withheld(unreadable(&e)))?;
    let mut found = Cleaner {
        rules,
        nested: NESTED,
        patches: Vec::new(),
        renames: false,
        doubt: None,
    };
    for member in tree.members().unwrap_or_default() {
        if !FORM.contains(&&*member.key) {
            found.member(member);
        }
    }
    let Cleaner {
        patches,
        renames,
        doubt,
        ..
    } = found;
    if let Some(why) = doubt {
        return Err(withheld(why.to_owned()));
    }
    if patches.is_empty() {
        return Ok(message.clone());
    }
    let cleaned = splice::apply(message, patches);
    if renames {
        // Two keys may have become one.
        parse(&cleaned, Rules::MESSAGE).map_err(|e| withheld(unreadable(&e)))?;
    }
    Ok(Bytes::from(cleaned))
}

/// What is wrong with a server's text, without quoting it.
pub(super) fn unreadable(error: &JsonError) -> String {
    match &error.trouble {
        Trouble::DuplicateKey(_) => format!("a key appears twice (byte {})", error.at),
        _ => error.to_string(),
    }
}

/// Walks a tree and notes what has to change.
struct Cleaner<'r> {
    rules: &'r ResultRules,
    /// How many more texts within texts are looked into.
    nested: usize,
    patches: Vec<Patch>,
    /// Whether a key changes.
    renames: bool,
    /// Why something cannot be looked through.
    doubt: Option<&'static str>,
}

impl Cleaner<'_> {
    fn member(&mut self, member: &Member<'_>) {
        if let Cow::Owned(key) = self.rules.redacted(&member.key) {
            self.renames = true;
            self.replace(member.key_span, &key);
        }
        self.value(Some(&member.key), &member.value);
    }

    fn value(&mut self, key: Option<&str>, value: &Value<'_>) {
        match &value.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
            Kind::String(text) => {
                if let Some(cleaned) = self.text(key, text) {
                    self.replace(value.span, &cleaned);
                }
            }
            Kind::Array(elements) => {
                for element in elements {
                    self.value(key, element);
                }
            }
            Kind::Object(members) => {
                for member in members {
                    self.member(member);
                }
            }
        }
    }

    fn replace(&mut self, span: Span, text: &str) {
        let with = serde_json::Value::from(text).to_string().into_bytes();
        self.patches.push(Patch { span, with });
    }

    /// What becomes of a decoded string; `None` if it stays as it is.
    fn text(&mut self, key: Option<&str>, text: &str) -> Option<String> {
        let inside = self.within(key, text);
        let known = inside.cleaned.as_deref().unwrap_or(text);
        let cleaned = self.rules.redacted_under(key, known);
        if !inside.is_read && self.rules.find_escaped(known, &cleaned) {
            self.doubt = Some("escapes hide it in a text that cannot be read as JSON");
        }
        match cleaned {
            Cow::Owned(cleaned) => Some(cleaned),
            Cow::Borrowed(_) => inside.cleaned,
        }
    }

    /// Looks into a text that holds others: values of JSON, one after another, or a blob.
    fn within(&mut self, key: Option<&str>, text: &str) -> Inside {
        let Some(nested) = self.nested.checked_sub(1) else {
            if key == Some("blob") {
                self.doubt = Some("a blob stands too deep within other texts");
            }
            return Inside::default();
        };
        if key == Some("blob") {
            return Inside {
                cleaned: self.blob(nested, text),
                is_read: true,
            };
        }
        let mut parts = Parts::of(text);
        let mut kept = String::new();
        while let Some((part, tree)) = parts.next() {
            let mut values = Cleaner {
                nested,
                ..self.fresh()
            };
            if let Some(tree) = &tree {
                values.value(None, tree);
            }
            self.doubt = self.doubt.or(values.doubt);
            let cleaned = splice::apply(part.as_bytes(), values.patches);
            kept.push_str(&String::from_utf8_lossy(&cleaned));
        }
        Inside {
            cleaned: (kept != text).then_some(kept),
            is_read: parts.all_read,
        }
    }

    /// A blob that is text is cleaned as one; in any other the forms are looked for all the same.
    fn blob(&mut self, nested: usize, text: &str) -> Option<String> {
        let Some(bytes) = base64::decode(text) else {
            self.doubt = Some("a blob is not base64");
            return None;
        };
        match String::from_utf8(bytes) {
            Ok(decoded) => {
                let mut inside = Cleaner {
                    nested,
                    ..self.fresh()
                };
                let cleaned = inside.text(None, &decoded);
                self.doubt = self.doubt.or(inside.doubt);
                Some(base64::encode(cleaned?.as_bytes()))
            }
            Err(other) => {
                let as_letters: String = other.as_bytes().iter().map(|b| char::from(*b)).collect();
                if matches!(self.rules.redacted(&as_letters), Cow::Owned(_)) {
                    self.doubt = Some("a blob that is no text holds it");
                }
                None
            }
        }
    }

    const fn fresh(&self) -> Self {
        Self {
            rules: self.rules,
            nested: 0,
            patches: Vec::new(),
            renames: false,
            doubt: None,
        }
    }
}

/// What looking into a text has brought.
#[derive(Default)]
struct Inside {
    /// What becomes of it, if it changes.
    cleaned: Option<String>,
    /// Was all of it read as values, whose texts were looked at by themselves?
    is_read: bool,
}
