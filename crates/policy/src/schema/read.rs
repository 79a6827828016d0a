//! From the JSON of a schema to its nodes.
//!
//! Subschemas are read from a list of work, not by recursion: references may chain as deep as
//! they like.

use std::collections::HashMap;

use super::pattern;
use super::{Node, NodeId, Schema, Types};
use crate::condition::Constant;
use crate::decimal::Decimal;
use crate::fold::FoldedKey;
use crate::json::{Kind, Member, Value};
use crate::problem::Pointer;
use crate::visible::shown;

/// Keywords that say nothing about which values are valid, or only in ways that are ignored.
const ANNOTATIONS: [&str; 16] = [
    "$anchor",
    "$comment",
    "$defs",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "default",
    "definitions",
    "deprecated",
    "description",
    "example",
    "examples",
    "format",
    "readOnly",
    "title",
    "writeOnly",
];

pub(super) fn read(schema: &Value<'_>) -> Schema {
    let mut reader = Reader {
        root: schema,
        known: HashMap::new(),
        work: Vec::new(),
        planned: 0,
        obstacle: None,
    };
    reader.plan(schema, Pointer::default());
    let mut nodes: Vec<Node> = Vec::new();
    while let Some((id, value, pointer)) = reader.work.pop() {
        let node = reader.node(value, &pointer);
        if nodes.len() <= id {
            nodes.resize_with(reader.planned.max(id.saturating_add(1)), Node::default);
        }
        if let Some(place) = nodes.get_mut(id) {
            *place = node;
        }
    }
    Schema {
        nodes,
        obstacle: reader.obstacle,
    }
}

struct Reader<'v> {
    root: &'v Value<'v>,
    known: HashMap<String, NodeId>,
    work: Vec<(NodeId, &'v Value<'v>, Pointer)>,
    planned: usize,
    obstacle: Option<Box<str>>,
}

/// The keyword has a form that is not understood.
struct Odd;

impl<'v> Reader<'v> {
    /// The node of a subschema, which is read now or later.
    fn plan(&mut self, value: &'v Value<'v>, pointer: Pointer) -> NodeId {
        if let Some(id) = self.known.get(pointer.as_str()) {
            return *id;
        }
        let id = self.planned;
        self.planned = self.planned.saturating_add(1);
        self.known.insert(pointer.as_str().to_owned(), id);
        self.work.push((id, value, pointer));
        id
    }

    fn stumble(&mut self, pointer: &Pointer, what: &str) {
        if self.obstacle.is_none() {
            let place = shown(&format!("#{}", pointer.as_str()));
            self.obstacle = Some(format!("{what} at {place}").into());
        }
    }

    fn node(&mut self, value: &'v Value<'v>, pointer: &Pointer) -> Node {
        let mut node = Node::default();
        let members = match &value.kind {
            Kind::Bool(always) => {
                node.never = !always;
                return node;
            }
            Kind::Object(members) => members,
            _ => {
                self.stumble(pointer, "something that is no schema stands");
                return node;
            }
        };
        for member in members {
            let at = pointer.key(&member.key);
            if self.keyword(member, &at, &mut node).is_err() {
                let key = shown(&member.key);
                self.stumble(&at, &format!("{key} has a form that is not understood"));
            }
        }
        node.default = value
            .get("default")
            .map(|default| default.clone().into_owned());
        node
    }

    fn keyword(
        &mut self,
        member: &'v Member<'v>,
        at: &Pointer,
        node: &mut Node,
    ) -> Result<(), Odd> {
        let value = &member.value;
        match &*member.key {
            "type" => node.types = Some(types(value)?),
            "enum" => {
                let values = value.elements().ok_or(Odd)?.iter().map(constant);
                node.one_of_values = Some(values.collect::<Result<_, _>>()?);
            }
            // Beside an `enum` it would have to hold as well.
            "const" if node.one_of_values.is_none() => {
                node.one_of_values = Some(vec![constant(value)?]);
            }
            "minLength" => node.min_length = Some(count(value)?),
            "maxLength" => node.max_length = Some(count(value)?),
            "pattern" => node.pattern = Some(pattern::compile(text(value)?).ok_or(Odd)?),
            "allOf" => node.all_of = self.list(value, at)?,
            "anyOf" => node.any_of = self.list(value, at)?,
            "oneOf" => node.one_of = self.list(value, at)?,
            "not" => node.not = Some(self.plan(value, at.clone())),
            "$ref" => node.reference = Some(self.reference(text(value)?)?),
            "$id" if at.as_str() == "/$id" => {}
            key if ANNOTATIONS.contains(&key) || key.starts_with("x-") => {}
            key => {
                self.conditional(key, value, at, node);
                let known = self.number_keyword(key, value, node)?
                    || self.object_keyword(key, value, at, node)?
                    || self.array_keyword(key, value, at, node)?;
                if !known {
                    let what = format!("the keyword {} is not understood", shown(key));
                    self.stumble(at, &what);
                }
            }
        }
        Ok(())
    }

