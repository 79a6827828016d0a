//! Secrets by their forms: tokens with a known beginning, keys between their lines, passwords in
//! URLs. What follows the word password is `assigned`'s.

use super::run::Runs;
use super::{Found, assigned, run};

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
pub(super) const SHORTEST: usize = 6;

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
    found.extend(tokens(text).0);
    found.extend(assigned::find(text));
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

/// Letters, not what ends a sentence or a path.
const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The tokens, and how many bytes were looked at behind beginnings.
fn tokens(text: &str) -> (Vec<Found>, usize) {
    let mut found = Vec::new();
    let mut whole = Runs::of(text, is_token);
    let mut letters = Runs::of(text, is_letter);
    for (beginning, least) in TOKENS {
        for (start, _) in text.match_indices(beginning) {
            let before = text.get(..start).unwrap_or_default();
            if before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
                continue;
            }
            let body = start.saturating_add(beginning.len());
            let length = whole.length(body);
            if letters.length(body) >= least || (beginning == "SG." && length >= least) {
                let rest = text.get(body..body.saturating_add(length));
                let rest = rest.unwrap_or_default();
                let rest = rest.trim_end_matches(['.', '/', '=']);
                found.push(start..body.saturating_add(rest.len()));
            }
        }
    }
    let looked = whole.looked.saturating_add(letters.looked);
    (found, looked)
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

#[cfg(test)]
mod tests {
    use super::*;

    // INVARIANT: a token that begins within another costs no second look.
    #[test]
    fn tokens_in_tokens_are_looked_at_once() {
        for piece in ["sk-", "AKIA.", "eyJ.", "prv_-sk-", "SG.", "hf_ "] {
            let text = piece.repeat(20_000);
            let (_, looked) = tokens(&text);
            assert!(looked <= 4 * text.len() * TOKENS.len(), "{piece}: {looked}");
        }
    }
}
