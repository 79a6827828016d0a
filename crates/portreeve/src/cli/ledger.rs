//! `portreeve ledger …`: reading the book. Nothing here needs the gate, or stops it.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use portreeve_policy::time::Timestamp;

use super::book::{Book, acts_listed};
use super::doubts::with_unreadable;
use super::output::Paint;
use super::verify::verify;
use super::{DataDirArg, Done, FormatArg, Output, unknown_server};
use crate::admin::{Answer, Failure};
use crate::clock::{Clock, parse_rfc3339};
use crate::duration;
use crate::ledger::{self, ANSWERS, ExportError, Filter, OUTCOMES};

#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Show the newest calls
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
        lines: usize,
        /// Go on with every call as it ends; with --json one object a line
        #[arg(short, long)]
        follow: bool,
        /// Among them what people and the configuration file changed, as `ledger acts` shows it
        #[arg(long)]
        acts: bool,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Find calls
    Query {
        #[command(flatten)]
        which: Which,
        /// Also what people and the configuration file changed in that time, whatever the calls are
        /// that are sought
        #[arg(long)]
        acts: bool,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show what people and the configuration file changed: who, when, what
    Acts {
        /// Since a time, a day, or for a span back from now, as for `query`
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// At most so many: the newest
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Check the chain, the signatures and the anchors
    Verify {
        /// A file that keeps anchors outside of the data directory
        #[arg(long, value_name = "FILE")]
        anchor_file: Option<PathBuf>,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Write the records as they stand in the book, one JSON object a line
    Export {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        dir: DataDirArg,
    },
}

/// Which calls.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Since a time (2026-11-20T07:00:00Z), a day (2026-11-20, in UTC), or for a span back from now
    /// (15m, 6h, 30d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before a time, a day, or a span back from now
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Calls with this grant
    #[arg(long, value_name = "LABEL")]
    grant: Option<String>,
    /// Calls of this caller
    #[arg(long, value_name = "ID")]
    identity: Option<String>,
    /// Calls to this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Calls of this tool
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Readings of this resource, or uses of this prompt; user part, query and fragment of a URI
    /// are not in the book
    #[arg(long, value_name = "URI|NAME")]
    target: Option<String>,
    /// Calls of this method, such as `tools/call`
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// How it ended; `unknown` is a call under way, or one whose end nobody saw. Or what the answer
    /// was that a call got: `error`, `tool_error`, or `withheld` from the caller
    #[arg(long, value_name = "WORD", value_parser = outcomes())]
    outcome: Option<String>,
    /// The one call of this number
    #[arg(long, value_name = "ID")]
    call_id: Option<String>,
    /// A rule, as a refusal names it
    #[arg(long, value_name = "POINTER")]
    rule: Option<String>,
    /// Only calls that a grant's shadow policy would have answered otherwise
    #[arg(long)]
    shadow_differs: bool,
    /// At most so many: the newest
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

impl Ledger {
    pub(super) fn run(self, paint: Paint) -> Done {
        match self {
            Self::Tail {
                lines,
                follow,
                acts,
                dir,
                format,
            } => {
                let book = Book::of(&dir)?;
                let filter = Filter {
                    limit: Some(lines),
                    acts,
                    ..Filter::default()
                };
                if follow {
                    return book.follow(filter, (paint, format.json));
                }
                book.listed(&book.entries(filter)?, &format, paint)
            }
            Self::Query {
                which,
                acts,
                dir,
                format,
            } => {
                let filter = Filter {
                    acts,
                    ..which.filter()?
                };
                let book = Book::of(&dir)?;
                let found = book.entries(filter)?;
                let listed = book.listed(&found, &format, paint)?;
                let sought = which.server.filter(|_| found.items.is_empty());
                let note = sought.and_then(|server| unknown_server::note(&book.dir, &server));
                Ok(note
                    .into_iter()
                    .fold(listed, |listed, note| listed.remark(&note)))
            }
            Self::Verify {
                anchor_file,
                dir,
                format,
            } => verify(&Book::of(&dir)?, anchor_file, &format, paint),
            Self::Acts {
                since,
                limit,
                dir,
                format,
            } => {
                let since = since.as_deref().map(moment).transpose()?;
                let acts = Book::of(&dir)?.acts(since, limit)?;
                acts_listed(&acts, &format, paint)
            }
            Self::Export { which, dir } => export(&which, &dir),
        }
    }
}

impl Which {
    fn filter(&self) -> Result<Filter, Failure> {
        Ok(Filter {
            since: self.since.as_deref().map(moment).transpose()?,
            until: self.until.as_deref().map(moment).transpose()?,
            grant: self.grant.clone(),
            identity: self.identity.clone(),
            server: self.server.clone(),
            tool: self.tool.clone(),
            target: self.target.as_deref().map(sought),
            method: self.method.clone(),
            outcome: self.outcome.clone(),
            call_id: self.call_id.clone(),
            rule: self.rule.clone(),
            shadow_differs: self.shadow_differs,
            acts: false,
            limit: self.limit,
        })
    }
}

/// Every word that an end of a call may be sought by.
fn outcomes() -> PossibleValuesParser {
    PossibleValuesParser::new(OUTCOMES.into_iter().chain(ANSWERS))
}

/// A target as the book has it: a URI without what is not written down, a prompt's name as it is.
fn sought(target: &str) -> String {
    if target.contains(':') {
        ledger::shown(target).into_owned()
    } else {
        target.to_owned()
    }
}

/// A time as it is written, or so long ago.
fn moment(text: &str) -> Result<Timestamp, Failure> {
    let midnight = || parse_rfc3339(&format!("{text}T00:00:00Z"));
    if let Some(at) = parse_rfc3339(text).or_else(midnight) {
        return Ok(at);
    }
    let span = duration::parse(text).map_err(|_| {
        let what = format!("{text:?} is no time, day or span");
        Failure::usage(
            what,
            "write 2026-11-20T07:00:00Z, 2026-11-20, or 15m, 6h, 30d for so long ago",
        )
    })?;
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Ok(Clock::system().now().plus(millis.saturating_neg()))
}

fn export(which: &Which, arg: &DataDirArg) -> Done {
    let book = Book::of(arg)?;
    let filter = Some(which.filter()?).filter(|filter| *filter != Filter::default());
    let mut out = io::BufWriter::new(io::stdout().lock());
    let exported = ledger::export(&book.ledger, filter.as_ref(), &mut out);
    let flushed = |exported| match out.flush() {
        Ok(()) => Ok(exported),
        Err(error) => Err(ExportError::Unwritten(error)),
    };
    match exported.and_then(flushed) {
        Ok(exported) => {
            let ledger::Exported {
                written,
                unreadable,
            } = exported;
            let plural = if written == 1 { "" } else { "s" };
            let count = match unreadable.count {
                0 => format!("{written} record{plural}"),
                broken => format!("{written} record{plural}; unreadable and left out: {broken}"),
            };
            Ok(with_unreadable(
                Output::default().remark(&count),
                &unreadable,
            ))
        }
        // A reader that has seen enough, such as `head`, is no failure.
        Err(ExportError::Unwritten(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Output::default())
        }
        Err(error) => Err(Failure::saying(Answer::Cannot, &error)),
    }
}
