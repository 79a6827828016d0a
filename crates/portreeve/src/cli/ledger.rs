//! `portreeve ledger …`: reading the book. Nothing here needs the gate, or stops it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use portreeve_policy::time::Timestamp;
use serde_json::json;

use super::desk::{block_on, data_dir};
use super::output::{Paint, Table, Tone, plain};
use super::{DataDirArg, Done, FormatArg, Output};
use crate::admin::{Answer, Failure};
use crate::clock::{Clock, parse_rfc3339, rfc3339};
use crate::data_dir::DataDir;
use crate::duration;
use crate::keys::{Keys, PublicKey};
use crate::ledger::{
    self, Anchors, BookedCall, Filter, Follow, KnownAnchor, ReadError, Report, SecondPlace,
    Settings, StoreAnchors, Verification,
};
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

/// How often a followed book is looked at.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Show the newest calls
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
        lines: usize,
        /// Go on with every record that is added, one JSON object a line
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Find calls
    Query {
        #[command(flatten)]
        which: Which,
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
    /// Since a time (2026-11-20T07:00:00Z) or for a span back from now (15m, 6h, 30d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before a time, or a span back from now
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[arg(long, value_name = "LABEL")]
    grant: Option<String>,
    #[arg(long, value_name = "ID")]
    identity: Option<String>,
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// `allow`, `deny`, `hide`, `failed`, `not_sent`, `cancelled` or `unknown`
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
    #[arg(long, value_name = "ID")]
    call_id: Option<String>,
    /// A rule, as a refusal names it
    #[arg(long, value_name = "POINTER")]
    rule: Option<String>,
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
                dir,
                format,
            } => {
                let book = Book::of(&dir)?;
                let filter = Filter {
                    limit: Some(lines),
                    ..Filter::default()
                };
                if follow {
                    return book.follow(lines);
                }
                listed(&book.query(filter)?, &format, paint)
            }
            Self::Query { which, dir, format } => {
                let filter = which.filter()?;
                listed(&Book::of(&dir)?.query(filter)?, &format, paint)
            }
            Self::Verify {
                anchor_file,
                dir,
                format,
            } => verify(&dir, anchor_file, &format, paint),
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
            method: self.method.clone(),
            outcome: self.outcome.clone(),
            call_id: self.call_id.clone(),
            rule: self.rule.clone(),
            limit: self.limit,
        })
    }
}

/// A time as it is written, or so long ago.
fn moment(text: &str) -> Result<Timestamp, Failure> {
    if let Some(at) = parse_rfc3339(text) {
        return Ok(at);
    }
    let span = duration::parse(text).map_err(|_| {
        let what = format!("{text:?} is neither a time nor a span");
        Failure::usage(
            what,
            "write 2026-11-20T07:00:00Z, or 15m, 6h, 30d for so long ago",
        )
    })?;
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Ok(Clock::system().now().plus(millis.saturating_neg()))
}

/// A book to read.
struct Book {
    dir: DataDir,
    ledger: PathBuf,
}

impl Book {
    fn of(arg: &DataDirArg) -> Result<Self, Failure> {
        let dir = data_dir(arg.data_dir.as_deref())?;
        let ledger = Settings::in_data_dir(dir.path()).dir;
        if !ledger.is_dir() {
            let what = format!("there is no ledger in {}", dir.path().display());
            return Err(Failure::cannot(
                what,
                "name the data directory with --data-dir",
            ));
        }
        Ok(Self { dir, ledger })
    }

    fn query(&self, filter: Filter) -> Result<Vec<BookedCall>, Failure> {
        ledger::query(&self.ledger, filter).map_err(unreadable)
    }

    /// Prints the last records and then every new one, until it is interrupted.
    fn follow(&self, lines: usize) -> Done {
        let before = ledger::tail(&self.ledger, lines).map_err(unreadable)?;
        let mut follow = Follow::from(&self.ledger, last_seq(&before).saturating_add(1));
        let mut out = io::stdout().lock();
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        let mut print = |line: &str| match writeln!(out, "{line}").and_then(|()| out.flush()) {
            Err(error) if gone(&error) => Ok(false),
            Err(error) => Err(Failure::cannot(format!("cannot write: {error}"), "")),
            Ok(()) => Ok(true),
        };
        for line in &before {
            if !print(line)? {
                return Ok(Output::default());
            }
        }
        loop {
            match follow.next_line().map_err(unreadable)? {
                Some(line) if !print(&line)? => return Ok(Output::default()),
                Some(_) => {}
                None => std::thread::sleep(LOOK),
            }
        }
    }
}

