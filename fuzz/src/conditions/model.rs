//! What the language says of a call, reckoned the slow and obvious way.
//!
//! Written from the language's text, not from the gate: values are followed into lists of lists,
//! answers are three-valued throughout, and every rule of the order of refusals is one line.

use portreeve_policy::{Bit, Class, Label, Pin};

use super::answers::{Answer, Purpose, Scene, all_of};
use super::make::Call;
use super::tree::{Exact, Tree, careless, glob_text};
use super::written::{Condition, Document, Flow, Limit, Path, Rules, Shape, Step};

/// What must come out, with every rule by its pointer.
#[derive(Debug, PartialEq)]
pub enum Expected {
    Allow {
        rule: String,
        charged: Vec<String>,
    },
    Ask {
        needs: Vec<String>,
        charged: Vec<String>,
    },
    Deny {
        rule: String,
    },
    Hide,
}

/// A rule set with its pointer and how its selector stands to the tool.
struct Set<'d> {
    at: String,
    rules: &'d Rules,
    is_exact: bool,
    allows: bool,
}

/// The decision; `room` says whether the counters have any.
pub fn decide(document: &Document, call: &Call, room: bool) -> Expected {
    let deny = |rule: String| Expected::Deny { rule };
    let malformed = || deny("(malformed)".to_owned());
    if call
        .args
        .as_ref()
        .is_some_and(|args| args.type_word() != "object")
    {
        return malformed();
    }
    let general = document.all_tools.as_ref();
    if general.is_some_and(|rules| imitated(rules, call)) {
        return malformed();
    }
    let sets = sets(document, call);
    let all: Vec<&Set<'_>> = sets.iter().collect();
    let has = |action: &str| all.iter().any(|set| set.rules.action == Some(action));
    if document.hide.iter().any(|s| restricts(s, call)) || has("hide") {
        return Expected::Hide;
    }
    let spelled = call.shape.as_ref().zip(call.args.as_ref());
    if sets.iter().any(|set| imitated(set.rules, call))
        || spelled.is_some_and(|(shape, args)| imitates_shape(shape, args))
    {
        return malformed();
    }
    if call.pin == Pin::Unpinned {
        return deny("(not pinned)".to_owned());
    }
    if let Some(set) = all.iter().find(|set| set.rules.action == Some("deny")) {
        return deny(format!("{}/action", set.at));
    }
    let Some(name) = naming(document, &sets) else {
        return deny("(default deny)".to_owned());
    };
    let scene = Scene::new(document, call);
    if let Some(rule) = all.iter().find_map(|set| refusing(set, &scene)) {
        return deny(rule);
    }
    let mut needs = Vec::new();
    for (i, flow) in document
        .flow
        .iter()
        .enumerate()
        .filter(|(_, f)| flows(f, call))
    {
        if flow.denies {
            return deny(format!("/flow/{i}"));
        }
        needs.push(format!("/flow/{i}"));
    }
    let mut charged = Vec::new();
    for (set, (i, limit)) in all
        .iter()
        .flat_map(|s| s.rules.limits.iter().enumerate().map(move |l| (s, l)))
    {
        let rule = format!("{}/limits/{i}", set.at);
        if !room || !payable(limit, call) {
            return deny(rule);
        }
        charged.push(rule);
    }
    needs.extend(all.iter().flat_map(|set| asks(set, &scene)));
    if needs.is_empty() {
        return Expected::Allow {
            rule: name,
            charged,
        };
    }
    Expected::Ask { needs, charged }
}

/// The sets that match, in the order in which their refusals count; `all_tools` first.
fn sets<'d>(document: &'d Document, call: &Call) -> Vec<Set<'d>> {
    let order = |selector: &str| match selector {
        s if s.starts_with('@') => 2,
        s if s.contains(['*', '?']) && !s.starts_with('\\') => 1,
        _ => 0,
    };
    let mut tools: Vec<&(&str, Rules)> = document.tools.iter().collect();
    tools.sort_by_key(|(selector, _)| order(selector));
    let general = document.all_tools.iter().map(|rules| Set {
        at: "/all_tools".to_owned(),
        rules,
        is_exact: false,
        allows: false,
    });
    let matching = tools
        .into_iter()
        .filter(|(selector, _)| restricts(selector, call));
    let named = matching.map(|(selector, rules)| Set {
        at: format!("/tools/{selector}"),
        rules,
        is_exact: order(selector) == 0,
        allows: allows(selector, call),
    });
    general.chain(named).collect()
}

