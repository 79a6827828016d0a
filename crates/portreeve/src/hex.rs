//! Lower-case hexadecimal, the one spelling in which digests, keys and signatures are written.
//!
//! Upper-case digits are refused on purpose: two spellings of one digest would let a byte of the
//! ledger change unseen.

const DIGITS: &[u8; 16] = b"0123456789abcdef";
const NO_DIGIT: u8 = 0xff;
/// What each byte means as a digit. A table, because every record read back has 128 of them.
const VALUES: [u8; 256] = values();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
#[expect(clippy::cast_possible_truncation, reason = "there are sixteen digits")]
const fn values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < DIGITS.len() {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
}

/// The two digits of each byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    encode_into(&mut text, bytes);
    // Digits are ASCII.
    String::from_utf8(text).unwrap_or_default()
}

/// Appends the two digits of each byte.
pub(crate) fn encode_into(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len() * 2, b'0');
    let (pairs, _) = out
        .get_mut(start..)
        .unwrap_or_default()
        .as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 0x0f)];
    }
}

/// Reads exactly `N` bytes; `None` for any other length or spelling.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    let mut seen = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (value(*high), value(*low));
        seen |= high | low;
        *byte = high << 4 | low & 0x0f;
    }
    // Looked at once at the end: a digit has no high bit, what is no digit has all of them.
    (seen <= 0x0f).then_some(bytes)
}

/// Reads any number of bytes; `None` for any other spelling.
pub(crate) fn decode_all(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let read = |pair: &[u8; 2]| decode::<1>(pair).map(|[byte]| byte);
    rest.is_empty().then(|| pairs.iter().map(read).collect())?
}

fn digit(nibble: u8) -> u8 {
    DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0')
}

fn value(digit: u8) -> u8 {
    VALUES.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT)
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
