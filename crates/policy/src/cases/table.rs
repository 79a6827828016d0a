//! The keys of policy tests: the reader knows them from here, and the schema for editors is made from
//! here.

use super::file::{Expected, MOST_REPEATS};
use crate::document::DOCUMENT;
use crate::facts::ServerRequest;
use crate::keys::{self, Key, Keys, SPAN, Shape};
use crate::traits::{Bit, Class};

/// The JSON Schema of policy tests, for editors.
pub fn schema() -> String {
    keys::schema(&FILE, "Policy tests of Portreeve")
}

pub(super) const FILE: Keys = Keys {
    name: "policy_tests",
    about: "Calls, and how a policy must answer them.",
    known: &[
        Key::new("description", Shape::Any, "For people."),
        Key::new(
            "policy",
            Shape::Either(&[Shape::Text, Shape::Object(&DOCUMENT)]),
            "The policy under test: a file, relative to this one, or the policy itself.",
        )
        .needed(),
        Key::new(
            "tools",
            Shape::Map(&Shape::Object(&TOOL)),
            "What is known of tools, by their names; nothing is known of the others.",
        ),
        Key::new(
            "cases",
            Shape::FilledList(&Shape::Object(&CASE)),
            "Each starts fresh: no charges, nothing seen.",
        )
        .needed(),
    ],
};

pub(super) const TOOL: Keys = Keys {
    name: "tool",
    about: "What is known of a tool. What is not said is not known.",
    known: &[
        Key::new("class", CLASS, "The verdict."),
        Key::new(
            "also",
            Shape::List(&CLASS),
            "Other classes that something speaks for.",
        ),
        Key::new(
            "bits",
            Shape::List(&Shape::Listed(bits)),
            "What it does with data; every bit unless it is said.",
        ),
        Key::new("schema", Shape::Any, "The input schema."),
        Key::new(
            "pinned",
            Shape::Flag,
            "Whether its definition is accepted; true unless it is said.",
        ),
    ],
};

const CLASS: Shape = Shape::Listed(classes);

fn classes() -> Vec<String> {
    Class::ALL.map(|class| class.as_str().to_owned()).to_vec()
}

fn bits() -> Vec<String> {
    Bit::ALL.map(|bit| bit.as_str().to_owned()).to_vec()
}

fn server_requests() -> Vec<String> {
    ServerRequest::ALL
        .map(|request| request.key().to_owned())
        .to_vec()
}

const SERVER: Key = Key::new("server", Shape::Text, "The server that is called.");
const GRANT: Key = Key::new("grant", Shape::Text, "The label of the caller's grant.");
const IDENTITY: Key = Key::new(
    "identity",
    Shape::Text,
    "Who calls; the grant's label unless it is said.",
);
const CLIENT: Key = Key::new("client", Shape::Text, "What the client calls itself.");

pub(super) const CASE: Keys = Keys {
    name: "case",
    about: "Calls one after another. What it says of the caller is about all of them.",
    known: &[
        Key::new("name", Shape::Text, "What must hold.").needed(),
        Key::new(
            "start",
            Shape::Text,
            "What the clock shows at 0 s, in UTC, as in 2026-01-31T22:00.",
        ),
        Key::new(
            "calls",
            Shape::FilledList(&Shape::OneOf(&CALL, &TARGETS)),
            "In their order.",
        )
        .needed(),
        SERVER,
        GRANT,
        IDENTITY,
        CLIENT,
    ],
};

/// What can be called; a call names one of them.
pub(super) const TARGETS: [&str; 5] = ["tool", "resource", "prompt", "method", "server_request"];

pub(super) const CALL: Keys = Keys {
    name: "call",
    about: "A call of a tool, a resource, a prompt or a method, or something that a server asks.",
    known: &[
        Key::new("tool", Shape::Text, "The name of the tool."),
        Key::new("resource", Shape::Text, "The URI of the resource."),
        Key::new("prompt", Shape::Text, "The name of the prompt."),
        Key::new(
            "method",
            Shape::Text,
            "A method that the protocol does not know.",
        ),
        Key::new(
            "server_request",
            Shape::Listed(server_requests),
            "What the server asks of the client.",
        ),
        Key::new(
            "at",
            SPAN,
            "When, since the start, as in 59s; when the last call was unless it is said.",
        ),
        Key::new("args", Shape::Any, "The arguments."),
        Key::new(
            "repeat",
            Shape::Whole(1, MOST_REPEATS),
            "How often; each time the same is expected.",
        ),
        Key::new("expect", Shape::Word(&Expected::WORDS), "The answer.").needed(),
        Key::new(
            "rule",
            Shape::Text,
            "The rule that decides, as in /tools/deploy/limits/0.",
        ),
        Key::new("why", Shape::Text, "For people."),
        SERVER,
        GRANT,
        IDENTITY,
        CLIENT,
    ],
};
