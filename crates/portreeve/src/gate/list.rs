//! Lists, cut down to what the policy lets the caller see.

use bytes::Bytes;
use portreeve_policy::ToolFacts;
use portreeve_policy::json::{Rules, Value, parse};

use super::inspect::Inspector;
use super::registry::Ruling;
use super::release::unreadable;
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
    let patches = {
        let tree = parse(bytes, Rules::MESSAGE).map_err(|e| unreadable(&e))?;
        let result = tree.get("result").filter(|r| r.members().is_some());
        let result = result.ok_or("a list's result must be an object")?;
        let kept = match listed {
            Listed::Tools => visible_tools(inspector, result, bytes).await,
            _ => visible(inspector, listed, result),
        };
        let mut patches: Vec<Patch> = cut(listed, result, &kept, bytes).into_iter().collect();
        patches.extend(make_private(result));
        patches
    };
    if patches.is_empty() {
        return Ok(bytes.clone());
    }
    Ok(Bytes::from(splice::apply(bytes, patches)))
}

fn elements<'t, 'a>(listed: Listed, result: &'t Value<'a>) -> &'t [Value<'a>] {
    let (list, _) = listed.members();
    let elements = result.get(list).and_then(Value::elements);
    elements.unwrap_or_default()
}

/// The tools that may be seen. Each definition is read once: to take note of it, and to judge it.
async fn visible_tools<'t, 'a>(
    inspector: &Inspector,
    result: &'t Value<'a>,
    text: &[u8],
) -> Vec<&'t Value<'a>> {
    let tools = elements(Listed::Tools, result);
    let definitions: Vec<Option<Definition>> = tools
        .iter()
        .map(|tool| definition_of(tool, text).ok())
        .collect();
    let visit = &inspector.visit;
    // INVARIANT: news is quarantined before the list that brought it is shown.
    let gate = &inspector.gate;
    let noting = gate.observe(&visit.server, definitions.iter().flatten());
    if let Err(error) = noting.await {
        let server = &visit.server.name;
        tracing::error!(%server, %error, "changed tools could not be noted");
    }
    let Ruling::InForce(entry) = &visit.ruling else {
        return Vec::new();
    };
    // The pins in force now, not those from when the request came: this list may have changed them.
    let registry = inspector.gate.registry();
    let server = registry
        .server(visit.server.name.as_str())
        .unwrap_or(&visit.server);
    let may_see = |definition: &Definition| {
        let pin = server.pins.of_listed(definition);
        let traits = server.pins.traits_of(&definition.tool);
        let facts = ToolFacts::new(&definition.tool, pin).with(traits);
        entry.policy.lists(&facts)
    };
    tools
        .iter()
        .zip(&definitions)
        .filter(|(tool, definition)| is_plain(tool) && definition.as_ref().is_some_and(may_see))
        .map(|(tool, _)| tool)
        .collect()
}

/// The prompts or resources that may be seen.
fn visible<'t, 'a>(
    inspector: &Inspector,
    listed: Listed,
    result: &'t Value<'a>,
) -> Vec<&'t Value<'a>> {
    let Ruling::InForce(entry) = &inspector.visit.ruling else {
        return Vec::new();
    };
    let (_, name) = listed.members();
    let may_see = |name: &str| match listed {
        Listed::Prompts => entry.policy.lists_prompt(name),
        Listed::Resources | Listed::ResourceTemplates => entry.policy.lists_resource(name),
        Listed::Tools => false,
    };
    elements(listed, result)
        .iter()
        .filter(|element| is_plain(element))
        .filter(|element| {
            let name = element.get(name).and_then(Value::as_str);
            name.is_some_and(may_see)
        })
        .collect()
}

/// Whether an element is an object that every reader takes for the same.
fn is_plain(element: &Value<'_>) -> bool {
    !element.members().is_none_or(keys::is_called_twice)
}

/// Takes out what is not kept; `None` if everything is.
fn cut(listed: Listed, result: &Value<'_>, kept: &[&Value<'_>], text: &[u8]) -> Option<Patch> {
    let (list, _) = listed.members();
    let list = result.get(list)?;
    let untouched = list.elements().is_some_and(|all| all.len() == kept.len());
    (!untouched).then(|| Patch {
        span: list.span,
        with: splice::array(kept.iter().map(|element| element.span.of(text))),
    })
}

/// A result that only some callers may see, marked as such for caches.
pub(super) fn for_one_caller(bytes: &Bytes) -> Result<Bytes, String> {
    let tree = parse(bytes, Rules::MESSAGE).map_err(|e| unreadable(&e))?;
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