fn last_seq(lines: &[String]) -> u64 {
    let last = lines
        .last()
        .and_then(|line| ledger::Record::parse(line.as_bytes()).ok());
    last.map_or(0, |record| record.seq)
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn unreadable(error: ReadError) -> Failure {
    Failure::saying(Answer::Cannot, &error)
}

fn listed(calls: &[BookedCall], format: &FormatArg, paint: Paint) -> Done {
    if format.json {
        return Output::json(&calls);
    }
    if calls.is_empty() {
        return Ok(Output::text("no calls\n"));
    }
    let head = [
        "TIME", "CALL", "GRANT", "SERVER", "WHAT", "OUTCOME", "RULE", "REASON",
    ];
    let mut table = Table::new(paint, head);
    for call in calls {
        let tone = match call.end.outcome.as_str() {
            "allow" => Tone::Good,
            "deny" | "hide" | "failed" => Tone::Bad,
            _ => Tone::Waiting,
        };
        let what = call.tool.as_deref().unwrap_or(&call.method);
        table.row([
            plain(rfc3339(call.at)),
            plain(&call.call_id),
            plain(&call.grant),
            plain(call.server.as_deref().unwrap_or("-")),
            plain(what),
            (call.end.outcome.clone(), tone),
            plain(&call.rule),
            plain(call.end.reason.as_deref().unwrap_or_default()),
        ]);
    }
    Ok(Output::text(table.render()))
}

fn verify(
    arg: &DataDirArg,
    anchor_file: Option<PathBuf>,
    format: &FormatArg,
    paint: Paint,
) -> Done {
    let book = Book::of(arg)?;
    // Holding the lock means that nobody writes; if a gate does, only what was whole when this
    // began is judged.
    let alone = book.dir.own().ok();
    let through = match alone {
        Some(_) => None,
        None => Some(last_seq(
            &ledger::tail(&book.ledger, 1).map_err(unreadable)?,
        )),
    };
    let (key, known) = block_on(witnesses(&book.dir, anchor_file))?;
    let verification = Verification {
        dir: &book.ledger,
        keys: &[key],
        known: &known,
        through,
    };
    let report = ledger::verify(&verification).map_err(unreadable)?;
    let output = if format.json {
        told(&report)?
    } else {
        said(&report, paint)
    };
    Ok(if report.holds() {
        output
    } else {
        output.with_code(1)
    })
}

/// The key that may have signed, and every anchor known outside of the book.
async fn witnesses(
    dir: &DataDir,
    anchor_file: Option<PathBuf>,
) -> Result<(PublicKey, Vec<KnownAnchor>), Failure> {
    let cannot = |error: &dyn std::fmt::Display| Failure::saying(Answer::Cannot, &error);
    require(&dir.path().join("key"), "its key")?;
    require(&dir.database(), "its database")?;
    let keys = Arc::new(Keys::load_or_create(dir.path()).map_err(|error| cannot(&error))?);
    let sealer = Arc::clone(&keys) as Arc<dyn crate::store::Sealer>;
    let store = Arc::new(SqliteStore::open(&dir.database(), sealer)?) as Arc<dyn Store>;
    let mut places: Vec<Arc<dyn Anchors>> = vec![Arc::new(StoreAnchors::new(store))];
    if let Some(path) = anchor_file {
        require(&path, "the anchor file")?;
        places.push(SecondPlace::File(path).open());
    }
    let known = KnownAnchor::all(&places)
        .await
        .map_err(|error| cannot(&error))?;
    Ok((keys.public_key(), known))
}

fn require(path: &Path, what: &str) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let message = format!("{what} is missing: there is no {}", path.display());
    Err(Failure::cannot(
        message,
        "restore it from a backup; without it nothing can be proven",
    ))
}

fn said(report: &Report, paint: Paint) -> Output {
    let tone = if report.holds() {
        Tone::Good
    } else {
        Tone::Bad
    };
    let text = report.to_string();
    // The last line is the verdict.
    let (findings, verdict) = text
        .trim_end()
        .rsplit_once('\n')
        .unwrap_or(("", text.trim_end()));
    Output::text(format!("{findings}\n{}\n", paint.tone(tone, verdict)))
}

fn told(report: &Report) -> Result<Output, Failure> {
    Output::json(&json!({
        "holds": report.holds(),
        "records": report.records,
        "segments": report.segments,
        "checkpoints": report.checkpoints,
        "first": report.first,
        "last": report.head.seq,
        "hash": report.head.hash.to_string(),
        "signed_through": report.signed_through,
        "anchored": report.anchored.as_ref().map(|known| json!({
            "place": known.place,
            "seq": known.anchor.head.seq,
            "at": rfc3339(known.anchor.at),
        })),
        "notes": report.notes,
        "fault": report.fault.as_ref().map(|fault| json!({
            "seq": fault.seq,
            "segment": fault.segment,
            "line": fault.line,
            "text": fault.to_string(),
        })),
    }))
}

fn export(which: &Which, arg: &DataDirArg) -> Done {
    let book = Book::of(arg)?;
    let filter = Some(which.filter()?).filter(|filter| *filter != Filter::default());
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = ledger::export(&book.ledger, filter.as_ref(), &mut out).map_err(unreadable)?;
    out.flush()
        .map_err(|error| Failure::cannot(format!("cannot write: {error}"), ""))?;
    Ok(Output::default().remark(&format!("{written} records")))
}