    /// Conditions are not judged, so no call is found valid. What stands under them has defaults and
    /// names all the same.
    fn conditional(&mut self, key: &str, value: &'v Value<'v>, at: &Pointer, node: &mut Node) {
        match key {
            "if" | "then" | "else" => node.perhaps.push(self.plan(value, at.clone())),
            "dependentSchemas" => {
                for member in value.members().unwrap_or_default() {
                    let id = self.plan(&member.value, at.key(&member.key));
                    node.perhaps.push(id);
                }
            }
            _ => {}
        }
    }

    #[expect(clippy::unused_self, reason = "one of three that are asked in turn")]
    fn number_keyword(&self, key: &str, value: &Value<'_>, node: &mut Node) -> Result<bool, Odd> {
        let place = match key {
            "minimum" => &mut node.numbers.minimum,
            "maximum" => &mut node.numbers.maximum,
            "exclusiveMinimum" => &mut node.numbers.above,
            "exclusiveMaximum" => &mut node.numbers.below,
            "multipleOf" => &mut node.numbers.multiple_of,
            _ => return Ok(false),
        };
        let number = Decimal::parse(value.as_number().ok_or(Odd)?).map_err(|_| Odd)?;
        *place = Some(number);
        Ok(true)
    }

    fn object_keyword(
        &mut self,
        key: &str,
        value: &'v Value<'v>,
        at: &Pointer,
        node: &mut Node,
    ) -> Result<bool, Odd> {
        let object = &mut node.object;
        match key {
            "properties" => {
                for member in value.members().ok_or(Odd)? {
                    let id = self.plan(&member.value, at.key(&member.key));
                    object.properties.push((FoldedKey::new(&member.key), id));
                }
            }
            "patternProperties" => {
                for member in value.members().ok_or(Odd)? {
                    let id = self.plan(&member.value, at.key(&member.key));
                    let names = pattern::compile(&member.key).ok_or(Odd)?;
                    object.patterns.push((names, id));
                }
            }
            "additionalProperties" => object.additional = Some(self.plan(value, at.clone())),
            "propertyNames" => object.names = Some(self.plan(value, at.clone())),
            "required" => {
                let names = value.elements().ok_or(Odd)?.iter();
                let names = names.map(|name| text(name).map(Box::from));
                object.required = names.collect::<Result<_, _>>()?;
            }
            "minProperties" => object.min = Some(count(value)?),
            "maxProperties" => object.max = Some(count(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn array_keyword(
        &mut self,
        key: &str,
        value: &'v Value<'v>,
        at: &Pointer,
        node: &mut Node,
    ) -> Result<bool, Odd> {
        let array = &mut node.array;
        match key {
            "prefixItems" => array.prefix = self.list(value, at)?,
            "items" if value.elements().is_some() => return Err(Odd),
            "items" => array.items = Some(self.plan(value, at.clone())),
            "minItems" => array.min = Some(count(value)?),
            "maxItems" => array.max = Some(count(value)?),
            "uniqueItems" => array.unique = value.as_bool().ok_or(Odd)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn list(&mut self, value: &'v Value<'v>, at: &Pointer) -> Result<Vec<NodeId>, Odd> {
        let elements = value.elements().filter(|e| !e.is_empty()).ok_or(Odd)?;
        let subschemas = elements.iter().enumerate();
        Ok(subschemas
            .map(|(i, schema)| self.plan(schema, at.index(i)))
            .collect())
    }

    /// The subschema that a reference within this schema leads to.
    fn reference(&mut self, text: &str) -> Result<NodeId, Odd> {
        let mut pointer = Pointer::default();
        let mut at = self.root;
        let path = text.strip_prefix('#').ok_or(Odd)?;
        if path.contains('%') || !(path.is_empty() || path.starts_with('/')) {
            return Err(Odd);
        }
        for step in path.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            at = match &at.kind {
                Kind::Object(_) => at.get(&step),
                Kind::Array(elements) => step.parse().ok().and_then(|i: usize| elements.get(i)),
                _ => None,
            }
            .ok_or(Odd)?;
            pointer = pointer.key(&step);
        }
        Ok(self.plan(at, pointer))
    }
}

fn types(value: &Value<'_>) -> Result<Types, Odd> {
    let words = match &value.kind {
        Kind::Array(words) => words.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let mut types = Types::default();
    for word in words {
        types = types.with_word(text(word)?).ok_or(Odd)?;
    }
    Ok(types)
}

fn constant(value: &Value<'_>) -> Result<Constant, Odd> {
    Constant::of(value).map_err(|_| Odd)
}

fn text<'v>(value: &'v Value<'_>) -> Result<&'v str, Odd> {
    value.as_str().ok_or(Odd)
}

fn count(value: &Value<'_>) -> Result<u64, Odd> {
    let number = value.as_number().and_then(|text| Decimal::parse(text).ok());
    number.and_then(Decimal::to_u64).ok_or(Odd)
}
