//! What the things of a server are called behind the one URL: a pure function each, the same on
//! every machine and after every restart.
//!
//! A tool or prompt is `<server>__<name>`. That alone could name two things (`a__b` of a server `c`
//! is not told from `b` of a server `c__a`), and could be too long for clients. So a name that is
//! not clear, or too long, is cut and ends with 64 bits of a hash of the server and the name; one
//! that merely looks so is hashed as well. What is clear has its server before the first `__`, and
//! what is hashed ends like nothing else, so no two things have one name, but for two whose hashes
//! are equal: those the [table](super::table) refuses.
//!
//! INVARIANT: two things have two names, of at most 64 bytes (`names_are_apart_and_short`).

use ring::digest::{SHA256, digest};

use crate::hex;

/// Clients refuse longer names of tools. Counted in bytes, which are never fewer than characters.
const LONGEST: usize = 64;
const BETWEEN: &str = "__";
/// The hash at the end of a cut name: this many bits in hex, and a `_` before them.
const HASH_BYTES: usize = 8;
const ENDING: usize = 2 * HASH_BYTES + 1;

/// The name of a server's tool or prompt.
pub(super) fn joined(server: &str, name: &str) -> String {
    let whole = format!("{server}{BETWEEN}{name}");
    if whole.len() <= LONGEST && is_clear(server) && !is_shortened(&whole) {
        return whole;
    }
    let head = whole.floor_char_boundary(LONGEST - ENDING);
    let head = whole.get(..head).unwrap_or_default();
    format!("{head}_{}", hash(server, name))
}

/// Whether what comes before the first `__` of a name can only be this server.
fn is_clear(server: &str) -> bool {
    !server.contains(BETWEEN) && !server.ends_with('_')
}

/// Whether a name ends as a cut one does.
pub(super) fn is_shortened(name: &str) -> bool {
    let end = name.as_bytes().last_chunk::<ENDING>();
    end.is_some_and(|end| {
        let digit = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        matches!(end.split_first(), Some((b'_', hash)) if hash.iter().all(digit))
    })
}

fn hash(server: &str, name: &str) -> String {
    // The length in front keeps the two apart.
    let mut text = (server.len() as u64).to_be_bytes().to_vec();
    text.extend_from_slice(server.as_bytes());
    text.extend_from_slice(name.as_bytes());
    let hash = digest(&SHA256, &text);
    hex::encode(hash.as_ref().get(..HASH_BYTES).unwrap_or_default())
}

/// What a server calls the thing that has this name behind the one URL, if the name is not a cut
/// one and can be that server's.
pub(super) fn name_at(server: &str, name: &str) -> Option<String> {
    let rest = name.strip_prefix(server)?.strip_prefix(BETWEEN)?;
    // Whole names are compared: what only begins like one of this server is another's.
    (joined(server, rest) == name).then(|| rest.to_owned())
}

/// Whether a cut name can be one of this server's.
pub(super) fn may_be_of(server: &str, shortened: &str) -> bool {
    let head = shortened.len().saturating_sub(ENDING);
    let head = shortened.get(..head).unwrap_or_default();
    let start = format!("{server}{BETWEEN}");
    head.starts_with(&start) || start.starts_with(head)
}

/// Before the server in a URI. No server's name has a colon, so the first one after it ends the
/// name, and everything else is the server's own URI as it is: also a template stays one. Readers
/// that tidy URIs up leave such a one alone, for nothing in it looks like a host or a path.
const SCHEME: &str = "portreeve:";
/// Hosts know the pages of apps by their scheme, so those keep it.
const PAGE: &str = "ui://";
const OUR_PAGE: &str = "ui://portreeve/";

/// The URI, or the template of URIs, of a server's resource.
pub(super) fn uri(server: &str, uri: &str) -> String {
    match uri.strip_prefix(PAGE) {
        Some(page) => format!("{OUR_PAGE}{server}/{page}"),
        None => format!("{SCHEME}{server}:{uri}"),
    }
}

/// The server and its own URI behind one of ours.
pub(super) fn uri_at(ours: &str) -> Option<(&str, String)> {
    if let Some(rest) = ours.strip_prefix(OUR_PAGE) {
        let (server, page) = rest.split_once('/')?;
        return Some((server, format!("{PAGE}{page}")));
    }
    let (server, uri) = ours.strip_prefix(SCHEME)?.split_once(':')?;
    (!uri.starts_with(PAGE)).then(|| (server, uri.to_owned()))
}

