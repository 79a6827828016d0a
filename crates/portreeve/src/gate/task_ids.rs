//! The ids of tasks in messages: sealed on their way to a caller, opened on their way to a server.
//!
//! What a seal is, and whose task is whose, is `tasks`' to say.

use bytes::Bytes;
use memchr::memmem;
use portreeve_policy::Rule;
use portreeve_policy::json::{Rules, Span, Value, parse};
use serde::Serialize;
use serde_json::json;

use super::decide::Refused;
use super::inspect::{Inspector, Request};
use super::matter::Matter;
use super::post::{Exchange, unavailable};
use super::record;
use super::release::unreadable;
use super::resolve::Call;
use super::tasks::{Task, Tasked};
use super::{Reply, Status, Visit};
use crate::keys::Keys;
use crate::mcp::message::Message;
use crate::mcp::method::{self, Topic};
use crate::mcp::revision::{Era, META_CLIENT_CAPABILITIES};
use crate::mcp::splice::{self, Patch};
use crate::mcp::{answer, code};

/// The extension that tasks of the modern era are.
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// `_meta` member by which a legacy message says which task it is about.
const RELATED: &str = "io.modelcontextprotocol/related-task";

/// Whether a request names a task by `params.taskId`.
fn names_one(method: &str, era: Era) -> bool {
    match method {
        "tasks/get" | "tasks/cancel" => true,
        "tasks/update" => era == Era::Modern,
        "tasks/result" => era == Era::Legacy,
        _ => false,
    }
}

/// Whether a result that has these members may name tasks.
pub(super) fn may_name_one(matter: &Matter, has: impl Fn(&str) -> bool) -> bool {
    match matter.tasked {
        Tasked::No => matter.topic == Topic::Tool && (has("task") || has("taskId")),
        Tasked::One(_) | Tasked::All => true,
    }
}

/// A message with the value at `span` replaced by a text.
fn with_text(message: &[u8], span: Span, text: &str) -> Bytes {
    Bytes::from(splice::apply(message, vec![patch(span, text)]))
}

fn patch(span: Span, text: &str) -> Patch {
    Patch {
        span,
        with: serde_json::Value::from(text).to_string().into_bytes(),
    }
}

/// A client's answer in which the task that it is about is the server's.
pub(super) fn with_opened_relation(keys: &Keys, visit: &Visit, message: Bytes) -> Bytes {
    // Few answers name one. What hides the name behind escapes stays sealed, and is of no use.
    if memmem::find(&message, RELATED.as_bytes()).is_none() {
        return message;
    }
    let opened = parse(&message, Rules::MESSAGE).ok().and_then(|tree| {
        let related = relation(tree.get("result")?)?;
        let task = Task::open(keys, visit, related.as_str()?)?;
        Some(with_text(&message, related.span, &task.id))
    });
    opened.unwrap_or(message)
}

fn relation<'v, 'a>(holder: &'v Value<'a>) -> Option<&'v Value<'a>> {
    holder.get("_meta")?.get(RELATED)?.get("taskId")
}

/// Why a request about a task is not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoTask {
    /// The same words for what is another's and for what is nobody's.
    #[error("Unknown task: the id is not one that this grant was given")]
    Unknown,
    #[error("there is no such method about tasks in this revision of the protocol")]
    NoMethod,
    #[error("tasks need the extension {EXTENSION}, which the client has not declared")]
    NotDeclared,
}

/// What a client must declare to ask about tasks in the modern era.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Required {
    required_capabilities: serde_json::Value,
}

