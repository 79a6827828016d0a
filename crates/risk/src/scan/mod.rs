//! The scan for poisoned definitions: text that is meant for the model, not for people.
//!
//! It reads every string of a definition (names, titles, descriptions, and in the schemas keys,
//! values, defaults and examples), first as it is, for what is hidden in it, then as a reader of
//! letters would see it, for what it asks. Findings weigh: one sign is a [`Level::Warn`], two that
//! are independent of each other, or one that has no innocent reading, are a [`Level::Quarantine`].
//!
//! It takes linear time and reads a bounded amount; what is beyond the bound is itself a finding.
//! Subtle changes are not its business: they are what pins are for.

mod finding;
mod hidden;
mod names;
mod patterns;
mod skeleton;
mod texts;

use portreeve_policy::json::Value;

pub use self::finding::{Finding, Level, Weight, level};
pub use self::names::Names;

use self::skeleton::Skeleton;
use self::texts::Text;

/// Scans a definition, or any other tree: a prompt, a server's answer to `initialize`.
/// `others` are the names of other servers' tools.
pub fn scan(tree: &Value<'_>, others: &Names) -> Vec<Finding> {
    let (texts, cut) = texts::of(tree);
    let mut findings = Vec::new();
    let own = tree.get("name").and_then(Value::as_str).unwrap_or_default();
    for text in &texts {
        one(text, own, others, &mut findings);
    }
    if cut {
        findings.push(Finding::of(
            "size",
            Weight::Hint,
            "",
            "",
            "there is more text than is read",
        ));
    }
    finding::settled(findings)
}

/// Scans a text that stands alone: a server's instructions, an item of a result.
pub fn scan_text(text: &str, place: &str, others: &Names) -> Vec<Finding> {
    let text = Text {
        pointer: place.to_owned(),
        text: text.get(..texts::longest(text)).unwrap_or_default(),
        is_key: false,
        is_name: false,
    };
    let mut findings = Vec::new();
    one(&text, "", others, &mut findings);
    finding::settled(findings)
}

fn one(text: &Text<'_>, own: &str, others: &Names, findings: &mut Vec<Finding>) {
    hidden::look(text, findings);
    let skeleton = Skeleton::of(text.text);
    patterns::look(text, &skeleton, findings);
    if !text.is_key {
        others.look(text, &skeleton, own, findings);
        for decoded in skeleton::decoded(text.text) {
            let inner = Skeleton::of(&decoded);
            let before = findings.len();
            patterns::look(text, &inner, findings);
            let prose = decoded.split_whitespace().count() > 5;
            let asks = prose || findings.len() > before;
            let weight = if asks { Weight::Clear } else { Weight::Sign };
            findings.push(Finding::of(
                "hidden.encoded",
                weight,
                &text.pointer,
                &decoded,
                "text in Base64, which only a machine reads",
            ));
        }
    }
}

#[cfg(test)]
mod tests;
