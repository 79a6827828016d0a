//! The written form of policy tests.

use std::collections::BTreeMap;

use super::reader::{Node, Trouble};
use super::table::{CALL, CASE, FILE, TARGETS, TOOL};
use super::yaml;
use crate::document::pointer_at;
use crate::facts::ServerRequest;
use crate::json::{self, Place, Rules, Value, canonical};
use crate::policy::{Policy, compile_tree};
use crate::problem::{Pointer, Problem, Severity};
use crate::schema::Schema;
use crate::traits::{Bit, Bits, Class, Classes};

/// How a file of cases is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Yaml,
}

/// A file of cases.
#[derive(Clone, Debug)]
pub struct CaseFile {
    pub policy: PolicySource,
    /// What is known of tools; nothing is known of the others.
    pub(super) tools: BTreeMap<String, Tool>,
    pub(super) cases: Vec<Case>,
}

/// Where the policy under test stands.
#[derive(Clone, Debug)]
pub enum PolicySource {
    /// In a file, relative to the file of cases.
    File(String),
    /// In the file of cases itself.
    Inline(Box<Policy>),
}

#[derive(Clone, Debug)]
pub(super) struct Tool {
    pub(super) offset: usize,
    pub(super) class: Class,
    pub(super) also: Classes,
    pub(super) bits: Option<Bits>,
    pub(super) schema: Option<Schema>,
    pub(super) schema_text: Option<String>,
    pub(super) pinned: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) offset: usize,
    /// What the clock shows at 0 s, in milliseconds since the epoch.
    pub(super) start: i64,
    pub(super) calls: Vec<Call>,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) offset: usize,
    /// Milliseconds after the start.
    pub(super) at: i64,
    pub(super) target: Target,
    pub(super) args: Option<Value<'static>>,
    pub(super) repeat: u64,
    pub(super) caller: Caller,
    pub(super) expect: Expected,
    pub(super) rule: Option<String>,
    pub(super) why: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Target {
    Tool(String),
    Resource(String),
    Prompt(String),
    Method(String),
    ServerRequest(ServerRequest),
}

impl Target {
    /// As the file says it: its key and its name.
    pub(super) fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Tool(name) => ("tool", name),
            Self::Resource(uri) => ("resource", uri),
            Self::Prompt(name) => ("prompt", name),
            Self::Method(name) => ("method", name),
            Self::ServerRequest(request) => ("server_request", request.key()),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) server: String,
    pub(super) grant: String,
    stated_identity: Option<String>,
    pub(super) client: Option<String>,
}

impl Caller {
    fn anybody() -> Self {
        Self {
            server: "server".to_owned(),
            grant: "grant".to_owned(),
            stated_identity: None,
            client: None,
        }
    }

    /// What `node` says of the caller; the rest is as `self` has it.
    fn but(&self, node: &Node<'_>) -> Result<Self, Trouble> {
        let text = |key: &str| {
            let text = node.get(key).map(|node| node.text().map(str::to_owned));
            text.transpose()
        };
        Ok(Self {
            server: text("server")?.unwrap_or_else(|| self.server.clone()),
            grant: text("grant")?.unwrap_or_else(|| self.grant.clone()),
            stated_identity: text("identity")?.or_else(|| self.stated_identity.clone()),
            client: text("client")?.or_else(|| self.client.clone()),
        })
    }

    /// Its own, or the grant's label, as the gate has it.
    pub(super) fn identity(&self) -> &str {
        self.stated_identity.as_deref().unwrap_or(&self.grant)
    }
}

/// What a call must come to. A hidden tool is denied, by the rule `(hidden)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Allow,
    Deny,
    Ask,
}

impl Expected {
    pub(super) const WORDS: [&'static str; 3] = ["allow", "deny", "ask"];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Ask => "ask",
        }
    }
}

/// What a file says of a tool, to be held against a server's pins.
#[derive(Clone, Copy, Debug)]
pub struct Stated<'f> {
    pub tool: &'f str,
    /// The byte of the text at which it is said.
    pub offset: usize,
    /// Nothing if the file does not say.
    pub class: Option<Class>,
    /// The input schema in its canonical spelling.
    pub schema: Option<&'f str>,
}

/// A file with more calls than this is a mistake.
pub(super) const MOST_REPEATS: u64 = 1_000_000;

impl CaseFile {
    /// Reads a file; the problems name their places.
    pub fn read(text: &[u8], form: Form) -> Result<Self, Vec<Problem>> {
        let one = |trouble: Trouble| vec![problem(trouble, text)];
        let tree = tree(text, form).map_err(one)?;
        let root = Node::root(&tree);
        root.only(&FILE).map_err(one)?;
        let policy = root.need("policy").map_err(one)?;
        let source = match &policy.value.kind {
            json::Kind::String(path) => PolicySource::File(path.to_string()),
            _ => PolicySource::Inline(inline(&policy, text)?),
        };
        Ok(Self {
            policy: source,
            tools: tools(&root).map_err(one)?,
            cases: cases(&root).map_err(one)?,
        })
    }

    /// Is the text meant to be a file of cases? A folder holds others, too.
    pub fn recognise(text: &[u8], form: Form) -> bool {
        tree(text, form).map_or(true, |tree| {
            tree.get("cases").is_some() || tree.get("policy").is_some()
        })
    }

