//! The pointer to a byte of a text that is not acceptable JSON.
//!
//! The reader stops at the first byte it cannot take and has no tree to show. What stands before
//! that byte was well formed, so one pass over it tells which containers are open there.

use crate::problem::Pointer;

enum Open {
    Object { key: Option<String> },
    Array { index: usize },
}

/// The pointer to the value or key that begins, or is being read, at byte `at`.
pub(crate) fn pointer_at(text: &[u8], at: usize) -> Pointer {
    let mut open: Vec<Open> = Vec::new();
    let mut rest = text;
    let mut read = 0_usize;
    while read <= at {
        let Some((byte, _)) = rest.split_first() else {
            break;
        };
        let mut taken = 1;
        match byte {
            b'"' => {
                taken = string_length(rest);
                let literal = rest.get(..taken).unwrap_or_default();
                if let Some(Open::Object { key: key @ None }) = open.last_mut() {
                    *key = decoded(literal);
                }
            }
            _ if read == at => break,
            b'{' => open.push(Open::Object { key: None }),
            b'[' => open.push(Open::Array { index: 0 }),
            b'}' | b']' => {
                open.pop();
            }
            b',' => match open.last_mut() {
                Some(Open::Object { key }) => *key = None,
                Some(Open::Array { index }) => *index = index.saturating_add(1),
                None => {}
            },
            _ => {}
        }
        rest = rest.get(taken..).unwrap_or_default();
        read = read.saturating_add(taken);
    }
    open.iter()
        .fold(Pointer::default(), |pointer, container| match container {
            Open::Object { key: Some(key) } => pointer.key(key),
            Open::Object { key: None } => pointer,
            Open::Array { index } => pointer.index(*index),
        })
}

/// How many bytes the string at the beginning of `text` takes, with its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (i, byte) in text.iter().enumerate().skip(1) {
        if *byte == b'"' && !escaped {
            return i.saturating_add(1);
        }
        escaped = *byte == b'\\' && !escaped;
    }
    text.len()
}

fn decoded(literal: &[u8]) -> Option<String> {
    let value = crate::json::parse(literal, crate::json::Rules::DOCUMENT).ok()?;
    value.as_str().map(str::to_owned)
}
