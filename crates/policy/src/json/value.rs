//! The tree of a text, each value with the bytes it came from.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Rules;
use super::error::{JsonError, Trouble};
use super::reader::{Lead, Reader};

/// Where a value stands in its text: bytes `start..end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: narrow(start),
            end: narrow(end),
        }
    }

    /// The bytes of `text` this span covers.
    pub fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Value<'a> {
    pub span: Span,
    pub kind: Kind<'a>,
}

/// What a value is. Numbers are their source text.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind<'a> {
    Null,
    Bool(bool),
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    Object(Vec<Member<'a>>),
}

/// One member of an object. Keys are unique within their object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    pub key: Cow<'a, str>,
    pub key_span: Span,
    pub value: Value<'a>,
}

impl<'a> Value<'a> {
    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.members()?
            .iter()
            .find(|m| m.key == key)
            .map(|m| &m.value)
    }

    pub fn members(&self) -> Option<&[Member<'a>]> {
        if let Kind::Object(members) = &self.kind {
            Some(members)
        } else {
            None
        }
    }

    pub fn elements(&self) -> Option<&[Value<'a>]> {
        if let Kind::Array(elements) = &self.kind {
            Some(elements)
        } else {
            None
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Kind::String(text) = &self.kind {
            Some(text)
        } else {
            None
        }
    }

    /// The source text of a number.
    pub fn as_number(&self) -> Option<&str> {
        if let Kind::Number(text) = &self.kind {
            Some(text)
        } else {
            None
        }
    }

    pub const fn as_bool(&self) -> Option<bool> {
        if let Kind::Bool(b) = &self.kind {
            Some(*b)
        } else {
            None
        }
    }

    pub const fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The same value with nothing borrowed.
    pub fn into_owned(self) -> Value<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let kind = match self.kind {
            Kind::Null => Kind::Null,
            Kind::Bool(flag) => Kind::Bool(flag),
            Kind::Number(text) => Kind::Number(owned(text)),
            Kind::String(text) => Kind::String(owned(text)),
            Kind::Array(elements) => {
                Kind::Array(elements.into_iter().map(Value::into_owned).collect())
            }
            Kind::Object(members) => {
                let member = |member: Member<'_>| Member {
                    key: owned(member.key),
                    key_span: member.key_span,
                    value: member.value.into_owned(),
                };
                Kind::Object(members.into_iter().map(member).collect())
            }
        };
        Value {
            span: self.span,
            kind,
        }
    }

    /// The type's name, for messages: "a string", "an object", …
    pub const fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::String(_) => "a string",
            Kind::Array(_) => "an array",
            Kind::Object(_) => "an object",
        }
    }
}

/// Reads one value that fills `text`.
pub fn parse(text: &[u8], rules: Rules) -> Result<Value<'_>, JsonError> {
    let mut builder = Builder::of(Reader::new(text)?, text.len(), rules)?;
    let value = builder.value(rules.max_depth)?;
    builder.reader.finish()?;
    Ok(value)
}

/// Reads the value that a text begins with, and says where it ends. What follows is not looked at.
pub fn parse_first(text: &str, rules: Rules) -> Result<(Value<'_>, usize), JsonError> {
    let mut builder = Builder::of(Reader::of(text)?, text.len(), rules)?;
    let value = builder.value(rules.max_depth)?;
    Ok((value, builder.reader.at()))
}

struct Builder<'a> {
    reader: Reader<'a>,
    rules: Rules,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn of(reader: Reader<'a>, length: usize, rules: Rules) -> Result<Self, JsonError> {
        if u32::try_from(length).is_err() {
            return Err(JsonError {
                trouble: Trouble::TooMany(rules.max_nodes),
                at: 0,
            });
        }
        Ok(Self {
            reader,
            rules,
            nodes: 0,
        })
    }

    // The recursion is bounded by `rules.max_depth`.
    fn value(&mut self, depth_left: usize) -> Result<Value<'a>, JsonError> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > self.rules.max_nodes {
            return Err(self.reader.error(Trouble::TooMany(self.rules.max_nodes)));
        }
        let start = self.reader.at();
        let kind = match self.reader.lead()? {
            Lead::Object => Kind::Object(self.object(depth_left)?),
            Lead::Array => Kind::Array(self.array(depth_left)?),
            Lead::String => Kind::String(self.reader.string()?),
            Lead::Number => Kind::Number(Cow::Borrowed(self.reader.number()?)),
            Lead::Word(word) => {
                self.reader.word(word)?;
                match word {
                    "true" => Kind::Bool(true),
                    "false" => Kind::Bool(false),
                    _ => Kind::Null,
                }
            }
        };
        Ok(Value {
            span: Span::new(start, self.reader.at()),
            kind,
        })
    }

    fn deeper(&self, depth_left: usize) -> Result<usize, JsonError> {
        depth_left
            .checked_sub(1)
            .ok_or_else(|| self.reader.error(Trouble::TooDeep(self.rules.max_depth)))
    }

    fn array(&mut self, depth_left: usize) -> Result<Vec<Value<'a>>, JsonError> {
        let inner = self.deeper(depth_left)?;
        self.reader.expect(b'[', "an array")?;
        self.reader.skip_space();
        let mut elements = Vec::new();
        if self.reader.take(b']') {
            return Ok(elements);
        }
        loop {
            elements.push(self.value(inner)?);
            self.reader.skip_space();
            if self.reader.take(b']') {
                return Ok(elements);
            }
            self.reader.expect(b',', "`,` or `]`")?;
            self.reader.skip_space();
        }
    }

    fn object(&mut self, depth_left: usize) -> Result<Vec<Member<'a>>, JsonError> {
        let inner = self.deeper(depth_left)?;
        self.reader.expect(b'{', "an object")?;
        self.reader.skip_space();
        let mut members: Vec<Member<'a>> = Vec::new();
        if self.reader.take(b'}') {
            return Ok(members);
        }
        let mut seen = KeySet::default();
        loop {
            let key_start = self.reader.at();
            let key = self.reader.string()?;
            let key_span = Span::new(key_start, self.reader.at());
            if let Some(trouble) = seen.trouble_with(&key, &members) {
                return Err(JsonError {
                    trouble,
                    at: key_start,
                });
            }
            self.reader.skip_space();
            self.reader.expect(b':', "`:`")?;
            self.reader.skip_space();
            let value = self.value(inner)?;
            members.push(Member {
                key,
                key_span,
                value,
            });
            self.reader.skip_space();
            if self.reader.take(b'}') {
                return Ok(members);
            }
            self.reader.expect(b',', "`,` or `}`")?;
            self.reader.skip_space();
        }
    }
}

/// Finds duplicate keys: by looking through small objects, by hashing large ones.
#[derive(Default)]
struct KeySet {
    hashed: HashSet<String>,
}

impl KeySet {
    const LOOK_THROUGH: usize = 16;

    fn trouble_with(&mut self, key: &str, before: &[Member<'_>]) -> Option<Trouble> {
        if key.contains('\0') {
            return Some(Trouble::NulInKey);
        }
        let seen = if before.len() < Self::LOOK_THROUGH {
            before.iter().any(|m| m.key == key)
        } else {
            if self.hashed.is_empty() {
                self.hashed
                    .extend(before.iter().map(|m| m.key.clone().into_owned()));
            }
            !self.hashed.insert(key.to_owned())
        };
        seen.then(|| Trouble::DuplicateKey(key.to_owned()))
    }
}
