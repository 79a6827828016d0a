//! Spellings of member names that two readers could take for different things.
//!
//! Some servers bind JSON members without regard to case (Go's standard library does, with Unicode
//! folding: `ſ` is `s`, `K` is `k`). A message in which `Name` stands beside or instead of `name`
//! means one thing to such a server and another to a strict judge, so it is refused.

use std::collections::HashSet;

use portreeve_policy::fold;
use portreeve_policy::json::Member;

/// The member names of envelopes and of `params` that decide anything.
const SIGNIFICANT: &[&str] = &[
    "_meta",
    "arguments",
    "capabilities",
    "clientInfo",
    "cursor",
    "error",
    "id",
    "inputResponses",
    "jsonrpc",
    "level",
    "method",
    "mode",
    "name",
    "notifications",
    "params",
    "protocolVersion",
    "ref",
    "requestState",
    "resourceSubscriptions",
    "result",
    "task",
    "uri",
];

/// The members of a server's results that decide anything.
const OF_RESULTS: &[&str] = &[
    "_meta",
    "cacheScope",
    "inputRequests",
    "isError",
    "nextCursor",
    "prompts",
    "requestState",
    "resources",
    "resourceTemplates",
    "resultType",
    "tools",
];

/// The members of an envelope alone, for messages whose other members nobody judges.
const ENVELOPE: &[&str] = &["error", "id", "jsonrpc", "method", "params", "result"];

/// What an element of a list is called by.
const OF_ELEMENTS: &[&str] = &["name", "uri", "uriTemplate"];

/// Up to so many members are compared with each other; more are looked up, for a stranger decides
/// how many there are.
const COMPARED: usize = 16;

/// The first member that is a variant spelling of a significant name or of its neighbour.
pub fn variant<'a>(members: &'a [Member<'_>]) -> Option<&'a str> {
    let keys = || members.iter().map(|member| member.key.as_ref());
    if members.len() > COMPARED || !keys().all(str::is_ascii) {
        let mut seen = HashSet::with_capacity(members.len());
        // No two keys of one object are equal, so two that fold to the same text are variants.
        return keys().find(|key| is_variant_of(SIGNIFICANT, key) || !seen.insert(folded(key)));
    }
    keys().enumerate().find_map(|(i, key)| {
        let of_neighbour = || keys().take(i).any(|other| other.eq_ignore_ascii_case(key));
        (is_variant_of(SIGNIFICANT, key) || of_neighbour()).then_some(key)
    })
}

/// The first key that is a variant spelling of a member of the envelope.
pub fn envelope_variant<'a>(mut keys: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    keys.find(|key| is_variant_of(ENVELOPE, key))
}

/// The first key that is a variant spelling of a member that decides what a result is.
pub fn result_variant<'a>(mut keys: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    keys.find(|key| is_variant_of(OF_RESULTS, key))
}

/// Whether an element of a list has a variant spelling of what it is called by.
pub fn is_called_twice(members: &[Member<'_>]) -> bool {
    members
        .iter()
        .any(|member| is_variant_of(OF_ELEMENTS, &member.key))
}

/// Folding to plain ASCII never shortens a text by more than its encoding: a longer key than this
/// is a variant of none of the names here.
const LONGEST_VARIANT: usize = 4 * 32;

fn is_variant_of(names: &[&str], key: &str) -> bool {
    if key.len() > LONGEST_VARIANT {
        return false;
    }
    if key.is_ascii() {
        let imitated = |name: &&str| *name != key && name.eq_ignore_ascii_case(key);
        return names.iter().any(imitated);
    }
    let key = fold(key);
    names.iter().any(|name| name.eq_ignore_ascii_case(&key))
}

fn folded(key: &str) -> String {
    if key.is_ascii() {
        key.to_ascii_lowercase()
    } else {
        fold(key)
    }
}

#[cfg(test)]
mod tests {
    use portreeve_policy::json::{Rules, Value, parse};

    use super::*;

    fn variant_in(text: &str) -> Option<String> {
        let value: Value<'_> = parse(text.as_bytes(), Rules::MESSAGE).unwrap();
        variant(value.members().unwrap()).map(str::to_owned)
    }

    #[test]
    fn variants_are_found_in_every_disguise() {
        for (text, found) in [
            (r#"{"Method":"x"}"#, "Method"),
            (r#"{"method":"x","METHOD":"y"}"#, "METHOD"),
            (r#"{"paramſ":{}}"#, "paramſ"),
            (r#"{"name":"a","Name":"b"}"#, "Name"),
            (r#"{"other":1,"Other":2}"#, "Other"),
            (r#"{"argumentſ":{}}"#, "argumentſ"),
            (r#"{"tasK":{}}"#, "tasK"),
            (r#"{"ｎame":{}}"#, "ｎame"),
        ] {
            assert_eq!(variant_in(text).as_deref(), Some(found), "{text}");
        }
    }

    #[test]
    fn variants_are_found_among_many() {
        let crowd: Vec<String> = (0..COMPARED).map(|i| format!(r#""k{i}":0,"#)).collect();
        let crowd = crowd.concat();
        for key in ["K3", "Name", "ｎame", "ｋ3"] {
            let text = format!(r#"{{{crowd}"{key}":1}}"#);
            assert_eq!(variant_in(&text).as_deref(), Some(key), "{text}");
        }
        let text = format!(r#"{{{crowd}"name":1}}"#);
        assert_eq!(variant_in(&text), None);
    }

    #[test]
    fn no_name_is_too_long_to_be_imitated() {
        let names = [SIGNIFICANT, OF_RESULTS, ENVELOPE, OF_ELEMENTS].concat();
        assert!(names.iter().all(|name| name.len() * 4 <= LONGEST_VARIANT));
    }

    #[test]
    fn unknown_members_pass() {
        assert_eq!(
            variant_in(r#"{"jsonrpc":"2.0","traceId":1,"x-y":2,"ünïcode":3}"#),
            None
        );
    }
}