/// The rule that lets the call pass.
fn naming(document: &Document, sets: &[Set<'_>]) -> Option<String> {
    let explicit = |set: &Set<'_>| matches!(set.rules.action, Some("allow" | "require_approval"));
    let found = sets
        .iter()
        .find(|set| set.is_exact || (set.allows && explicit(set)));
    match found {
        Some(set) if explicit(set) => Some(format!("{}/action", set.at)),
        Some(set) => Some(set.at.clone()),
        None => document.allows.then(|| "(default allow)".to_owned()),
    }
}

const CHANGES: [Class; 4] = [
    Class::Write,
    Class::Execute,
    Class::Destructive,
    Class::Financial,
];

/// Does the selector match the tool where it restricts?
pub fn restricts(selector: &str, call: &Call) -> bool {
    let Some(word) = selector.strip_prefix('@') else {
        return names(selector, call.tool);
    };
    if is_unknown(call) {
        return true;
    }
    let is = |class: Class| call.class == class || call.also.contains(class);
    match (word, Class::from_word(word)) {
        ("changes", _) => CHANGES.into_iter().any(is),
        (_, Some(class)) => is(class),
        (bit, None) => call
            .bits
            .is_none_or(|bits| bits.iter().any(|b| b.as_str() == bit)),
    }
}

/// Does anything speak for the class that is every class?
const fn is_unknown(call: &Call) -> bool {
    matches!(call.class, Class::Unknown) || call.also.contains(Class::Unknown)
}

/// And where it allows?
fn allows(selector: &str, call: &Call) -> bool {
    let Some(word) = selector.strip_prefix('@') else {
        return names(selector, call.tool);
    };
    let classes: Vec<Class> = call.also.with(call.class).iter().collect();
    match (word, Class::from_word(word)) {
        ("changes", _) => classes.iter().all(|class| CHANGES.contains(class)),
        (_, Some(class)) => classes == [class],
        (bit, None) => {
            let only = |bits: Vec<&str>| bits == [bit];
            !is_unknown(call)
                && call
                    .bits
                    .is_some_and(|bits| only(bits.iter().map(Bit::as_str).collect()))
        }
    }
}

fn names(selector: &str, name: &str) -> bool {
    match selector.strip_prefix('\\') {
        Some(literal) => literal == name,
        None => glob_text(selector, name),
    }
}

fn refusing(set: &Set<'_>, scene: &Scene<'_>) -> Option<String> {
    let Set { at, rules, .. } = set;
    let caught =
        |conditions: &Vec<Condition>| all_of(conditions, scene, Purpose::Catch) != Answer::No;
    if let Some(i) = rules.deny_if.iter().position(caught) {
        return Some(format!("{at}/deny_if/{i}"));
    }
    let lacking =
        |conditions: &Vec<Condition>| all_of(conditions, scene, Purpose::Demand) != Answer::Yes;
    if let Some(i) = rules.require.iter().position(lacking) {
        return Some(format!("{at}/require/{i}"));
    }
    let valid = |closed: bool| {
        let none = Tree::Map(Vec::new());
        let args = scene.call.args.as_ref().unwrap_or(&none);
        let shape = scene.call.shape.as_ref();
        shape.is_some_and(|shape| fits(shape, args) && (!closed || declared(Some(shape), args)))
    };
    let refused = rules.validate.is_some_and(|closed| !valid(closed));
    refused.then(|| format!("{at}/validate"))
}

fn asks(set: &Set<'_>, scene: &Scene<'_>) -> Vec<String> {
    let Set { at, rules, .. } = set;
    let always = (rules.action == Some("require_approval")).then(|| format!("{at}/action"));
    let entries = rules.asks.iter().enumerate();
    let waits = entries.filter(|(_, c)| all_of(c, scene, Purpose::Catch) != Answer::No);
    let waits = waits.map(|(i, _)| format!("{at}/require_approval/{i}"));
    always.into_iter().chain(waits).collect()
}

fn fits(shape: &Shape, value: &Tree) -> bool {
    let is_kind = |word: &str| shape.kind.is_none_or(|kind| kind == word);
    let kind = match value {
        // A number beyond reckoning is an error wherever one looks at it.
        Tree::Number(text) => Exact::read(text)
            .is_some_and(|n| is_kind("number") || (is_kind("integer") && n.power >= 0)),
        other => is_kind(other.type_word()),
    };
    let below = match value {
        Tree::Map(members) => {
            let named = |key: &str| shape.properties.iter().find(|(name, _)| *name == key);
            shape.required.iter().all(|key| value.get(key).is_some())
                && members.iter().all(|(key, value)| match named(key) {
                    Some((_, shape)) => fits(shape, value),
                    None => !shape.closed,
                })
        }
        Tree::List(elements) => elements
            .iter()
            .all(|e| shape.items.as_ref().is_none_or(|items| fits(items, e))),
        _ => true,
    };
    kind && below
}

/// Does the schema name every property?
fn declared(shape: Option<&Shape>, value: &Tree) -> bool {
    match value {
        Tree::Map(members) => members.iter().all(|(key, value)| {
            let properties = shape.map(|s| s.properties.as_slice()).unwrap_or_default();
            let named = properties.iter().find(|(name, _)| name == key);
            named.is_some_and(|(_, shape)| declared(Some(shape), value))
        }),
        Tree::List(elements) => {
            let items = shape.and_then(|s| s.items.as_deref());
            elements.iter().all(|element| declared(items, element))
        }
        _ => true,
    }
}

fn imitated(rules: &Rules, call: &Call) -> bool {
    let Some(args) = &call.args else { return false };
    let paths = rules.paths();
    let mut paths = paths.iter().filter(|path| path.root == "args");
    paths.any(|path| imitates_path(&path.steps, args))
}

fn imitates_path(steps: &[Step], value: &Tree) -> bool {
    match (steps.split_first(), value) {
        (Some((Step::Name(name), rest)), Tree::Map(members)) => {
            let alike = |key: &str| key != *name && careless(key) == careless(name);
            members.iter().any(|(key, _)| alike(key))
                || value.get(name).is_some_and(|v| imitates_path(rest, v))
        }
        (Some((Step::Index(i), rest)), Tree::List(elements)) => {
            elements.get(*i).is_some_and(|e| imitates_path(rest, e))
        }
        (Some((Step::Each, rest)), Tree::List(elements)) => {
            elements.iter().any(|e| imitates_path(rest, e))
        }
        _ => false,
    }
}

fn imitates_shape(shape: &Shape, value: &Tree) -> bool {
    match value {
        Tree::Map(members) => members.iter().any(|(key, value)| {
            let named = shape.properties.iter().find(|(name, _)| name == key);
            match named {
                Some((_, below)) => imitates_shape(below, value),
                None => shape
                    .properties
                    .iter()
                    .any(|(n, _)| careless(n) == careless(key)),
            }
        }),
        Tree::List(elements) => {
            let items = shape.items.as_deref();
            items.is_some_and(|items| elements.iter().any(|e| imitates_shape(items, e)))
        }
        _ => false,
    }
}

fn flows(flow: &Flow, call: &Call) -> bool {
    let recent = call
        .labels
        .iter()
        .filter(|held| call.now - held.at.0 < flow.seconds * 1_000);
    let mut recent = recent.map(|held| &held.label);
    flow.then.iter().any(|selector| restricts(selector, call))
        && recent.any(|label| flow.after.iter().any(|selector| left(selector, label)))
}

/// Did something that the selector matches leave the label?
fn left(selector: &str, label: &Label<'_>) -> bool {
    let Some(word) = selector.strip_prefix('@') else {
        return matches!(label, Label::Tool(name) if names(selector, name));
    };
    match label {
        Label::Class(Class::Unknown) => true,
        Label::Class(class) if word == "changes" => CHANGES.contains(class),
        Label::Class(class) => class.as_str() == word,
        Label::Bit(bit) => bit.as_str() == word,
        Label::Tool(_) => false,
    }
}

/// Can the limit be reckoned at all?
fn payable(limit: &Limit, call: &Call) -> bool {
    let cost = match &limit.cost {
        Ok(_) => true,
        Err(path) => match plain(path, call) {
            Some(Tree::Number(text)) => {
                Exact::read(text).is_some_and(|n| !n.negative && (limit.allow_zero || !n.is_zero()))
            }
            _ => false,
        },
    };
    let split = limit.per.as_ref().is_none_or(|path| match path.root {
        "args" => match plain(path, call) {
            Some(Tree::Number(text)) => Exact::read(text).is_some(),
            Some(Tree::Text(_) | Tree::Bool(_)) => true,
            _ => false,
        },
        "client" => call.client.is_some(),
        _ => true,
    });
    cost && split
}

/// Where a path without `[*]` leads, defaults aside.
fn plain<'c>(path: &Path, call: &'c Call) -> Option<&'c Tree> {
    let mut at = call.args.as_ref()?;
    for step in &path.steps {
        at = match (step, at) {
            (Step::Name(name), value) => value.get(name)?,
            (Step::Index(index), Tree::List(elements)) => elements.get(*index)?,
            _ => return None,
        };
    }
    Some(at)
}
