//! Foreign text in messages: on one line, with nothing in it that steers a terminal or an eye.

/// Writes control, bidirectional and invisible characters as escapes.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push(c, &mut out);
    }
    out
}

/// A name in backquotes, of bearable length.
pub(crate) fn shown(name: &str) -> String {
    const LONGEST: usize = 128;
    let mut out = String::from("`");
    for (i, c) in name.chars().enumerate() {
        match c {
            _ if i == LONGEST => {
                out.push('…');
                break;
            }
            '`' => out.extend(c.escape_unicode()),
            c => push(c, &mut out),
        }
    }
    out.push('`');
    out
}

fn push(c: char, out: &mut String) {
    if c.is_control() || is_unseen(c) {
        out.extend(c.escape_unicode());
    } else {
        out.push(c);
    }
}

/// Characters that change how others are read, or cannot be seen.
const fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}
