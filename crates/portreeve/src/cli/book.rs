//! The book as people read it: calls and acts in tables, and calls as they end.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use portreeve_policy::time::Timestamp;

use super::desk::data_dir;
use super::listing::{Cell, Listing};
use super::output::{Paint, Table, Tone, plain};
use super::{DataDirArg, Done, FormatArg, Output};
use crate::admin::{Answer, Failure};
use crate::clock::rfc3339;
use crate::data_dir::DataDir;
use crate::ledger::{
    self, BookedAct, BookedCall, CallsByEnd, Filter, ReadError, Settings, UNKNOWN,
};

/// How often a followed book is looked at.
const LOOK: Duration = Duration::from_millis(200);

const CALL_HEAD: [&str; 8] = [
    "TIME", "CALL", "GRANT", "SERVER", "WHAT", "OUTCOME", "RULE", "REASON",
];
/// How wide the columns of a followed book are at least: rows come one by one.
const CALL_WIDTHS: [usize; 8] = [24, 26, 12, 10, 20, 9, 20, 0];

/// A book to read.
pub(super) struct Book {
    pub(super) dir: DataDir,
    pub(super) ledger: PathBuf,
}

impl Book {
    pub(super) fn of(arg: &DataDirArg) -> Result<Self, Failure> {
        let dir = data_dir(arg.data_dir.as_deref())?;
        let ledger = Settings::in_data_dir(dir.path()).dir;
        if !dir.path().is_dir() {
            dir.require()
                .map_err(|error| Failure::saying(Answer::Cannot, &error))?;
        }
        if !ledger.is_dir() {
            let what = format!("there is no ledger in {}", dir.path().display());
            return Err(Failure::cannot(
                what,
                "name the data directory with --data-dir",
            ));
        }
        Ok(Self { dir, ledger })
    }

    pub(super) fn query(&self, filter: Filter) -> Result<Vec<BookedCall>, Failure> {
        ledger::query(&self.ledger, filter).map_err(unreadable)
    }

    pub(super) fn acts(
        &self,
        since: Option<Timestamp>,
        limit: Option<usize>,
    ) -> Result<Vec<BookedAct>, Failure> {
        ledger::acts(&self.ledger, since, limit).map_err(unreadable)
    }

    /// The number of the last record.
    pub(super) fn last_seq(&self) -> Result<u64, Failure> {
        let last = ledger::tail(&self.ledger, 1).map_err(unreadable)?;
        let record = last
            .first()
            .and_then(|line| ledger::Record::parse(line.as_bytes()).ok());
        Ok(record.map_or(0, |record| record.seq))
    }

    /// Prints the last calls and then every call that ends, until it is interrupted.
    pub(super) fn follow(&self, filter: Filter, (paint, json): (Paint, bool)) -> Done {
        let next = self.last_seq()?.saturating_add(1);
        let before = self.query(filter)?;
        // What ends between these two lines is in both.
        let mut printed: HashSet<String> = before
            .iter()
            .filter(|call| call.end.outcome != UNKNOWN)
            .map(|call| call.call_id.clone())
            .collect();
        let mut ends = CallsByEnd::from(&self.ledger, next);
        let rows = Printer::new(paint, json, &before);
        if !rows.begin(&before)? {
            return Ok(Output::default());
        }
        loop {
            match ends.next_call().map_err(unreadable)? {
                Some(call) if printed.remove(&call.call_id) => {}
                Some(call) if !rows.print(&call)? => return Ok(Output::default()),
                Some(_) => {}
                None => std::thread::sleep(LOOK),
            }
        }
    }
}

/// Prints calls one by one.
struct Printer {
    table: Table,
    json: bool,
}

impl Printer {
    fn new(paint: Paint, json: bool, before: &[BookedCall]) -> Self {
        let mut table = Table::new(paint, CALL_HEAD).at_least(CALL_WIDTHS);
        for call in before {
            table.row(cells(call));
        }
        Self { table, json }
    }

    fn begin(&self, before: &[BookedCall]) -> Result<bool, Failure> {
        if !self.json {
            return write(&self.table.render());
        }
        for call in before {
            if !write(&line(call)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether there is still a reader.
    fn print(&self, call: &BookedCall) -> Result<bool, Failure> {
        if self.json {
            write(&line(call)?)
        } else {
            write(&self.table.row_alone(cells(call)))
        }
    }
}

fn line(call: &BookedCall) -> Result<String, Failure> {
    serde_json::to_string(call)
        .map(|line| line + "\n")
        .map_err(|error| Failure::cannot(format!("cannot write JSON: {error}"), ""))
}

fn write(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::cannot(format!("cannot write: {error}"), "")),
        Ok(()) => Ok(true),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn unreadable(error: ReadError) -> Failure {
    Failure::saying(Answer::Cannot, &error)
}

pub(super) fn listed(calls: &[BookedCall], format: &FormatArg, paint: Paint) -> Done {
    const CALLS: Listing<8> = Listing {
        head: CALL_HEAD,
        nothing: "no calls",
    };
    CALLS.show(calls, (format, paint), cells)
}

fn cells(call: &BookedCall) -> [Cell; 8] {
    let tone = match call.end.outcome.as_str() {
        "allow" => Tone::Good,
        "deny" | "hide" | "failed" => Tone::Bad,
        _ => Tone::Waiting,
    };
    [
        plain(rfc3339(call.at)),
        plain(&call.call_id),
        plain(&call.grant),
        plain(call.server.as_deref().unwrap_or("-")),
        plain(call.tool.as_deref().unwrap_or(&call.method)),
        (call.end.outcome.clone(), tone),
        plain(&call.rule),
        plain(reason(call)),
    ]
}

/// Why it ended so, and what a policy that is being tried would have said.
fn reason(call: &BookedCall) -> String {
    let reason = call.end.reason.as_deref().unwrap_or_default();
    let Some(shadow) = &call.shadow else {
        return reason.to_owned();
    };
    let (policy, outcome, rule) = (&shadow.policy, &shadow.outcome, &shadow.rule);
    let said = format!("[shadow {policy}: {outcome} {rule}]");
    if reason.is_empty() {
        said
    } else {
        format!("{reason} {said}")
    }
}

pub(super) fn acts_listed(acts: &[BookedAct], format: &FormatArg, paint: Paint) -> Done {
    const ACTS: Listing<5> = Listing {
        head: ["TIME", "WHO", "ACT", "SUBJECT", "DETAIL"],
        nothing: "no acts",
    };
    ACTS.show(acts, (format, paint), |act| {
        let detail = act.detail.as_ref().map_or("", |detail| detail.get());
        [
            plain(rfc3339(act.at)),
            plain(&act.actor),
            plain(&act.act),
            plain(&act.subject),
            plain(shortened(detail)),
        ]
    })
}

/// The beginning of a text that may be long; `--json` has the whole.
fn shortened(text: &str) -> String {
    const WIDTH: usize = 80;
    if text == "{}" {
        return String::new();
    }
    match text.char_indices().nth(WIDTH) {
        None => text.to_owned(),
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
    }
}
