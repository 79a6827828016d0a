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
const WORDS: [&str; 12] = [
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
    "authorization",
];

/// Names of members whose whole value is a secret, without `_`, `-` and capitals.
const NAMES: [&str; 15] = [
    "token",
    "accesskey",
    "accesstoken",
    "apitoken",
    "authtoken",
    "authorization",
    "bearertoken",
    "credential",
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
    let mut found = Vec::new();
    for word in WORDS {
        for (start, _) in lower.match_indices(word) {
            let after = start.saturating_add(word.len());
            let rest = text.get(after..).unwrap_or_default();
            let Some(value) = value_at(rest) else {
                continue;
            };
            let begin = after.saturating_add(value.start);
            let end = after.saturating_add(value.end);
            if value.len() >= SHORTEST {
                found.push(begin..end);
            }
        }
    }
    found
}

/// The value that `= value`, `": "value"` or `: Bearer value` gives, if the text begins so.
fn value_at(text: &str) -> Option<Found> {
    let bytes = |text: &str, set: &'static [u8]| run(text, |b| set.contains(&b));
    let mut at = bytes(text, b"\"'");
    at = at.saturating_add(bytes(text.get(at..)?, b" \t"));
    let sign = text.get(at..)?.strip_prefix([':', '='])?;
    at = text.len().saturating_sub(sign.len());
    at = at.saturating_add(bytes(text.get(at..)?, b" \t\"'"));
    for scheme in ["Bearer ", "bearer ", "Basic ", "basic ", "Token ", "token "] {
        if text.get(at..)?.starts_with(scheme) {
            at = at.saturating_add(scheme.len());
        }
    }
    let length = run(text.get(at..)?, |b| {
        b.is_ascii_graphic() && !b"\"'`,;<>()[]{}&".contains(&b) || b >= 0x80
    });
    Some(at..at.saturating_add(length))
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
