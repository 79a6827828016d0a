//! Spellings of member names that two readers could take for different things.
//!
//! Some servers bind JSON members without regard to case (Go's standard library does, with Unicode
//! folding: `ſ` is `s`, `K` is `k`). A message in which `Name` stands beside or instead of `name`
//! means one thing to such a server and another to a strict judge, so it is refused.

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
    "name",
    "params",
    "protocolVersion",
    "ref",
    "requestState",
    "result",
    "task",
    "uri",
];

/// The first member that is a variant spelling of a significant name or of its neighbour.
pub fn variant<'a>(members: &'a [Member<'_>]) -> Option<&'a str> {
    members.iter().enumerate().find_map(|(i, member)| {
        let key = member.key.as_ref();
        let of_significant = SIGNIFICANT
            .iter()
            .any(|name| *name != key && alike(name, key));
        let of_neighbour = || {
            members
                .iter()
                .take(i)
                .any(|other| other.key != key && alike(&other.key, key))
        };
        (of_significant || of_neighbour()).then_some(key)
    })
}

/// The members of an envelope alone, for messages whose other members nobody judges.
const ENVELOPE: &[&str] = &["error", "id", "jsonrpc", "method", "params", "result"];

/// The first key that is a variant spelling of a member of the envelope.
pub fn envelope_variant<'a>(mut keys: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    keys.find(|key| ENVELOPE.iter().any(|name| name != key && alike(name, key)))
}

/// Whether two names are the same once case and compatibility forms are folded away.
fn alike(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    fold(a) == fold(b)
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
    fn unknown_members_pass() {
        assert_eq!(
            variant_in(r#"{"jsonrpc":"2.0","traceId":1,"x-y":2,"ünïcode":3}"#),
            None
        );
    }
}
