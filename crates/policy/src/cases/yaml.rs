//! YAML as a tree of JSON values: the part of it that has one meaning.
//!
//! A scanner of others finds the scalars; this decides what they are. Plain scalars are typed as
//! YAML 1.2's core schema says, so `no` and `on` are strings, and a number keeps the text it has in
//! the file. What two readers could take differently is refused with its place: anchors, aliases,
//! tags, merge keys, duplicate keys, several documents, numbers that JSON does not write.

use std::borrow::Cow;
use std::collections::HashSet;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as Marks};

use crate::json::{self, Kind, Member, Rules, Span, Trouble, Value};
use crate::problem::Pointer;

/// Why a text is not read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) pointer: Pointer,
    pub(super) at: usize,
    pub(super) what: String,
}

/// Reads the one document of a text.
pub(super) fn parse(text: &[u8], rules: Rules) -> Result<Value<'_>, Fault> {
    let at_the_start = |at, trouble: Trouble| Fault {
        pointer: Pointer::default(),
        at,
        what: trouble.to_string(),
    };
    let text = str::from_utf8(text).map_err(|e| at_the_start(e.valid_up_to(), Trouble::NotUtf8))?;
    if text.starts_with('\u{feff}') {
        return Err(at_the_start(0, Trouble::ByteOrderMark));
    }
    let mut builder = Builder {
        lines: Lines::of(text),
        rules,
        nodes: 0,
        open: Vec::new(),
        root: None,
    };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, marks)) => builder.take(event, marks)?,
            Err(error) => return Err(builder.no_yaml(&error)),
        }
    }
    builder.root.ok_or_else(|| at_the_start(0, Trouble::Empty))
}

/// Where the lines of a text begin, to turn the scanner's marks into bytes: its own index counts
/// characters in some places and bytes in others.
struct Lines<'t> {
    text: &'t str,
    /// Of each line, how many characters of the text stand before it.
    starts: Vec<usize>,
    /// The place of every [`STRIDE`]th character. A mark is found from there, however long its
    /// line is: reading is not to take the square of the length.
    places: Vec<usize>,
}

const STRIDE: usize = 64;

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let (mut starts, mut places) = (vec![0], Vec::new());
        let mut chars = text.char_indices().enumerate().peekable();
        while let Some((nth, (at, char))) = chars.next() {
            if nth.is_multiple_of(STRIDE) {
                places.push(at);
            }
            let pair = char == '\r' && chars.peek().is_some_and(|(_, (_, next))| *next == '\n');
            if matches!(char, '\n' | '\r') && !pair {
                starts.push(nth.saturating_add(1));
            }
        }
        Self {
            text,
            starts,
            places,
        }
    }

    fn at(&self, mark: Marker) -> usize {
        let line = mark.line().saturating_sub(1);
        let place = self.starts.get(line).and_then(|start| {
            let nth = start.saturating_add(mark.col());
            let near = *self.places.get(nth / STRIDE)?;
            let (at, _) = self.text.get(near..)?.char_indices().nth(nth % STRIDE)?;
            Some(near.saturating_add(at))
        });
        place.unwrap_or(self.text.len())
    }

    fn span(&self, from: Marker, to: Marker) -> Span {
        Span::new(self.at(from), self.at(to))
    }
}

/// A container whose end has not come yet.
struct Open<'t> {
    from: Marker,
    holds: Holds<'t>,
}

enum Holds<'t> {
    Elements(Vec<Value<'t>>),
    Members {
        members: Vec<Member<'t>>,
        seen: HashSet<Cow<'t, str>>,
        /// The key whose value is to come.
        key: Option<(Cow<'t, str>, Span)>,
    },
}

struct Builder<'t> {
    lines: Lines<'t>,
    rules: Rules,
    nodes: usize,
    open: Vec<Open<'t>>,
    root: Option<Value<'t>>,
}

impl<'t> Builder<'t> {
    fn take(&mut self, event: Event<'t>, marks: Marks) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_node(anchor, tag.is_some(), marks)?;
                self.scalar(text, style, marks)
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_node(anchor, tag.is_some(), marks)?;
                self.enter(Holds::Elements(Vec::new()), marks)
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_node(anchor, tag.is_some(), marks)?;
                let holds = Holds::Members {
                    members: Vec::new(),
                    seen: HashSet::new(),
                    key: None,
                };
                self.enter(holds, marks)
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(marks),
            Event::Alias(_) => {
                Err(self.fault(marks, "aliases are not read here; write the value out"))
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(self.fault(marks, "a second document begins here; a file holds one"))
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => Ok(()),
        }
    }

    fn fault(&self, marks: Marks, what: impl Into<String>) -> Fault {
        Fault {
            pointer: self.pointer(),
            at: self.lines.at(marks.start),
            what: what.into(),
        }
    }

    fn no_yaml(&self, error: &ScanError) -> Fault {
        let marks = Marks::empty(*error.marker());
        self.fault(marks, format!("this is not YAML: {}", error.info()))
    }

