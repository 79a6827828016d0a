//! Do arguments carry anything that their schema does not declare?
//!
//! A property is declared where `properties`, `patternProperties` or an `additionalProperties`
//! that says something names it, in any subschema that applies to the object and holds for it.

use super::validate::{Check, Invalid, Place, breach};
use super::{Node, NodeId, Schema};
use crate::json::{Kind, Value};

/// How deep subschemas of one value may refer to each other.
const DEPTH: u32 = 400;

impl Schema {
    /// Is every property at every depth declared? For arguments that satisfy the schema.
    pub(crate) fn is_closed_over(&self, args: &Value<'_>) -> Result<(), Invalid> {
        let mut check = Check::new(self);
        self.closed(&mut check, &[0], args, &Place::ROOT)
    }

    // The recursion is bounded by the depth the arguments were read with.
    fn closed(
        &self,
        check: &mut Check<'_>,
        ids: &[NodeId],
        value: &Value<'_>,
        place: &Place<'_>,
    ) -> Result<(), Invalid> {
        let applying = self.applying(check, ids, value, place)?;
        match &value.kind {
            Kind::Object(members) => {
                for member in members {
                    let at = place.name(&member.key);
                    let declared = applying
                        .iter()
                        .flat_map(|node| self.declared(node, &member.key));
                    let declared: Vec<NodeId> = declared.collect();
                    if declared.is_empty() {
                        return Err(breach(&at, "is not declared in the tool's schema"));
                    }
                    self.closed(check, &declared, &member.value, &at)?;
                }
            }
            Kind::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    let items = applying.iter().filter_map(|node| node.array.item_at(index));
                    let items: Vec<NodeId> = items.collect();
                    self.closed(check, &items, element, &place.index(index))?;
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) => {}
        }
        Ok(())
    }

    /// The subschemas that declare the member `key`.
    fn declared(&self, node: &Node, key: &str) -> Vec<NodeId> {
        let object = &node.object;
        let mut ids = object.children(key);
        let says_nothing = |id: NodeId| self.node(id).is_none_or(Node::is_blank);
        let is_free = |id: &NodeId| object.additional == Some(*id) && says_nothing(*id);
        ids.retain(|id| !is_free(id));
        ids
    }

    /// The subschemas that apply to the value: those given, and whatever they refer to and the
    /// value satisfies.
    fn applying<'s>(
        &'s self,
        check: &mut Check<'_>,
        ids: &[NodeId],
        value: &Value<'_>,
        place: &Place<'_>,
    ) -> Result<Vec<&'s Node>, Invalid> {
        let mut found: Vec<NodeId> = Vec::new();
        let mut open = ids.to_vec();
        while let Some(id) = open.pop() {
            if found.contains(&id) {
                continue;
            }
            found.push(id);
            let Some(node) = self.node(id) else { continue };
            open.extend(node.all_of.iter().chain(&node.reference));
            for branch in node.any_of.iter().chain(&node.one_of) {
                if check.holds(*branch, value, place, DEPTH)? {
                    open.push(*branch);
                }
            }
        }
        Ok(found.iter().filter_map(|id| self.node(*id)).collect())
    }
}

impl Node {
    /// Does it say nothing at all, as `{}` and `true` do?
    fn is_blank(&self) -> bool {
        let object = &self.object;
        let array = &self.array;
        self.types.is_none()
            && self.one_of_values.is_none()
            && self.all_of.is_empty()
            && self.any_of.is_empty()
            && self.one_of.is_empty()
            && self.reference.is_none()
            && object.properties.is_empty()
            && object.patterns.is_empty()
            && object.additional.is_none()
            && array.prefix.is_empty()
            && array.items.is_none()
            && self.pattern.is_none()
    }
}
