//! What is asked: a message becomes a call with everything its judgement needs, read once.

use std::borrow::Cow;
use std::sync::Arc;

use portreeve_policy::json::{Kind, Member, Value};
use portreeve_policy::time::Timestamp;
use portreeve_policy::{Subject, ToolFacts};

use super::Visit;
use super::call_id::CallId;
use super::client::Introduction;
use crate::clock::Stopwatch;
use crate::mcp::keys;
use crate::mcp::message::Message;
use crate::mcp::method::{self, Topic, topic};

/// One request passing the gate.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub id: CallId,
    /// The call's one time: windows, expiry and the ledger all use it.
    pub at: Timestamp,
    /// Runs since the call arrived.
    pub watch: Stopwatch,
    pub visit: &'a Visit,
    pub method: &'a str,
    pub topic: Topic,
    /// What the policy is asked about; `None` for the protocol's own business and for lists.
    pub subject: Option<Subject<'a>>,
    /// The tool's or prompt's arguments: an object, or absent.
    pub arguments: Option<Arguments<'a>>,
    /// Who the client says it is.
    pub client: Option<Arc<Introduction>>,
    /// The resources that a subscription names; each is judged as a reading of it is.
    pub watched: Vec<&'a str>,
}

/// What a tool or prompt is asked with.
#[derive(Debug)]
pub(super) enum Arguments<'a> {
    Sent(&'a Value<'a>),
    /// Put together from what a completion says of its prompt's arguments.
    Gathered(Value<'a>),
}

/// The name and the time of a call, taken once when it arrives.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub id: CallId,
    pub at: Timestamp,
    pub watch: Stopwatch,
}

impl<'a> Call<'a> {
    /// A call that is not judged by what it asks: the protocol's own, or one too malformed to tell.
    pub(super) fn bare(visit: &'a Visit, method: &'a str, moment: Moment) -> Self {
        let Moment { id, at, watch } = moment;
        let topic = topic(method);
        Self {
            id,
            at,
            watch,
            visit,
            method,
            topic,
            subject: None,
            arguments: None,
            client: None,
            watched: Vec::new(),
        }
    }

    /// The tool, prompt or resource that is named, for the ledger.
    pub(super) const fn tool(&self) -> Option<&'a str> {
        match &self.subject {
            Some(Subject::Tool(tool)) => Some(tool.name),
            _ => None,
        }
    }

    pub(super) fn argument_members(&self) -> &[Member<'a>] {
        let arguments = self.arguments();
        arguments.and_then(Value::members).unwrap_or_default()
    }

    pub(super) const fn arguments(&self) -> Option<&Value<'a>> {
        match &self.arguments {
            Some(Arguments::Sent(value)) => Some(value),
            Some(Arguments::Gathered(value)) => Some(value),
            None => None,
        }
    }
}

/// A message of the right form whose content cannot be judged; in words, why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unjudgeable(pub String);

/// Reads what `message` asks for.
pub(super) fn resolve<'a>(
    visit: &'a Visit,
    message: &Message<'a>,
    method: &'a str,
    moment: Moment,
) -> Result<Call<'a>, Unjudgeable> {
    let topic = topic(method);
    let subject = subject(visit, message, method, topic)?;
    let arguments = match topic {
        Topic::Tool | Topic::Prompt => arguments(message)?.map(Arguments::Sent),
        Topic::Completion => {
            completion_arguments(message, subject.as_ref())?.map(Arguments::Gathered)
        }
        _ => None,
    };
    let watched = match method {
        method::SUBSCRIBE => watched(message)?,
        _ => Vec::new(),
    };
    let Moment { id, at, watch } = moment;
    Ok(Call {
        id,
        at,
        watch,
        visit,
        method,
        topic,
        subject,
        arguments,
        client: None,
        watched,
    })
}

/// The resources whose changes a modern client wants to hear of.
fn watched<'a>(message: &Message<'a>) -> Result<Vec<&'a str>, Unjudgeable> {
    let odd = |what: &str| Unjudgeable(format!("`notifications` {what}"));
    let Some(filter) = message.param("notifications") else {
        return Ok(Vec::new());
    };
    let members = filter.members().ok_or_else(|| odd("must be an object"))?;
    if let Some(key) = keys::variant(members) {
        return Err(odd(&format!("has the key {key:?}, a variant of another")));
    }
    let Some(uris) = filter.get("resourceSubscriptions") else {
        return Ok(Vec::new());
    };
    let uris = uris.elements().map(|all| all.iter().map(Value::as_str));
    let uris: Option<Vec<&str>> = uris.and_then(Iterator::collect);
    uris.ok_or_else(|| odd("must name its resources in an array of strings"))
}