    /// What the file says of tools.
    pub fn stated(&self) -> impl Iterator<Item = Stated<'_>> {
        self.tools.iter().map(|(name, tool)| Stated {
            tool: name,
            offset: tool.offset,
            class: (tool.class != Class::Unknown).then_some(tool.class),
            schema: tool.schema_text.as_deref(),
        })
    }

    /// The arguments of all calls that have some.
    pub fn arguments(&self) -> impl Iterator<Item = &Value<'static>> {
        let calls = self.cases.iter().flat_map(|case| &case.calls);
        calls.filter_map(|call| call.args.as_ref())
    }
}

pub(super) fn tree(text: &[u8], form: Form) -> Result<Value<'_>, Trouble> {
    let trouble = |pointer, at, what| Trouble {
        pointer,
        at,
        what,
        suggestion: None,
    };
    match form {
        Form::Json => json::parse(text, Rules::DOCUMENT).map_err(|error| {
            let pointer = pointer_at(text, error.at);
            trouble(pointer, error.at, error.trouble.to_string())
        }),
        Form::Yaml => yaml::parse(text, Rules::DOCUMENT)
            .map_err(|fault| trouble(fault.pointer, fault.at, fault.what)),
    }
}

fn problem(trouble: Trouble, text: &[u8]) -> Problem {
    Problem {
        severity: Severity::Error,
        pointer: trouble.pointer.as_str().to_owned(),
        place: Place::of(text, trouble.at),
        message: trouble.what,
        suggestion: trouble.suggestion,
    }
}

fn inline(node: &Node<'_>, text: &[u8]) -> Result<Box<Policy>, Vec<Problem>> {
    match compile_tree(node.value, text) {
        Ok(checked) => Ok(Box::new(checked.policy)),
        Err(mut problems) => {
            let here = Pointer::default().key("policy");
            for problem in &mut problems {
                problem.pointer.insert_str(0, here.as_str());
            }
            Err(problems)
        }
    }
}

fn tools(root: &Node<'_>) -> Result<BTreeMap<String, Tool>, Trouble> {
    let written = match root.get("tools") {
        None => return Ok(BTreeMap::new()),
        Some(written) => written.members()?,
    };
    let named = |(name, node): &(&str, Node<'_>)| Ok((String::from(*name), tool(node)?));
    written.iter().map(named).collect()
}

fn tool(node: &Node<'_>) -> Result<Tool, Trouble> {
    node.only(&TOOL)?;
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
    let schema = node.get("schema");
    Ok(Tool {
        offset: node.offset(),
        class: node
            .get("class")
            .map_or(Ok(Class::Unknown), |c| class(&c))?,
        also: also.iter().map(class).collect::<Result<_, Trouble>>()?,
        bits: bits
            .map(|bits| bits.iter().map(bit).collect::<Result<_, Trouble>>())
            .transpose()?,
        schema_text: schema.as_ref().map(|schema| canonical(schema.value)),
        schema: schema.map(|schema| Schema::read(schema.value)),
        pinned: node.get("pinned").map_or(Ok(true), |p| p.flag())?,
    })
}

fn cases(root: &Node<'_>) -> Result<Vec<Case>, Trouble> {
    let list = root.need("cases")?;
    let elements = list.elements()?;
    if elements.is_empty() {
        return Err(list.trouble("there is no case in this file"));
    }
    elements.iter().map(case).collect()
}

fn case(node: &Node<'_>) -> Result<Case, Trouble> {
    node.only(&CASE)?;
    let caller = Caller::anybody().but(node)?;
    let name = node.need("name")?.text()?;
    let list = node.need("calls")?;
    let mut latest = 0;
    let mut calls = Vec::new();
    for element in list.elements()? {
        let call = call(&element, &caller, latest)?;
        if call.at < latest {
            return Err(
                element.trouble("time does not run backwards: `at` is before the last call")
            );
        }
        latest = call.at;
        calls.push(call);
    }
    if calls.is_empty() {
        return Err(list.trouble("there is no call in this case"));
    }
    Ok(Case {
        name: name.to_owned(),
        offset: node.offset(),
        start: node
            .get("start")
            .map_or(Ok(0), |start| start.point_in_time())?,
        calls,
    })
}

/// A call that does not say when is made when the last one was.
fn call(node: &Node<'_>, caller: &Caller, latest: i64) -> Result<Call, Trouble> {
    node.only(&CALL)?;
    let text = |key: &str| {
        node.get(key)
            .map(|n| n.text().map(str::to_owned))
            .transpose()
    };
    let word = node.need("expect")?.word(&Expected::WORDS)?;
    Ok(Call {
        offset: node.offset(),
        at: node.get("at").map_or(Ok(latest), |at| at.span())?,
        target: target(node)?,
        args: node.get("args").map(|args| args.value.clone().into_owned()),
        repeat: node
            .get("repeat")
            .map_or(Ok(1), |n| n.count(MOST_REPEATS))?,
        caller: caller.but(node)?,
        expect: match word {
            "allow" => Expected::Allow,
            "ask" => Expected::Ask,
            _ => Expected::Deny,
        },
        rule: text("rule")?,
        why: text("why")?,
    })
}

fn target(node: &Node<'_>) -> Result<Target, Trouble> {
    let mut written = TARGETS
        .iter()
        .filter_map(|key| Some((*key, node.get(key)?)));
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
            let word = value.word(&ServerRequest::ALL.map(ServerRequest::key))?;
            let request = ServerRequest::ALL.into_iter().find(|r| r.key() == word);
            Target::ServerRequest(request.ok_or_else(|| value.trouble("no such request"))?)
        }
    })
}
