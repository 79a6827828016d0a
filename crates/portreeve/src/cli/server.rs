//! `portreeve server …`

use std::fmt::Write as _;
use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::desk::{data_dir, of_dir, request, request_unless_interrupted, unexpected};
use super::listing::{Cell, Listing};
use super::output::{Output, Paint, Tone, plain, printable};
use super::server_tools::{pin, show_tools, would_pin};
use super::{DataDirArg, Done, FormatArg};
use crate::admin::{Answer, Discovery, Failure, NewTarget, Plain, Request, Response, ServerView};
use crate::config::{Environment, parse_secret, resolve};
use crate::duration;
use crate::name::Name;
use crate::server_url::{self, BUILTIN_DEMO};
use crate::store::model::{Accept, Accepting, NewTools, Owner};

#[derive(Debug, Subcommand)]
pub(super) enum Server {
    /// Register a server: a URL, or a command after `--`
    Add(Add),
    /// List the servers
    List {
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show a server's tools and which of them wait to be accepted
    Tools {
        /// The server
        name: Name,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Accept the definitions that wait, and show what that changes: all, or those of the tools named
    Pin {
        /// The server
        name: Name,
        /// The tools to accept [default: all that wait]
        #[arg(value_name = "TOOL")]
        tools: Vec<String>,
        /// Show what would be accepted and what it would change, and accept nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Remove a server, its accepted tools, and its place in every grant
    Remove {
        /// The server
        name: Name,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
}

#[derive(Debug, Args)]
#[command(
    override_usage = "portreeve server add [OPTIONS] NAME --url URL\n       \
                            portreeve server add [OPTIONS] NAME -- COMMAND…"
)]
#[group(id = "target", required = true, multiple = false, args = ["url", "command"])]
pub(super) struct Add {
    /// What it is called in grants and in the URL `/mcp/NAME`
    name: Name,
    /// The URL of an HTTP server, or `builtin:runs` for the built-in demo server
    #[arg(long)]
    url: Option<String>,
    /// A header for every request; the value may be `env:NAME` or `file:PATH`
    #[arg(long = "header", value_name = "K: V", conflicts_with = "command", value_parser = header)]
    headers: Vec<(String, String)>,
    /// A variable for the command; the value may be `env:NAME` or `file:PATH`
    #[arg(long = "env", value_name = "K=V", conflicts_with = "url", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The server is at a private or link-local address
    #[arg(long, conflicts_with = "command")]
    private: bool,
    /// How long one request to it may take, such as `30s` [default: 1m]
    #[arg(long, value_name = "SPAN", value_parser = timeout)]
    timeout: Option<u64>,
    /// How the first tool list is accepted
    #[arg(long, value_enum, default_value_t = AcceptArg::First)]
    accept: AcceptArg,
    /// What happens to tools that appear later
    #[arg(long, value_enum, default_value_t = NewToolsArg::Quarantine)]
    new_tools: NewToolsArg,
    #[command(flatten)]
    dir: DataDirArg,
    #[command(flatten)]
    format: FormatArg,
    /// A stdio server's command and arguments; no shell reads them
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AcceptArg {
    /// As it is, when the server is added
    First,
    /// By a person, with `server pin`
    Manual,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NewToolsArg {
    /// They wait for a person
    Quarantine,
    /// The policy alone decides about them
    Judge,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("write the header as 'Name: value'")?;
    if value.contains('…') {
        return Err(
            "the `…` stands for a secret of yours: write that, or better where it is kept, as in \
             'Authorization: env:NAME'"
                .to_owned(),
        );
    }
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn timeout(text: &str) -> Result<u64, String> {
    let span = duration::parse(text).map_err(|error| error.to_string())?;
    u64::try_from(span.as_millis()).map_err(|error| error.to_string())
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write the variable as NAME=value")?;
    if name.is_empty() {
        return Err("the variable has no name".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// A path means what it means here, where the person is, and not where the gate was started.
fn whole_path(mut argv: Vec<String>) -> Vec<String> {
    if let Some(program) = argv.first_mut().filter(|program| program.contains('/'))
        && let Ok(path) = std::path::absolute(&program)
    {
        *program = path.to_string_lossy().into_owned();
    }
    argv
}

/// A word about an argument that looks like a file of the directory the person is in: the server is started
/// in the gate's.
fn elsewhere(argv: &[String]) -> Option<String> {
    let is_file = |argument: &&String| {
        let path = Path::new(argument.as_str());
        path.is_relative() && (path.is_file() || argument.starts_with('.') && path.exists())
    };
    let argument = argv.iter().skip(1).find(is_file)?;
    let whole = std::path::absolute(argument).ok()?;
    Some(format!(
        "note: it is started in the gateway's working directory, not in this one: if `{}` is meant to be {}, \
         write that",
        printable(argument),
        printable(&whole.display().to_string())
    ))
}

/// Reads references here, where the person is: the gate gets the secrets themselves.
fn read_secrets(pairs: Vec<(String, String)>) -> Result<Vec<(String, Plain)>, Failure> {
    let environment = Environment::system();
    let read = |(name, written): (String, String)| {
        let secret = resolve(&parse_secret(&written), &environment)
            .map_err(|error| Failure::usage(format!("`{name}`: {}", error.in_a_shell()), ""))?;
        Ok((name, Plain(secret.reveal().to_owned())))
    };
    pairs.into_iter().map(read).collect()
}

impl Server {
    pub(super) fn run(self, paint: Paint) -> Done {
        match self {
            Self::Add(add) => add.run(),
            Self::List { dir, format } => {
                match request(dir.data_dir.as_deref(), Request::ServerList)? {
                    Response::Servers { servers } => {
                        let listed = SERVERS.show(&servers, (&format, paint), server_cells)?;
                        Ok(with_unknown(listed, &servers, &dir))
                    }
                    _ => Err(unexpected()),
                }
            }
            Self::Tools { name, dir, format } => {
                match request(dir.data_dir.as_deref(), Request::ServerTools { name })? {
                    Response::Tools {
                        discovery, tools, ..
                    } => show_tools(&tools, &discovery, (&format, paint)),
                    _ => Err(unexpected()),
                }
            }
            Self::Pin {
                name,
                tools,
                dry_run: true,
                dir,
                format,
            } => would_pin(&dir, (&format, paint), &name, &tools),
            Self::Pin {
                name,
                tools,
                dry_run: false,
                dir,
                format,
            } => {
                let which = if tools.is_empty() {
                    Accepting::All
                } else {
                    Accepting::Tools(tools)
                };
                pin(&dir, (&format, paint), Request::ServerPin { name, which })
            }
            Self::Remove { name, dir, format } => remove(&dir, &format, name),
        }
    }
}

impl Add {
    fn run(self) -> Done {
        let note = elsewhere(&self.command);
        let name = self.name.clone();
        in_quotes(&self.command)?;
        let target = match self.url {
            None => NewTarget::Command {
                argv: whole_path(self.command),
                env: read_secrets(self.env)?,
            },
            Some(url) if url == BUILTIN_DEMO => NewTarget::Demo,
            Some(url) => {
                // Here too, so that a mistyped URL makes no data directory.
                server_url::check(&url, self.private)
                    .map_err(|error| Failure::saying(Answer::Usage, &error))?;
                NewTarget::Http {
                    url,
                    headers: read_secrets(self.headers)?,
                }
            }
        };
        let add = Request::ServerAdd {
            name: self.name,
            target,
            new_tools: match self.new_tools {
                NewToolsArg::Quarantine => NewTools::Quarantine,
                NewToolsArg::Judge => NewTools::Judge,
            },
            accept: match self.accept {
                AcceptArg::First => Accept::First,
                AcceptArg::Manual => Accept::Manual,
            },
            private: self.private,
            timeout_ms: self.timeout,
        };
        if !self.format.json && is_running(&self.dir) {
            // Now, and not with the answer: a server may take all that time.
            eprintln!("{}", beginning(&add));
        }
        let Some(answer) = request_unless_interrupted(self.dir.data_dir.as_deref(), add)? else {
            return Err(interrupted(&name, &self.dir)?);
        };
        match answer {
            Response::ServerAdded { server, discovery } => {
                let told = if self.format.json {
                    Output::json(&server)?
                } else {
                    added(&server, &discovery)
                };
                Ok(note.into_iter().fold(told, |told, note| told.remark(&note)))
            }
            _ => Err(unexpected()),
        }
    }
}

/// Whether a gate will ask the server; no other command does.
fn is_running(dir: &DataDirArg) -> bool {
    let status = request(dir.data_dir.as_deref(), Request::Status);
    matches!(status, Ok(Response::Status(status)) if status.running)
}

/// What is done now, and how long it may take.
fn beginning(add: &Request) -> &'static str {
    match add {
        Request::ServerAdd {
            target: NewTarget::Command { .. },
            ..
        } => "starting it and asking for its tools (up to 30 s)…",
        _ => "asking it for its tools (up to 30 s)…",
    }
}

/// What holds when a person did not wait.
fn interrupted(name: &Name, dir: &DataDirArg) -> Result<Failure, Failure> {
    let Response::Servers { servers } = request(dir.data_dir.as_deref(), Request::ServerList)?
    else {
        return Err(unexpected());
    };
    if !servers.iter().any(|server| server.name == *name) {
        return Ok(Failure::cannot("interrupted: nothing was added", ""));
    }
    let of_dir = of_dir(data_dir(dir.data_dir.as_deref())?.path());
    Ok(Failure::cannot(
        format!("interrupted: {name} is added; its tools are not known yet"),
        format!("`portreeve server tools {name}{of_dir}` asks for them again"),
    ))
}

/// A whole command in quotes is no program's name.
fn in_quotes(command: &[String]) -> Result<(), Failure> {
    let [one] = command else {
        return Ok(());
    };
    if !one.trim().contains(char::is_whitespace) || Path::new(one).exists() {
        return Ok(());
    }
    Err(Failure::usage(
        "the command is one word with blanks in it: leave out the quotes",
        format!("`-- {one}`: no shell reads it, so each word stands for itself"),
    ))
}

fn first_line(server: &ServerView) -> String {
    let (name, target) = (&server.name, printable(&server.target));
    format!("server {name} added ({target})\n")
}

fn added(server: &ServerView, discovery: &Discovery) -> Output {
    let name = &server.name;
    let first = first_line(server);
    match discovery {
        Discovery::FirstList(_) => {
            let count = server.tools_accepted;
            let told = Output::text(format!(
                "{first}{count} tools accepted; `portreeve server tools {name}` shows them\n"
            ));
            match server.tools_waiting {
                0 => told,
                held => told.remark(&format!(
                    "warning: {held} of its tools wait for a person, for what their definitions say: \
                     `portreeve server tools {name}` shows why, `portreeve server pin {name} TOOL` accepts"
                )),
            }
        }
        Discovery::Compared(count) => Output::text(format!(
            "{first}{count} tools wait; accept them with `portreeve server pin {name}`\n"
        )),
        Discovery::Failed(why) => Output::text(first).remark(&format!(
            "note: its tools are not known yet: {}; it will be asked when portreeve connects to it, and \
             `portreeve server tools {name}` asks it again",
            printable(why)
        )),
    }
}

const SERVERS: Listing<6> = Listing {
    head: ["NAME", "TARGET", "TOOLS", "WAITING", "NEW TOOLS", "OWNER"],
    nothing: "no servers; add one with `portreeve server add NAME --url URL`",
};

/// With what is to be said of servers that never gave a list of their tools.
fn with_unknown(listed: Output, servers: &[ServerView], dir: &DataDirArg) -> Output {
    let of_dir =
        data_dir(dir.data_dir.as_deref()).map_or_else(|_| String::new(), |dir| of_dir(dir.path()));
    let unknown = servers.iter().filter(|server| !server.tools_known);
    unknown.fold(listed, |listed, server| {
        let name = &server.name;
        listed.remark(&format!(
            "note: {name} has not given a list of its tools yet, so none can be called: `portreeve \
             server tools {name}{of_dir}` asks it, and says why if it cannot be reached"
        ))
    })
}

fn server_cells(server: &ServerView) -> [Cell; 6] {
    [
        plain(server.name.as_str()),
        plain(&server.target),
        if server.tools_known {
            plain(server.tools_accepted.to_string())
        } else {
            ("?".to_owned(), Tone::Waiting)
        },
        match server.tools_waiting {
            0 => plain("-"),
            count => (count.to_string(), Tone::Waiting),
        },
        plain(match server.new_tools {
            NewTools::Quarantine => "quarantine",
            NewTools::Judge => "judge",
        }),
        plain(owner(server.owner)),
    ]
}

/// The word for an owner in a listing.
pub(super) fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::Store => "store",
        Owner::File => "file",
    }
}

fn remove(dir: &DataDirArg, format: &FormatArg, name: Name) -> Done {
    match request(dir.data_dir.as_deref(), Request::ServerRemove { name })? {
        Response::ServerRemoved { name, grants } if format.json => {
            Output::json(&json!({ "removed": name, "grants": grants }))
        }
        Response::ServerRemoved { name, grants } => {
            let mut text = format!("server {name} removed\n");
            for grant in grants {
                let _ = writeln!(text, "the grant {grant} no longer has it");
            }
            Ok(Output::text(text))
        }
        _ => Err(unexpected()),
    }
}
