//! A call as a person describes it on the command line.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use portreeve_policy::Traits;
use portreeve_policy::json::{Place, Rules, Value, parse};
use portreeve_policy::time::Timestamp;
use portreeve_policy::{Bit, Bits, Class, Classes, Client, Facts, Pin, Schema, Subject, ToolFacts};

use super::read;
use crate::admin::Failure;
use crate::clock::Clock;

#[derive(Debug, Args)]
#[group(id = "target", required = true, multiple = false, args = ["tool", "resource", "prompt"])]
pub(super) struct CallArgs {
    /// The tool that is called
    #[arg(long)]
    tool: Option<String>,
    /// The resource that is read
    #[arg(long, value_name = "URI")]
    resource: Option<String>,
    /// The prompt that is fetched
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
    /// The arguments as JSON; `@FILE` reads them from a file, `-` from standard input
    #[arg(long, value_name = "JSON", conflicts_with = "resource")]
    args: Option<String>,
    #[command(flatten)]
    caller: CallerArgs,
    #[command(flatten)]
    nature: NatureArgs,
    /// When the call is made, in UTC, as in 2026-01-31T22:00 [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
}

#[derive(Debug, Args)]
struct CallerArgs {
    /// The server's name
    #[arg(long, default_value = "server")]
    server: String,
    /// The grant's label
    #[arg(long, default_value = "grant")]
    grant: String,
    /// Who calls [default: the grant's label]
    #[arg(long)]
    identity: Option<String>,
    /// What the client says it is
    #[arg(long)]
    client: Option<String>,
}

#[derive(Debug, Args)]
struct NatureArgs {
    /// The tool's class: read, write, execute, destructive, financial or unknown
    #[arg(long, requires = "tool", default_value = "unknown", value_parser = class)]
    class: Class,
    /// What the tool does with data, as in egress,bulk, or `none` [default: not known]
    #[arg(long, requires = "tool", value_name = "BIT,…", value_parser = bits)]
    bits: Option<Bits>,
    /// A file with the tool's input schema
    #[arg(long, requires = "tool", value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The tool's definition is not accepted
    #[arg(long, requires = "tool")]
    unpinned: bool,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::utc(text).ok_or_else(|| "a time is written as in 2026-01-31T22:00".to_owned())
}

fn class(word: &str) -> Result<Class, String> {
    let words = Class::ALL.map(Class::as_str).join(", ");
    Class::from_word(word).ok_or_else(|| format!("the classes are {words}"))
}

fn bits(list: &str) -> Result<Bits, String> {
    if list == "none" {
        return Ok(Bits::NONE);
    }
    let words = Bit::ALL.map(Bit::as_str).join(", ");
    let bit = |word: &str| Bit::from_word(word.trim()).ok_or(());
    let bits: Result<Bits, ()> = list.split(',').map(bit).collect();
    bits.map_err(|()| format!("the bits are {words}, separated by commas, or `none`"))
}

/// A call that is ready to be asked about.
pub(super) struct Described {
    subject: Named,
    args: Option<Value<'static>>,
    schema: Option<Schema>,
    said: CallArgs,
}

enum Named {
    Tool(String),
    Resource(String),
    Prompt(String),
}

impl CallArgs {
    pub(super) fn describe(self) -> Result<Described, Failure> {
        let subject = match (&self.tool, &self.resource, &self.prompt) {
            (Some(name), ..) => Named::Tool(name.clone()),
            (_, Some(uri), _) => Named::Resource(uri.clone()),
            (_, _, name) => Named::Prompt(name.clone().unwrap_or_default()),
        };
        let args = self.args.as_deref().map(arguments).transpose()?;
        let schema = self.nature.schema.as_deref().map(schema).transpose()?;
        Ok(Described {
            subject,
            args,
            schema,
            said: self,
        })
    }
}

impl Described {
    pub(super) fn facts(&self) -> Facts<'_> {
        let CallerArgs {
            server,
            grant,
            identity,
            client,
        } = &self.said.caller;
        Facts {
            subject: match &self.subject {
                Named::Tool(name) => Subject::Tool(self.tool(name)),
                Named::Resource(uri) => Subject::Resource { uri },
                Named::Prompt(name) => Subject::Prompt { name },
            },
            server,
            grant,
            identity: identity.as_ref().unwrap_or(grant),
            client: client.as_deref().map(|name| Client {
                name,
                version: None,
            }),
            args: self.args.as_ref(),
            labels: &[],
            now: self.said.at.unwrap_or_else(|| Clock::system().now()),
        }
    }

    fn tool<'d>(&'d self, name: &'d str) -> ToolFacts<'d> {
        let nature = &self.said.nature;
        let pin = if nature.unpinned {
            Pin::Unpinned
        } else {
            Pin::Pinned
        };
        ToolFacts::new(name, pin).with(self.traits(nature.class))
    }

    fn traits(&self, class: Class) -> Traits<'_> {
        Traits {
            class,
            also: Classes::NONE,
            bits: self.said.nature.bits,
            schema: self.schema.as_ref(),
        }
    }

    /// Whether it is of a tool whose class nobody said.
    pub(super) fn is_unclassed(&self) -> bool {
        matches!(self.subject, Named::Tool(_)) && self.said.nature.class == Class::Unknown
    }

    /// The same call, of a tool of this class.
    pub(super) fn of_class(&self, class: Class) -> Facts<'_> {
        let mut facts = self.facts();
        if let Subject::Tool(tool) = &facts.subject {
            facts.subject = Subject::Tool((*tool).with(self.traits(class)));
        }
        facts
    }
}

fn arguments(said: &str) -> Result<Value<'static>, Failure> {
    if let Some(file) = said.strip_prefix('@') {
        let (name, text) = read(Path::new(file))?;
        return json(&name, &text);
    }
    if said == "-" {
        let mut text = Vec::new();
        let read = std::io::stdin().take(LARGEST).read_to_end(&mut text);
        read.map_err(|error| Failure::cannot(format!("cannot read standard input: {error}"), ""))?;
        return json("(standard input)", &text);
    }
    json("--args", said.as_bytes())
}

/// No message is larger.
const LARGEST: u64 = crate::config::MAX_FILE;

/// The bounds of a message's arguments, for these are to be judged as the gate judges them.
fn json(name: &str, text: &[u8]) -> Result<Value<'static>, Failure> {
    match parse(text, Rules::MESSAGE) {
        Ok(value) => Ok(value.into_owned()),
        Err(error) => {
            let place = Place::of(text, error.at);
            let what = format!("{name} is not JSON: {} at {place}", error.trouble);
            Err(Failure::usage(what, "write it as in '{\"runId\": 1}'"))
        }
    }
}

fn schema(file: &Path) -> Result<Schema, Failure> {
    let (name, text) = read(file)?;
    Ok(Schema::read(&json(&name, &text)?))
}
