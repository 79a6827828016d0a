//! The document itself and its uppermost keys.

use super::flow::{FLOW, WrittenFlow, flow};
use super::locate::pointer_at;
use super::node::{Node, is_plain};
use super::rules::{About, Action, RULES, WrittenRules, rules};
use super::selector::Selector;
use crate::calendar::Zone;
use crate::facts::ServerRequest;
use crate::glob::Glob;
use crate::json::{self, Rules, Trouble, Value};
use crate::keys::{self, Key, Keys, SELECTOR, Shape};
use crate::problem::{Pointer, Problems};

/// A policy as it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyDocument {
    pub(crate) default: Verdict,
    pub(crate) description: Option<String>,
    pub(crate) zone: Option<Zone>,
    pub(crate) hide: Vec<Named<Selector, ()>>,
    pub(crate) all_tools: Option<WrittenRules>,
    pub(crate) tools: Vec<Entry>,
    pub(crate) resources: Vec<Entry>,
    pub(crate) prompts: Vec<Entry>,
    pub(crate) methods: Vec<Named<String, Verdict>>,
    pub(crate) server_requests: Vec<Named<ServerRequest, Verdict>>,
    pub(crate) flow: Vec<WrittenFlow>,
}

/// The rules for what one selector matches.
pub(crate) type Entry = Named<Selector, WrittenRules>;

/// Something said of something, and where.
#[derive(Clone, Debug)]
pub(crate) struct Named<N, T> {
    pub(crate) name: N,
    pub(crate) pointer: Pointer,
    pub(crate) at: usize,
    pub(crate) says: T,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    #[default]
    Deny,
}

impl Verdict {
    const WORDS: [&'static str; 2] = ["allow", "deny"];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    fn read(node: &Node<'_>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let word = node.word(problems, what, &Self::WORDS)?;
        Some(if word == "allow" {
            Self::Allow
        } else {
            Self::Deny
        })
    }
}

pub(crate) const DOCUMENT: Keys = Keys {
    name: "policy",
    about: "What one grant may list, call and read on one server.",
    known: &[
        Key::new(
            "version",
            Shape::Word(&["1"]),
            "The version of the language.",
        )
        .needed(),
        Key::new("default", VERDICT, "For what nothing names.").needed(),
        Key::new("description", Shape::Text, "For people."),
        Key::new(
            "hide",
            Shape::List(&SELECTOR),
            "Not listed, and answered as unknown.",
        ),
        Key::new(
            "all_tools",
            Shape::Object(&RULES),
            "Rules for every tool call.",
        ),
        Key::new(
            "tools",
            Shape::Tools(&Shape::Object(&RULES)),
            "Names, globs or classes of tools, and their rules. {} under an exact name allows the tool.",
        ),
        Key::new(
            "resources",
            Shape::Others(&RULES),
            "URIs or globs of resources, and their rules.",
        ),
        Key::new(
            "prompts",
            Shape::Others(&RULES),
            "Names or globs of prompts, and their rules.",
        ),
        Key::new(
            "methods",
            Shape::Map(&VERDICT),
            "Methods that the protocol does not know.",
        ),
        Key::new(
            "server_requests",
            Shape::Object(&SERVER_REQUESTS),
            "What the server may ask of the client.",
        ),
        Key::new(
            "flow",
            Shape::List(&Shape::Object(&FLOW)),
            "What may not follow what.",
        ),
        Key::new(
            "timezone",
            Shape::Filled,
            "For conditions on the time, as in Europe/Berlin; UTC unless it is said.",
        ),
    ],
};

const VERDICT: Shape = Shape::Word(&Verdict::WORDS);

const SERVER_REQUESTS: Keys = Keys {
    name: "server_requests",
    about: "What the server may ask of the client.",
    known: &[
        Key::new(
            "sampling",
            VERDICT,
            "A completion by the client's model; denied unless it is said.",
        ),
        Key::new(
            "elicitation",
            VERDICT,
            "A question to the user; allowed unless it is said.",
        ),
        Key::new(
            "elicitation_url",
            VERDICT,
            "To open a URL; denied unless it is said.",
        ),
        Key::new(
            "roots",
            VERDICT,
            "The client's folders; allowed unless it is said.",
        ),
    ],
};

/// The JSON Schema of policies, for editors.
pub fn schema() -> String {
    keys::schema(&DOCUMENT, "A policy of Portreeve, version 1")
}

/// The smallest policy, for messages.
const SMALLEST: &str = r#"{"version": "1", "default": "deny"}"#;

/// Reads a text. What has a problem is left out of the document; no object, no document.
pub(crate) fn read(text: &[u8], problems: &mut Problems<'_>) -> Option<PolicyDocument> {
    let value = match json::parse(text, Rules::DOCUMENT) {
        Ok(value) => value,
        Err(error) => {
            let (at, message) = match (&error.trouble, json::slip(text, &error)) {
                (Trouble::Empty, _) => (
                    error.at,
                    format!("the policy is empty; the smallest one is {SMALLEST}"),
                ),
                (_, Some(slip)) => (slip.at, slip.message),
                (trouble, None) => (error.at, trouble.to_string()),
            };
            problems.error(&pointer_at(text, error.at), at, message);
            return None;
        }
    };
    document(&value, problems)
}

