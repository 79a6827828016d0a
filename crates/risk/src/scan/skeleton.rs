//! A text as somebody who sees letters reads it: lower case, without what cannot be seen, with
//! look-alikes of other scripts as the letters they look like.

use crate::evidence::is_unseen;

/// The text to look for phrases in.
#[derive(Clone, Debug)]
pub(super) struct Skeleton {
    pub text: String,
}

impl Skeleton {
    pub(super) fn of(text: &str) -> Self {
        let mixed = is_mixed(text);
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if let Some(tag) = tagged(c) {
                out.push(tag.to_ascii_lowercase());
                continue;
            }
            let c = styled(c).unwrap_or(c);
            let c = if mixed { look_alike(c).unwrap_or(c) } else { c };
            match c {
                '\n' | '\r' | '\t' | '\u{a0}' | ' ' => space(&mut out),
                '’' | '‘' | '`' => out.push('\''),
                c if is_unseen(c) => {}
                c => out.extend(c.to_lowercase()),
            }
        }
        Self { text: out }
    }
}

/// One blank, however many there were.
fn space(out: &mut String) {
    if !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Tag characters spell ASCII out of sight.
pub(super) fn tagged(c: char) -> Option<char> {
    let code = u32::from(c).checked_sub(0xe_0000)?;
    u8::try_from(code)
        .ok()
        .filter(|byte| (0x20..0x7f).contains(byte))
        .map(char::from)
}

/// Mathematical and full-width letters as the letters they are.
pub(super) fn styled(c: char) -> Option<char> {
    let code = u32::from(c);
    let letter = |offset: u32| {
        let at = u8::try_from(offset.checked_rem(26)?).ok()?;
        Some(char::from(b'a'.saturating_add(at)))
    };
    match code {
        0xff21..=0xff3a => letter(code.saturating_sub(0xff21)),
        0xff41..=0xff5a => letter(code.saturating_sub(0xff41)),
        0x1d400..=0x1d6a3 => letter(code.saturating_sub(0x1d400)),
        0x24b6..=0x24e9 => letter(code.saturating_sub(0x24b6)),
        0x1f130..=0x1f149 => letter(code.saturating_sub(0x1f130)),
        _ => None,
    }
}

/// Letters of other scripts that look like Latin ones.
pub(super) fn look_alike(c: char) -> Option<char> {
    Some(match c {
        'а' | 'ɑ' | 'α' | 'А' => 'a',
        'В' | 'Ь' => 'b',
        'с' | 'ϲ' | 'С' => 'c',
        'ԁ' => 'd',
        'е' | 'Е' | 'ё' => 'e',
        'һ' | 'Н' => 'h',
        'і' | 'ι' | 'І' | 'ı' => 'i',
        'ј' => 'j',
        'к' | 'К' | 'κ' => 'k',
        'ӏ' | 'Ӏ' => 'l',
        'М' | 'м' => 'm',
        'ո' | 'η' => 'n',
        'о' | 'ο' | 'О' | 'Ο' | 'օ' => 'o',
        'р' | 'ρ' | 'Р' => 'p',
        'ѕ' | 'Ѕ' => 's',
        'т' | 'Т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' => 'w',
        'х' | 'Х' | 'χ' => 'x',
        'у' | 'У' | 'γ' => 'y',
        _ => return None,
    })
}

/// Whether a word has Latin letters and look-alikes side by side.
pub(super) fn is_mixed(text: &str) -> bool {
    mixed_word(text).is_some()
}

/// The first such word. One Greek letter beside Latin ones is mathematics, not disguise.
pub(super) fn mixed_word(text: &str) -> Option<&str> {
    if text.is_ascii() {
        return None;
    }
    text.split(|c: char| !c.is_alphabetic()).find(|word| {
        let latin = word.chars().filter(char::is_ascii_alphabetic).count();
        let cyrillic = word
            .chars()
            .filter(|c| matches!(c, '\u{400}'..='\u{52f}'))
            .count();
        let alike = word
            .chars()
            .filter(|c| !c.is_ascii() && look_alike(*c).is_some())
            .count();
        let greek = alike.saturating_sub(cyrillic);
        latin > 1 && alike > 0 && (cyrillic == alike || greek > 1)
    })
}

/// Texts that are hidden in Base64: only those that turn out to be words.
pub(super) fn decoded(text: &str) -> Vec<String> {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    text.split(|c| !is_inside(c))
        .filter(|run| run.len() >= 24)
        .take(20)
        .filter_map(|run| words_of(&base64(run)))
        .collect()
}

fn base64(run: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in run.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte.saturating_sub(b'A'),
            b'a'..=b'z' => byte.saturating_sub(b'a').saturating_add(26),
            b'0'..=b'9' => byte.saturating_sub(b'0').saturating_add(52),
            b'+' | b'-' => 62,
            _ => 63,
        };
        held = (held << 6 | u32::from(six)) & 0xff_ffff;
        bits = bits.saturating_add(6);
        if bits >= 8 {
            bits = bits.saturating_sub(8);
            bytes.push(u8::try_from(held >> bits & 0xff).unwrap_or_default());
        }
    }
    bytes
}

/// Bytes as text, if it is text: visible ASCII with blanks between words.
fn words_of(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let plain = text
        .chars()
        .all(|c| c.is_ascii_graphic() || matches!(c, ' ' | '\n'));
    let words = text
        .split_whitespace()
        .filter(|word| word.len() > 1)
        .count();
    let letters = text.chars().filter(char::is_ascii_alphabetic).count();
    let mostly = letters.saturating_mul(10) > text.len().saturating_mul(7);
    (plain && mostly && words > 2).then(|| text.to_owned())
}
