//! What a request is about, kept until its answer: on its own stream, or on a later one.

use std::sync::{Arc, LazyLock};

use portreeve_policy::{ResultRules, Subject, ToolFacts};

use super::Visit;
use super::brings::{Labels, labels_of};
use super::registry::Ruling;
use super::resolve::Call;
use super::tasks::{Task, Tasked};
use crate::mcp::method::Topic;

/// What is known of a request when its answer comes.
#[derive(Clone, Debug)]
pub(super) struct Matter {
    pub topic: Topic,
    /// The tool that was called, if one was.
    pub tool: Option<Box<str>>,
    /// What the answer tells whoever reads it; `None` where no subject was asked about.
    pub labels: Option<Labels>,
    /// What the answer is held to before it is shown.
    pub answer: Arc<ResultRules>,
    /// What everything else is held to that comes on the same stream.
    pub beside: Arc<ResultRules>,
    /// What it has to do with tasks.
    pub tasked: Tasked,
}

impl Matter {
    pub(super) fn of(call: &Call<'_>) -> Self {
        let tasked = match call.method {
            "tasks/list" => Tasked::All,
            _ => Tasked::No,
        };
        Self {
            tool: call.tool().map(Box::from),
            tasked,
            ..Self::about(call, call.subject.as_ref())
        }
    }

    /// A request about a task: what comes of that is its tool's.
    pub(super) fn of_task(call: &Call<'_>, task: &Task) -> Self {
        let pins = &call.visit.server.pins;
        let facts = ToolFacts::new(&task.tool, pins.of_call(&task.tool));
        let subject = Subject::Tool(facts.with(pins.traits_of(&task.tool)));
        Self {
            // What it brings is a tool's result, not beside one.
            topic: match call.method {
                "tasks/result" => Topic::Tool,
                _ => call.topic,
            },
            tasked: Tasked::One(task.clone()),
            ..Self::about(call, Some(&subject))
        }
    }

    fn about(call: &Call<'_>, subject: Option<&Subject<'_>>) -> Self {
        let (answer, beside) = match (&call.visit.ruling, subject) {
            (Ruling::InForce(entry), Some(subject)) => {
                let rules = shared(entry.policy.result_rules(subject));
                (Arc::clone(&rules), rules)
            }
            // What the protocol itself says, and lists, are no results.
            _ => (Arc::clone(&NO_RULES), beside_no_call(call.visit)),
        };
        Self {
            topic: call.topic,
            tool: None,
            labels: subject.map(|subject| match subject {
                Subject::Tool(tool) => call.visit.server.pins.labels_of(tool),
                other => labels_of(other),
            }),
            answer,
            beside,
            tasked: Tasked::No,
        }
    }
}

/// What a server's message is held to of which nobody can tell to which call it belongs.
pub(super) fn beside_no_call(visit: &Visit) -> Arc<ResultRules> {
    let Ruling::InForce(entry) = &visit.ruling else {
        return Arc::clone(&NO_RULES);
    };
    let mut rules = entry.policy.result_rules_of_anything();
    // It is nobody's result.
    rules.max_result_bytes = None;
    shared(rules)
}

/// What most answers are held to.
static NO_RULES: LazyLock<Arc<ResultRules>> = LazyLock::new(Arc::default);

fn shared(rules: ResultRules) -> Arc<ResultRules> {
    if rules.is_empty() {
        Arc::clone(&NO_RULES)
    } else {
        Arc::new(rules)
    }
}