    /// The pointer to what is being read.
    fn pointer(&self) -> Pointer {
        let step = |pointer: Pointer, open: &Open<'_>| match &open.holds {
            Holds::Elements(elements) => pointer.index(elements.len()),
            Holds::Members {
                key: Some((key, _)),
                ..
            } => pointer.key(key),
            Holds::Members { key: None, .. } => pointer,
        };
        self.open.iter().fold(Pointer::default(), step)
    }

    fn plain_node(&mut self, anchor: usize, tagged: bool, marks: Marks) -> Result<(), Fault> {
        if anchor != 0 {
            return Err(self.fault(marks, "anchors are not read here; write the value out"));
        }
        if tagged {
            return Err(self.fault(marks, "tags are not read here; quotes make a string"));
        }
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > self.rules.max_nodes {
            let trouble = Trouble::TooMany(self.rules.max_nodes);
            return Err(self.fault(marks, trouble.to_string()));
        }
        Ok(())
    }

    fn enter(&mut self, holds: Holds<'t>, marks: Marks) -> Result<(), Fault> {
        if self.expects_key() {
            return Err(self.fault(marks, "a key is a text, not a list or a mapping"));
        }
        if self.open.len() >= self.rules.max_depth {
            let trouble = Trouble::TooDeep(self.rules.max_depth);
            return Err(self.fault(marks, trouble.to_string()));
        }
        self.open.push(Open {
            from: marks.start,
            holds,
        });
        Ok(())
    }

    fn leave(&mut self, marks: Marks) -> Result<(), Fault> {
        let Some(Open { from, holds }) = self.open.pop() else {
            return Err(self.fault(marks, "nothing is open that could end here"));
        };
        let kind = match holds {
            Holds::Elements(elements) => Kind::Array(elements),
            Holds::Members { members, .. } => Kind::Object(members),
        };
        self.put(Value {
            span: self.lines.span(from, marks.end),
            kind,
        });
        Ok(())
    }

    fn expects_key(&self) -> bool {
        let holds = self.open.last().map(|open| &open.holds);
        matches!(holds, Some(Holds::Members { key: None, .. }))
    }

    fn scalar(
        &mut self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        marks: Marks,
    ) -> Result<(), Fault> {
        let span = self.lines.span(marks.start, marks.end);
        let is_plain = style == ScalarStyle::Plain;
        if self.expects_key() {
            return self.key(text, is_plain, (marks, span));
        }
        let kind = if is_plain {
            typed(text).map_err(|what| self.fault(marks, what))?
        } else {
            Kind::String(text)
        };
        self.put(Value { span, kind });
        Ok(())
    }

    /// A key is the text it has in the file, whatever type that would be as a value.
    fn key(
        &mut self,
        text: Cow<'t, str>,
        is_plain: bool,
        (marks, span): (Marks, Span),
    ) -> Result<(), Fault> {
        if is_plain && text == "<<" {
            return Err(self.fault(marks, "merge keys are not read here; write the members out"));
        }
        if is_plain && text.is_empty() {
            return Err(self.fault(marks, "a key is missing here"));
        }
        if text.contains('\0') {
            return Err(self.fault(marks, Trouble::NulInKey.to_string()));
        }
        let mut twice = false;
        if let Some(Open {
            holds: Holds::Members { seen, key, .. },
            ..
        }) = self.open.last_mut()
        {
            twice = !seen.insert(text.clone());
            *key = Some((text.clone(), span));
        }
        if twice {
            let trouble = Trouble::DuplicateKey(text.into_owned());
            return Err(self.fault(marks, trouble.to_string()));
        }
        Ok(())
    }

    fn put(&mut self, value: Value<'t>) {
        match self.open.last_mut().map(|open| &mut open.holds) {
            None => self.root = Some(value),
            Some(Holds::Elements(elements)) => elements.push(value),
            Some(Holds::Members { members, key, .. }) => {
                if let Some((key, key_span)) = key.take() {
                    members.push(Member {
                        key,
                        key_span,
                        value,
                    });
                }
            }
        }
    }
}

/// What a plain scalar is in the core schema.
fn typed(text: Cow<'_, str>) -> Result<Kind<'_>, String> {
    Ok(match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        written if is_json_number(written) => Kind::Number(text),
        written if is_core_number(written) => {
            return Err(format!(
                "{written} is a number as JSON does not write them; put it into quotes if it is a \
                 text"
            ));
        }
        _ => Kind::String(text),
    })
}

fn is_json_number(text: &str) -> bool {
    let value = json::parse(text.as_bytes(), Rules::DOCUMENT);
    value.is_ok_and(|value| value.as_number() == Some(text))
}

/// `[-+]? (digits | digits.digits? | .digits) exponent?`, and the octal, hexadecimal and special
/// ones.
fn is_core_number(text: &str) -> bool {
    let all =
        |digits: &str, is: fn(&u8) -> bool| !digits.is_empty() && digits.as_bytes().iter().all(is);
    if let Some(octal) = text.strip_prefix("0o") {
        return all(octal, |b| matches!(b, b'0'..=b'7'));
    }
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return all(hexadecimal, u8::is_ascii_hexdigit);
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent = exponent.map(|e| e.strip_prefix(['-', '+']).unwrap_or(e));
    let digits = mantissa.replacen('.', "", 1);
    all(&digits, u8::is_ascii_digit) && exponent.is_none_or(|e| all(e, u8::is_ascii_digit))
}

#[cfg(test)]
mod tests;
