//! What a missing value is taken as, and which keys imitate declared ones.

use super::{Node, NodeId, Schema};
use crate::json::{Kind, Value};
use crate::path::Step;

/// What the schema says of a value that is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DefaultOf<'s> {
    Nothing,
    One(&'s Value<'s>),
    /// Different branches say different things, or one says something under conditions.
    Several,
}

/// No schema of ours has more branches at one place.
const MOST_NODES: usize = 1_000;

impl Schema {
    /// The default of the value that `steps` lead to.
    //
    // INVARIANT: a default that holds under conditions is none to rely on, neither in what it says nor
    // in what is true without it.
    pub(crate) fn default_of<'s>(&'s self, steps: &[Step]) -> DefaultOf<'s> {
        let at = self.led_to(steps, Node::same_value);
        if self.nodes.iter().any(|node| !node.perhaps.is_empty()) {
            let anyhow = self.led_to(steps, Node::any_value);
            let says = |id: &NodeId| self.node(*id).is_some_and(|node| node.default.is_some());
            if anyhow.iter().any(|id| says(id) && !at.contains(id)) {
                return DefaultOf::Several;
            }
        }
        let mut defaults = at.iter().filter_map(|id| self.node(*id)?.default.as_ref());
        let Some(first) = defaults.next() else {
            return DefaultOf::Nothing;
        };
        let spelling = crate::json::canonical(first);
        if defaults.all(|other| crate::json::canonical(other) == spelling) {
            DefaultOf::One(first)
        } else {
            DefaultOf::Several
        }
    }

    fn led_to(&self, steps: &[Step], branches: Branches) -> Vec<NodeId> {
        let mut at = self.with_branches(vec![0], branches);
        for step in steps {
            let below = at.iter().flat_map(|id| self.below(*id, step)).collect();
            at = self.with_branches(below, branches);
        }
        at
    }

    fn below(&self, id: NodeId, step: &Step) -> Vec<NodeId> {
        let Some(node) = self.node(id) else {
            return Vec::new();
        };
        let array = &node.array;
        match step {
            Step::Name(name) => node.object.children(name.exact()),
            Step::Index(index) => array.item_at(*index).into_iter().collect(),
            Step::Each => array.prefix.iter().chain(&array.items).copied().collect(),
        }
    }

    /// The nodes and every subschema that may speak of the same value.
    fn with_branches(&self, mut open: Vec<NodeId>, branches: Branches) -> Vec<NodeId> {
        let mut found: Vec<NodeId> = Vec::new();
        while let Some(id) = open.pop() {
            if found.contains(&id) || found.len() >= MOST_NODES {
                continue;
            }
            found.push(id);
            if let Some(node) = self.node(id) {
                open.extend(branches(node));
            }
        }
        found
    }

    /// A key of the arguments that is another spelling of a declared one, at any depth.
    ///
    /// INVARIANT: a call with such a key is refused: the server might read it as the declared one.
    pub(crate) fn imitation<'a>(&self, args: &'a Value<'a>) -> Option<&'a str> {
        self.imitation_below(&[0], args)
    }

    // The recursion is bounded by the depth the arguments were read with.
    fn imitation_below<'a>(&self, ids: &[NodeId], value: &'a Value<'a>) -> Option<&'a str> {
        if ids.is_empty()
            || matches!(
                value.kind,
                Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_)
            )
        {
            return None;
        }
        let nodes = self.with_branches(ids.to_vec(), Node::any_value);
        let nodes: Vec<&Node> = nodes.iter().filter_map(|id| self.node(*id)).collect();
        if nodes.iter().all(|node| node.says_nothing_of_parts()) {
            return None;
        }
        match &value.kind {
            Kind::Object(members) => members.iter().find_map(|member| {
                let names = || nodes.iter().flat_map(|node| &node.object.properties);
                let is_declared = names().any(|(name, _)| name.exact() == member.key);
                let imitates = || names().any(|(name, _)| name.is_imitated_by(&member.key));
                if !is_declared && imitates() {
                    return Some(&*member.key);
                }
                let children = nodes
                    .iter()
                    .flat_map(|node| node.object.children(&member.key));
                self.imitation_below(&children.collect::<Vec<_>>(), &member.value)
            }),
            Kind::Array(elements) => elements.iter().enumerate().find_map(|(index, element)| {
                let items = nodes.iter().filter_map(|node| node.array.item_at(index));
                self.imitation_below(&items.collect::<Vec<_>>(), element)
            }),
            _ => None,
        }
    }
}

/// The subschemas of one that may speak of the same value.
type Branches = fn(&Node) -> Vec<NodeId>;

impl Node {
    fn same_value(&self) -> Vec<NodeId> {
        let branches = self.all_of.iter().chain(&self.any_of).chain(&self.one_of);
        branches.chain(&self.reference).copied().collect()
    }

    /// And those that do so under conditions.
    fn any_value(&self) -> Vec<NodeId> {
        [self.same_value(), self.perhaps.clone()].concat()
    }
}
