//! Rules about what comes back, as they are written.

use regex::Regex;

use super::node::Node;
use super::test::regex;
use crate::decimal::Decimal;
use crate::keys::{Key, Keys, Shape};
use crate::problem::{Pointer, Problems};

/// One entry of `redact`.
#[derive(Clone, Debug)]
pub(crate) struct WrittenRedaction {
    pub(crate) pointer: Pointer,
    pub(crate) detect: WrittenDetector,
    pub(crate) replace: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum WrittenDetector {
    Secret,
    Email,
    Card,
    Phone,
    Regex(Regex),
}

pub(super) const REDACTION: Keys = Keys {
    name: "redaction",
    about: "What is taken out of every text of a result.",
    known: &[
        Key::new("detect", DETECT, "What is looked for.").needed(),
        Key::new("replace", Shape::Text, "What stands in its place."),
    ],
};

const DETECT: Shape = Shape::Either(&[Shape::Word(&DETECTORS), Shape::Object(&DETECTOR)]);

const DETECTORS: [&str; 4] = ["secret", "email", "card", "phone"];

const DETECTOR: Keys = Keys {
    name: "detector",
    about: "A detector of one's own.",
    known: &[Key::new("regex", Shape::Filled, "What matches this is replaced.").needed()],
};

pub(super) fn redact(node: &Node<'_>, problems: &mut Problems<'_>) -> Vec<WrittenRedaction> {
    let elements = node.elements(problems);
    elements
        .iter()
        .filter_map(|element| redaction(element, problems))
        .collect()
}

fn redaction(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<WrittenRedaction> {
    let members = node.members(problems, &REDACTION);
    node.value.members()?;
    let (mut detect, mut replace) = (None, None);
    for (key, value) in &members {
        match *key {
            "detect" => detect = detector(value, problems),
            _ => replace = value.text(problems).map(str::to_owned),
        }
    }
    if node.lacks("detect", &REDACTION) {
        node.error(problems, "a redaction needs `detect`");
    }
    Some(WrittenRedaction {
        pointer: node.pointer.clone(),
        detect: detect?,
        replace,
    })
}

fn detector(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<WrittenDetector> {
    if node.value.members().is_some() {
        let members = node.members(problems, &DETECTOR);
        let Some((_, value)) = members.first() else {
            node.error(problems, "a detector that is an object has the key `regex`");
            return None;
        };
        let compiled = regex(value, value.text(problems)?, problems)?;
        if compiled.is_match("") {
            value.error(
                problems,
                "this regex matches an empty text, so it would match everywhere",
            );
            return None;
        }
        return Some(WrittenDetector::Regex(compiled));
    }
    Some(match node.word(problems, "detector", &DETECTORS)? {
        "secret" => WrittenDetector::Secret,
        "email" => WrittenDetector::Email,
        "card" => WrittenDetector::Card,
        _ => WrittenDetector::Phone,
    })
}

pub(super) fn max_result_bytes(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<u64> {
    let number = node.value.as_number().and_then(|t| Decimal::parse(t).ok());
    let bytes = number.and_then(Decimal::to_u64).filter(|bytes| *bytes > 0);
    if bytes.is_none() {
        node.error(problems, "`max_result_bytes` is a whole number, 1 or more");
    }
    bytes
}