/// An id that a server gave (a task's, an elicitation's, an event's), and whose it is.
pub(super) fn tagged(server: &str, id: &str) -> String {
    format!("{server}:{id}")
}

/// The server and its own id behind one of ours.
pub(super) fn untagged(ours: &str) -> Option<(&str, &str)> {
    ours.split_once(':')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_as_documented() {
        for (server, name, expected) in [
            ("notes", "add", "notes__add"),
            ("notes", "a__b", "notes__a__b"),
            ("notes", "_x", "notes___x"),
            ("n", "", "n__"),
            ("a", "b__c", "a__b__c"),
            (
                "issue-tracker",
                "list_issues_by_filter_expression_sorted_by_priority",
                "issue-tracker__list_issues_by_filter_expression_2b6ca3977cc068f9",
            ),
        ] {
            assert_eq!(joined(server, name), expected);
        }
        assert!(joined("a__b", "c").starts_with("a__b__c_"));
        let long = "x".repeat(59);
        assert_eq!(joined("abc", &long).len(), 64);
        assert!(!is_shortened(&joined("abc", &long)));
        let cut = joined("abcd", &long);
        assert_eq!(cut.len(), 64);
        assert!(is_shortened(&cut), "{cut}");
    }

    #[test]
    fn a_name_that_looks_cut_is_hashed() {
        let cut = joined("good", &"x".repeat(80));
        let name = cut.strip_prefix("good__").unwrap();
        assert_ne!(joined("good", name), cut);
        assert!(is_shortened(&joined("good", name)));
    }

    #[test]
    fn uris_go_there_and_back() {
        for (server, own, ours) in [
            (
                "a.b",
                "file:///x/{y}?z#w",
                "portreeve:a.b:file:///x/{y}?z#w",
            ),
            ("s", "ui://card/x.html", "ui://portreeve/s/card/x.html"),
            ("s", "ui://portreeve/t/x", "ui://portreeve/s/portreeve/t/x"),
            ("s", "portreeve:t:x", "portreeve:s:portreeve:t:x"),
            ("s", "", "portreeve:s:"),
        ] {
            assert_eq!(uri(server, own), ours);
            assert_eq!(uri_at(ours), Some((server, own.to_owned())));
        }
        for none in [
            "file:///x",
            "portreeve:s",
            "portreeve:s:ui://x",
            "ui://s/x",
            "",
        ] {
            assert_eq!(uri_at(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn names_are_apart_and_short(
            servers in prop::collection::vec("[ab_]{0,3}[a_.-]{1,62}|[a-b]_{0,4}", 2),
            names in prop::collection::vec("[ab_]{0,6}|\\PC{0,80}|_[0-9a-f]{16}", 2),
        ) {
            let (first, second) = (joined(&servers[0], &names[0]), joined(&servers[1], &names[1]));
            prop_assert!(first.len() <= LONGEST && second.len() <= LONGEST);
            let same = servers[0] == servers[1] && names[0] == names[1];
            prop_assert_eq!(first == second, same);
            prop_assert_eq!(&first, &joined(&servers[0], &names[0]));
            match name_at(&servers[0], &first) {
                Some(name) => prop_assert_eq!(&name, &names[0]),
                None => prop_assert!(is_shortened(&first) && may_be_of(&servers[0], &first)),
            }
            if !same {
                prop_assert!(name_at(&servers[1], &first).is_none_or(|_| servers[0] == servers[1]));
            }
        }

        #[test]
        fn a_servers_names_cannot_be_made_to_hide_anothers(
            victim in "[a-b_]{1,4}", name in "[a-b_]{0,60}", attacker in "[a-b_]{1,4}",
        ) {
            prop_assume!(victim != attacker);
            let theirs = joined(&victim, &name);
            // Whatever an attacker calls its tool in order to have the victim's name.
            let start = format!("{attacker}__");
            if let Some(rest) = theirs.strip_prefix(&start) {
                prop_assert_ne!(joined(&attacker, rest), theirs);
            }
        }
    }
}
