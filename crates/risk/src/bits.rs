//! The flow bits: what a tool does with data, whatever its class.

use portreeve_policy::{Bit, Bits, Class};

use crate::context::Context;
use crate::definition::Definition;
use crate::evidence::Collected;
use crate::schema::{self, Parameter};
use crate::verdict::Mark;
use crate::weigh::Weighed;
use crate::words;

/// Nouns of what outsiders can have written.
const UNTRUSTED: [&str; 44] = [
    "issue",
    "issues",
    "mail",
    "email",
    "emails",
    "inbox",
    "message",
    "messages",
    "web",
    "webpage",
    "page",
    "website",
    "url",
    "html",
    "comment",
    "comments",
    "ticket",
    "tickets",
    "post",
    "posts",
    "review",
    "reviews",
    "tweet",
    "tweets",
    "thread",
    "threads",
    "news",
    "article",
    "articles",
    "reddit",
    "pull",
    "discussion",
    "transcript",
    "feed",
    "rss",
    "attachment",
    "dm",
    "chat",
    "conversation",
    "conversations",
    "internet",
    "online",
    "forum",
    "search_results",
];

/// Nouns of what belongs to somebody.
const PRIVATE: [&str; 62] = [
    "mail",
    "email",
    "emails",
    "inbox",
    "message",
    "messages",
    "calendar",
    "event",
    "events",
    "contact",
    "contacts",
    "customer",
    "customers",
    "account",
    "accounts",
    "user",
    "users",
    "profile",
    "file",
    "files",
    "document",
    "documents",
    "note",
    "notes",
    "memory",
    "memories",
    "task",
    "tasks",
    "project",
    "projects",
    "order",
    "orders",
    "invoice",
    "invoices",
    "transaction",
    "transactions",
    "balance",
    "payment",
    "payments",
    "patient",
    "employee",
    "database",
    "table",
    "record",
    "records",
    "repository",
    "workspace",
    "drive",
    "folder",
    "directory",
    "log",
    "logs",
    "chat",
    "conversation",
    "clipboard",
    "screen",
    "issue",
    "issues",
    "ticket",
    "wallet",
    "portfolio",
    "bookmarks",
];

const SECRET: [&str; 26] = [
    "secret",
    "secrets",
    "password",
    "passwords",
    "credential",
    "credentials",
    "token",
    "tokens",
    "apikey",
    "keychain",
    "vault",
    "mnemonic",
    "seed",
    "passphrase",
    "env",
    "certificate",
    "otp",
    "totp",
    "privatekey",
    "pat",
    "jwt",
    "bearer",
    "ssh",
    "keystore",
    "dotenv",
    "passwd",
];

const LOCAL: [&str; 40] = [
    "file",
    "files",
    "directory",
    "filesystem",
    "folder",
    "shell",
    "terminal",
    "command",
    "process",
    "processes",
    "clipboard",
    "desktop",
    "window",
    "screen",
    "keyboard",
    "mouse",
    "localhost",
    "local",
    "disk",
    "adb",
    "applescript",
    "bash",
    "powershell",
    "cmd",
    "gdb",
    "simulator",
    "emulator",
    "docker",
    "container",
    "stdin",
    "git",
    "app",
    "xcode",
    "macos",
    "windows",
    "blender",
    "unity",
    "vim",
    "editor",
    "cwd",
];

/// Verbs that carry something out of the house.
const EGRESS: [&str; 32] = [
    "send",
    "post",
    "publish",
    "share",
    "reply",
    "tweet",
    "email",
    "comment",
    "notify",
    "invite",
    "forward",
    "broadcast",
    "upload",
    "message",
    "announce",
    "submit",
    "push",
    "webhook",
    "request",
    "fetch",
    "navigate",
    "goto",
    "http",
    "curl",
    "open",
    "browse",
    "scrape",
    "crawl",
    "visit",
    "dm",
    "sms",
    "respond",
];

pub(crate) fn of(
    definition: &Definition<'_>,
    context: &Context,
    found: &Collected,
    weighed: &Weighed,
) -> (Bits, Vec<Mark>) {
    let name = words::of_name(definition.name);
    let text = words::lowered(definition.description);
    let near: Vec<&str> = words::of_text(&text)
        .iter()
        .take(45)
        .map(|word| word.text)
        .collect();
    let parameters = schema::parameters(definition.input_schema);
    let facts = Facts {
        name,
        near,
        parameters,
        class: weighed.class,
    };
    let mut bits = Bits::NONE;
    let mut set = |bit, holds: bool| {
        if holds {
            bits = bits.with(bit);
        }
    };
    set(Bit::Bulk, facts.bulk());
    set(Bit::Secret, facts.secret());
    set(Bit::Local, facts.local());
    set(Bit::Egress, facts.egress(found));
    set(
        Bit::ReadsUntrusted,
        facts.gives_back() && facts.speaks_of(&UNTRUSTED),
    );
    set(
        Bit::ReadsPrivate,
        facts.gives_back() && facts.speaks_of(&PRIVATE),
    );
    let _ = context;
    (bits, facts.marks(found))
}

struct Facts<'a> {
    name: Vec<String>,
    near: Vec<&'a str>,
    parameters: Vec<Parameter<'a>>,
    class: Class,
}

