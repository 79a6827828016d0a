//! What a call is about when it is about no tool: a resource or a prompt, as far as the book may
//! know it.
//!
//! A URI can carry a secret in its user part, its query and its fragment. Those are left out; a
//! fingerprint of the whole tells two of them apart all the same. Leaves the key of the fingerprint
//! to who has it.

use std::borrow::Cow;

/// The resource or prompt of a call.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub text: &'a str,
    /// A fingerprint of the whole, where something was left out of the text.
    pub mac: Option<[u8; 16]>,
}

/// What is written for text that is no URI: any part of it could be the secret one.
const NO_URI: &str = "(not a URI)";

/// The part of a URI that may be written down: scheme, host and path.
///
/// INVARIANT: no user part, query or fragment is in it, as any reader of URIs would find them
/// (`secrets_in_a_uri_are_left_out`).
pub fn shown(uri: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = uri.split_once(':').filter(|(s, _)| is_scheme(s)) else {
        return Cow::Borrowed(NO_URI);
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let hierarchy = rest.get(..end).unwrap_or_default();
    let doubtful = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    // The path of a data URI is the data.
    let known = (!uri.contains(doubtful) && !scheme.eq_ignore_ascii_case("data"))
        .then(|| located(scheme, hierarchy))
        .flatten();
    match known {
        Some(("", kept)) if kept.len() == rest.len() => Cow::Borrowed(uri),
        Some((slashes, kept)) => Cow::Owned(format!("{scheme}:{slashes}{kept}")),
        None => Cow::Owned(format!("{scheme}:")),
    }
}

fn is_scheme(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(letter)
}

/// The slashes to write, if they are not in the rest, and host and path without a user part.
fn located<'a>(scheme: &str, hierarchy: &'a str) -> Option<(&'static str, &'a str)> {
    let Some(after) = hierarchy.strip_prefix("//") else {
        return Some(("", without_user(hierarchy)));
    };
    let slash = after.find('/').unwrap_or(after.len());
    let (authority, path) = after.split_at_checked(slash)?;
    if authority.is_empty() && !scheme.eq_ignore_ascii_case("file") {
        // Some readers pass over the empty host and find one behind it.
        return Some(match without_user(path) {
            all if all.len() == path.len() => ("", hierarchy),
            part => ("//", part),
        });
    }
    let host = without_user(authority);
    if !has_plain_port(host) {
        return None;
    }
    if host.len() == authority.len() {
        return Some(("", hierarchy));
    }
    let user = authority.len() - host.len();
    Some(("//", after.get(user..)?))
}

fn without_user(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

/// A colon with anything but a port after it is rather the middle of a name and a password.
fn has_plain_port(host: &str) -> bool {
    let after_address = host.rsplit_once(']').map_or(host, |(_, port)| port);
    let port = after_address.split_once(':').map_or("", |(_, port)| port);
    port.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_secret_place_is_written_as_it_is() {
        for uri in [
            "file:///home/alice/notes.md",
            "https://example.com:8443/a/@alice/b",
            "https://[::1]:80/x",
            "memo:insights",
            "test://static/resource/1",
            "file:///a@b",
        ] {
            assert_eq!(shown(uri), uri);
            assert!(matches!(shown(uri), Cow::Borrowed(_)), "{uri}");
        }
    }

    #[test]
    fn secrets_in_a_uri_are_left_out() {
        for (uri, kept) in [
            (
                "https://example.com/a?token=s3cret",
                "https://example.com/a",
            ),
            ("https://example.com/a#s3cret", "https://example.com/a"),
            ("https://example.com?s3cret", "https://example.com"),
            ("postgres://bob:s3cret@db:5432/x", "postgres://db:5432/x"),
            ("https://bob:s3cret@x@example.com/", "https://example.com/"),
            ("https://bob:s3/cret@example.com/", "https:"),
            ("https:bob:s3cret@example.com/x", "https:example.com/x"),
            ("https:/bob:s3/cret@example.com/x", "https:example.com/x"),
            ("https:///bob:s3cret@example.com/x", "https://example.com/x"),
            ("https:\\\\bob:s3cret@example.com\\x", "https:"),
            ("https://example.com/a\n?s3cret", "https:"),
            ("data:text/plain,s3cret", "data:"),
            ("DATA:text/plain;base64,s3cret", "DATA:"),
            ("mailto:s3cret@example.com", "mailto:example.com"),
            ("s3cret", NO_URI),
            ("s3cret with space:x", NO_URI),
            ("?s3cret:x", NO_URI),
            ("", NO_URI),
        ] {
            assert_eq!(shown(uri), kept, "{uri}");
            assert!(!shown(uri).contains("s3"), "{uri}");
        }
    }
}
