//! Every key of the configuration file, in one table.
//!
//! `NAME` stands for a name that the user gives, `[]` for each entry of a list. A key that is not
//! here is an error in the file; a key that is here is in the reference.

/// One key.
pub(super) struct Key {
    pub(super) path: &'static str,
    pub(super) form: Form,
    /// What holds without it, as the reference says it.
    pub(super) default: &'static str,
    pub(super) doc: &'static str,
}

/// What may be written for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// `HOST:PORT` with a numeric address.
    Address,
    Flag,
    Count,
    /// A number of bytes, or a text such as `16MiB`.
    Size,
    /// `30s`, `15m`, …
    Span,
    /// RFC 3339.
    Time,
    Texts,
    /// Texts under names of the user's.
    TextMap,
    Word(&'static [&'static str]),
    /// Known, and not carried out by this version.
    Later,
}

impl Form {
    /// The form in words, for messages and for the reference.
    pub(super) fn wanted(self) -> String {
        match self {
            Self::Text => "a text in quotes".to_owned(),
            Self::Address => "an address and port in quotes, such as \"127.0.0.1:8787\"".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Count => "a whole number of 1 or more".to_owned(),
            Self::Size => "a number of bytes, or a text such as \"16MiB\"".to_owned(),
            Self::Span => "a span of time in quotes, such as \"30s\"".to_owned(),
            Self::Time => {
                "a date or a time, such as \"2027-01-31\" or \"2027-01-31T18:00:00Z\"".to_owned()
            }
            Self::Texts => "a list of texts, such as [\"a\", \"b\"]".to_owned(),
            Self::TextMap => "a table of texts, such as { name = \"value\" }".to_owned(),
            Self::Word(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                quoted.join(" or ")
            }
            Self::Later => "nothing yet".to_owned(),
        }
    }
}

const fn key(path: &'static str, form: Form, default: &'static str, doc: &'static str) -> Key {
    Key {
        path,
        form,
        default,
        doc,
    }
}

