//! The methods the protocol knows, and what each of them is about.

/// What a message asks for, as far as judging it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The conversation itself: what a connection cannot do without and no rule is about.
    Protocol,
    /// A list that is filtered on its way back.
    List(Listed),
    /// `tools/call`: judged by the tool's name and arguments.
    Tool,
    /// Judged by `params.uri`.
    Resource,
    /// Judged by `params.name`.
    Prompt,
    /// Completion: judged as the prompt or resource its `ref` names.
    Completion,
    /// Anything else: judged by the policy's `methods`.
    Other,
}

/// What a list lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    Tools,
    Resources,
    ResourceTemplates,
    Prompts,
}

impl Listed {
    /// The member of the result that holds the list, and the member that names an item.
    pub const fn members(self) -> (&'static str, &'static str) {
        match self {
            Self::Tools => ("tools", "name"),
            Self::Resources => ("resources", "uri"),
            Self::ResourceTemplates => ("resourceTemplates", "uriTemplate"),
            Self::Prompts => ("prompts", "name"),
        }
    }
}

/// Gives up a request.
pub const CANCELLED: &str = "notifications/cancelled";

/// Opens a stream of notifications in the modern era.
pub const SUBSCRIBE: &str = "subscriptions/listen";

/// What every server of the modern era answers.
pub const DISCOVER: &str = "server/discover";

const PROTOCOL: &[&str] = &[
    "initialize",
    "ping",
    DISCOVER,
    SUBSCRIBE,
    "logging/setLevel",
    "notifications/initialized",
    CANCELLED,
    "notifications/progress",
    "notifications/roots/list_changed",
];

const JUDGED: &[(&str, Topic)] = &[
    ("tools/list", Topic::List(Listed::Tools)),
    ("resources/list", Topic::List(Listed::Resources)),
    (
        "resources/templates/list",
        Topic::List(Listed::ResourceTemplates),
    ),
    ("prompts/list", Topic::List(Listed::Prompts)),
    ("tools/call", Topic::Tool),
    ("resources/read", Topic::Resource),
    ("resources/subscribe", Topic::Resource),
    ("resources/unsubscribe", Topic::Resource),
    ("prompts/get", Topic::Prompt),
    ("completion/complete", Topic::Completion),
];

/// Requests about tasks, in either era.
const TASKS: &[&str] = &[
    "tasks/get",
    "tasks/list",
    "tasks/cancel",
    "tasks/result",
    "tasks/update",
];

/// What a client's request or notification is about.
pub fn topic(method: &str) -> Topic {
    let judged = JUDGED.iter().find(|(name, _)| *name == method);
    match judged {
        Some((_, topic)) => *topic,
        None if PROTOCOL.contains(&method) => Topic::Protocol,
        None => Topic::Other,
    }
}

/// Whether a careless server could take `method` for one about tasks.
pub fn is_about_tasks(method: &str) -> bool {
    let plain = method.trim_matches(|c: char| c.is_whitespace() || c == '/');
    let (start, about) = plain.split_at_checked(6).unwrap_or_default();
    start.eq_ignore_ascii_case("tasks/") && !about.is_empty()
}

/// The judged method, or the one about tasks, that a careless server could take `method` for: the same but for letter case,
/// white space, and slashes at its ends.
pub fn imitated(method: &str) -> Option<&'static str> {
    let plain = method.trim_matches(|c: char| c.is_whitespace() || c == '/');
    let alike = |name: &&str| plain.eq_ignore_ascii_case(name);
    let names = JUDGED.iter().map(|(name, _)| name).chain(TASKS).copied();
    names.filter(|name| *name != method).find(alike)
}

/// What a server may say to a client without having been asked.
pub fn is_server_notification(method: &str) -> bool {
    matches!(
        method,
        "notifications/cancelled"
            | "notifications/progress"
            | "notifications/message"
            | "notifications/tools/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated"
            | "notifications/prompts/list_changed"
            | "notifications/elicitation/complete"
            | "notifications/tasks"
            | "notifications/tasks/status"
            | "notifications/subscriptions/acknowledged"
    )
}

/// Requests of the legacy era that the modern one has no more.
const GONE: &[&str] = &[
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "tasks/list",
    "tasks/result",
];

/// Whether no server of the modern era may carry `method` out.
pub fn is_gone(method: &str) -> bool {
    GONE.contains(&method)
}

/// The member of `params` that `Mcp-Name` mirrors, for the methods that have one.
pub fn name_member(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_in_disguise_is_recognised() {
        for (method, known) in [
            ("Tools/Call", Some("tools/call")),
            ("tools/call ", Some("tools/call")),
            ("/tools/call/", Some("tools/call")),
            ("RESOURCES/READ", Some("resources/read")),
            ("tools/call", None),
            ("tools/called", None),
            ("tasks/get", None),
            ("tasks/Get", Some("tasks/get")),
            ("tasks/cancel/", Some("tasks/cancel")),
        ] {
            assert_eq!(imitated(method), known, "{method}");
        }
    }
}
