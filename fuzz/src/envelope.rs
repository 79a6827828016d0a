//! A body from a stranger: what the gate reads in it is what any other reader reads.

use portreeve::mcp::message::{self, Malformed, Message, Shape};
use portreeve::mcp::splice::{self, Patch};
use portreeve_policy::json::{Rules, Trouble, Value, canonical, outline, parse};
use serde_json::value::RawValue;

use super::json;

pub fn check(input: &[u8]) {
    let ordinary = json::read(input);
    let tree = match parse(input, Rules::MESSAGE) {
        Ok(tree) => tree,
        Err(error) => {
            assert!(error.at <= input.len());
            // Stricter than others on purpose, and in these points only.
            let doubtful = matches!(
                error.trouble,
                Trouble::DuplicateKey(_)
                    | Trouble::NulInKey
                    | Trouble::TooDeep(_)
                    | Trouble::TooMany(_)
                    | Trouble::LoneSurrogate
            );
            assert!(doubtful || ordinary.is_none(), "refused: {error}");
            if let Err(malformed) = message::read_tree(input) {
                explains(&malformed);
            }
            return;
        }
    };
    let ordinary = ordinary.expect("what the gate takes, everybody takes");
    json::assert_same(&tree, ordinary);
    outlined(&tree, input);
    canonical_is_stable(&tree);
    spliced(&tree, input);
    one_message(&tree, input, ordinary);
    let batch = message::batch(&tree).unwrap_or_default();
    let others = json::elements(ordinary).unwrap_or_default();
    for (element, other) in batch.iter().zip(others) {
        one_message(element, input, other);
    }
}

/// The quick look at an object's members finds what the tree has.
fn outlined(tree: &Value<'_>, text: &[u8]) {
    let quick = outline(text, Rules::MESSAGE);
    let Some(members) = tree.members() else {
        return assert!(quick.is_err());
    };
    let Ok(quick) = quick else {
        return assert!(members.len() > 256, "{quick:?}");
    };
    assert_eq!(quick.len(), members.len());
    for (one, member) in quick.iter().zip(members) {
        assert_eq!(one.key, member.key);
        assert_eq!(one.value.as_bytes(), member.value.span.of(text));
        assert_eq!(one.at, member.value.span.start as usize);
    }
}

/// One meaning, one canonical text.
fn canonical_is_stable(tree: &Value<'_>) {
    let once = canonical(tree);
    let again = parse(once.as_bytes(), Rules::MESSAGE).expect("canonical text is JSON");
    assert_eq!(canonical(&again), once);
}

/// Putting another value in a member's place changes that member and nothing else.
fn spliced(tree: &Value<'_>, text: &[u8]) {
    let members = tree.members().unwrap_or_default();
    for member in members.iter().take(8) {
        let patch = Patch {
            span: member.value.span,
            with: b"\"another\"".to_vec(),
        };
        let changed = splice::apply(text, vec![patch]);
        let read = parse(&changed, Rules::MESSAGE).expect("still JSON");
        let after = read.members().unwrap_or_default();
        assert_eq!(after.len(), members.len());
        for (before, after) in members.iter().zip(after) {
            assert_eq!(before.key, after.key);
            if before.key == member.key {
                assert_eq!(after.value.as_str(), Some("another"));
            } else {
                assert_eq!(before.value.span.of(text), after.value.span.of(&changed));
            }
        }
    }
    let elements = tree.elements().unwrap_or_default();
    let array = splice::array(elements.iter().map(|element| element.span.of(text)));
    let read = parse(&array, Rules::MESSAGE).expect("an array");
    assert_eq!(read.elements().map(<[_]>::len), Some(elements.len()));
}

fn one_message(tree: &Value<'_>, text: &[u8], ordinary: &RawValue) {
    let message = match message::read(tree, text) {
        Ok(message) => message,
        Err(malformed) => return explains(&malformed),
    };
    assert_eq!(message.raw, ordinary.get().as_bytes());
    let names = json::members(ordinary).expect("a message is an object");
    for (key, _) in &names {
        let known = ["jsonrpc", "id", "method", "params", "result", "error"];
        let lower = key.to_lowercase();
        assert!(!known.contains(&lower.as_str()) || lower == *key, "{key:?}");
    }
    let member = |name: &str| json::member(ordinary, name);
    assert_eq!(
        member("jsonrpc").and_then(json::text).as_deref(),
        Some("2.0")
    );
    let method = member("method").and_then(json::text);
    assert_eq!(message.method(), method.as_deref());
    let id = message.id().map(|id| id.as_json());
    assert_eq!(id, member("id").map(RawValue::get));
    assert!(id.is_none_or(is_id), "{id:?}");
    if let Shape::Response { is_error, .. } = message.shape {
        assert_eq!(member("error").is_some(), is_error);
        assert_eq!(member("result").is_some(), !is_error);
    }
    same_params(&message, member("params"));
}

fn same_params(message: &Message<'_>, ordinary: Option<&RawValue>) {
    assert_eq!(message.params.is_some(), ordinary.is_some());
    for name in ["name", "uri", "arguments", "_meta"] {
        let other = ordinary.and_then(|params| json::member(params, name));
        match (message.param(name), other) {
            (Some(one), Some(other)) => json::assert_same(one, other),
            (one, other) => assert!(one.is_none() && other.is_none(), "{name}"),
        }
        let like = ordinary.map_or(0, |params| json::members_like(params, name).len());
        assert!(like <= 1, "{name} in two spellings");
    }
}

/// A refusal can be answered: it has words, and its id is one.
fn explains(malformed: &Malformed) {
    assert!(!malformed.reason.is_empty());
    assert!(malformed.id.as_deref().is_none_or(is_id), "{malformed:?}");
}

fn is_id(text: &str) -> bool {
    serde_json::from_str::<i64>(text).is_ok() || serde_json::from_str::<String>(text).is_ok()
}
