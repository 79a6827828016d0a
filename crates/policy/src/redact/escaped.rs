//! Escapes as JSON writes them, read wherever they stand.
//!
//! Not a reader of JSON: it is for texts that hold JSON, or pieces of it, and are none.

/// The text with every escape read once; nothing if there is none.
pub(super) fn read(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut any = false;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let read = escape(after);
        any |= read.is_some();
        let (char, length) = read.unwrap_or(('\\', 0));
        plain.push(char);
        rest = after.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    any.then_some(plain)
}

/// The character that the escape after a backslash stands for, and how long the escape is.
fn escape(after: &str) -> Option<(char, usize)> {
    let char = match after.as_bytes().first()? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return by_number(after),
        _ => return None,
    };
    Some((char, 1))
}

fn by_number(after: &str) -> Option<(char, usize)> {
    let digits = after.get(1..5)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let unit = u32::from_str_radix(digits, 16).ok()?;
    // Half of a pair stands for nothing that a detector looks for.
    Some((char::from_u32(unit).unwrap_or('\u{fffd}'), 5))
}
