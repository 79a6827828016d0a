//! Lower-case hexadecimal, the one spelling in which digests, keys and signatures are written.
//!
//! Upper-case digits are refused on purpose: two spellings of one digest would let a byte of the
//! ledger change unseen.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The two digits of each byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len() * 2);
    encode_into(&mut text, bytes);
    text.into_iter().map(char::from).collect()
}

/// Appends the two digits of each byte.
pub(crate) fn encode_into(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0x0f));
    }
}

/// Reads exactly `N` bytes; `None` for any other length or spelling.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

/// Reads any number of bytes; `None` for any other spelling.
pub(crate) fn decode_all(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let read = |[high, low]: &[u8; 2]| Some(value(*high)? << 4 | value(*low)?);
    rest.is_empty().then(|| pairs.iter().map(read).collect())?
}

fn digit(nibble: u8) -> u8 {
    DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0')
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_goes_there_and_back_in_one_spelling() {
        let all: [u8; 256] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let text = encode(&all);
        assert!(text.starts_with("000102") && text.ends_with("feff"));
        assert_eq!(decode::<256>(text.as_bytes()), Some(all));
        assert_eq!(decode_all(&text).as_deref(), Some(all.as_slice()));
        for bad in ["0", "000", "0G", "AB", " 1", "0x"] {
            assert_eq!(decode::<1>(bad.as_bytes()), None, "{bad}");
            assert_eq!(decode_all(bad), None, "{bad}");
        }
    }
}
