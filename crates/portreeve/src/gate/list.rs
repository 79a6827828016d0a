//! Lists, cut down to what the policy lets the caller see.

use bytes::Bytes;
use portreeve_policy::json::{Rules, Value, parse};
use portreeve_policy::{Policy, ToolFacts};

use super::inspect::Inspector;
use super::registry::Ruling;
use crate::mcp::keys;
use crate::mcp::method::Listed;
use crate::mcp::splice::{self, Patch};
use crate::store::model::Definition;
use crate::upstream::definition_of;

/// Filters a response that carries a list. Where nothing is taken out, the bytes stay as they are.
pub(super) async fn filter(
    inspector: &Inspector,
    listed: Listed,
    bytes: &Bytes,
) -> Result<Bytes, String> {
    let mut definitions = Vec::new();
    let patches = {
        let tree = parse(bytes, Rules::MESSAGE).map_err(|e| e.to_string())?;
        let result = tree.get("result").filter(|r| r.members().is_some());
        let result = result.ok_or("a list's result must be an object")?;
        if listed == Listed::Tools {
            definitions = definitions_in(result, bytes);
        }
        // INVARIANT: news is quarantined before the list that brought it is shown.
        inspector
            .gate
            .observe(&inspector.visit.server, definitions.clone())
            .await;
        let mut patches: Vec<Patch> = cut(inspector, listed, result, bytes).into_iter().collect();
        patches.extend(make_private(result));
        patches
    };
    if patches.is_empty() {
        return Ok(bytes.clone());
    }
    Ok(Bytes::from(splice::apply(bytes, patches)))
}

fn definitions_in(result: &Value<'_>, text: &[u8]) -> Vec<Definition> {
    let tools = result
        .get("tools")
        .and_then(Value::elements)
        .unwrap_or_default();
    tools
        .iter()
        .filter_map(|tool| definition_of(tool, text).ok())
        .collect()
}

/// Takes out what may not be seen; `None` if everything may.
fn cut(inspector: &Inspector, listed: Listed, result: &Value<'_>, text: &[u8]) -> Option<Patch> {
    let (list, _) = listed.members();
    let list = result.get(list)?;
    let elements = list.elements();
    let kept: Vec<&Value<'_>> = elements
        .unwrap_or_default()
        .iter()
        .filter(|element| may_see(inspector, listed, element, text))
        .collect();
    let untouched = elements.is_some_and(|all| all.len() == kept.len());
    (!untouched).then(|| Patch {
        span: list.span,
        with: splice::array(kept.iter().map(|element| element.span.of(text))),
    })
}

fn may_see(inspector: &Inspector, listed: Listed, element: &Value<'_>, text: &[u8]) -> bool {
    let Ruling::InForce(entry) = &inspector.visit.ruling else {
        return false;
    };
    let (_, name) = listed.members();
    if element.members().is_none_or(keys::is_called_twice) {
        return false;
    }
    let Some(name) = element.get(name).and_then(Value::as_str) else {
        return false;
    };
    match listed {
        Listed::Tools => may_see_tool(inspector, &entry.policy, element, text),
        Listed::Prompts => entry.policy.lists_prompt(name),
        Listed::Resources | Listed::ResourceTemplates => entry.policy.lists_resource(name),
    }
}

fn may_see_tool(inspector: &Inspector, policy: &Policy, element: &Value<'_>, text: &[u8]) -> bool {
    let visit = &inspector.visit;
    let Ok(definition) = definition_of(element, text) else {
        return false;
    };
    // The pins in force now, not those from when the request came: this list may have changed them.
    let registry = inspector.gate.registry();
    let server = registry
        .server(visit.server.name.as_str())
        .unwrap_or(&visit.server);
    let pin = server.pins.of_listed(&definition);
    let traits = server.pins.traits_of(&definition.tool);
    policy.lists(&ToolFacts::new(&definition.tool, pin).with(traits))
}

/// A result that only some callers may see, marked as such for caches.
pub(super) fn for_one_caller(bytes: &Bytes) -> Result<Bytes, String> {
    let tree = parse(bytes, Rules::MESSAGE).map_err(|e| e.to_string())?;
    match tree.get("result").and_then(make_private) {
        Some(patch) => Ok(Bytes::from(splice::apply(bytes, vec![patch]))),
        None => Ok(bytes.clone()),
    }
}

/// A list that depends on who asks must not be shared by caches.
fn make_private(result: &Value<'_>) -> Option<Patch> {
    let scope = result.get("cacheScope")?;
    let is_private = scope.as_str() == Some("private");
    (!is_private).then(|| Patch {
        span: scope.span,
        with: br#""private""#.to_vec(),
    })
}
