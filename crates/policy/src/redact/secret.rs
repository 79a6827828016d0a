//! Secrets by their forms: tokens with a known beginning, keys between their lines, what follows
//! the word password.

use super::{Found, run};

/// The beginnings of tokens, and how many letters at least must follow.
const TOKENS: [(&str, usize); 33] = [
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 35),
    ("EAAC", 60),
    ("SG.", 40),
    ("dop_v1_", 64),
    ("eyJ", 30),
    ("ghp_", 36),
    ("gho_", 36),
    ("ghu_", 36),
    ("ghs_", 36),
    ("ghr_", 36),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("gsk_", 40),
    ("hf_", 30),
    ("lin_api_", 30),
    ("npm_", 36),
    ("prv_", 43),
    ("pypi-", 50),
    ("rk_live_", 20),
    ("rk_test_", 20),
    ("shpat_", 32),
    ("sk-", 20),
    ("sk_live_", 20),
    ("sk_test_", 20),
    ("xai-", 40),
    ("xapp-", 20),
    ("xoxa-", 10),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxr-", 10),
    ("xoxs-", 10),
];

/// Words after which a secret stands, with `=` or `:` between.
const WORDS: [&str; 17] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "client_secret",
    "secret_key",
    "passphrase",
    "credential",
    "credentials",
    "db_pass",
    "authorization",
];

/// A word of its own only before `=`: `bypass=` and `pass: all tests` are none.
const SHORT_WORD: &str = "pass";

/// Names of members whose whole value is a secret, without `_`, `-` and capitals.
const NAMES: [&str; 17] = [
    "token",
    "accesskey",
    "accesstoken",
    "apitoken",
    "authtoken",
    "authorization",
    "bearertoken",
    "credential",
    "credentials",
    "dbpass",
    "idtoken",
    "passphrase",
    "passwd",
    "privatekey",
    "pwd",
    "refreshtoken",
    "sessiontoken",
];

/// With whatever before them.
const NAME_ENDINGS: [&str; 5] = [
    "password",
    "secret",
    "apikey",
    "secretkey",
    "secretaccesskey",
];

/// What is shorter is more likely a word of a text than a secret.
const SHORTEST: usize = 6;

/// Is a member of this name a secret, whatever it looks like?
pub(super) fn is_name_of_one(key: &str) -> bool {
    let plain: String = key
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    NAMES.contains(&&*plain) || NAME_ENDINGS.iter().any(|end| plain.ends_with(end))
}

pub(super) const fn is_long_enough(value: &str) -> bool {
    value.len() >= SHORTEST
}

const KEY_BEGINS: &str = "-----BEGIN ";
const KEY_ENDS: &str = "-----END ";

pub(super) fn find(text: &str) -> Vec<Found> {
    let mut found = keys(text);
    found.extend(tokens(text));
    found.extend(assigned(text));
    found.extend(in_urls(text));
    joined(found)
}

