//! From tables of keys to a JSON Schema (draft 2020-12) with which editors complete and explain.
//!
//! It takes every document that the reader takes, and is not as strict: what needs more than one
//! value to be judged is not said here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Conditions, Keys, Operator, Shape};
use crate::json::{Kind, Member, Span, Value, readable};

type Json = Value<'static>;

/// The schema of the documents that `root` describes, as JSON.
pub(crate) fn schema(root: &'static Keys, title: &str) -> String {
    let mut writer = Writer::default();
    let body = writer.object(root);
    let mut members = vec![
        (
            "$schema",
            text("https://json-schema.org/draft/2020-12/schema"),
        ),
        ("title", text(title)),
    ];
    members.extend(body);
    let definitions = writer.definitions.into_iter();
    let definitions = definitions.filter_map(|(name, body)| Some((name, body?)));
    members.push(("$defs", object(definitions)));
    readable(&object(members))
}

#[derive(Default)]
struct Writer {
    /// What others refer to; nothing while it is being made.
    definitions: BTreeMap<&'static str, Option<Json>>,
}

impl Writer {
    fn define(&mut self, name: &'static str, make: impl FnOnce(&mut Self) -> Json) -> Json {
        if !self.definitions.contains_key(name) {
            self.definitions.insert(name, None);
            let body = make(self);
            self.definitions.insert(name, Some(body));
        }
        object([("$ref", text(format!("#/$defs/{name}")))])
    }

    fn object(&mut self, keys: &'static Keys) -> Vec<(&'static str, Json)> {
        let property = |key: &'static super::Key| (key.name, self.described(&key.shape, key.about));
        let properties: Vec<(&str, Json)> = keys.known.iter().map(property).collect();
        let mut members = vec![
            ("description", text(keys.about)),
            ("type", text("object")),
            ("properties", object(properties)),
            ("additionalProperties", value(Kind::Bool(false))),
        ];
        let needed: Vec<Json> = keys.needed().map(text).collect();
        if !needed.is_empty() {
            members.push(("required", array(needed)));
        }
        members
    }

    fn described(&mut self, shape: &'static Shape, about: &str) -> Json {
        let mut members = vec![("description", text(about))];
        members.extend(self.shape(shape));
        object(members)
    }

    fn plain(&mut self, shape: &'static Shape) -> Json {
        object(self.shape(shape))
    }

    fn shape(&mut self, shape: &'static Shape) -> Vec<(&'static str, Json)> {
        match shape {
            Shape::Any => Vec::new(),
            Shape::Text => of_type("string"),
            Shape::Filled => with("string", [("minLength", number(1))]),
            Shape::Like(pattern) => with("string", [("pattern", text(*pattern))]),
            Shape::Flag => of_type("boolean"),
            Shape::Number => of_type("number"),
            Shape::Amount => with("number", [("minimum", number(0))]),
            Shape::Whole(least, most) => {
                let bounds = [("minimum", number(*least)), ("maximum", number(*most))];
                with("integer", bounds)
            }
            Shape::Word(words) => vec![("enum", array(words.iter().copied().map(text)))],
            Shape::Listed(words) => vec![("enum", array(words().into_iter().map(text)))],
            Shape::True => vec![("const", value(Kind::Bool(true)))],
            Shape::Object(keys) => {
                let reference = self.define(keys.name, |writer| object(writer.object(keys)));
                reference_to(reference)
            }
            Shape::OneOf(keys, members) => {
                let reference = self.define(keys.name, |writer| object(writer.object(keys)));
                let one = |name: &&'static str| object([("required", array([text(*name)]))]);
                let one = array(members.iter().map(one));
                vec![("allOf", array([reference])), ("oneOf", one)]
            }
            Shape::List(element) => with("array", [("items", self.plain(element))]),
            Shape::FilledList(element) => with(
                "array",
                [("items", self.plain(element)), ("minItems", number(1))],
            ),
            Shape::Map(says) => with("object", [("additionalProperties", self.plain(says))]),
            Shape::Tools(says) => {
                let names = self.plain(&super::SELECTOR);
                let says = self.plain(says);
                with(
                    "object",
                    [("propertyNames", names), ("additionalProperties", says)],
                )
            }
            Shape::Others(keys) => self.others(keys),
            Shape::Either(shapes) => {
                let shapes: Vec<Json> = shapes.iter().map(|shape| self.plain(shape)).collect();
                vec![("anyOf", array(shapes))]
            }
            Shape::Condition(conditions) => {
                let reference =
                    self.define(conditions.keys.name, |writer| writer.condition(conditions));
                reference_to(reference)
            }
        }
    }

    fn others(&mut self, keys: &'static Keys) -> Vec<(&'static str, Json)> {
        let rules = self.define(keys.name, |writer| object(writer.object(keys)));
        let validate = object([("validate", value(Kind::Bool(false)))]);
        let without = object([("properties", validate)]);
        let says = object([("allOf", array([rules, without]))]);
        let names = object([("pattern", text("^[^@]"))]);
        with(
            "object",
            [("propertyNames", names), ("additionalProperties", says)],
        )
    }

    fn condition(&mut self, conditions: &'static Conditions) -> Json {
        let mut members = self.object(conditions.keys);
        let alone = conditions.keys.known.iter().map(|key| key.name);
        let alone = alone.filter(|key| !conditions.test.contains(key));
        let mut forms: Vec<Json> = alone
            .map(|key| {
                object([
                    ("required", array([text(key)])),
                    ("maxProperties", number(1)),
                ])
            })
            .collect();
        let operators: Vec<Json> = conditions
            .operators
            .iter()
            .map(|operator| self.operator(operator))
            .collect();
        forms.push(object([
            ("required", array(conditions.test.iter().copied().map(text))),
            ("anyOf", array(operators)),
        ]));
        members.push(("anyOf", array(forms)));
        object(members)
    }

    fn operator(&mut self, operator: &'static Operator) -> Json {
        let word = object([
            ("const", text(operator.word)),
            ("description", text(operator.about)),
        ]);
        let properties = object([("op", word), ("value", self.plain(&operator.value))]);
        object([("properties", properties)])
    }
}

/// The members of an object that stands alone.
fn reference_to(reference: Json) -> Vec<(&'static str, Json)> {
    vec![("allOf", array([reference]))]
}

fn of_type(name: &'static str) -> Vec<(&'static str, Json)> {
    vec![("type", text(name))]
}

fn with<const N: usize>(
    name: &'static str,
    more: [(&'static str, Json); N],
) -> Vec<(&'static str, Json)> {
    of_type(name).into_iter().chain(more).collect()
}

fn value(kind: Kind<'static>) -> Json {
    Value {
        span: Span::default(),
        kind,
    }
}

fn text(text: impl Into<String>) -> Json {
    value(Kind::String(Cow::Owned(text.into())))
}

fn number(number: u64) -> Json {
    value(Kind::Number(Cow::Owned(number.to_string())))
}

fn array(elements: impl IntoIterator<Item = Json>) -> Json {
    value(Kind::Array(elements.into_iter().collect()))
}

fn object<K: Into<Cow<'static, str>>>(members: impl IntoIterator<Item = (K, Json)>) -> Json {
    let member = |(key, value): (K, Json)| Member {
        key: key.into(),
        key_span: Span::default(),
        value,
    };
    value(Kind::Object(members.into_iter().map(member).collect()))
}
