//! `portreeve policy …`

mod case_files;
mod cases;
mod diff;
mod explain;
mod facts;
mod meant;
mod pins;
mod recommend;

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use self::meant::meant;
use super::desk::{request, unexpected};
use super::listing::{Cell, Listing};
use super::output::{Output, Paint, Tone, painted, plain, printable};
use super::server::owner;
use super::{DataDirArg, Done, FormatArg};
use crate::admin::{DeadRule, Failure, PolicyView, Request, Response, Use};
use crate::config::MAX_FILE;
use crate::name::Name;
use crate::policy_text::{self, Problem};
use crate::refused::why;

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Say what is wrong with policy files; needs no data directory
    Check {
        /// Files, or `-` for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Run policy tests: files, or folders of them; needs no data directory
    Test(cases::Test),
    /// Say how a policy answers a call, and what each of its rules found
    Explain(explain::Explain),
    /// Tell what is different in meaning between two policies; exit code 1 if anything is
    Diff(diff::Diff),
    /// Write the policy that the risk of tools asks for
    Recommend(recommend::Recommend),
    /// Print the JSON Schema of policies, with which editors complete and explain them
    Schema {
        /// The one of policy tests instead
        #[arg(long)]
        tests: bool,
    },
    /// Store a file as the newest version of a policy; it is in force from the next call on
    Put {
        /// What it is called in grants
        name: Name,
        /// The file, or `-` for standard input
        file: PathBuf,
        /// Compare the names in it with this server's tools
        #[arg(long)]
        server: Option<Name>,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// List the policies, or the versions of one
    List {
        /// The policy whose versions to list [default: the newest of each]
        name: Option<Name>,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Print a policy's text: the newest version, or another as NAME@VERSION
    Show {
        /// The policy, and the version if it is not the newest
        #[arg(value_name = "NAME[@VERSION]", value_parser = versioned)]
        policy: (Name, Option<u64>),
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Take a policy that no grant uses out of the list; its versions stay for the ledger
    Remove {
        /// The policy
        name: Name,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
}

fn versioned(text: &str) -> Result<(Name, Option<u64>), String> {
    let (name, version) = match text.rsplit_once('@') {
        None => (text, None),
        Some((name, digits)) => match digits.parse() {
            Ok(version) => (name, Some(version)),
            Err(_) => {
                return Err(format!(
                    "`{digits}` is no version: write NAME@2, for example"
                ));
            }
        },
    };
    let name = Name::new(name).map_err(|error| error.to_string())?;
    Ok((name, version))
}

impl Policy {
    pub(super) fn run(self, paint: Paint) -> Done {
        match self {
            Self::Check { files, format } => check(&files, format.json, paint),
            Self::Test(test) => test.run(paint),
            Self::Explain(explain) => explain.run(paint),
            Self::Diff(diff) => diff.run(paint),
            Self::Recommend(recommend) => recommend.run(),
            Self::Schema { tests: false } => Ok(Output::text(portreeve_policy::document_schema())),
            Self::Schema { tests: true } => Ok(Output::text(portreeve_policy::cases::schema())),
            Self::Put {
                name,
                file,
                server,
                dir,
                format,
            } => put(&dir, &format, (name, &file, server)),
            Self::List { name, dir, format } => {
                let listing = match name {
                    Some(name) => Request::PolicyHistory { name },
                    None => Request::PolicyList,
                };
                match request(dir.data_dir.as_deref(), listing)? {
                    Response::Policies { policies } => {
                        POLICIES.show(&policies, (&format, paint), cells)
                    }
                    _ => Err(unexpected()),
                }
            }
            Self::Show {
                policy: (name, version),
                dir,
                format,
            } => match request(
                dir.data_dir.as_deref(),
                Request::PolicyShow { name, version },
            )? {
                Response::Policy { policy, text } if format.json => {
                    Output::json(&json!({ "policy": policy, "text": text }))
                }
                Response::Policy { text, .. } => Ok(Output::text(text)),
                _ => Err(unexpected()),
            },
            Self::Remove { name, dir, format } => {
                match request(dir.data_dir.as_deref(), Request::PolicyRemove { name })? {
                    Response::PolicyRemoved { name } if format.json => {
                        Output::json(&json!({ "removed": name }))
                    }
                    Response::PolicyRemoved { name } => Ok(Output::text(format!(
                        "policy {name} removed; its versions stay readable\n"
                    ))),
                    _ => Err(unexpected()),
                }
            }
        }
    }
}

/// A policy's text and the name to show for it.
pub(super) fn read(file: &Path) -> Result<(String, Vec<u8>), Failure> {
    let cannot = |why: String| {
        let file = file.display();
        Failure::cannot(
            format!("cannot read {file}: {why}"),
            "name a file that can be read",
        )
    };
    let mut text = Vec::new();
    let (name, source): (_, Box<dyn Read>) = if file == Path::new("-") {
        ("(standard input)".to_owned(), Box::new(std::io::stdin()))
    } else {
        let opened = std::fs::File::open(file).map_err(|error| cannot(why(&error)))?;
        (file.display().to_string(), Box::new(opened))
    };
    let read = source.take(MAX_FILE + 1).read_to_end(&mut text);
    read.map_err(|error| cannot(why(&error)))?;
    if text.len() as u64 > MAX_FILE {
        return Err(cannot("it is larger than 16 MiB".to_owned()));
    }
    Ok((name, text))
}

/// The problems as a compiler shows them.
pub(super) fn shown(problems: &[Problem], (name, text): (&str, &[u8]), paint: Paint) -> String {
    let text = String::from_utf8_lossy(text);
    let show = |problem: &Problem| painted(&policy_text::show(problem, name, &text), paint);
    let all: Vec<String> = problems.iter().map(show).collect();
    all.join("\n")
}

fn check(files: &[PathBuf], as_json: bool, paint: Paint) -> Done {
    let (mut out, mut results, mut code) = (String::new(), Vec::new(), 0);
    for file in files {
        let (name, text) = match read(file) {
            Ok(read) => read,
            Err(failure) => {
                code = 3;
                let _ = writeln!(out, "{} {failure}", paint.tone(Tone::Bad, "error:"));
                let file = file.display().to_string();
                results.push(json!({ "file": file, "ok": false, "error": failure.what }));
                continue;
            }
        };
        let (problems, good) = match policy_text::check(&text) {
            Ok(checked) => (checked.warnings, true),
            Err(problems) => (problems, false),
        };
        code = code.max(u8::from(!good));
        if !problems.is_empty() {
            out.push_str(&shown(&problems, (&name, &text), paint));
            out.push('\n');
        }
        if good {
            let _ = writeln!(out, "{name}: {}", paint.tone(Tone::Good, "ok"));
        }
        results.push(json!({ "file": name, "ok": good, "problems": problems }));
    }
    let output = if as_json {
        Output::json(&results)?
    } else {
        Output::text(out)
    };
    Ok(output.with_code(code))
}

fn put(
    dir: &DataDirArg,
    format: &FormatArg,
    (name, file, server): (Name, &Path, Option<Name>),
) -> Done {
    let (shown_name, bytes) = read(file)?;
    let text = String::from_utf8(bytes.clone()).map_err(|_| {
        Failure::no(
            format!("{shown_name} is not UTF-8 text"),
            "save it as UTF-8",
        )
    })?;
    // Here too, so that a bad policy is told without a data directory.
    if let Err(problems) = policy_text::check(&bytes) {
        let failure = Failure::bad_policy(problems);
        let shown = shown(&failure.problems, (&shown_name, &bytes), Paint::of_stderr());
        let text = format!("{shown}\nerror: {failure}");
        return Ok(Output::default().remark(&text).with_code(1));
    }
    let put = Request::PolicyPut {
        name,
        text,
        server: server.clone(),
    };
    match request(dir.data_dir.as_deref(), put)? {
        Response::PolicyPut {
            policy,
            changed,
            warnings,
            dead_rules,
            unknown_approvers,
            unknown_tools,
        } => {
            let mut output = if format.json {
                Output::json(&json!({
                    "policy": policy, "changed": changed,
                    "warnings": warnings, "dead_rules": dead_rules,
                    "unknown_approvers": unknown_approvers, "unknown_tools": unknown_tools,
                }))?
            } else {
                Output::text(report(&policy, changed, server.is_some()))
            };
            if !warnings.is_empty() {
                output =
                    output.remark(&shown(&warnings, (&shown_name, &bytes), Paint::of_stderr()));
            }
            for said in unknown_approvers.iter().chain(&unknown_tools) {
                output = output.remark(&printable(&format!("warning: {said}")));
            }
            if let Some(server) = &server {
                for remark in remarks(&policy, server, dead_rules.as_deref()) {
                    output = output.remark(&remark);
                }
            }
            Ok(output)
        }
        _ => Err(unexpected()),
    }
}

/// What was stored; where the policy is compared with a server, a remark says how to attach it there.
fn report(policy: &PolicyView, changed: bool, compared: bool) -> String {
    let mut text = format!("{}@{}", policy.name, policy.version);
    if !changed {
        text.push_str(" (the text is the same as before)");
    }
    text.push('\n');
    for Use { grant, server } in &policy.used_by {
        let _ = writeln!(text, "in force for the grant {grant} on {server}");
    }
    if policy.used_by.is_empty() && !compared {
        let name = &policy.name;
        let _ = writeln!(
            text,
            "no grant uses it yet: `portreeve grant set LABEL --server SERVER={name}` attaches it"
        );
    }
    text
}

fn remarks(policy: &PolicyView, server: &Name, dead: Option<&[DeadRule]>) -> Vec<String> {
    let name = &policy.name;
    let mut remarks: Vec<String> = Vec::new();
    match dead {
        None => remarks.push(format!(
            "note: the tools of {server} are not known yet, so the names were not compared"
        )),
        Some(dead) => remarks.extend(dead.iter().map(|rule| {
            let near = rule.suggestion.as_ref();
            let near = near.map(|near| format!("; did you mean `{near}`?"));
            printable(&format!(
                "warning: the policy names the tool `{}`, which {server} does not have{}",
                rule.tool,
                near.unwrap_or_default()
            ))
        })),
    }
    if !policy.used_by.iter().any(|used| used.server == *server) {
        remarks.push(format!(
            "note: no grant uses {name} on {server}: attach it with \
             `portreeve grant set LABEL --server {server}={name}`, or make a grant with \
             `portreeve grant create LABEL --server {server}={name}`"
        ));
    }
    remarks
}

const POLICIES: Listing<6> = Listing {
    head: ["NAME", "VERSION", "CREATED", "BY", "OWNER", "USED BY"],
    nothing: "no policies; add one with `portreeve policy put NAME FILE`",
};

fn cells(policy: &PolicyView) -> [Cell; 6] {
    let uses = policy.used_by.iter();
    let uses: Vec<String> = uses
        .map(|used| format!("{} on {}", used.grant, used.server))
        .collect();
    [
        plain(policy.name.as_str()),
        plain(policy.version.to_string()),
        plain(&policy.created_at),
        plain(&policy.by),
        plain(owner(policy.owner)),
        plain(if uses.is_empty() {
            "-".to_owned()
        } else {
            uses.join(", ")
        }),
    ]
}
