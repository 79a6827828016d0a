//! Trees to be written as a policy.

use std::borrow::Cow;

use portreeve_policy::json::{Kind, Member, Span, Value};

fn value(kind: Kind<'static>) -> Value<'static> {
    Value {
        span: Span::default(),
        kind,
    }
}

pub(super) fn string(text: &str) -> Value<'static> {
    value(Kind::String(Cow::Owned(text.to_owned())))
}

pub(super) fn number(number: u32) -> Value<'static> {
    value(Kind::Number(Cow::Owned(number.to_string())))
}

pub(super) fn boolean(flag: bool) -> Value<'static> {
    value(Kind::Bool(flag))
}

pub(super) fn array(elements: Vec<Value<'static>>) -> Value<'static> {
    value(Kind::Array(elements))
}

pub(super) fn object(members: Vec<(&str, Value<'static>)>) -> Value<'static> {
    map(members
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect())
}

pub(super) fn map(members: Vec<(String, Value<'static>)>) -> Value<'static> {
    let member = |(key, value)| Member {
        key: Cow::Owned(key),
        key_span: Span::default(),
        value,
    };
    value(Kind::Object(members.into_iter().map(member).collect()))
}