impl NoTask {
    fn answer(self, id: Option<&str>) -> Reply {
        let words = self.to_string();
        match self {
            Self::Unknown => {
                let words = answer::plain_error(id, code::INVALID_PARAMS, &words);
                Reply::message(Status::Fine, words)
            }
            Self::NoMethod => {
                let words = answer::plain_error(id, code::METHOD_NOT_FOUND, &words);
                Reply::message(Status::NotFound, words)
            }
            Self::NotDeclared => {
                let required_capabilities = json!({ "extensions": { EXTENSION: {} } });
                let data = Required {
                    required_capabilities,
                };
                let words = answer::error(id, code::MISSING_CAPABILITY, &words, Some(&data));
                Reply::message(Status::Malformed, words)
            }
        }
    }
}

impl Exchange {
    /// The message as its server knows the task that it is about, if it is about one.
    ///
    /// INVARIANT: no id of a task reaches a server that was not sealed for who sent it
    /// (`a_task_opens_for_its_own_grant_only`).
    pub(super) fn opened(
        &self,
        call: &Call<'_>,
        message: &Message<'_>,
        bytes: Bytes,
    ) -> Result<(Bytes, Option<Task>), NoTask> {
        if names_one(call.method, self.era) {
            let (bytes, task) = self.open(message, &bytes)?;
            return Ok((bytes, Some(task)));
        }
        if call.method != "tasks/list" && method::is_about_tasks(call.method) {
            return Err(NoTask::NoMethod);
        }
        match message.meta(RELATED) {
            None => Ok((bytes, None)),
            Some(_) => Ok((self.with_opened_relation(message, &bytes)?, None)),
        }
    }

    /// The message with the task that it belongs to as its server knows it. A client may have tasks of
    /// its own, and tell of them; what it asks of a server belongs to a task of the server's.
    fn with_opened_relation(&self, message: &Message<'_>, bytes: &Bytes) -> Result<Bytes, NoTask> {
        let tree = parse(bytes, Rules::MESSAGE).map_err(|_| NoTask::Unknown)?;
        let related = tree.get("params").and_then(relation);
        let task = related.and_then(Value::as_str);
        let task = task.and_then(|id| Task::open(&self.gate.keys, &self.visit, id));
        match (related, task) {
            (Some(related), Some(task)) => Ok(with_text(bytes, related.span, &task.id)),
            _ if message.id().is_none() => Ok(bytes.clone()),
            _ => Err(NoTask::Unknown),
        }
    }

    /// Refuses and books what names a task that was not given to this caller.
    pub(super) async fn refuse_task(
        &self,
        call: &Call<'_>,
        id: Option<&str>,
        no_task: NoTask,
    ) -> Reply {
        let refused = Refused::deny(Rule::MALFORMED, no_task.to_string());
        match record::refused(&self.gate, call, &refused).await {
            Ok(()) => no_task.answer(id),
            Err(error) => unavailable(id, &error.into()),
        }
    }

    fn open(&self, message: &Message<'_>, bytes: &Bytes) -> Result<(Bytes, Task), NoTask> {
        if self.era == Era::Modern && !declares_tasks(message) {
            return Err(NoTask::NotDeclared);
        }
        // Read anew: spans are those of the whole body, of which the message may be a part.
        let tree = parse(bytes, Rules::MESSAGE).map_err(|_| NoTask::Unknown)?;
        let id = tree.get("params").and_then(|params| params.get("taskId"));
        let task = id.and_then(Value::as_str);
        let task = task.and_then(|id| Task::open(&self.gate.keys, &self.visit, id));
        let (id, task) = id.zip(task).ok_or(NoTask::Unknown)?;
        Ok((with_text(bytes, id.span, &task.id), task))
    }
}

fn declares_tasks(message: &Message<'_>) -> bool {
    let meta = message.param("_meta");
    let capabilities = meta.and_then(|meta| meta.get(META_CLIENT_CAPABILITIES));
    let extensions = capabilities.and_then(|all| all.get("extensions"));
    extensions.is_some_and(|extensions| extensions.get(EXTENSION).is_some())
}

