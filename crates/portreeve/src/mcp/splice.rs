//! Changing a member of a message and leaving every other byte as it came.

use portreeve_policy::json::Span;

/// Bytes of a text to be replaced. Pieces must not overlap.
#[derive(Debug)]
pub struct Patch {
    pub span: Span,
    pub with: Vec<u8>,
}

/// `text` with every patch applied.
pub fn apply(text: &[u8], mut patches: Vec<Patch>) -> Vec<u8> {
    patches.sort_by_key(|p| p.span.start);
    let added: usize = patches.iter().map(|p| p.with.len()).sum();
    let mut out = Vec::with_capacity(text.len() + added);
    let mut from = 0;
    for patch in patches {
        let start = patch.span.start as usize;
        out.extend_from_slice(text.get(from..start).unwrap_or_default());
        out.extend_from_slice(&patch.with);
        from = patch.span.end as usize;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out
}

/// The text of an array that holds these elements.
pub fn array<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![b'['];
    for (i, element) in elements.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(element);
    }
    out.push(b']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_patched_bytes_change() {
        let patches = vec![
            Patch {
                span: Span { start: 7, end: 8 },
                with: b"xyz".to_vec(),
            },
            Patch {
                span: Span { start: 1, end: 3 },
                with: b"".to_vec(),
            },
        ];
        assert_eq!(apply(b"0123456789", patches), b"03456xyz89");
    }
}
