//! Several texts as one run of bytes, for digests and seals.

/// Each text behind its length: no two lists of texts give the same bytes.
pub(crate) fn joined(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_differ_give_other_bytes() {
        let lists: [&[&str]; 6] = [&[], &[""], &["", ""], &["ab"], &["a", "b"], &["", "ab"]];
        for (i, one) in lists.iter().enumerate() {
            for other in lists.iter().skip(i + 1) {
                assert_ne!(joined(one), joined(other));
            }
        }
        assert_eq!(joined(&["ab"]), b"\0\0\0\0\0\0\0\x02ab");
    }
}