impl Inspector {
    /// A result in which the ids of tasks are those that the caller knows.
    pub(super) fn with_sealed_tasks(
        &self,
        bytes: &Bytes,
        request: &Request,
    ) -> Result<Bytes, String> {
        let tree = parse(bytes, Rules::MESSAGE).map_err(|e| unreadable(&e))?;
        let result = tree.get("result").ok_or("a response without `result`")?;
        let patches = match (&request.matter.tasked, &request.matter.tool) {
            (Tasked::No, Some(tool)) => self.begun(result, tool),
            (Tasked::No, None) => Vec::new(),
            (Tasked::One(task), _) => self.about(result, task)?,
            (Tasked::All, _) => self.own_tasks(result, bytes),
        };
        if patches.is_empty() {
            return Ok(bytes.clone());
        }
        Ok(Bytes::from(splice::apply(bytes, patches)))
    }

    /// The result of a call that may have begun a task.
    fn begun(&self, result: &Value<'_>, tool: &str) -> Vec<Patch> {
        let legacy = result.get("task").and_then(|task| task.get("taskId"));
        let modern = result.get("taskId").filter(|_| {
            let kind = result.get("resultType").and_then(Value::as_str);
            kind == Some("task")
        });
        let begun = legacy.into_iter().chain(modern);
        let sealed = begun.filter_map(|id| {
            let task = Task {
                tool: tool.into(),
                id: id.as_str()?.into(),
            };
            self.gate.tasks.note(&self.visit, &task);
            Some(patch(id.span, &task.sealed(&self.gate.keys, &self.visit)))
        });
        sealed.collect()
    }

    /// The result of a request about one task.
    fn about(&self, result: &Value<'_>, task: &Task) -> Result<Vec<Patch>, String> {
        let nested = result.get("task").and_then(|task| task.get("taskId"));
        let named = [result.get("taskId"), nested, relation(result)];
        let sealed = task.sealed(&self.gate.keys, &self.visit);
        let patches = named.into_iter().flatten().map(|id| {
            let is_it = id.as_str() == Some(&*task.id);
            is_it.then(|| patch(id.span, &sealed))
        });
        let patches: Option<Vec<Patch>> = patches.collect();
        patches.ok_or_else(|| "it answers about another task".to_owned())
    }

    /// A list of tasks, with only those in it that are known to be the caller's.
    fn own_tasks(&self, result: &Value<'_>, text: &[u8]) -> Vec<Patch> {
        let Some(list) = result.get("tasks") else {
            return Vec::new();
        };
        let elements = list.elements().unwrap_or_default().iter();
        let own: Vec<Bytes> = elements
            .filter_map(|element| {
                let id = element.get("taskId")?;
                let task = self.gate.tasks.find(&self.visit, id.as_str()?)?;
                let within = Span {
                    start: id.span.start.checked_sub(element.span.start)?,
                    end: id.span.end.checked_sub(element.span.start)?,
                };
                let sealed = task.sealed(&self.gate.keys, &self.visit);
                Some(with_text(element.span.of(text), within, &sealed))
            })
            .collect();
        vec![Patch {
            span: list.span,
            with: splice::array(own.iter().map(AsRef::as_ref)),
        }]
    }

    /// What a server says unasked, with the task that it is about as the caller knows it. Nothing if
    /// it is about another caller's.
    pub(super) fn told_of_task(
        &self,
        method: &str,
        params: Option<&Value<'_>>,
        bytes: &Bytes,
    ) -> Option<Bytes> {
        let is_status = matches!(method, "notifications/tasks/status" | "notifications/tasks");
        let id = if is_status {
            params?.get("taskId")
        } else {
            params.and_then(relation)
        };
        let Some(id) = id else {
            return (!is_status).then(|| bytes.clone());
        };
        let task = self.gate.tasks.find(&self.visit, id.as_str()?);
        match task {
            Some(task) => {
                let sealed = task.sealed(&self.gate.keys, &self.visit);
                Some(with_text(bytes, id.span, &sealed))
            }
            None => (!is_status).then(|| bytes.clone()),
        }
    }
}
