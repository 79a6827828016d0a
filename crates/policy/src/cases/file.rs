//! The written form of policy tests.

use std::collections::BTreeMap;

use super::reader::{Node, Trouble};
use crate::facts::ServerRequest;
use crate::json::Value;
use crate::schema::Schema;
use crate::traits::{Bit, Bits, Class, Classes};

/// A file of cases.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// The policy's file, relative to this one.
    pub policy: String,
    /// What is known of tools; nothing is known of the others.
    pub(super) tools: BTreeMap<String, Tool>,
    pub(super) cases: Vec<Case>,
}

#[derive(Clone, Debug)]
pub(super) struct Tool {
    pub(super) class: Class,
    pub(super) also: Classes,
    pub(super) bits: Option<Bits>,
    pub(super) schema: Option<Schema>,
    pub(super) pinned: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// What the clock shows at 0 s, in milliseconds since the epoch.
    pub(super) start: i64,
    pub(super) calls: Vec<Call>,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Milliseconds after the start.
    pub(super) at: i64,
    pub(super) target: Target,
    pub(super) args: Option<Value<'static>>,
    pub(super) repeat: u64,
    pub(super) caller: Caller,
    pub(super) expect: Expected,
    pub(super) rule: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Target {
    Tool(String),
    Resource(String),
    Prompt(String),
    Method(String),
    ServerRequest(ServerRequest),
}

#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) server: String,
    pub(super) grant: String,
    pub(super) identity: String,
    pub(super) client: Option<String>,
}

/// What a call must come to. A hidden tool is denied, by the rule `(hidden)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Allow,
    Deny,
    Ask,
}

impl Expected {
    const WORDS: [&'static str; 3] = ["allow", "deny", "ask"];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Ask => "ask",
        }
    }
}

/// A file with more calls than this is a mistake.
const MOST_REPEATS: u64 = 1_000_000;

impl CaseFile {
    /// Reads a file; the error says what is wrong, and where, as a JSON Pointer.
    pub fn read(tree: &Value<'_>) -> Result<Self, String> {
        read(&Node::root(tree)).map_err(|trouble| trouble.to_string())
    }

    /// The classes the file states, to be held against those of a server's pins.
    pub fn stated_classes(&self) -> impl Iterator<Item = (&str, Class)> {
        let known = self
            .tools
            .iter()
            .filter(|(_, tool)| tool.class != Class::Unknown);
        known.map(|(name, tool)| (name.as_str(), tool.class))
    }
}

fn read(root: &Node<'_>) -> Result<CaseFile, Trouble> {
    root.only(&["policy", "tools", "cases"])?;
    let mut tools = BTreeMap::new();
    if let Some(written) = root.get("tools") {
        for (name, node) in written.members()? {
            tools.insert(name.to_owned(), tool(&node)?);
        }
    }
    let cases = root.need("cases")?.elements()?;
    Ok(CaseFile {
        policy: root.need("policy")?.text()?.to_owned(),
        tools,
        cases: cases.iter().map(case).collect::<Result<_, _>>()?,
    })
}

fn tool(node: &Node<'_>) -> Result<Tool, Trouble> {
    node.only(&["class", "also", "bits", "schema", "pinned"])?;
    let classes = Class::ALL.map(Class::as_str);
    let class = |node: &Node<'_>| {
        let word = node.word(&classes)?;
        Ok(Class::from_word(word).unwrap_or(Class::Unknown))
    };
    let bit = |node: &Node<'_>| {
        let word = node.word(&Bit::ALL.map(Bit::as_str))?;
        Bit::from_word(word).ok_or_else(|| node.trouble("no such bit"))
    };
    let list = |key: &str| node.get(key).map(|list| list.elements()).transpose();
    let also = list("also")?.unwrap_or_default();
    let bits = list("bits")?;
    Ok(Tool {
        class: node
            .get("class")
            .map_or(Ok(Class::Unknown), |c| class(&c))?,
        also: also.iter().map(class).collect::<Result<_, Trouble>>()?,
        bits: bits
            .map(|bits| bits.iter().map(bit).collect::<Result<_, Trouble>>())
            .transpose()?,
        schema: node.get("schema").map(|schema| Schema::read(schema.value)),
        pinned: node.get("pinned").map_or(Ok(true), |p| p.flag())?,
    })
}

fn case(node: &Node<'_>) -> Result<Case, Trouble> {
    node.only(&["name", "start", "calls"])?;
    let mut latest = 0;
    let mut calls = Vec::new();
    for element in node.need("calls")?.elements()? {
        let call = call(&element, latest)?;
        if call.at < latest {
            return Err(
                element.trouble("time does not run backwards: `at` is before the last call")
            );
        }
        latest = call.at;
        calls.push(call);
    }
    Ok(Case {
        name: node.need("name")?.text()?.to_owned(),
        start: node
            .get("start")
            .map_or(Ok(0), |start| start.point_in_time())?,
        calls,
    })
}

/// A call that does not say when is made when the last one was.
fn call(node: &Node<'_>, latest: i64) -> Result<Call, Trouble> {
    node.only(&[
        "tool",
        "resource",
        "prompt",
        "method",
        "server_request",
        "args",
        "at",
        "repeat",
        "server",
        "grant",
        "identity",
        "client",
        "expect",
        "rule",
    ])?;
    let text = |key: &str| {
        node.get(key)
            .map(|n| n.text().map(str::to_owned))
            .transpose()
    };
    let word = node.need("expect")?.word(&Expected::WORDS)?;
    Ok(Call {
        at: node.get("at").map_or(Ok(latest), |at| at.span())?,
        target: target(node)?,
        args: node.get("args").map(|args| args.value.clone().into_owned()),
        repeat: node
            .get("repeat")
            .map_or(Ok(1), |n| n.count(MOST_REPEATS))?,
        caller: Caller {
            server: text("server")?.unwrap_or_else(|| "server".to_owned()),
            grant: text("grant")?.unwrap_or_else(|| "grant".to_owned()),
            identity: text("identity")?.unwrap_or_else(|| "identity".to_owned()),
            client: text("client")?,
        },
        expect: match word {
            "allow" => Expected::Allow,
            "ask" => Expected::Ask,
            _ => Expected::Deny,
        },
        rule: text("rule")?,
    })
}

fn target(node: &Node<'_>) -> Result<Target, Trouble> {
    const KEYS: [&str; 5] = ["tool", "resource", "prompt", "method", "server_request"];
    let mut written = KEYS.iter().filter_map(|key| Some((*key, node.get(key)?)));
    let one = "a call names one of `tool`, `resource`, `prompt`, `method`, `server_request`";
    let (Some((key, value)), None) = (written.next(), written.next()) else {
        return Err(node.trouble(one));
    };
    let name = value.text()?.to_owned();
    Ok(match key {
        "tool" => Target::Tool(name),
        "resource" => Target::Resource(name),
        "prompt" => Target::Prompt(name),
        "method" => Target::Method(name),
        _ => {
            let request = ServerRequest::ALL.into_iter().find(|r| r.key() == name);
            Target::ServerRequest(request.ok_or_else(|| value.trouble("no such request"))?)
        }
    })
}
