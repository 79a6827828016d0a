//! JSON as an ordinary reader sees it, to hold against the gate's own.
//!
//! Built on `serde_json`, which shares no code with the gate's reader. Every member is kept, also
//! those that most readers would let win over another.

use std::fmt;

use portreeve_policy::json::{Kind, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The text, if an ordinary reader takes it.
pub fn read(text: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(text).ok()
}

/// The members of an object, in their order, duplicates and all.
pub fn members(raw: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    serde_json::from_str::<Members<'_>>(raw.get())
        .ok()
        .map(|members| members.0)
}

pub fn elements(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

pub fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// The one member of that name.
pub fn member<'a>(raw: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    members(raw)?
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

/// Every value under a name that a reader without regard to case takes for `name`.
pub fn members_like<'a>(raw: &'a RawValue, name: &str) -> Vec<&'a RawValue> {
    members(raw)
        .unwrap_or_default()
        .into_iter()
        .filter(|(key, _)| key.to_lowercase() == name || key.to_uppercase() == name.to_uppercase())
        .map(|(_, value)| value)
        .collect()
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// Panics unless both readers see the same tree.
pub fn assert_same(ours: &Value<'_>, theirs: &RawValue) {
    match &ours.kind {
        Kind::Null => assert_eq!(theirs.get(), "null"),
        Kind::Bool(flag) => assert_eq!(theirs.get(), flag.to_string()),
        Kind::Number(number) => assert_eq!(theirs.get(), *number),
        Kind::String(string) => assert_eq!(text(theirs).as_deref(), Some(string.as_ref())),
        Kind::Array(array) => {
            let others = elements(theirs).expect("an array to both");
            assert_eq!(array.len(), others.len());
            for (one, other) in array.iter().zip(others) {
                assert_same(one, other);
            }
        }
        Kind::Object(object) => {
            let others = members(theirs).expect("an object to both");
            assert_eq!(object.len(), others.len());
            for (one, (key, other)) in object.iter().zip(others) {
                assert_eq!(one.key, key);
                assert_same(&one.value, other);
            }
        }
    }
}
