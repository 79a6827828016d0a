//! Do arguments satisfy a schema?
//!
//! The work is counted: a schema that branches at every level can ask for more steps than there
//! are, and then the answer is that nothing can be told.

use std::collections::HashSet;

use super::{Node, NodeId, Schema};
use crate::decimal::Decimal;
use crate::json::{Kind, Value, canonical};
use crate::visible::shown;

/// Why arguments are not found valid; in words for the agent, with the place in its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// They do not satisfy the schema.
    Breach(String),
    /// It cannot be told.
    Unanswerable(String),
}

/// How many steps one call may take, and how deep they may nest.
const STEPS: u32 = 30_000;
const DEPTH: u32 = 400;

/// One validation, with what is left of its allowance.
pub(super) struct Check<'s> {
    schema: &'s Schema,
    steps: u32,
}

/// Where in the arguments: the way from the root, in reverse.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    up: Option<&'p Place<'p>>,
    step: Step<'p>,
    /// Does nobody want to know? Then no words are made.
    quiet: bool,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Name(&'p str),
    Index(usize),
}

impl<'p> Place<'p> {
    pub(super) const ROOT: Self = Self {
        up: None,
        step: Step::Root,
        quiet: false,
    };

    pub(super) const fn name<'c>(&'c self, name: &'c str) -> Place<'c>
    where
        'p: 'c,
    {
        self.below(Step::Name(name))
    }

    pub(super) const fn index(&self, index: usize) -> Place<'_> {
        self.below(Step::Index(index))
    }

    const fn below<'c>(&'c self, step: Step<'c>) -> Place<'c>
    where
        'p: 'c,
    {
        Place {
            up: Some(self),
            step,
            quiet: self.quiet,
        }
    }

    /// `args.order.items[2]`
    pub(super) fn in_words(&self) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(place) = at {
            steps.push(match place.step {
                Step::Root => "args".to_owned(),
                Step::Name(name) => format!(".{name}"),
                Step::Index(index) => format!("[{index}]"),
            });
            at = place.up;
        }
        steps.reverse();
        shown(&steps.concat())
    }
}

impl Schema {
    /// Do the arguments satisfy this schema?
    pub(crate) fn validate(&self, args: &Value<'_>) -> Result<(), Invalid> {
        if let Some(obstacle) = &self.obstacle {
            return Err(Invalid::Unanswerable(format!(
                "the tool's schema is not fully understood ({obstacle})"
            )));
        }
        let mut check = Check::new(self);
        check.node(0, args, &Place::ROOT, DEPTH)
    }
}

impl<'s> Check<'s> {
    pub(super) const fn new(schema: &'s Schema) -> Self {
        Self {
            schema,
            steps: STEPS,
        }
    }

    // The recursion is bounded by `depth_left`: references may go in circles.
    pub(super) fn node(
        &mut self,
        id: NodeId,
        value: &Value<'_>,
        place: &Place<'_>,
        depth_left: u32,
    ) -> Result<(), Invalid> {
        let exhausted =
            || Invalid::Unanswerable("the tool's schema asks for too many steps".to_owned());
        let depth_left = depth_left.checked_sub(1).ok_or_else(exhausted)?;
        self.steps = self.steps.checked_sub(1).ok_or_else(exhausted)?;
        let node = self.schema.node(id).ok_or_else(exhausted)?;
        if node.never {
            return Err(breach(place, "is not allowed here"));
        }
        own_type(node, value, place)?;
        match &value.kind {
            Kind::Number(text) => number(node, text, place)?,
            Kind::String(text) => string(node, text, place)?,
            Kind::Array(elements) => self.array(node, elements, place, depth_left)?,
            Kind::Object(_) => self.object(node, value, place, depth_left)?,
            Kind::Null | Kind::Bool(_) => {}
        }
        for id in node.all_of.iter().chain(&node.reference) {
            self.node(*id, value, place, depth_left)?;
        }
        self.branches(node, value, place, depth_left)
    }

    /// Does the value satisfy the subschema? What cannot be told is passed on.
    pub(super) fn holds(
        &mut self,
        id: NodeId,
        value: &Value<'_>,
        place: &Place<'_>,
        depth_left: u32,
    ) -> Result<bool, Invalid> {
        let quiet = Place {
            quiet: true,
            ..*place
        };
        match self.node(id, value, &quiet, depth_left) {
            Ok(()) => Ok(true),
            Err(Invalid::Breach(_)) => Ok(false),
            Err(unanswerable) => Err(unanswerable),
        }
    }

    fn branches(
        &mut self,
        node: &Node,
        value: &Value<'_>,
        place: &Place<'_>,
        depth_left: u32,
    ) -> Result<(), Invalid> {
        let mut count = |ids: &[NodeId]| {
            let mut held = 0_usize;
            for id in ids {
                let holds = self.holds(*id, value, place, depth_left)?;
                held = held.saturating_add(usize::from(holds));
            }
            Ok(held)
        };
        if !node.any_of.is_empty() && count(&node.any_of)? == 0 {
            return Err(breach(place, "fits none of the forms it may have"));
        }
        if !node.one_of.is_empty() && count(&node.one_of)? != 1 {
            return Err(breach(place, "does not fit exactly one of its forms"));
        }
        match node.not {
            Some(id) if count(&[id])? == 1 => Err(breach(place, "has a form it must not have")),
            _ => Ok(()),
        }
    }