pub(super) const KEYS: &[Key] = &[
    key(
        "listen",
        Form::Address,
        "`127.0.0.1:8787`",
        "Where agents connect. Port 0 lets the system choose one.",
    ),
    key(
        "admin_listen",
        Form::Address,
        "`127.0.0.1:8788`",
        "Reserved for the console and the API, which this version does not have.",
    ),
    key(
        "data_dir",
        Form::Text,
        "the platform's data folder",
        "The directory that holds the database, the ledger and the key. `--data-dir` goes first, then \
         `PORTREEVE_DATA_DIR`.",
    ),
    key(
        "public_url",
        Form::Text,
        "the address of `listen`",
        "How agents reach the gate from outside, such as `https://gate.example.com`.",
    ),
    key(
        "max_body",
        Form::Size,
        "`16MiB`",
        "The largest request body; a larger one is answered with 413.",
    ),
    key(
        "allowed_hosts",
        Form::Texts,
        "none",
        "Names the gate may be called by (the `Host` header), besides `localhost`, the addresses it \
         listens on and the host of `public_url`. `name` or `name:port`.",
    ),
    key(
        "allowed_origins",
        Form::Texts,
        "none",
        "Web origins whose pages may call the gate, such as `https://app.example.com`.",
    ),
    key(
        "legacy.sse",
        Form::Flag,
        "`false`",
        "Whether clients that know the oldest transport only (2024-11-05) are answered, at \
         `/sse/<server>`. Changes take a restart.",
    ),
    key(
        "store.url",
        Form::Text,
        "`sqlite`",
        "`sqlite`: one file in the data directory. `postgres://…` is not supported by this version.",
    ),
    key(
        "counters.url",
        Form::Text,
        "`memory`",
        "`memory`: in the gate's process, rebuilt at a restart. `redis://…` is not supported by \
         this version.",
    ),
    key(
        "ledger.durability",
        Form::Word(&["kernel", "disk"]),
        "`kernel`",
        "When a record counts as written: handed to the kernel (survives a crash of the gate), or \
         on the disk (survives a power cut). How a call ended waits for no disk: it is there within \
         a second, and a call of which a power cut took that reads as *unknown*.",
    ),
    key(
        "ledger.arguments",
        Form::Word(&["keys", "values", "none"]),
        "`keys`",
        "What is recorded of a call's arguments: the names of the keys, the values too, or nothing.",
    ),
    key(
        "ledger.retain_days",
        Form::Count,
        "everything is kept",
        "Segments whose last record is older are removed; their checkpoints stay as proof.",
    ),
    key(
        "ledger.retain_bytes",
        Form::Size,
        "everything is kept",
        "The oldest segments beyond this size together are removed.",
    ),
    key(
        "ledger.segment_bytes",
        Form::Size,
        "`64MiB`",
        "A new segment begins at this size.",
    ),
    key(
        "ledger.anchor_file",
        Form::Text,
        "none",
        "A file outside the data directory into which the ledger's head is written every minute; \
         best on another machine's disk.",
    ),
    key(
        "servers.NAME.url",
        Form::Text,
        "this or `command` is required",
        "The URL of an HTTP server, or `builtin:runs` for the built-in demo server.",
    ),
    key(
        "servers.NAME.headers",
        Form::TextMap,
        "none",
        "Headers sent to the server; values may be `env:NAME` or `file:PATH`. They belong to the \
         URL's origin and are sent nowhere else.",
    ),
    key(
        "servers.NAME.command",
        Form::Texts,
        "this or `url` is required",
        "The command of a stdio server and its arguments; no shell reads it. A program without `/` is \
         looked for in PATH, a path starts at this file's folder. The server runs where the gate \
         was started.",
    ),
    key(
        "servers.NAME.env",
        Form::TextMap,
        "none",
        "Variables for the command, beside PATH, HOME, LANG and TMPDIR; values may be `env:NAME` or \
         `file:PATH`.",
    ),
    key(
        "servers.NAME.new_tools",
        Form::Word(&["quarantine", "judge"]),
        "`quarantine`",
        "A tool that appears after the first list waits for a person, or is left to the policy. A \
         changed definition always waits.",
    ),
    key(
        "servers.NAME.accept",
        Form::Word(&["first", "manual"]),
        "`first`",
        "The first tool list is accepted when the server is added, or waits for a person.",
    ),
    key(
        "servers.NAME.private",
        Form::Flag,
        "`false`",
        "Whether the server may be at a private or link-local address. Loopback needs no \
         declaration.",
    ),
    key(
        "servers.NAME.timeout",
        Form::Span,
        "the gate's default",
        "How long one request to the server may take.",
    ),
    key(
        "policies.NAME.file",
        Form::Text,
        "this or `inline` is required",
        "The policy's file; a relative path starts at the configuration file.",
    ),
    key(
        "policies.NAME.inline",
        Form::Text,
        "this or `file` is required",
        "The policy itself, best between `'''`.",
    ),
    key(
        "grants[].label",
        Form::Text,
        "required",
        "The grant's name: letters, digits, `.`, `_`, `-` and `@`.",
    ),
    key(
        "grants[].token",
        Form::Text,
        "this or `token_sha256` is required",
        "The token, best as `env:NAME` or `file:PATH`; 32 to 256 visible ASCII characters.",
    ),
    key(
        "grants[].token_sha256",
        Form::Text,
        "this or `token` is required",
        "The SHA-256 of the token, as 64 hexadecimal digits.",
    ),
    key(
        "grants[].servers",
        Form::TextMap,
        "required",
        "The servers the grant may use, each with the policy in force there: `{ builds = \"builds\" }`.",
    ),
    key(
        "grants[].shadow",
        Form::TextMap,
        "none",
        "Policies that are tried on some of these servers beside those in force: decided and \
         recorded on every call, never answered with.",
    ),
    key(
        "grants[].identity",
        Form::Text,
        "none",
        "Who the caller is, for policies, approvals and the ledger.",
    ),
    key(
        "grants[].expires",
        Form::Time,
        "never",
        "When the grant ends.",
    ),
    key(
        "auth.jwt",
        Form::Later,
        "",
        "Callers with a JWT of an identity provider.",
    ),
    key(
        "console.oidc",
        Form::Later,
        "",
        "Reserved: signing in to a console with an identity provider.",
    ),
    key(
        "approvals.webhooks",
        Form::Later,
        "",
        "Where waiting calls are announced.",
    ),
];