impl Facts<'_> {
    fn speaks_of(&self, nouns: &[&str]) -> bool {
        self.name.iter().any(|word| nouns.contains(&word.as_str()))
            || self.near.iter().take(16).any(|word| nouns.contains(word))
    }

    fn gives_back(&self) -> bool {
        matches!(self.class, Class::Read | Class::Execute | Class::Unknown)
    }

    fn has_parameter(&self, names: &[&str]) -> bool {
        self.parameters
            .iter()
            .any(|p| names.contains(&p.words.as_str()))
    }

    /// Many things at once: a list of them, or a word that says so. One run is not many.
    fn bulk(&self) -> bool {
        const WORDS: [&str; 8] = [
            "bulk",
            "batch",
            "mass",
            "all",
            "multiple",
            "many",
            "everything",
            "multi",
        ];
        if self.class == Class::Read {
            return self
                .name
                .iter()
                .any(|word| matches!(word.as_str(), "bulk" | "batch" | "dump" | "export"));
        }
        self.name.iter().any(|word| WORDS.contains(&word.as_str()))
            || self
                .near
                .iter()
                .take(8)
                .any(|word| matches!(*word, "bulk" | "batch" | "multiple" | "all"))
            || self.parameters.iter().any(|p| {
                p.is_type("array")
                    && (p.words.ends_with(" ids")
                        || matches!(
                            p.words.as_str(),
                            "ids"
                                | "items"
                                | "records"
                                | "rows"
                                | "files"
                                | "paths"
                                | "urls"
                                | "tasks"
                                | "entities"
                                | "messages"
                                | "inputs"
                                | "file paths"
                                | "deletions"
                        ))
            })
    }

    fn secret(&self) -> bool {
        let name = self.name.join(" ");
        self.name
            .iter()
            .any(|word| SECRET.contains(&word.as_str()) && word != "token" && word != "tokens")
            || [
                "api key",
                "access token",
                "private key",
                "auth token",
                "secret key",
            ]
            .iter()
            .any(|words| name.contains(words))
            || self.near.windows(2).take(16).any(|pair| {
                matches!(
                    pair,
                    ["api" | "private", "key" | "keys"] | ["access", "token" | "tokens"]
                )
            })
            || self.near.iter().take(12).any(|word| {
                matches!(
                    *word,
                    "secret"
                        | "secrets"
                        | "password"
                        | "passwords"
                        | "credential"
                        | "credentials"
                        | "mnemonic"
                )
            })
    }

    fn local(&self) -> bool {
        self.name.iter().any(|word| LOCAL.contains(&word.as_str()))
            || self.near.iter().take(20).any(|word| {
                matches!(
                    *word,
                    "local" | "shell" | "terminal" | "filesystem" | "directory"
                )
            })
            || self.has_parameter(&[
                "path",
                "file path",
                "filepath",
                "directory",
                "working directory",
                "cwd",
                "working dir",
                "repo path",
                "output path",
                "input path",
                "output dir",
                "paths",
                "project path",
                "command",
            ])
    }

    fn egress(&self, found: &Collected) -> bool {
        const ADDRESSES: [&str; 16] = [
            "url",
            "urls",
            "to",
            "recipient",
            "recipients",
            "webhook url",
            "email",
            "endpoint",
            "uri",
            "to email",
            "recipient email",
            "cc",
            "bcc",
            "channel",
            "channel id",
            "phone number",
        ];
        let verb = found.verb.as_deref().unwrap_or_default();
        let sends = EGRESS.contains(&verb)
            || self.name.iter().any(|word| {
                matches!(
                    word.as_str(),
                    "send" | "publish" | "tweet" | "email" | "http"
                )
            });
        let runs = self.class == Class::Execute
            && (found.has("schema.command")
                || found.has("schema.code")
                || found.has("schema.request"));
        match self.class {
            Class::Read => self.has_parameter(&["url", "urls", "uri", "link", "links", "endpoint"]),
            Class::Destructive => false,
            _ => {
                runs || sends
                    || self.has_parameter(&ADDRESSES)
                    || self.speaks_of(&["comment", "comments", "message", "tweet", "post", "reply"])
                        && self.class == Class::Write
            }
        }
    }

    fn marks(&self, found: &Collected) -> Vec<Mark> {
        let mut marks = Vec::new();
        if self.class >= Class::Destructive && self.class != Class::Unknown {
            marks.push(Mark::Irreversible);
        }
        let spawns = ["agent", "agents", "subagent", "swarm"];
        let has = |words: &[&str]| self.name.iter().any(|word| words.contains(&word.as_str()));
        if has(&spawns) && self.class == Class::Execute {
            marks.push(Mark::SpawnsAgents);
        }
        let rights = [
            "permission",
            "permissions",
            "role",
            "roles",
            "access",
            "member",
            "members",
            "collaborator",
            "grant",
            "policy",
            "acl",
            "admin",
            "invite",
            "credential",
            "key",
            "token",
        ];
        let changes = self.class != Class::Read;
        if changes && (has(&rights) || found.objects.iter().any(|o| rights.contains(&o.as_str()))) {
            marks.push(Mark::ChangesAccess);
        }
        marks
    }
}