    fn array(
        &mut self,
        node: &Node,
        elements: &[Value<'_>],
        place: &Place<'_>,
        depth_left: u32,
    ) -> Result<(), Invalid> {
        let array = &node.array;
        within(elements.len(), (array.min, array.max), place, "elements")?;
        for (index, element) in elements.iter().enumerate() {
            if let Some(id) = array.item_at(index) {
                self.node(id, element, &place.index(index), depth_left)?;
            }
        }
        if array.unique {
            unique(elements, place)?;
        }
        Ok(())
    }

    fn object(
        &mut self,
        node: &Node,
        value: &Value<'_>,
        place: &Place<'_>,
        depth_left: u32,
    ) -> Result<(), Invalid> {
        let object = &node.object;
        let members = value.members().unwrap_or_default();
        within(members.len(), (object.min, object.max), place, "members")?;
        for name in &object.required {
            if value.get(name).is_none() {
                return Err(breach(&place.name(name), "is missing"));
            }
        }
        for member in members {
            let at = place.name(&member.key);
            if let Some(names) = object.names {
                let key = Value {
                    span: member.key_span,
                    kind: Kind::String(member.key.as_ref().into()),
                };
                if !self.holds(names, &key, &at, depth_left)? {
                    return Err(breach(&at, "has a name that is not allowed"));
                }
            }
            for id in object.children(&member.key) {
                self.node(id, &member.value, &at, depth_left)?;
            }
        }
        Ok(())
    }
}

impl super::Object {
    /// The subschemas that apply to the member `key`.
    pub(super) fn children(&self, key: &str) -> Vec<NodeId> {
        let named = self
            .properties
            .iter()
            .filter(|(name, _)| name.exact() == key);
        let matched = self
            .patterns
            .iter()
            .filter(|(names, _)| names.is_match(key));
        let mut ids: Vec<NodeId> = named.map(|(_, id)| *id).collect();
        ids.extend(matched.map(|(_, id)| *id));
        if ids.is_empty() {
            ids.extend(self.additional);
        }
        ids
    }
}

fn unique(elements: &[Value<'_>], place: &Place<'_>) -> Result<(), Invalid> {
    let mut seen = HashSet::new();
    if elements
        .iter()
        .all(|element| seen.insert(canonical(element)))
    {
        return Ok(());
    }
    Err(breach(place, "has the same element twice"))
}

fn own_type(node: &Node, value: &Value<'_>, place: &Place<'_>) -> Result<(), Invalid> {
    if let Some(types) = node.types {
        match types.hold(value) {
            Some(true) => {}
            Some(false) => {
                let message = format!("is {}, not {}", value.type_name(), types.in_words());
                return Err(breach(place, &message));
            }
            None => return Err(beyond(place)),
        }
    }
    let Some(values) = &node.one_of_values else {
        return Ok(());
    };
    for allowed in values {
        match allowed.equals(value) {
            Some(true) => return Ok(()),
            Some(false) => {}
            None => return Err(beyond(place)),
        }
    }
    Err(breach(place, "is none of the values it may have"))
}

fn number(node: &Node, text: &str, place: &Place<'_>) -> Result<(), Invalid> {
    let bounds = &node.numbers;
    let number = Decimal::parse(text).map_err(|_| beyond(place))?;
    let low = bounds.minimum.is_some_and(|least| number < least)
        || bounds.above.is_some_and(|least| number <= least);
    let high = bounds.maximum.is_some_and(|most| number > most)
        || bounds.below.is_some_and(|most| number >= most);
    if low {
        return Err(breach(place, "is too small"));
    }
    if high {
        return Err(breach(place, "is too large"));
    }
    match bounds.multiple_of.map(|unit| number.is_multiple_of(unit)) {
        None | Some(Some(true)) => Ok(()),
        Some(Some(false)) => Err(breach(place, "is no multiple of what it must be")),
        Some(None) => Err(beyond(place)),
    }
}

fn string(node: &Node, text: &str, place: &Place<'_>) -> Result<(), Invalid> {
    if node.min_length.is_some() || node.max_length.is_some() {
        let length = text.chars().count();
        within(
            length,
            (node.min_length, node.max_length),
            place,
            "characters",
        )?;
    }
    match &node.pattern {
        Some(pattern) if !pattern.is_match(text) => {
            Err(breach(place, "does not match the pattern it must match"))
        }
        _ => Ok(()),
    }
}

fn within(
    count: usize,
    (min, max): (Option<u64>, Option<u64>),
    place: &Place<'_>,
    what: &str,
) -> Result<(), Invalid> {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    if min.is_some_and(|min| count < min) {
        return Err(breach(place, &format!("has too few {what}")));
    }
    if max.is_some_and(|max| count > max) {
        return Err(breach(place, &format!("has too many {what}")));
    }
    Ok(())
}

pub(super) fn breach(place: &Place<'_>, what: &str) -> Invalid {
    if place.quiet {
        return Invalid::Breach(String::new());
    }
    Invalid::Breach(format!("{} {what}", place.in_words()))
}

fn beyond(place: &Place<'_>) -> Invalid {
    Invalid::Unanswerable(format!("{} is a number beyond reckoning", place.in_words()))
}