fn subject<'a>(
    visit: &'a Visit,
    message: &Message<'a>,
    method: &'a str,
    topic: Topic,
) -> Result<Option<Subject<'a>>, Unjudgeable> {
    Ok(Some(match topic {
        Topic::Protocol | Topic::List(_) => return Ok(None),
        Topic::Tool => {
            let name = text(message.param("name"), "name")?;
            let pins = &visit.server.pins;
            Subject::Tool(ToolFacts::new(name, pins.of_call(name)).with(pins.traits_of(name)))
        }
        Topic::Prompt => Subject::Prompt {
            name: text(message.param("name"), "name")?,
        },
        Topic::Resource => Subject::Resource {
            uri: text(message.param("uri"), "uri")?,
        },
        Topic::Completion => completion_target(message)?,
        Topic::Other => {
            if let Some(known) = method::imitated(method) {
                let words = format!("the method {method:?} is another spelling of {known:?}");
                return Err(Unjudgeable(words));
            }
            Subject::Method { name: method }
        }
    }))
}

fn completion_target<'a>(message: &Message<'a>) -> Result<Subject<'a>, Unjudgeable> {
    let target = message.param("ref");
    let target = target.ok_or_else(|| Unjudgeable("`ref` is missing".into()))?;
    plain_members(target, "ref")?;
    let member = |name: &str| target.get(name);
    match member("type").and_then(Value::as_str) {
        Some("ref/prompt") => Ok(Subject::Prompt {
            name: text(member("name"), "ref.name")?,
        }),
        Some("ref/resource") => Ok(Subject::Resource {
            uri: text(member("uri"), "ref.uri")?,
        }),
        _ => Err(Unjudgeable(
            "`ref.type` must be \"ref/prompt\" or \"ref/resource\"".into(),
        )),
    }
}

/// What a prompt would be asked with: the argument that is being completed, and those that are
/// settled already. A resource has no arguments.
fn completion_arguments<'a>(
    message: &Message<'a>,
    subject: Option<&Subject<'_>>,
) -> Result<Option<Value<'a>>, Unjudgeable> {
    if !matches!(subject, Some(Subject::Prompt { .. })) {
        return Ok(None);
    }
    let argument = message.param("argument");
    let argument = argument.ok_or_else(|| Unjudgeable("`argument` is missing".into()))?;
    plain_members(argument, "argument")?;
    let name = text(argument.get("name"), "argument.name")?;
    text(argument.get("value"), "argument.value")?;
    let settled = match message.param("context") {
        None => &[],
        Some(context) => {
            plain_members(context, "context")?;
            let settled = context.get("arguments");
            let members = settled.map(|all| plain_members(all, "context.arguments"));
            members.transpose()?.unwrap_or_default()
        }
    };
    if settled.iter().any(|member| member.key == name) {
        let words = format!("the argument {name:?} is both completed and settled");
        return Err(Unjudgeable(words));
    }
    let completed = argument.get("value").map(|value| Member {
        key: Cow::Borrowed(name),
        key_span: value.span,
        value: value.clone(),
    });
    let members = completed.into_iter().chain(settled.iter().cloned());
    Ok(Some(Value {
        span: argument.span,
        kind: Kind::Object(members.collect()),
    }))
}

/// The members of an object that every reader takes for the same.
fn plain_members<'v, 'a>(
    value: &'v Value<'a>,
    name: &str,
) -> Result<&'v [Member<'a>], Unjudgeable> {
    let members = value.members();
    let members = members.ok_or_else(|| Unjudgeable(format!("`{name}` must be an object")))?;
    match keys::variant(members) {
        None => Ok(members),
        Some(key) => Err(Unjudgeable(format!(
            "the key {key:?} of `{name}` is a variant of another"
        ))),
    }
}

fn text<'a>(value: Option<&'a Value<'a>>, name: &str) -> Result<&'a str, Unjudgeable> {
    value.and_then(Value::as_str).ok_or_else(|| match value {
        None => Unjudgeable(format!("`{name}` is missing")),
        Some(other) => Unjudgeable(format!(
            "`{name}` must be a string, not {}",
            other.type_name()
        )),
    })
}

fn arguments<'a>(message: &Message<'a>) -> Result<Option<&'a Value<'a>>, Unjudgeable> {
    match message.param("arguments") {
        None => Ok(None),
        Some(object) if matches!(object.kind, Kind::Object(_)) => Ok(Some(object)),
        Some(other) => Err(Unjudgeable(format!(
            "`arguments` must be an object, not {}",
            other.type_name()
        ))),
    }
}