/// What overlaps is one.
fn joined(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_unstable_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Found> = Vec::with_capacity(found.len());
    for range in found {
        match joined.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Private keys with their lines; one whose end is missing goes on to the end.
fn keys(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = find_from(text, KEY_BEGINS, from) {
        let rest = text.get(start..).unwrap_or_default();
        let head_end = find_from(rest, "-----", KEY_BEGINS.len()).unwrap_or(rest.len());
        let is_private = rest
            .get(..head_end)
            .is_some_and(|head| head.contains("PRIVATE KEY"));
        let length = if is_private {
            find_from(rest, KEY_ENDS, head_end)
                .and_then(|end| find_from(rest, "-----", end.saturating_add(KEY_ENDS.len())))
                .map_or(rest.len(), |end| end.saturating_add(5))
        } else {
            head_end.max(KEY_BEGINS.len())
        };
        from = start.saturating_add(length);
        if is_private {
            found.push(start..from);
        }
    }
    found
}

fn find_from(text: &str, what: &str, from: usize) -> Option<usize> {
    let offset = text.get(from..)?.find(what)?;
    Some(from.saturating_add(offset))
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'+' | b'=')
}

fn tokens(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (beginning, least) in TOKENS {
        for (start, _) in text.match_indices(beginning) {
            let before = text.get(..start).unwrap_or_default();
            if before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
                continue;
            }
            let body = start.saturating_add(beginning.len());
            let rest = text.get(body..).unwrap_or_default();
            let length = run(rest, is_token);
            // Letters, not what ends a sentence or a path.
            let letters = run(rest, |b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            if letters >= least || (beginning == "SG." && length >= least) {
                let whole = rest.get(..length).unwrap_or_default();
                let whole = whole.trim_end_matches(['.', '/', '=']);
                found.push(start..body.saturating_add(whole.len()));
            }
        }
    }
    found
}

/// The value after `password=`, `"token": "` and their like.
fn assigned(text: &str) -> Vec<Found> {
    let lower = text.to_ascii_lowercase();
    let places = WORDS
        .iter()
        .flat_map(|word| lower.match_indices(word))
        .chain(short_words(&lower));
    let mut found = Vec::new();
    for (start, word) in places {
        let after = start.saturating_add(word.len());
        let rest = text.get(after..).unwrap_or_default();
        let Some(value) = value_at(rest) else {
            continue;
        };
        if value.len() >= SHORTEST {
            let begin = after.saturating_add(value.start);
            found.push(begin..after.saturating_add(value.end));
        }
    }
    found
}

fn short_words(lower: &str) -> impl Iterator<Item = (usize, &str)> {
    lower.match_indices(SHORT_WORD).filter(|(start, word)| {
        let (before, rest) = lower.split_at_checked(*start).unwrap_or_default();
        let rest = rest.get(word.len()..).unwrap_or_default();
        rest.starts_with('=') && !before.ends_with(|c: char| c.is_ascii_alphanumeric())
    })
}

/// The value that `= value`, `": "value"` or `: Bearer value` gives, if the text begins so.
fn value_at(text: &str) -> Option<Found> {
    let bytes = |text: &str, set: &'static [u8]| run(text, |b| set.contains(&b));
    // With `\`: JSON in a string of JSON.
    let mut at = bytes(text, b"\"'\\");
    at = at.saturating_add(bytes(text.get(at..)?, b" \t"));
    let sign = text.get(at..)?.strip_prefix([':', '='])?;
    at = text.len().saturating_sub(sign.len());
    at = at.saturating_add(bytes(text.get(at..)?, b" \t"));
    if let Some(quoted) = quoted(text.get(at..)?) {
        let end = at.saturating_add(quoted.end);
        return Some(past_scheme(text, at.saturating_add(quoted.start))..end);
    }
    at = at.saturating_add(bytes(text.get(at..)?, b" \t\"'"));
    at = past_scheme(text, at);
    let length = run(text.get(at..)?, |b| {
        b.is_ascii_graphic() && !b"\"'`,;<>()[]{}&".contains(&b) || b >= 0x80
    });
    Some(at..at.saturating_add(length))
}

fn past_scheme(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let schemes = ["Bearer ", "bearer ", "Basic ", "basic ", "Token ", "token "];
    let scheme = schemes.into_iter().find(|scheme| rest.starts_with(scheme));
    at.saturating_add(scheme.map_or(0, str::len))
}

/// Quotes are escaped in strings in strings; not deeper than three.
const MOST_ESCAPES: usize = 7;

/// What stands between a quote and its like, on one line, if the text begins with a quote.
fn quoted(text: &str) -> Option<Found> {
    let escapes = run(text, |b| b == b'\\');
    let quote = text.get(escapes..)?.chars().next();
    let quote = quote.filter(|c| matches!(c, '"' | '\''))?;
    let start = escapes.saturating_add(1);
    let value = text.get(start..)?;
    if escapes > MOST_ESCAPES || value.starts_with([' ', '\t', quote]) {
        return None;
    }
    let mut before: usize = 0;
    for (at, char) in value.char_indices() {
        match char {
            '\n' | '\r' => return None,
            '\\' => before = before.saturating_add(1),
            // After an even number of them, it is the backslashes that are escaped.
            c if c == quote && escapes == 0 && before.is_multiple_of(2) => {
                return Some(start..start.saturating_add(at));
            }
            c if c == quote && before <= escapes && escapes > 0 => {
                return Some(start..start.saturating_add(at).saturating_sub(before));
            }
            _ => before = 0,
        }
    }
    None
}

/// The password of `scheme://user:password@host`.
fn in_urls(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let start = at.saturating_add(3);
        let rest = text.get(start..).unwrap_or_default();
        let length = run(rest, |b| b.is_ascii_graphic() && !b"/?#\"'<>".contains(&b));
        let authority = rest.get(..length).unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else {
            continue;
        };
        if let Some((name, password)) = user.split_once(':')
            && !password.is_empty()
        {
            let begin = start.saturating_add(name.len()).saturating_add(1);
            found.push(begin..begin.saturating_add(password.len()));
        }
    }
    found
}