/// Reads a document that is already a tree.
pub(crate) fn document(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<PolicyDocument> {
    let root = Node {
        value,
        pointer: Pointer::default(),
    };
    let members = root.members(problems, &DOCUMENT);
    value.members()?;
    let mut document = PolicyDocument::default();
    for key in DOCUMENT.needed() {
        if root.lacks(key, &DOCUMENT) {
            root.error(
                problems,
                format!("`{key}` is missing; the smallest policy is {SMALLEST}"),
            );
        }
    }
    for (key, node) in &members {
        match *key {
            "version" => version(node, problems),
            "default" => {
                document.default =
                    Verdict::read(node, "default", problems).unwrap_or(Verdict::Deny);
            }
            "description" => document.description = node.text(problems).map(str::to_owned),
            "hide" => document.hide = hide(node, problems),
            "all_tools" => document.all_tools = Some(all_tools(node, problems)),
            "timezone" => document.zone = zone(node, problems),
            "flow" => document.flow = flow(node, problems),
            "tools" => document.tools = entries(node, About::Tools, problems),
            "resources" => document.resources = entries(node, About::Resources, problems),
            "prompts" => document.prompts = entries(node, About::Prompts, problems),
            "methods" => document.methods = methods(node, problems),
            _ => document.server_requests = server_requests(node, problems),
        }
    }
    Some(document)
}

fn version(node: &Node<'_>, problems: &mut Problems<'_>) {
    match node.value.as_str() {
        Some("1") => {}
        Some(other) => {
            node.error(
                problems,
                format!("version {other:?} is not known; this is version \"1\" of the language"),
            );
        }
        None => node.error(problems, "the version is the string \"1\", with its quotes"),
    }
}

fn zone(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Zone> {
    let name = node.text(problems)?;
    let zone = Zone::named(name);
    if zone.is_none() {
        let message = format!("there is no time zone {name:?}; it is a name as in Europe/Berlin");
        let names = Zone::names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        problems.bad_word(&node.pointer, node.at(), message, (name, &names));
    }
    zone
}

fn hide(node: &Node<'_>, problems: &mut Problems<'_>) -> Vec<Named<Selector, ()>> {
    let mut hidden = Vec::new();
    for element in node.elements(problems) {
        let Some(text) = element.text(problems) else {
            continue;
        };
        if let Some(name) = element.selector(text, problems) {
            hidden.push(Named {
                name,
                at: element.at(),
                pointer: element.pointer,
                says: (),
            });
        }
    }
    hidden
}

fn all_tools(node: &Node<'_>, problems: &mut Problems<'_>) -> WrittenRules {
    let rules = rules(node, ("all_tools", About::Tools), problems);
    if rules.action == Some(Action::Allow) {
        let message = "`action`: \"allow\" has no effect here: all_tools names no tool; \
                       name them under `tools`, or write `default`: \"allow\"";
        node.warning(problems, message);
    }
    rules
}

fn entries(node: &Node<'_>, about: About, problems: &mut Problems<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Some(names) = node.value.elements() {
        no_entries(node, names, problems);
        return entries;
    }
    for (selector, at, value) in node.entries(problems) {
        let Some(name) = value.selector_at(at, selector, problems) else {
            continue;
        };
        if about != About::Tools && matches!(name, Selector::Kind(_)) {
            let message = "only tools have classes; \
                           a literal name that begins with @ is written with a \\ before it";
            problems.error(&value.pointer, at, message);
            continue;
        }
        let says = rules(&value, (selector, about), problems);
        let is_empty = value.value.members().is_some_and(<[_]>::is_empty);
        if is_empty && !matches!(name, Selector::Exact(_)) {
            let message = "`{}` has no effect here: only an exact name is named by it; \
                           to allow what this matches, write \"action\": \"allow\"";
            value.warning(problems, message);
        }
        entries.push(Named {
            name,
            pointer: value.pointer,
            at,
            says,
        });
    }
    entries
}

/// A list of names stands where each name is a key.
fn no_entries(node: &Node<'_>, names: &[Value<'_>], problems: &mut Problems<'_>) {
    let message = "an object is expected here, not an array: each name is a key";
    let first = names.first().and_then(Value::as_str);
    match first.filter(|name| is_plain(name)) {
        Some(name) if names.len() == 1 => {
            node.instead(problems, message, &format!("{{\"{name}\": {{}}}}"));
        }
        Some(name) => node.instead(problems, message, &format!("{{\"{name}\": {{}}, …}}")),
        None => node.error(problems, message),
    }
}

fn methods(node: &Node<'_>, problems: &mut Problems<'_>) -> Vec<Named<String, Verdict>> {
    let mut methods = Vec::new();
    for (name, at, value) in node.entries(problems) {
        if name.is_empty() || Glob::is_one(name) {
            let message = "a method is named exactly, without * or ?";
            problems.error(&value.pointer, at, message);
        } else if let Some(says) = Verdict::read(&value, "verdict on a method", problems) {
            methods.push(Named {
                name: name.to_owned(),
                pointer: value.pointer,
                at,
                says,
            });
        }
    }
    methods
}

fn server_requests(
    node: &Node<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Named<ServerRequest, Verdict>> {
    let mut requests = Vec::new();
    for (key, value) in node.members(problems, &SERVER_REQUESTS) {
        let request = ServerRequest::ALL.into_iter().find(|r| r.key() == key);
        let verdict = Verdict::read(&value, "verdict on a server's request", problems);
        if let (Some(name), Some(says)) = (request, verdict) {
            requests.push(Named {
                name,
                at: value.at(),
                pointer: value.pointer,
                says,
            });
        }
    }
    requests
}
